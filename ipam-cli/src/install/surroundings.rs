//! What this process finds around itself: the program beside it, the pod that it runs in, its own user.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where Kubernetes puts the account of a pod.
pub(super) const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Returns the path of a program in the folder of this one.
pub(super) fn beside(name: &str) -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// Returns where the Kubernetes API is, as Kubernetes tells every pod; `None` where this is no pod.
pub(super) fn kubernetes_server() -> Option<String> {
    let text = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = text("KUBERNETES_SERVICE_HOST")?;
    let port = text("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".to_owned());
    Some(if host.contains(':') {
        format!("https://[{host}]:{port}")
    } else {
        format!("https://{host}:{port}")
    })
}

/// Tells whether a file's owner may be trusted with what runs as root: root, or whoever runs this.
pub(super) fn is_trusted(owner: u32) -> bool {
    let own = || Path::new("/proc/self").metadata().is_ok_and(|metadata| metadata.uid() == owner);
    owner == 0 || own()
}
