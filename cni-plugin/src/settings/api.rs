//! Where the Kubernetes API is, as the configuration says.

use std::path::PathBuf;

use ipam_core::pool::near_miss;
use ipam_kube::{Access, SecretString};
use serde_json::Value;

use crate::protocol::{CniError, Object as Fields};

/// Reads where the API is from the field `kubernetes`.
pub(super) fn access(field: Option<&Value>) -> Result<Option<Access>, CniError> {
    let kubernetes = match field {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(kubernetes)) => kubernetes,
        Some(_) => {
            return Err(CniError::field(
                "kubernetes",
                "must be an object such as {\"kubeconfig\": \"/path\"}",
            ));
        }
    };
    if let Some(name) = kubernetes.keys().find(|name| near_miss(name, &["kubeconfig"]).is_some()) {
        return Err(CniError::field(
            &format!("kubernetes.{name}"),
            "is misspelt; write \"kubeconfig\"",
        ));
    }
    match kubernetes.get("kubeconfig") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(path)) if path.is_empty() => Ok(None),
        Some(Value::String(path)) if path.starts_with('/') => Ok(Some(Access::by_kubeconfig(path))),
        Some(_) => {
            Err(CniError::field("kubernetes.kubeconfig", "must be the absolute path of a file"))
        }
    }
}

/// Reads where the API is as `calico-ipam` does, `None` where it would not ask.
///
/// Source: `calico cni-plugin/internal/pkg/k8s/client.go`.
pub(super) fn calicos_access(top: &Fields) -> Option<Access> {
    let part = |name: &str| in_any_case(top, name).and_then(Value::as_object);
    let text = |part: Option<&Fields>, name: &str| {
        let text = part.and_then(|part| in_any_case(part, name)).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let (kubernetes, policy) = (part("kubernetes"), part("policy"));
    let path = |name: &str| text(policy, name).map(PathBuf::from);
    let access = Access {
        kubeconfig: text(kubernetes, "kubeconfig").map(PathBuf::from),
        server: text(policy, "k8s_api_root").or_else(|| text(kubernetes, "k8s_api_root")),
        token: text(policy, "k8s_auth_token").map(SecretString::from),
        certificate: path("k8s_client_certificate"),
        key: path("k8s_client_key"),
        authority: path("k8s_certificate_authority"),
    };
    let asks = access.kubeconfig.is_some() || text(policy, "type").as_deref() == Some("k8s");
    asks.then_some(access)
}

/// Finds a field as Go reads JSON: case does not matter, and the last counts.
fn in_any_case<'a>(object: &'a Fields, name: &str) -> Option<&'a Value> {
    object
        .iter()
        .filter(|(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .next_back()
}
