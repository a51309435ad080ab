//! Which store the configuration means.
//!
//! Network configurations can be read by everybody on a node, so passwords and keys stand in the file beside them, or in
//! the environment where `env` permits that.

use std::path::PathBuf;

use ipam_etcd::StoreSettings;
use ipam_etcd::settings::{
    Decision, Given, Layer, Merged, Origin, Rules, Setting, SettingsError, environment,
};
use serde_json::Value;
use tracing::warn;

use crate::mode::Mode;
use crate::protocol::{CniError, Code, Object};

/// What the configuration may say on stdin.
const OPEN: [Setting; 7] = [
    Setting::DatastoreType,
    Setting::DatastorePath,
    Setting::EtcdEndpoints,
    Setting::EtcdDiscoverySrv,
    Setting::EtcdCaCertFile,
    Setting::EtcdCertFile,
    Setting::EtcdKeyFile,
];
/// What only the file may say.
const GUARDED: [Setting; 5] = [
    Setting::EtcdUsername,
    Setting::EtcdPassword,
    Setting::EtcdCaCert,
    Setting::EtcdCert,
    Setting::EtcdKey,
];

/// The fields about the store that only the file may have.
pub(crate) const GUARDED_FIELDS: [&str; 5] =
    ["etcd_username", "etcd_password", "etcd_ca_cert", "etcd_cert", "etcd_key"];

/// The places where the configuration speaks of the store, the strongest first.
pub(crate) struct Places<'a> {
    pub(crate) ipam: &'a Object,
    pub(crate) top: &'a Object,
    pub(crate) file: &'a Object,
    pub(crate) file_path: &'a PathBuf,
    /// Whether the environment is asked too, after all others.
    pub(crate) with_environment: bool,
    pub(crate) mode: Mode,
}

impl Places<'_> {
    /// Decides which store is meant; it is never guessed.
    pub(crate) fn decide(&self) -> Result<StoreSettings, CniError> {
        let Decision { store, warnings } =
            self.merged()?.decide(Rules::PLUGIN).map_err(|error| refused(&error))?;
        for warning in warnings {
            warn!("{warning}");
        }
        Ok(store)
    }

    fn merged(&self) -> Result<Merged, CniError> {
        if self.mode == Mode::Standalone {
            for object in [self.ipam, self.top] {
                refuse_guarded(object)?;
            }
        }
        let in_file = |setting| Origin::ConfigFile(setting, self.file_path.clone());
        let mut file = layer(self.file, &OPEN, in_file)?;
        file.extend(layer(self.file, &GUARDED, in_file)?);
        let mut layers = vec![
            layer(self.ipam, &OPEN, Origin::Ipam)?,
            layer(self.top, &OPEN, Origin::Top)?,
            file,
        ];
        if self.with_environment {
            let environment = environment().map_err(|error| refused(&error))?;
            if self.mode == Mode::Calico {
                // Calico's plugins copy their configuration to variables without this prefix, so one with it is stronger.
                layers.insert(
                    0,
                    environment
                        .iter()
                        .filter(|g| g.origin.is_calicos_variable())
                        .cloned()
                        .collect(),
                );
            }
            layers.push(environment);
        }
        Ok(Merged::of(layers))
    }
}

/// Refuses what must not stand where everybody can read it.
fn refuse_guarded(object: &Object) -> Result<(), CniError> {
    match GUARDED_FIELDS.iter().find(|name| object.contains_key(**name)) {
        None => Ok(()),
        Some(name) => Err(CniError::field(
            name,
            "must not stand in the network configuration, which everybody on the node can read; put it into config_file",
        )),
    }
}

/// Reads some settings of one place.
fn layer(
    object: &Object,
    settings: &[Setting],
    origin: impl Fn(Setting) -> Origin,
) -> Result<Layer, CniError> {
    let mut layer = Layer::new();
    for setting in settings {
        match object.get(setting.field()) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => layer.push(Given::new(*setting, text, origin(*setting))),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(CniError::field(setting.field(), "must be a text"));
            }
        }
    }
    Ok(layer)
}

fn refused(error: &SettingsError) -> CniError {
    let code = match error {
        SettingsError::Kubernetes { .. } | SettingsError::Discovery { .. } => Code::Unsupported,
        SettingsError::StoreName { .. } | SettingsError::NotUtf8 { .. } => Code::Environment,
        SettingsError::Nothing
        | SettingsError::UnknownType { .. }
        | SettingsError::NoEndpoints { .. }
        | SettingsError::Endpoints { .. }
        | SettingsError::Alone { .. }
        | SettingsError::InlineAuthority { .. }
        | SettingsError::InlineAndFile { .. }
        | SettingsError::NotPem { .. }
        | SettingsError::RelativePath { .. }
        | SettingsError::Contradiction { .. }
        | SettingsError::Timeout { .. } => Code::Config,
    };
    CniError::from_chain(code, error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decide(ipam: &Value, top: &Value, file: &Value) -> String {
        let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let (ipam, top, file) = (object(ipam), object(top), object(file));
        let places = Places {
            ipam: &ipam,
            top: &top,
            file: &file,
            file_path: &PathBuf::from("/f"),
            with_environment: false,
            mode: Mode::Standalone,
        };
        match places.decide() {
            Ok(StoreSettings::Etcd(etcd)) => {
                let login =
                    etcd.login.map(|login| format!("{}:{}", login.user, login.password.expose()));
                let urls: Vec<String> = etcd.endpoints.iter().map(ToString::to_string).collect();
                format!("{} {:?} {login:?}", urls.join(","), etcd.tls.and_then(|tls| tls.ca))
            }
            Ok(store) => store.to_string(),
            Err(error) => format!("{:?} {}", error.code, error.message),
        }
    }

    #[test]
    fn each_guarded_setting_has_its_field_on_the_list() {
        assert_eq!(GUARDED.map(Setting::field), GUARDED_FIELDS);
    }

    #[test]
    fn ipam_beats_the_top_which_beats_the_file() {
        let none = || json!({});
        for (ipam, top, file, expected) in [
            (none(), none(), json!({"etcd_endpoints": "http://f"}), "http://f:2379 None None"),
            (
                json!({"etcd_endpoints": "i"}),
                json!({"etcd_endpoints": "t", "etcd_ca_cert_file": "/t"}),
                json!({"etcd_ca_cert_file": "/f", "etcd_username": "u", "etcd_password": "p"}),
                "https://i:2379 Some(File(\"/t\")) Some(\"u:p\")",
            ),
            (
                json!({"etcd_endpoints": "", "datastore_type": null}),
                json!({"datastore_type": "etcdv3", "etcd_endpoints": "t"}),
                none(),
                "https://t:2379 None None",
            ),
            (
                json!({"datastore_type": "embedded"}),
                json!({"etcd_endpoints": "t"}),
                json!({"datastore_path": "/f.db"}),
                "embedded store /f.db",
            ),
            (
                json!({"datastore_type": "etcdv3"}),
                none(),
                json!({"etcd_password": "p", "etcd_endpoints": "e"}),
                "Config field etcd_password of file /f is set without etcd_username; set both or neither",
            ),
        ] {
            assert_eq!(decide(&ipam, &top, &file), expected, "{ipam} {top} {file}");
        }
    }
}
