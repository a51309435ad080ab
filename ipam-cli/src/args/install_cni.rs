//! What can be said about installing the plugin.

use std::path::{Path, PathBuf};

use clap::Args;

pub(super) const INSTALL_CNI_EXAMPLES: &str =
    "The store is the one of the settings, which the plugin is told: see \
ringfence config view --origin.

Examples:
  ringfence install-cni --etcd-endpoints http://etcd-1.example:2379 --dry-run
  ringfence install-cni --store embedded
  ringfence install-cni --replace-calico-ipam
  ringfence install-cni --replace-calico-ipam --watch --interval 30
  ringfence install-cni --uninstall";

/// What to install, and where.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct InstallCni {
    /// The plugin; without one, the ringfence-ipam beside this program.
    #[arg(long, value_name = "FILE")]
    pub(crate) plugin: Option<PathBuf>,
    /// Where the runtime looks for plugins.
    #[arg(long, value_name = "DIR", default_value = "/opt/cni/bin", value_parser = absolute)]
    pub(crate) bin_dir: PathBuf,
    /// Where the plugin is told its store; it looks here unless a network configuration names another config_file.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/etc/cni/net.d/ringfence-ipam.d",
        value_parser = absolute
    )]
    pub(crate) config_dir: PathBuf,
    /// Put the plugin in the place of calico-ipam too; the one that is there is kept, and put back by --uninstall.
    #[arg(long)]
    pub(crate) replace_calico_ipam: bool,
    /// Let the plugin ask the Kubernetes API under this account; without one, under that of the pod, if this is one.
    #[arg(long, value_name = "DIR", value_parser = absolute)]
    pub(crate) kubeconfig_from_service_account: Option<PathBuf>,
    /// Where the Kubernetes API is; without one, as a pod is told.
    #[arg(long, value_name = "URL", value_parser = server)]
    pub(crate) kubernetes_server: Option<String>,
    /// Stay, and install again whenever something has changed: the token, the settings, or what lies on the node.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) watch: bool,
    /// How many seconds to wait between two looks.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        requires = "watch",
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    pub(crate) interval: u64,
    /// Remove what was installed, and put back what was there before.
    #[arg(
        long,
        conflicts_with_all = [
            "plugin", "replace_calico_ipam", "kubeconfig_from_service_account", "kubernetes_server", "watch",
        ]
    )]
    pub(crate) uninstall: bool,
    /// Tell what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Refuses a path that means something else to whoever runs in another folder, as the plugin does.
fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let is_plain = path.components().all(|part| part.as_os_str() != "..");
    if path.is_absolute() && is_plain {
        return Ok(path.components().collect());
    }
    Err("it must be a path that begins with / and has no '..'".to_owned())
}

fn server(text: &str) -> Result<String, String> {
    match text.strip_prefix("https://") {
        Some(host) if !host.is_empty() && !text.contains(|c: char| c.is_whitespace()) => {
            Ok(text.to_owned())
        }
        _ => Err("it must begin with https://, as a token goes there".to_owned()),
    }
}
