//! One suite for every store: what `Store` promises, each promise a test, each test on every store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod changes;
mod random;
mod reads;
mod stores;

use std::future::pending;
use std::sync::{Barrier, LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use ipam_core::kv::{Compare, Kv, Op, Range, Read, ReadReply, Revision, Txn, TxnReply};
use ipam_etcd::Store;
use ipam_tests::etcd::Version;
use tokio::runtime::Handle;

use changes::*;
use random::*;
use reads::*;
use stores::Fresh;

const DEADLINE: Duration = Duration::from_secs(30);

/// Each failed attempt is somebody else's success, of which these tests have fewer.
const ATTEMPTS_MAX: u32 = 1_000;

/// Runs each promise as a test of its own on each store; one that is not on this machine keeps them by doing nothing.
macro_rules! suite {
    ($($store:ident: $factory:expr;)+) => {
        $(mod $store {
            use super::*;
            suite! { @promises $factory;
                a_fresh_store_is_empty_and_at_the_initial_revision
                all_writes_of_a_transaction_share_one_revision
                only_changes_advance_the_revision
                history_is_kept_in_numbers
                a_compare_on_a_key_needs_exactly_its_mod_revision
                a_compare_on_a_range_notices_new_and_changed_keys_only
                a_compare_on_a_value_needs_exactly_its_bytes
                every_compare_must_hold
                a_failed_transaction_writes_nothing_and_answers_the_other_reads
                reads_see_the_steps_before_them
                ranges_cover_what_they_say
                keys_come_in_the_order_of_their_bytes
                a_limit_cuts_the_keys_but_not_the_count
                projections_bring_what_they_say
                keys_and_values_are_kept_byte_for_byte
                the_longest_lists_are_accepted_and_longer_ones_refused
                writing_a_key_twice_is_refused
                concurrent_transactions_lose_no_update
                an_answered_write_is_seen_by_everyone
                a_store_has_a_name
                handles_on_one_store_behave_like_processes
                handles_on_one_store_see_each_others_writes_at_once
                reopening_keeps_everything
                transactions_get_the_model_s_answers
            }
        })+
    };
    (@promises $factory:expr; $($promise:ident)+) => {
        $(#[test] fn $promise() {
            if let Some(fresh) = $factory {
                super::$promise(fresh);
            }
        })+
    };
}

suite! {
    model: Some(stores::model());
    used_model: Some(stores::used_model());
    embedded: Some(stores::embedded());
    etcd: stores::etcd(Version::System);
    newer_etcd: stores::etcd(Version::Next);
}

/// Drives whatever a store leaves running, a connection for example, for as long as the suite runs.
static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(pending::<()>()));
    handle
});

fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

fn run(store: &impl Store, txn: &Txn) -> TxnReply {
    block_on(store.txn(txn, DEADLINE)).unwrap()
}

fn put(key: &str, value: &str) -> Op {
    Op::put(key, value.as_bytes().to_vec())
}

fn delete(key: &str) -> Op {
    Op::delete(key)
}

fn then(ops: impl IntoIterator<Item = Op>) -> Txn {
    Txn { then: ops.into_iter().collect(), ..Txn::default() }
}

fn key_is(key: &str, mod_revision: u64) -> Compare {
    Compare::Key { key: key.into(), mod_revision: Revision(mod_revision) }
}

fn nothing_newer(range: Range, newest: u64) -> Compare {
    Compare::Range { range, newest: Revision(newest) }
}

fn holds(store: &impl Store, compares: Vec<Compare>) -> bool {
    run(store, &Txn { compares, ..Txn::default() }).succeeded
}

fn read(store: &impl Store, read: Read) -> ReadReply {
    run(store, &Txn::read([read])).reads.remove(0)
}

fn get(store: &impl Store, key: &str) -> Option<Kv> {
    read(store, Read::values(Range::key(key))).kvs.pop()
}

fn revision(store: &impl Store) -> u64 {
    run(store, &Txn::default()).revision.0
}

/// Everything that is stored; no key of this suite begins with a later byte.
fn everything(store: &impl Store) -> Vec<Kv> {
    read(store, Read::values(Range::between("", "\u{10ffff}"))).kvs
}

fn names(kvs: &[Kv]) -> Vec<&str> {
    kvs.iter().map(|kv| kv.key.as_ref()).collect()
}

/// The create revision, mod revision and version of a key.
fn numbers(store: &impl Store, key: &str) -> Option<(u64, u64, u64)> {
    get(store, key).map(|kv| (kv.create_revision.0, kv.mod_revision.0, kv.version))
}

/// Adds one to the number under `key`, in as many attempts as it takes.
fn increment(store: &impl Store, key: &str) {
    let look = Read::values(Range::key(key));
    let mut seen = read(store, look.clone());
    for _ in 0..ATTEMPTS_MAX {
        let (number, mod_revision) = seen.kvs.first().map_or((0, 0), |kv| {
            (std::str::from_utf8(&kv.value).unwrap().parse().unwrap(), kv.mod_revision.0)
        });
        let txn = Txn {
            compares: vec![key_is(key, mod_revision)],
            then: vec![put(key, &u64::to_string(&(number + 1)))],
            otherwise: vec![look.clone()],
        };
        let mut reply = run(store, &txn);
        if reply.succeeded {
            return;
        }
        seen = reply.reads.remove(0);
    }
    panic!("{ATTEMPTS_MAX} attempts were not enough");
}

fn concurrent_transactions_lose_no_update<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..25).for_each(|_| increment(&store, "n")));
        }
    });
    let counter = get(&store, "n").unwrap();
    assert_eq!((&counter.value[..], counter.version), (&b"200"[..], 200));
    assert_eq!(revision(&store), 201, "each success is one revision");
}

fn an_answered_write_is_seen_by_everyone<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    let (answered, answers) = mpsc::sync_channel(0);
    let (checked, checks) = mpsc::sync_channel(0);
    thread::scope(|scope| {
        // The channels close when either side fails, which ends the other one.
        scope.spawn(|| {
            let (answered, checks) = (answered, checks);
            for _ in 0..50 {
                increment(&store, "n");
                answered.send(()).unwrap();
                checks.recv().unwrap();
            }
        });
        let (checked, answers) = (checked, answers);
        for version in 1..=50 {
            answers.recv().unwrap();
            assert_eq!(get(&store, "n").unwrap().version, version);
            checked.send(()).unwrap();
        }
    });
}

fn a_store_has_a_name<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    assert!(store.name().contains("store"));
}

fn handles_on_one_store_behave_like_processes<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..10 {
                    match store.another() {
                        Some(another) => increment(&another, "n"),
                        None => increment(&store, "n"),
                    }
                }
            });
        }
    });
    assert_eq!(numbers(&store, "n"), Some((2, 81, 80)));
}

fn handles_on_one_store_see_each_others_writes_at_once<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let left = fresh();
    let Some(right) = left.another() else { return };
    for n in 1..=20 {
        increment(&left, "n");
        assert_eq!(get(&right, "n").unwrap().version, 2 * n - 1);
        increment(&right, "n");
        assert_eq!(get(&left, "n").unwrap().version, 2 * n);
    }
}

fn reopening_keeps_everything<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    run(&store, &then([put("a", "1"), put("b", "1")]));
    run(&store, &then([put("a", "2"), delete("b")]));
    let before = everything(&store);
    let store = store.reopened();
    assert_eq!((everything(&store), revision(&store)), (before, 3));
    assert_eq!(run(&store, &then([put("c", "1")])).revision, Revision(4));
}
