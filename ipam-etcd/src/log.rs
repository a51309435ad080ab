//! Whose lines a log shows.

use tracing::Metadata;

/// The crates of this project, as targets of log lines begin.
const OURS: [&str; 5] = ["ipam_core", "ipam_etcd", "ipam_kube", "ipam_cli", "cni_plugin"];

/// Says whether a log line is this project's own. The libraries below tell of every frame of a connection.
#[must_use]
pub fn is_ours(metadata: &Metadata<'_>) -> bool {
    let crate_of = metadata.target().split("::").next();
    crate_of.is_some_and(|name| OURS.contains(&name) || name.starts_with("ringfence"))
}
