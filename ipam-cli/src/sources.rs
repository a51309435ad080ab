//! Where the settings of the datastore come from: flags, the environment, a file, in this order.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipam_etcd::settings::{
    Decision, Given, Layer, Merged, Origin, Rules, Setting, SettingsError, environment,
    parse_store_name,
};

use crate::api_config::{self, ApiConfig};
use crate::args::{CONFIG_FILE, Globals, TIMEOUT_SECONDS};
use crate::cause::Cause;
use crate::warning::Warning;

const BYTES_MAX: u64 = 1024 * 1024;
const OTHERS_READ: u32 = 0o004;

/// What the command line says about settings; nothing is read before somebody asks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    flags: Layer,
    password_file: Option<PathBuf>,
    config: Option<PathBuf>,
}

/// What all sources say.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The values.
    pub(crate) merged: Merged,
    /// The file that was read, and who named it.
    pub(crate) file: Option<(PathBuf, Origin)>,
    /// What is allowed, and perhaps not meant.
    pub(crate) warnings: Vec<Warning>,
}

impl Sources {
    /// Collects what flags say.
    pub(crate) fn of(globals: &Globals) -> Self {
        let store = globals.store.as_deref().unwrap_or_default();
        // Another name was refused when the command line was read.
        let mut flags = parse_store_name(store, &Origin::Flag("--store")).unwrap_or_default();
        let timeout = globals.timeout.map(|seconds| seconds.to_string());
        for (setting, value) in [
            (Setting::EtcdEndpoints, &globals.etcd_endpoints),
            (Setting::EtcdCaCertFile, &globals.etcd_cacert),
            (Setting::EtcdCertFile, &globals.etcd_cert),
            (Setting::EtcdKeyFile, &globals.etcd_key),
            (Setting::EtcdUsername, &globals.etcd_user),
            (Setting::Timeout, &timeout),
        ] {
            if let Some(value) = value {
                flags.push(Given::new(setting, value, flag(setting)));
            }
        }
        let (password_file, config) = (globals.etcd_password_file.clone(), globals.config.clone());
        Self { flags, password_file, config }
    }

    /// Reads what is not read yet, and merges it.
    ///
    /// # Errors
    ///
    /// [`Cause::SettingsFile`], [`Cause::ApiConfig`] and [`Cause::Settings`].
    pub(crate) fn read(&self) -> Result<Settings, Cause> {
        self.read_below(Layer::new())
    }

    /// Reads what is not read yet, and merges it with what is stronger than all of it.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub(crate) fn read_below(&self, strongest: Layer) -> Result<Settings, Cause> {
        let mut flags = self.flags.clone();
        flags.extend(self.password()?);
        let (file, config) = self.config(Path::new(CONFIG_FILE))?;
        let ApiConfig { layer, warnings } = config;
        let merged = Merged::of([strongest, flags, environment()?, layer]);
        Ok(Settings { merged, file, warnings })
    }

    /// Reads the password from the file that is named.
    fn password(&self) -> Result<Option<Given>, Cause> {
        let Some(path) = &self.password_file else { return Ok(None) };
        let (text, _) = read_file(path)?;
        // Editors end a file with a newline that is not meant.
        let password = text.strip_suffix('\n').unwrap_or(&text);
        let password = password.strip_suffix('\r').unwrap_or(password);
        if password.is_empty() {
            return Err(Cause::NoPassword { path: path.clone() });
        }
        Ok(Some(Given::new(Setting::EtcdPassword, password, flag(Setting::EtcdPassword))))
    }

    /// Reads the file that is named, or the one at a usual place if it exists.
    fn config(&self, usual: &Path) -> Result<(Option<(PathBuf, Origin)>, ApiConfig), Cause> {
        let (path, origin) = match &self.config {
            Some(path) => (path.as_path(), Origin::Flag("--config")),
            None => (usual, Origin::Default),
        };
        let (text, is_open) = match read_file(path) {
            Ok(read) => read,
            Err(Cause::SettingsFile { source, .. })
                if self.config.is_none() && source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok((None, ApiConfig::default()));
            }
            Err(cause) => return Err(cause),
        };
        let mut config = api_config::read(&text, path).map_err(|source| Cause::ApiConfig {
            path: path.to_path_buf(),
            source: Box::new(source),
        })?;
        let secret = [Setting::EtcdPassword, Setting::EtcdKey];
        if is_open && config.layer.iter().any(|given| secret.contains(&given.setting)) {
            let message = format!("{} holds a secret, and everybody can read it", path.display());
            config.warnings.push(Warning { code: "RF-W0103", message });
        }
        Ok((Some((path.to_path_buf(), origin)), config))
    }
}

impl Settings {
    /// Decides which store is meant.
    ///
    /// # Errors
    ///
    /// [`Cause::Settings`].
    pub(crate) fn decide(&self) -> Result<(Decision, Vec<Warning>), Cause> {
        Ok(self.decide_by(Rules::COMMAND_LINE)?)
    }

    /// Decides which store is meant by the rules of whoever will ask it.
    ///
    /// # Errors
    ///
    /// [`SettingsError`].
    pub(crate) fn decide_by(
        &self,
        rules: Rules,
    ) -> Result<(Decision, Vec<Warning>), SettingsError> {
        let decision = self.merged.decide(rules)?;
        let told = decision
            .warnings
            .iter()
            .map(|warning| Warning { code: "RF-W0101", message: warning.to_string() });
        let warnings = self.warnings.iter().cloned().chain(told).collect();
        Ok((decision, warnings))
    }

    /// Returns how long to wait for the store.
    ///
    /// # Errors
    ///
    /// [`Cause::Settings`].
    pub(crate) fn timeout(&self) -> Result<Duration, Cause> {
        let default = Duration::from_secs(TIMEOUT_SECONDS);
        Ok(self.merged.timeout()?.unwrap_or(default))
    }
}

fn flag(setting: Setting) -> Origin {
    Origin::Flag(setting.flag().unwrap_or_else(|| setting.key()))
}

/// Reads a file up to a limit, and finds out whether everybody may.
fn read_file(path: &Path) -> Result<(String, bool), Cause> {
    let failed = |source| Cause::SettingsFile { path: path.to_path_buf(), source };
    let read = || {
        let mut text = String::new();
        let file = File::open(path)?;
        let mode = fs::metadata(path)?.mode();
        if file.take(BYTES_MAX + 1).read_to_string(&mut text)? > 1024 * 1024 {
            return Err(io::Error::other("it is larger than 1 MiB"));
        }
        Ok((text, mode & OTHERS_READ != 0))
    };
    read().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_behind_a_password_is_not_meant() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let sources = Sources { password_file: Some(path.clone()), ..Sources::default() };
        for (text, password) in [
            ("p", Some("p")),
            (" p \n", Some(" p ")),
            ("p\r\n", Some("p")),
            ("p\n\n", Some("p\n")),
            ("\n", None),
            ("", None),
        ] {
            fs::write(&path, text).unwrap();
            let found = sources.password().ok().flatten().map(|given| given.value);
            assert_eq!(found.as_deref(), password, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_nobody_named_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calicoctl.cfg");
        let named = Sources { config: Some(path.clone()), ..Sources::default() };
        let (found, config) = Sources::default().config(&path).unwrap();
        assert!(found.is_none() && config.layer.is_empty());
        assert!(matches!(named.config(&path), Err(Cause::SettingsFile { .. })));
        fs::write(
            &path,
            "apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nspec: {etcdUsername: u}\n",
        )
        .unwrap();
        for (sources, origin) in [(&Sources::default(), "default"), (&named, "flag --config")] {
            let (found, config) = sources.config(&path).unwrap();
            assert_eq!(found.unwrap().1.to_string(), origin);
            assert_eq!(config.layer.len(), 1);
        }
        // One that is there counts, so it must be understood.
        fs::write(&path, "kind: CalicoAPIConfig").unwrap();
        assert!(matches!(Sources::default().config(&path), Err(Cause::ApiConfig { .. })));
    }
}
