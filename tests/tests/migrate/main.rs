//! `ringfence migrate` as a process, between the embedded store and real etcd.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests"
)]

mod afterwards;
mod cut_short;
mod large;
mod refusals;
mod round_trip;

use std::future::Future;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use ipam_core::kv::{self, Key, Kv, Op, Range, Read, Revision, Txn};
use ipam_core::model::key;
use ipam_etcd::embedded::{Create, EmbeddedStore};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::Endpoint;
use ipam_etcd::{EtcdSettings, Store};
use ipam_tests::binaries::binary;
use ipam_tests::world::World;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

const DEADLINE: Duration = Duration::from_secs(30);
/// A value that is no JSON, and no text.
const BYTES: &[u8] = b"\x00\xff not JSON";

/// What a run of the program left behind.
#[derive(Debug)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

thread_local! {
    /// One for all that a test does: connections belong to the runtime in which they were made.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

fn start(args: &[&str]) -> Child {
    let mut command = Command::new(binary("ringfence"));
    command.env_clear().args(["migrate"]).args(args).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Run {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    Run {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

fn run(args: &[&str]) -> Run {
    end(start(args))
}

/// Migrates, which must succeed, and returns what is reported.
fn migrate(from: &str, to: &str) -> Value {
    let run = run(&[from, to, "-o", "json"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["kind"], "MigrationList");
    report
}

/// Says whether a table has this row, whatever the widths of its columns.
fn has_row(table: &str, row: &str) -> bool {
    table.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") == row)
}

/// Migrates, which must fail with this code and error, and returns what is told.
fn fails(args: &[&str], code: i32, name: &str) -> String {
    let run = run(args);
    assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{run:?}");
    assert!(run.stderr.contains(&format!("[{name}]")), "{run:?}");
    run.stderr
}

fn embedded(path: &Path) -> String {
    format!("embedded:{}", path.display())
}

fn etcd(url: &str) -> String {
    format!("etcd:{url}")
}

fn etcd_at(url: &str) -> EtcdStore {
    let endpoints = vec![Endpoint { url: url.to_owned() }];
    EtcdStore::new(EtcdSettings { endpoints, tls: None, login: None }, None)
}

fn open(path: &Path) -> EmbeddedStore {
    EmbeddedStore::open(path, Create::Never, DEADLINE).unwrap()
}

/// Returns everything that a store holds, revisions included.
fn everything(store: &impl Store) -> Vec<Kv> {
    let txn = Txn::read([Read::values(Range::between("", "\u{7f}"))]);
    block_on(store.txn(&txn, DEADLINE)).unwrap().reads.remove(0).kvs
}

/// Returns what a store holds below the roots, without revisions.
fn contents(store: &impl Store) -> Vec<(Key, kv::Value)> {
    let is_below = |kv: &Kv| key::ROOTS.iter().any(|root| kv.key.starts_with(root));
    everything(store).into_iter().filter(is_below).map(|kv| (kv.key, kv.value)).collect()
}

fn revision(store: &impl Store) -> Revision {
    block_on(store.txn(&Txn::default(), DEADLINE)).unwrap().revision
}

fn put(store: &impl Store, key: &str, value: &[u8]) {
    let put = Op::put(key, value.to_owned());
    block_on(store.txn(&Txn { then: vec![put], ..Txn::default() }, DEADLINE)).unwrap();
}

/// Stores many keys.
fn fill(store: &impl Store, keys: impl IntoIterator<Item = (String, Vec<u8>)>) {
    let puts: Vec<Op> = keys.into_iter().map(|(key, value)| Op::put(key, value)).collect();
    for then in puts.chunks(Txn::OPS_MAX) {
        let txn = Txn { then: then.to_vec(), ..Txn::default() };
        block_on(store.txn(&txn, DEADLINE)).unwrap();
    }
}

/// Makes an embedded store with something of every kind, also what nobody here understands.
fn world() -> World {
    let world = World::with_pools(&[
        ("a", json!({"cidr": "10.1.0.0/24", "blockSize": 28})),
        ("a6", json!({"cidr": "fd00:1::/112", "blockSize": 124})),
    ]);
    world.put("/calico/ipam/v2/config", r#"{"strict_affinity":true,"auto_allocate_blocks":true}"#);
    world.put("/calico/ipam/v2/assignment/ipv4/block/10.9.0.0-26", BYTES);
    world.put("/calico/ipam/v2/host/n1", "{}");
    world.put("/calico/resources/v3/projectcalico.org/tiers/default", "not ours");
    world.put("/calico/resources/v3/projectcalico.org/workloadendpoints/fin/x", BYTES);
    world.put("/ringfence/v1/bindings/fin", r#"{"mode":"required","ipv4Pools":["a"]}"#);
    world.put("/ringfence/v1/pools/a", r#"{"exclusive":true}"#);
    world.put("/ringfence/v1/empty", "");
    world
}
