//! A stand-in for the Kubernetes API: pods and namespaces over HTTPS, and every way in which such a server can fail.
//!
//! The real one is asked by `tests/tests/kubernetes/real.rs`; it cannot be made to hang, lie or break off at a chosen moment.

mod connection;
mod reply;
mod server;

pub use reply::Reply;
pub use server::{ApiServer, Seen};
