//! The Kubernetes API: a stand-in for it, and the real server where its program can be had.
//!
//! The stand-in shows pods and namespaces over HTTPS, and fails in every way in which such a server can: the real one, which
//! `tests/tests/kubernetes/real.rs` asks, cannot be made to hang, lie or break off at a chosen moment.

mod connection;
mod https;
mod kubeconfig;
mod program;
mod real;
mod reply;
mod server;

pub use kubeconfig::kubeconfig;
pub use real::RealServer;
pub use reply::Reply;
pub use server::{ApiServer, Seen};
