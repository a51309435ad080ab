//! How a server is reached, in the words of Kubernetes.

use std::path::Path;

use serde_json::{Value, json};

/// Makes a kubeconfig for a server, the certificate of its authority, and a user who is described so.
#[must_use]
pub fn kubeconfig(server: &str, authority: &Path, user: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {
            "server": server,
            "certificate-authority": authority,
        }}],
        "users": [{"name": "it", "user": user}],
    })
}
