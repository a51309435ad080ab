//! The file of calicoctl, which says where the datastore is.
//!
//! Reading is strict, as calicoctl's: a field that is misspelt would silently not count, and addresses would come from
//! another store.

use std::path::Path;

use ipam_core::pool::distance;
use ipam_etcd::settings::{Given, Layer, Origin, Setting};
use serde_json::{Map, Value};

use crate::warning::Warning;

const API_VERSION: &str = "projectcalico.org/v3";
const KIND: &str = "CalicoAPIConfig";
const TOP: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];
/// What describes the file itself. Nothing of it counts.
const METADATA: [&str; 9] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "selfLink",
];
/// Fields that only a datastore in Kubernetes needs.
const KUBERNETES: [&str; 12] = [
    "kubeconfig",
    "kubeconfigInline",
    "k8sAPIEndpoint",
    "k8sAPIToken",
    "k8sCAFile",
    "k8sCertFile",
    "k8sClientQPS",
    "k8sCurrentContext",
    "k8sDisableNodePoll",
    "k8sInsecureSkipTLSVerify",
    "k8sKeyFile",
    "k8sUsePodCIDR",
];

/// What a file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct ApiConfig {
    /// The values.
    pub(crate) layer: Layer,
    /// What does not count.
    pub(crate) warnings: Vec<Warning>,
}

/// A mistake in a file. No message holds a value of `spec`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiConfigError {
    /// The text is not YAML.
    #[error("the text is not YAML")]
    Yaml(#[source] Box<serde_saphyr::Error>),
    /// There is more than one document.
    #[error("there are {documents} documents; there must be one")]
    Several {
        /// How many there are.
        documents: usize,
    },
    /// A field holds a value of another type.
    #[error("{path} must be {expected}")]
    Shape {
        /// The field, from the top.
        path: String,
        /// What it must hold.
        expected: &'static str,
    },
    /// A field is missing, or says that this is another kind of file.
    #[error("{field} is {}; it must be {expected}", shown(given.as_deref()))]
    Head {
        /// The field.
        field: &'static str,
        /// What it holds.
        given: Option<String>,
        /// What it must hold.
        expected: &'static str,
    },
    /// A field is not known.
    #[error("{path} is not a field of {KIND}{}", hint(*nearest))]
    Unknown {
        /// The field, from the top.
        path: String,
        /// The field that was probably meant.
        nearest: Option<&'static str>,
    },
}

/// Reads the text of a file, in YAML or JSON. An empty one says nothing.
///
/// # Errors
///
/// [`ApiConfigError`] with the first mistake.
pub(crate) fn read(text: &str, path: &Path) -> Result<ApiConfig, ApiConfigError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
    };
    let mut documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|source| ApiConfigError::Yaml(Box::new(source)))?;
    if documents.len() > 1 {
        return Err(ApiConfigError::Several { documents: documents.len() });
    }
    let Some(document) = documents.pop() else { return Ok(ApiConfig::default()) };
    let top = object("the file", document)?;
    check_names("", &top, TOP)?;
    check_head(&top, "apiVersion", API_VERSION)?;
    check_head(&top, "kind", KIND)?;
    for (name, value) in top {
        match name.as_str() {
            "metadata" => check_names("metadata.", &object(&name, value)?, METADATA)?,
            "spec" => return spec(object(&name, value)?, path),
            _ => {}
        }
    }
    Ok(ApiConfig::default())
}

fn spec(fields: Map<String, Value>, path: &Path) -> Result<ApiConfig, ApiConfigError> {
    check_names("spec.", &fields, Setting::ALL.map(Setting::key).into_iter().chain(KUBERNETES))?;
    let mut config = ApiConfig::default();
    for (name, value) in fields {
        let setting = Setting::ALL.into_iter().find(|setting| setting.key() == name);
        let text = match (setting, value) {
            (_, Value::Null) => continue,
            (Some(_), Value::String(text)) => text,
            (Some(Setting::Timeout), Value::Number(number)) => number.to_string(),
            (Some(_), _) => {
                let path = format!("spec.{name}");
                return Err(ApiConfigError::Shape { path, expected: "a text; put it into quotes" });
            }
            (None, _) => {
                let message =
                    format!("field {name} of {} is for Kubernetes; it is not used", path.display());
                config.warnings.push(Warning { code: "RF-W0102", message });
                continue;
            }
        };
        if let Some(setting) = setting {
            let origin = Origin::ApiConfig(setting, path.to_path_buf());
            config.layer.push(Given::new(setting, text, origin));
        }
    }
    Ok(config)
}

/// Takes a value as a map of fields; nothing is a map of none.
fn object(path: &str, value: Value) -> Result<Map<String, Value>, ApiConfigError> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(object) => Ok(object),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(ApiConfigError::Shape { path: path.to_owned(), expected: "a map of fields" })
        }
    }
}

fn check_head(
    top: &Map<String, Value>,
    field: &'static str,
    expected: &'static str,
) -> Result<(), ApiConfigError> {
    match top.get(field) {
        Some(Value::String(given)) if given == expected => Ok(()),
        given => {
            let given = given.map(ToString::to_string);
            Err(ApiConfigError::Head { field, given, expected })
        }
    }
}

fn check_names(
    place: &str,
    object: &Map<String, Value>,
    known: impl IntoIterator<Item = &'static str>,
) -> Result<(), ApiConfigError> {
    let known: Vec<&'static str> = known.into_iter().collect();
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let path = format!("{place}{name}");
            Err(ApiConfigError::Unknown { path, nearest: nearest(name, &known) })
        }
    }
}

/// Returns the known name that differs least from a name, and by no more than a third of it.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let far = name.chars().count().div_ceil(3).max(2);
    let all = known.iter().map(|known| (distance(&known.to_ascii_lowercase(), &lower), *known));
    all.filter(|(distance, _)| *distance <= far).min().map(|(_, known)| known)
}

fn shown(given: Option<&str>) -> &str {
    given.unwrap_or("missing")
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; write {name}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\n";

    fn told(text: &str) -> String {
        match read(text, Path::new("/c")) {
            Ok(config) => {
                let values = config
                    .layer
                    .iter()
                    .map(|given| format!("{}={}", given.setting.key(), given.value));
                let warnings = config.warnings.iter().map(|warning| warning.message.clone());
                values.chain(warnings).collect::<Vec<_>>().join("; ")
            }
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn a_file_of_calicoctl_is_read() {
        let json = r#"{"apiVersion":"projectcalico.org/v3","kind":"CalicoAPIConfig","spec":{"etcdEndpoints":"a"}}"#;
        let pem = "metadata: {name: x}\nspec:\n  etcdKey: |\n    -----BEGIN X-----\n    -----END X-----\n";
        for (text, expected) in [
            (
                format!("{HEAD}metadata:\nspec:\n  datastoreType: etcdv3\n  etcdEndpoints: a,b\n"),
                "datastoreType=etcdv3; etcdEndpoints=a,b",
            ),
            (json.to_owned(), "etcdEndpoints=a"),
            (format!("{HEAD}{pem}"), "etcdKey=-----BEGIN X-----\n-----END X-----\n"),
            (
                format!("{HEAD}spec: {{timeout: 9, datastorePath: /x, etcdPassword: null}}"),
                "datastorePath=/x; timeout=9",
            ),
            (
                format!("{HEAD}spec: {{kubeconfig: x}}"),
                "field kubeconfig of /c is for Kubernetes; it is not used",
            ),
            (HEAD.to_owned(), ""),
            (String::new(), ""),
            ("# nothing\n".to_owned(), ""),
        ] {
            // The order of the fields is that of the file, or of their names.
            let mut found: Vec<_> = told(&text).split("; ").map(str::to_owned).collect();
            let mut wanted: Vec<_> = expected.split("; ").map(str::to_owned).collect();
            if text.contains("timeout") {
                found.sort();
                wanted.sort();
            }
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (text, expected) in [
            (
                "spec: {etcdEndpoint: hush}",
                "spec.etcdEndpoint is not a field of CalicoAPIConfig; write etcdEndpoints",
            ),
            (
                "spec: {EtcdCaCertFile: hush}",
                "spec.EtcdCaCertFile is not a field of CalicoAPIConfig; write etcdCACertFile",
            ),
            (
                "spec: {etcd_endpoints: hush}",
                "spec.etcd_endpoints is not a field of CalicoAPIConfig; write etcdEndpoints",
            ),
            ("spec: {colour: hush}", "spec.colour is not a field of CalicoAPIConfig"),
            ("Spec: {}", "Spec is not a field of CalicoAPIConfig; write spec"),
            ("metadata: {nam: x}", "metadata.nam is not a field of CalicoAPIConfig; write name"),
            ("spec: {etcdPassword: 123}", "spec.etcdPassword must be a text; put it into quotes"),
            (
                "spec: {etcdEndpoints: [hush]}",
                "spec.etcdEndpoints must be a text; put it into quotes",
            ),
            ("spec: hush", "spec must be a map of fields"),
            ("---\na: b", "there are 2 documents; there must be one"),
        ] {
            assert_eq!(told(&format!("{HEAD}{text}\n")), format!("error: {expected}"));
        }
        for (text, expected) in [
            ("kind: CalicoAPIConfig", "apiVersion is missing; it must be projectcalico.org/v3"),
            (
                "apiVersion: v1\nkind: CalicoAPIConfig",
                "apiVersion is \"v1\"; it must be projectcalico.org/v3",
            ),
            (
                "apiVersion: projectcalico.org/v3\nkind: IPPool",
                "kind is \"IPPool\"; it must be CalicoAPIConfig",
            ),
            ("a: [", "the text is not YAML"),
            ("[]", "the file must be a map of fields"),
        ] {
            assert_eq!(told(text), format!("error: {expected}"));
        }
    }
}
