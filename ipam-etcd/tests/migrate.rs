//! Copies between stores in memory, where a test can change either at any moment.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ipam_core::kv::{Key, Kv, Txn, TxnReply, Value};
use ipam_etcd::migrate::{Copied, Held, MigrateError, Migration, Progress, Stop};
use ipam_etcd::{ModelStore, Store, StoreError};
use proptest::prelude::*;

const DEADLINE: Duration = Duration::from_secs(30);
/// For what fails at its deadline.
const SOON: Duration = Duration::from_millis(300);
const IPAM: &str = "/calico/ipam/v2/";

fn store(keys: impl IntoIterator<Item = (String, Vec<u8>)>) -> ModelStore {
    let store = ModelStore::default();
    for (key, value) in keys {
        store.with(|model| model.put(key, value));
    }
    store
}

/// Makes a source of some hundred keys below every root.
fn source() -> ModelStore {
    let roots = ipam_core::model::key::ROOTS;
    store((0..500).map(|at| (format!("{}k{at:04}", roots[at % 3]), vec![b'v'; at])))
}

fn contents(store: &ModelStore) -> Vec<Kv> {
    store.with(|model| model.iter().cloned().collect())
}

fn pairs(store: &ModelStore) -> Vec<(Key, Value)> {
    contents(store).into_iter().map(|kv| (kv.key, kv.value)).collect()
}

fn migrate<S: Store, T: Store>(source: &S, target: &T) -> Result<Copied, MigrateError> {
    watched(source, target, false, |_| ())
}

/// Migrates into a store that does not answer for long.
fn migrate_within<S: Store, T: Store>(
    deadline: Duration,
    source: &S,
    target: &T,
) -> Result<Copied, MigrateError> {
    block_on(Migration { source, target, resume: false, deadline }.run(|_| ()))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn watched<S: Store, T: Store>(
    source: &S,
    target: &T,
    resume: bool,
    watch: impl FnMut(Progress),
) -> Result<Copied, MigrateError> {
    block_on(Migration { source, target, resume, deadline: DEADLINE }.run(watch))
}

fn stopped(result: Result<Copied, MigrateError>) -> (Held, Stop) {
    match result {
        Err(MigrateError::Stopped { held, why, .. }) => (held, why),
        other => panic!("{other:?}"),
    }
}

/// Fails or lies at one transaction, counted from 1.
struct Faulty<'s> {
    store: &'s ModelStore,
    writes: AtomicUsize,
    fault: fn(usize) -> Fault,
}

enum Fault {
    None,
    /// It is carried out, and the reply is lost.
    Lost,
    /// It is not carried out, and nobody knows.
    Dropped,
    /// It is not carried out.
    Refused,
}

impl<'s> Faulty<'s> {
    fn new(store: &'s ModelStore, fault: fn(usize) -> Fault) -> Self {
        Self { store, writes: AtomicUsize::new(0), fault }
    }
}

impl Store for Faulty<'_> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        if !txn.is_write() {
            return self.store.txn(txn, deadline).await;
        }
        let (store, source) = (self.name(), || "a fault".into());
        match (self.fault)(self.writes.fetch_add(1, Ordering::Relaxed) + 1) {
            Fault::None => self.store.txn(txn, deadline).await,
            Fault::Lost => {
                self.store.txn(txn, deadline).await?;
                Err(StoreError::Indeterminate { store, source: source() })
            }
            Fault::Dropped => Err(StoreError::Indeterminate { store, source: source() }),
            Fault::Refused => Err(StoreError::Denied { store, source: source() }),
        }
    }

    fn name(&self) -> String {
        "faulty store".to_owned()
    }
}

#[test]
fn a_copy_holds_the_same_and_its_source_is_as_it_was() {
    let source = source();
    let beside = ["/calico/felix/v2/x", "/ringfence/v2/x", "/registry/pods/x", "a"];
    source.with(|model| {
        for key in beside {
            model.put(key, "x");
        }
    });
    let before = contents(&source);
    let target = ModelStore::default();
    let copied = migrate(&source, &target).unwrap();
    assert_eq!(contents(&source), before);
    let mut expected = pairs(&source);
    expected.retain(|(key, _)| !beside.contains(&key.as_ref()));
    assert_eq!(pairs(&target), expected);
    assert_eq!((copied.found, copied.beside, copied.tally.total().keys), (0, Some(2), 500));
    // There and back again.
    let back = ModelStore::default();
    assert_eq!(migrate(&target, &back).unwrap().digest, copied.digest);
    assert_eq!(pairs(&back), expected);
}

#[test]
fn what_must_not_be_is_refused_and_nothing_is_written() {
    let (full, empty) = (source(), ModelStore::default());
    let before = contents(&full);
    let beside = store([("/registry/x".to_owned(), b"1".to_vec())]);
    for nothing in [&empty, &beside] {
        let refused = migrate(nothing, &full);
        assert!(matches!(refused, Err(MigrateError::Nothing { .. })), "{refused:?}");
    }
    for key in ["/calico/ipam/v2/config", "/ringfence/v1/z"] {
        let target = store([(key.to_owned(), b"1".to_vec())]);
        let there = contents(&target);
        match migrate(&full, &target) {
            Err(MigrateError::Occupied { keys: 1, first, .. }) => assert_eq!(&*first, key),
            other => panic!("{other:?}"),
        }
        assert_eq!(contents(&target), there);
    }
    assert_eq!(contents(&full), before);
    // What lies elsewhere is nobody's business.
    assert!(migrate(&full, &beside).is_ok());
    assert_eq!(beside.with(|model| model.get("/registry/x").unwrap().value.clone()), "1");
}

/// A change of the source during the copy, and the key that is named.
type Change = (&'static str, fn(&ModelStore), Option<&'static str>);

#[test]
fn a_source_that_changes_is_noticed_whatever_changes() {
    let changes: [Change; 5] = [
        ("a key that is read already", |s| put(s, "k0000"), Some("/calico/ipam/v2/k0000")),
        (
            "a key that is not read yet",
            |s| {
                s.with(|model| model.put("/ringfence/v1/k0497", "changed"));
            },
            Some("/ringfence/v1/k0497"),
        ),
        ("a new key", |s| put(s, "a"), Some("/calico/ipam/v2/a")),
        ("a key less", |s| delete(s, "k0000"), None),
        (
            "a key replaced by another",
            |s| {
                delete(s, "k0000");
                put(s, "a");
            },
            Some("/calico/ipam/v2/a"),
        ),
    ];
    for (what, change, expected) in changes {
        let (source, target, is_first) = (source(), ModelStore::default(), Cell::new(true));
        let result = watched(&source, &target, false, |_| {
            if is_first.replace(false) {
                change(&source);
            }
        });
        match stopped(result) {
            (held, Stop::Changed { key, from, to, .. }) => {
                assert_eq!(key.as_deref(), expected, "{what}");
                assert!(to > from && held.keys > 0 && held.of == 500, "{what}: {held:?}");
                let is_early = key.is_some_and(|key| key.starts_with("/ringfence/"));
                assert_eq!(held.keys < 500, is_early, "{what}: {held:?}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn changes_elsewhere_in_the_source_do_not_count() {
    let (source, target) = (source(), ModelStore::default());
    let copied = watched(&source, &target, false, |_| {
        source.with(|model| {
            model.put("/registry/x", "1");
            model.put("/calico/felix/v2/x", "1");
        });
    });
    assert_eq!(copied.unwrap().tally.total().keys, 500);
}

#[test]
fn whoever_else_writes_into_the_target_is_noticed_and_named() {
    for (what, key, is_taken) in [
        ("a key that comes later", "/ringfence/v1/k0497", true),
        ("a key that nobody copies", "/calico/ipam/v2/a", false),
        ("a key behind all others", "/ringfence/v1/z", false),
        ("a key that is there already", "/calico/ipam/v2/k0000", false),
    ] {
        let (source, target, is_first) = (source(), ModelStore::default(), Cell::new(true));
        let result = watched(&source, &target, false, |_| {
            if is_first.replace(false) {
                target.with(|model| model.put(key, "foreign"));
            }
        });
        let (held, why) = stopped(result);
        match why {
            Stop::Taken { key: found, .. } => assert_eq!((&*found, is_taken), (key, true)),
            Stop::Differs { key: found, .. } => {
                assert_eq!((found.as_deref(), is_taken), (Some(key), false), "{what}");
            }
            other @ (Stop::Store(_) | Stop::Changed { .. }) => panic!("{what}: {other:?}"),
        }
        assert!(held.keys >= 96 && held.unsure == 0, "{what}: {held:?}");
        let value = target.with(|model| model.get(key).unwrap().value.clone());
        assert_eq!(value, "foreign", "{what}: nothing is overwritten");
    }
}

#[test]
fn lost_answers_change_nothing() {
    for fault in [
        (|n| if n == 2 { Fault::Lost } else { Fault::None }) as fn(usize) -> Fault,
        |n| if n % 2 == 1 { Fault::Lost } else { Fault::None },
        |n| if n % 2 == 1 { Fault::Dropped } else { Fault::None },
    ] {
        let (source, target) = (source(), ModelStore::default());
        migrate(&source, &Faulty::new(&target, fault)).unwrap();
        assert_eq!(pairs(&target), pairs(&source));
    }
}

#[test]
fn a_copy_that_was_cut_short_is_told_exactly_and_continued() {
    for (fault, unsure) in [
        ((|n| if n >= 3 { Fault::Refused } else { Fault::None }) as fn(usize) -> Fault, 0),
        (|n| if n >= 3 { Fault::Lost } else { Fault::None }, 96),
        (|n| if n >= 3 { Fault::Dropped } else { Fault::None }, 96),
    ] {
        let (source, target) = (source(), ModelStore::default());
        let (held, why) = stopped(migrate_within(SOON, &source, &Faulty::new(&target, fault)));
        assert_eq!(held, Held { keys: 192, unsure, of: 500 }, "{why:?}");
        let there = pairs(&target);
        assert!([192, 192 + usize::try_from(unsure).unwrap()].contains(&there.len()));
        assert_eq!(there, pairs(&source)[..there.len()], "it is the beginning of the source");
        assert!(matches!(migrate(&source, &target), Err(MigrateError::Occupied { .. })));
        let copied = watched(&source, &target, true, |_| ()).unwrap();
        assert_eq!(copied.found, there.len() as u64);
        assert_eq!(pairs(&target), pairs(&source));
        assert_eq!(copied.digest, migrate(&source, &ModelStore::default()).unwrap().digest);
        // A complete copy is compared, and nothing else.
        let before = contents(&target);
        assert_eq!(watched(&source, &target, true, |_| ()).unwrap().found, 500);
        assert_eq!(contents(&target), before);
    }
}

#[test]
fn a_failure_before_the_first_write_leaves_nothing_to_tell() {
    let (source, target) = (source(), ModelStore::default());
    let result = migrate(&source, &Faulty::new(&target, |_| Fault::Refused));
    assert!(matches!(result, Err(MigrateError::Store(StoreError::Denied { .. }))), "{result:?}");
    assert!(contents(&target).is_empty());
}

#[test]
fn only_a_beginning_is_continued() {
    for (what, change, key) in [
        ("another value", (|s| put(s, "k0003")) as fn(&ModelStore), "/calico/ipam/v2/k0003"),
        ("a key that nobody copies", |s| put(s, "a"), "/calico/ipam/v2/a"),
        ("a gap", |s| delete(s, "k0003"), "/calico/ipam/v2/k0003"),
        (
            "a key behind all",
            |s| {
                s.with(|model| model.put("/ringfence/v1/z", "x"));
            },
            "/ringfence/v1/z",
        ),
    ] {
        let (source, target) = (source(), ModelStore::default());
        migrate(&source, &target).unwrap();
        change(&target);
        let before = contents(&target);
        match watched(&source, &target, true, |_| ()) {
            Err(MigrateError::NotABeginning { key: found, .. }) => {
                assert_eq!(&*found, key, "{what}");
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(contents(&target), before, "{what}");
    }
}

#[test]
fn progress_grows_to_the_end() {
    let (source, target) = (source(), ModelStore::default());
    let mut told = Vec::new();
    watched(&source, &target, false, |progress| told.push(progress)).unwrap();
    let copied: Vec<u64> = told
        .iter()
        .filter_map(|progress| match progress {
            Progress::Copied { keys, of: 500 } => Some(*keys),
            Progress::Copied { .. } | Progress::ReadBack { .. } => None,
        })
        .collect();
    assert!(copied.is_sorted() && copied.len() > 4 && copied.last() == Some(&500), "{told:?}");
    assert_eq!(told.last(), Some(&Progress::ReadBack { keys: 256, of: 500 }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Values of any bytes, of sizes around every bound.
    #[test]
    fn any_store_is_copied(sizes in prop::collection::vec(0_usize..40, 1..300), fill in any::<u8>(), large in 0_usize..3) {
        let value = |at: usize, size: usize| {
            let size = if at < large { 700_000 } else { size * size * size };
            vec![fill.wrapping_add(u8::try_from(at % 256).unwrap()); size]
        };
        let keys = sizes.iter().enumerate().map(|(at, size)| (format!("{IPAM}{at:04}"), value(at, *size)));
        let (source, target) = (store(keys), ModelStore::default());
        migrate(&source, &target).unwrap();
        prop_assert_eq!(pairs(&source), pairs(&target));
    }
}

fn put(store: &ModelStore, name: &str) {
    store.with(|model| model.put(format!("{IPAM}{name}"), "changed"));
}

fn delete(store: &ModelStore, name: &str) {
    store.with(|model| model.delete(&format!("{IPAM}{name}")));
}
