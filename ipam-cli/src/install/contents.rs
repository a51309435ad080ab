//! What shall lie on the node, all of it.

use std::fs;
use std::path::{Path, PathBuf};

use ipam_etcd::settings::{Rules, SettingsError};
use serde_json::{Map, Value, json};

use super::wanted::{SECRET_MODE, Wanted};
use super::{InstallError, config, kubeconfig, surroundings};
use crate::args::InstallCni;
use crate::cause::Cause;
use crate::sources::Settings;
use crate::warning::Warning;

const PROGRAM_MODE: u32 = 0o755;
/// How a program begins that Linux runs by itself.
const ELF: &[u8] = b"\x7fELF";
const PLUGIN: &str = "ringfence-ipam";
const CALICOS_PLUGIN: &str = "calico-ipam";
const CALICOS_PLUGIN_KEPT: &str = "calico-ipam.before-ringfence";

/// Returns where the plugin is installed.
pub(crate) fn plugin_path(bin_dir: &Path) -> PathBuf {
    bin_dir.join(PLUGIN)
}

/// Collects what shall lie on the node: each file after those that it names, and the plugin after what tells it its store.
///
/// # Errors
///
/// [`Cause::Install`] where something cannot be read, [`Cause::Settings`] where the settings contradict each other.
pub(crate) fn wanted(
    args: &InstallCni,
    settings: &Settings,
) -> Result<(Vec<Wanted>, Vec<Warning>), Cause> {
    let folder = &args.config_dir;
    let (mut fields, mut warnings) = store_fields(settings)?;
    let mut files = Vec::new();
    if surroundings::kubernetes_server().is_some() {
        files.extend(config::copy_files(&mut fields, folder)?);
    }
    if let Some(account) = account(args) {
        let server = args.kubernetes_server.clone().or_else(surroundings::kubernetes_server);
        let of_account =
            kubeconfig::files(&account, &server.ok_or(InstallError::NoServer)?, folder)?;
        let path = folder.join("kubeconfig");
        fields.insert("kubernetes".to_owned(), json!({"kubeconfig": path}));
        files.extend(of_account);
    }
    let text = format!("{:#}\n", Value::Object(fields));
    files.push(Wanted::new(folder.join("config.json"), text, SECRET_MODE));
    let program = program(args)?;
    files.push(Wanted::new(plugin_path(&args.bin_dir), program.clone(), PROGRAM_MODE));
    if args.replace_calico_ipam {
        let place = Wanted::new(args.bin_dir.join(CALICOS_PLUGIN), program, PROGRAM_MODE);
        files.push(Wanted { aside: Some(args.bin_dir.join(CALICOS_PLUGIN_KEPT)), ..place });
    }
    warnings.extend(settings.warnings.iter().cloned());
    Ok((files, warnings))
}

/// Says which store the plugin is told. Without a word about one it is told none: the network configuration may name it, and
/// the plugin never guesses.
fn store_fields(settings: &Settings) -> Result<(Map<String, Value>, Vec<Warning>), Cause> {
    match settings.decide_by(Rules::PLUGIN) {
        Ok((decision, warnings)) => {
            Ok((config::store_fields(&settings.merged, &decision.store), warnings))
        }
        Err(SettingsError::Nothing) => {
            let message = "nothing says which store the plugin shall use, so that every network configuration must \
                           name it"
                .to_owned();
            Ok((Map::new(), vec![Warning { code: "RF-W0801", message }]))
        }
        Err(error) => Err(error.into()),
    }
}

/// Finds the account under which the plugin asks the Kubernetes API: the one that is named, else that of this pod.
fn account(args: &InstallCni) -> Option<PathBuf> {
    let own = || {
        let own = PathBuf::from(surroundings::SERVICE_ACCOUNT);
        let is_meant = args.kubernetes_server.is_some()
            || (surroundings::kubernetes_server().is_some() && own.join("token").exists());
        is_meant.then_some(own)
    };
    args.kubeconfig_from_service_account.clone().or_else(own)
}

fn program(args: &InstallCni) -> Result<Vec<u8>, InstallError> {
    let what = "the plugin";
    let beside = || surroundings::beside(PLUGIN);
    let path = args
        .plugin
        .clone()
        .map_or_else(beside, Ok)
        .map_err(|source| InstallError::Unreadable { what, path: PathBuf::from(PLUGIN), source })?;
    match fs::read(&path) {
        Ok(bytes) if bytes.starts_with(ELF) => Ok(bytes),
        Ok(_) => Err(InstallError::Unfit { what, path, why: "is not a program for Linux" }),
        Err(source) => Err(InstallError::Unreadable { what, path, source }),
    }
}
