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
mod compaction;
mod endpoints;
mod faults;
mod full;
mod odd_keys;
mod requests;
mod roles;
mod unknown;
mod users;

use std::future::{Future, pending};
use std::sync::LazyLock;
use std::thread;

use ipam_etcd::settings::{Endpoint, EtcdSettings};
use tokio::runtime::Handle;

/// A connection lives as long as the runtime that it was made in, so one thread runs one for all tests.
static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(pending::<()>()));
    handle
});

/// Runs a future to its end.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// Describes a cluster that is reached in plain text without a user.
fn at(endpoints: &[impl AsRef<str>]) -> EtcdSettings {
    let endpoint = |url: &str| Endpoint { url: url.to_owned() };
    let endpoints = endpoints.iter().map(|url| endpoint(url.as_ref())).collect();
    EtcdSettings { endpoints, tls: None, login: None }
}

/// Tells a figure to whoever runs the tests with `--nocapture`.
#[allow(clippy::print_stdout, reason = "the test runner keeps it for whoever wants to see it")]
fn tell(figure: &str) {
    println!("{figure}");
}
