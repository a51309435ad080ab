//! The file by which the plugin reaches the Kubernetes API under the account of a pod.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::InstallError;
use super::wanted::{SECRET_MODE, Wanted};

/// What is installed for an account, the file that names the others last.
///
/// A pod sees its token under a path that the node does not have, and Kubernetes exchanges it long before it expires. So it
/// is copied, and the file names the copy: whoever copies it again changes one file, and the plugin reads that each time.
///
/// # Errors
///
/// [`InstallError::Unreadable`] and [`InstallError::Unfit`].
pub(super) fn files(
    account: &Path,
    server: &str,
    folder: &Path,
) -> Result<[Wanted; 3], InstallError> {
    let read = |what, name| {
        let path = account.join(name);
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().is_empty() => {
                Err(InstallError::Unfit { what, path, why: "is empty" })
            }
            Ok(text) => Ok(text.trim().to_owned()),
            Err(source) => Err(InstallError::Unreadable { what, path, source }),
        }
    };
    let wanted = |name, text: String| Wanted::new(folder.join(name), text, SECRET_MODE);
    let token = wanted("token", read("the token of the service account", "token")?);
    let authority = read("the authority of the Kubernetes API", "ca.crt")?;
    let authority = wanted("kubernetes-ca.crt", format!("{authority}\n"));
    let text = kubeconfig(server, &authority.path, &token.path);
    Ok([token, authority, wanted("kubeconfig", text)])
}

fn kubeconfig(server: &str, authority: &Path, token: &Path) -> String {
    // A text of JSON is one of YAML.
    let quoted = |text: &str| Value::from(text).to_string();
    let path = |path: &Path| quoted(&path.to_string_lossy());
    format!(
        "# Written by ringfence install-cni, which replaces it.
apiVersion: v1
kind: Config
clusters:
- name: kubernetes
  cluster:
    server: {server}
    certificate-authority: {authority}
users:
- name: ringfence-ipam
  user:
    tokenFile: {token}
contexts:
- name: ringfence-ipam
  context:
    cluster: kubernetes
    user: ringfence-ipam
current-context: ringfence-ipam
",
        server = quoted(server),
        authority = path(authority),
        token = path(token),
    )
}
