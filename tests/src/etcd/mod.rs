//! Real etcd for tests: servers, clusters, certificates, and a proxy that breaks connections where a test says.
//!
//! Everything is bound to loopback, and nothing outlives the process of the tests, however that ends: the kernel kills
//! the servers then, and a shell that waited for it removes their data.

pub mod auth;
mod cleaner;
pub mod cluster;
pub mod ctl;
mod http;
pub mod metrics;
pub mod options;
pub mod pki;
pub(crate) mod process;
pub mod proxy;
pub mod server;
pub mod shared;
pub mod slot;
pub mod version;
pub mod world;

pub use auth::User;
pub use cluster::Cluster;
pub use ctl::Ctl;
pub use metrics::Metrics;
pub use options::{Listen, Options};
pub use pki::{Identity, Pki};
pub use proxy::{Counts, Fault, Moment, Proxy};
pub use server::Etcd;
pub use shared::Shared;
pub use version::Version;
pub use world::{EtcdWorld, block_on};
