//! What can only be seen, or only be brought about, inside a connection.

use ipam_core::kv::{Op, Range, Read};
use tempfile::TempDir;

use super::*;

const DEADLINE: Duration = Duration::from_secs(10);

fn fresh() -> (TempDir, EmbeddedStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&dir.path().join("store.db"), Create::IfMissing, DEADLINE);
    (dir, store.unwrap())
}

fn put(key: &str, value: Vec<u8>) -> Txn {
    Txn { then: vec![Op::put(key, value)], ..Txn::default() }
}

fn setting<T: rusqlite::types::FromSql>(store: &EmbeddedStore, name: &str) -> T {
    store.connection.lock().unwrap().pragma_query_value(None, name, |row| row.get(0)).unwrap()
}

#[test]
fn commits_wait_for_the_disk() {
    let (_dir, store) = fresh();
    assert_eq!(setting::<i64>(&store, "synchronous"), 2, "FULL");
    assert_eq!(setting::<String>(&store, "journal_mode"), "wal");
}

#[test]
fn sqlite_never_waits_on_its_own() {
    let (_dir, store) = fresh();
    assert_eq!(setting::<i64>(&store, "busy_timeout"), 0);
}

#[test]
fn closing_leaves_the_log_alone() {
    let (dir, store) = fresh();
    store.txn_blocking(&put("a", vec![1]), DEADLINE).unwrap();
    drop(store);
    assert!(fs::metadata(dir.path().join("store.db-wal")).unwrap().len() > 0);
}

#[test]
fn a_full_disk_is_named_and_changes_nothing() {
    let (_dir, store) = fresh();
    store.txn_blocking(&put("a", vec![1]), DEADLINE).unwrap();
    let pages: i64 = setting(&store, "page_count");
    store.connection.lock().unwrap().pragma_update(None, "max_page_count", pages + 1).unwrap();

    let txn = Txn {
        then: [put("a", vec![2]).then, put("b", vec![0; 100_000]).then].concat(),
        ..Txn::default()
    };
    let error = store.txn_blocking(&txn, DEADLINE).unwrap_err();
    let StoreError::Unusable { source, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(source.downcast_ref(), Some(EmbeddedError::Full { .. })), "{error:?}");

    let reply =
        store.txn_blocking(&Txn::read([Read::values(Range::prefix("a"))]), DEADLINE).unwrap();
    assert_eq!((reply.revision.0, &*reply.reads[0].kvs[0].value), (2, &[1][..]));
}

#[test]
fn a_long_log_begins_anew() {
    let (dir, store) = fresh();
    let log = || fs::metadata(dir.path().join("store.db-wal")).unwrap().len();
    let pages = usize::try_from(LOG_PAGES_MAX).unwrap();
    store.txn_blocking(&put("a", vec![0; 4096 * pages]), DEADLINE).unwrap();
    let before = log();
    store.txn_blocking(&put("b", vec![1]), DEADLINE).unwrap();
    assert_eq!(log(), before);
    let held = store.connection.lock().unwrap();
    let used: i64 = held.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1)).unwrap();
    assert!(used < 10, "{used} pages");
}

#[test]
fn a_file_that_exists_is_never_created_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    fs::write(&path, "what it holds").unwrap();
    schema::create_file(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"what it holds");
}
