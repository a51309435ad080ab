//! Which store is meant, and how it is reached.
//!
//! Sources such as flags, the environment and files are read elsewhere, each into a [`Layer`]; here they are merged, and
//! judged. Every value keeps its [`Origin`], so that an error can say where to mend it.

mod endpoint;
mod environment;
mod error;
mod etcd;
mod layer;
mod merge;
mod origin;
mod secret;
mod setting;
mod store_name;
mod tls;
mod warning;

use std::fmt;
use std::path::PathBuf;

pub use endpoint::{Endpoint, EndpointFault, Endpoints, Scheme};
pub use environment::environment;
pub use error::SettingsError;
pub use etcd::{EtcdSettings, Login};
pub use layer::{Given, Layer};
pub use merge::{Decision, Merged, Rules};
pub use origin::Origin;
pub use secret::Secret;
pub use setting::Setting;
pub use store_name::{parse_one_of_two, parse_store_name};
pub use tls::{Pem, TlsSettings};
pub use warning::SettingsWarning;

/// Where the embedded store lies when nothing else is said.
pub const EMBEDDED_PATH: &str = "/var/lib/ringfence/store.db";

/// Which store to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSettings {
    /// A file on this machine.
    Embedded {
        /// Where it lies.
        path: PathBuf,
    },
    /// An etcd cluster.
    Etcd(EtcdSettings),
}

impl StoreSettings {
    /// Names the embedded store at a path, [`EMBEDDED_PATH`] if `None`.
    #[must_use]
    pub fn embedded(path: Option<&str>) -> Self {
        Self::Embedded { path: PathBuf::from(path.unwrap_or(EMBEDDED_PATH)) }
    }
}

impl fmt::Display for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { path } => write!(f, "embedded store {}", path.display()),
            Self::Etcd(etcd) => {
                let urls: Vec<&str> = etcd.endpoints.iter().map(|one| one.url.as_str()).collect();
                write!(f, "etcd {}", urls.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests;
