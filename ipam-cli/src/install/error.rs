//! Why the plugin is not installed, or not removed.

use std::io;
use std::path::PathBuf;

/// Why the plugin is not installed, or not removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstallError {
    /// What shall be installed cannot be read.
    #[error("{what} {} cannot be read", path.display())]
    Unreadable {
        /// What it is.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// What shall be installed is not what it should be.
    #[error("{what} {} {why}", path.display())]
    Unfit {
        /// What it should be.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What it is instead, as the end of a sentence.
        why: &'static str,
    },
    /// Nobody says where the Kubernetes API is.
    #[error("nobody says where the Kubernetes API is: KUBERNETES_SERVICE_HOST is not set here")]
    NoServer,
    /// Something lies where a file would be put, and was not put there by this command.
    #[error("{} was not put there by ringfence install-cni", path.display())]
    Foreign {
        /// What lies there.
        path: PathBuf,
    },
    /// Something was changed since it was installed.
    #[error("{} is not what ringfence install-cni put there", path.display())]
    Changed {
        /// What was changed.
        path: PathBuf,
    },
    /// What was kept of the old `calico-ipam` is gone.
    #[error("{}, which was kept to be restored, is gone", path.display())]
    KeptGone {
        /// Where it was.
        path: PathBuf,
    },
    /// A run before this one installed more.
    #[error("{} was installed before, and is not asked for now", path.display())]
    Unwanted {
        /// What was installed.
        path: PathBuf,
    },
    /// The folder of the configuration belongs to others too.
    #[error("folder {} {why}", path.display())]
    Unsafe {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it, as the end of a sentence.
        why: &'static str,
    },
    /// Another run is at work.
    #[error("another ringfence install-cni is at work on {}", path.display())]
    Busy {
        /// The folder of the configuration.
        path: PathBuf,
    },
    /// The list of what was installed cannot be understood.
    #[error("{} cannot be understood: {why}", path.display())]
    Record {
        /// The list.
        path: PathBuf,
        /// The mistake.
        why: String,
    },
    /// What lies on the node cannot be looked at.
    #[error("{} cannot be looked at", path.display())]
    Look {
        /// What lies there.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file cannot be changed.
    #[error("{} cannot be changed", path.display())]
    Change {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}
