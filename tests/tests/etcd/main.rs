//! The store in etcd, on real servers: what it says when it cannot be used, and what it does when they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod broken;
mod cluster;
mod endpoints;
mod faults;
mod full;
mod requests;
mod unknown;
mod users;

use std::future::Future;

use ipam_etcd::settings::{Endpoint, EtcdSettings};

/// Runs a future to its end in this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Describes a cluster that is reached in plain text without a user.
fn at(endpoints: &[impl AsRef<str>]) -> EtcdSettings {
    let endpoint = |url: &str| Endpoint { url: url.to_owned() };
    let endpoints = endpoints.iter().map(|url| endpoint(url.as_ref())).collect();
    EtcdSettings { endpoints, tls: None, login: None }
}
