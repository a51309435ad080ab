//! The store in etcd, on real servers: what it says when it cannot be used, and what it does when they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod faults;

use std::error::Error;
use std::future::Future;
use std::time::{Duration, Instant};

use ipam_core::kv::{Op, Range, Read, Txn};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::{Endpoint, EtcdSettings, Login, Pem, Secret, TlsSettings};
use ipam_etcd::{Store, StoreError};
use ipam_tests::etcd::{Identity, Pki};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Describes a cluster that is reached in plain text without a user.
fn at(endpoints: &[&str]) -> EtcdSettings {
    let endpoints = endpoints.iter().map(|url| Endpoint { url: (*url).to_owned() }).collect();
    EtcdSettings { endpoints, tls: None, login: None }
}

fn with_tls(mut settings: EtcdSettings, pki: &Pki, identity: Option<&Identity>) -> EtcdSettings {
    let file = |path: &std::path::Path| Pem::File(path.to_owned());
    let identity = identity.map(|one| (file(&one.certificate), file(&one.key)));
    settings.tls = Some(TlsSettings { ca: Some(file(pki.authority())), identity });
    settings
}

fn as_user(mut settings: EtcdSettings, user: &str, password: &str) -> EtcdSettings {
    settings.login = Some(Login { user: user.to_owned(), password: Secret::new(password) });
    settings
}

fn put(key: &str, value: &str) -> Txn {
    let op = Op::Put { key: key.to_owned(), value: value.as_bytes().to_vec() };
    Txn { then: vec![op], ..Txn::default() }
}

fn get(key: &str) -> Txn {
    Txn::read([Read::values(Range::key(key))])
}

/// Sends a transaction that must fail, and returns the error, its cause, and how long it took.
fn failure(
    settings: EtcdSettings,
    txn: &Txn,
    deadline: Duration,
) -> (StoreError, String, Duration) {
    let started = Instant::now();
    let store = EtcdStore::new(settings, None);
    let error = block_on(store.txn(txn, deadline)).unwrap_err();
    let cause = error.source().unwrap().to_string();
    (error, cause, started.elapsed())
}
