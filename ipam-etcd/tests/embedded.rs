//! What only a file can go through: bad files, locks, a growing log, and processes that die.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "embedded/processes.rs"]
mod processes;

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipam_core::kv::{Op, Range, Read, Txn, TxnReply};
use ipam_etcd::embedded::{Create, EmbeddedError, EmbeddedStore};
use ipam_etcd::{Store, StoreError};
use rusqlite::Connection;

const DEADLINE: Duration = Duration::from_secs(30);

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn open(path: &Path) -> EmbeddedStore {
    EmbeddedStore::open(path, Create::IfMissing, DEADLINE).unwrap()
}

fn run(store: &EmbeddedStore, txn: &Txn) -> TxnReply {
    block_on(store.txn(txn, DEADLINE)).unwrap()
}

fn put(key: &str, value: &[u8]) -> Txn {
    Txn { then: vec![Op::put(key, value.to_vec())], ..Txn::default() }
}

fn get(key: &str) -> Txn {
    Txn::read([Read::values(Range::key(key))])
}

/// Makes a store with a few keys and lets `f` at its file, with nothing left in the log.
fn store_then(path: &Path, f: impl FnOnce(&Connection)) {
    let store = open(path);
    for n in 0..50 {
        run(&store, &put(&format!("key/{n}"), &[7; 2_000]));
    }
    drop(store);
    let connection = Connection::open(path).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    f(&connection);
}

fn sqlite_file(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// The embedded store's own reason, after checking that the chain of messages reads well.
fn reason<'a>(error: &'a StoreError, path: &Path) -> &'a EmbeddedError {
    let (StoreError::Unusable { store, source } | StoreError::Unavailable { store, source, .. }) =
        error
    else {
        panic!("{error:?}");
    };
    assert!(store.contains(path.to_str().unwrap()), "{store}");
    let mut outer: &dyn Error = error;
    while let Some(inner) = outer.source() {
        let (message, inside) = (outer.to_string(), inner.to_string());
        assert!(!message.contains(&inside), "{message:?} repeats {inside:?}");
        outer = inner;
    }
    let reason: &EmbeddedError = source.downcast_ref().unwrap();
    let message = reason.to_string();
    assert!(message.contains(path.to_str().unwrap()), "{message}");
    assert!(!message.ends_with('.') && !message.starts_with(char::is_uppercase), "{message}");
    reason
}

/// Opens what `arrange` left at a path below a fresh directory, and hands the refusal to `is_expected`.
#[track_caller]
fn refused(
    create: Create,
    arrange: impl FnOnce(&Path) -> PathBuf,
    is_expected: fn(&EmbeddedError) -> bool,
) {
    let dir = tempfile::tempdir().unwrap();
    let path = arrange(dir.path());
    let error = EmbeddedStore::open(&path, create, DEADLINE).unwrap_err();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error:?}");
    assert!(is_expected(reason(&error, &path)), "{error:?}");
}

fn written(dir: &Path, bytes: &[u8]) -> PathBuf {
    let path = dir.join("store.db");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn without_leave_to_create_nothing_is_created() {
    let missing = |error: &EmbeddedError| matches!(error, EmbeddedError::Missing { .. });
    refused(Create::Never, |dir| dir.join("store.db"), missing);
    refused(Create::Never, |dir| dir.join("no/such/directory/store.db"), missing);
    refused(Create::Never, |dir| written(dir, b""), missing);

    let dir = tempfile::tempdir().unwrap();
    EmbeddedStore::open(&dir.path().join("store.db"), Create::Never, DEADLINE).unwrap_err();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_is_not_a_file_is_refused() {
    for create in [Create::IfMissing, Create::Never] {
        let not_a_file = |error: &EmbeddedError| matches!(error, EmbeddedError::NotAFile { .. });
        refused(create, Path::to_path_buf, not_a_file);
        let below_a_file = |dir: &Path| written(dir, b"").join("store.db");
        refused(create, below_a_file, |error| matches!(error, EmbeddedError::NotOpened { .. }));
        let nul = |dir: &Path| dir.join("nul\0inside");
        refused(create, nul, |error| matches!(error, EmbeddedError::NotOpened { .. }));
    }
    let device = |_: &Path| PathBuf::from("/dev/null");
    refused(Create::IfMissing, device, |error| matches!(error, EmbeddedError::NotAFile { .. }));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let in_proc = |_: &Path| PathBuf::from("/proc/ringfence/store.db");
    let not_created = |error: &EmbeddedError| matches!(error, EmbeddedError::NotCreated { .. });
    refused(Create::IfMissing, in_proc, not_created);
    let in_link = |dir: &Path| {
        std::os::unix::fs::symlink("/proc/ringfence", dir.join("link")).unwrap();
        dir.join("link/store.db")
    };
    refused(Create::IfMissing, in_link, not_created);
}

#[test]
fn files_of_others_are_refused_and_left_alone() {
    let foreign = |error: &EmbeddedError| matches!(error, EmbeddedError::Foreign { .. });
    for create in [Create::IfMissing, Create::Never] {
        for sql in [
            "CREATE TABLE theirs (a)",
            "PRAGMA application_id = 77",
            "PRAGMA user_version = 1",
            "PRAGMA journal_mode = WAL; CREATE TABLE theirs (a)",
        ] {
            refused(
                create,
                |dir| {
                    let path = dir.join("store.db");
                    sqlite_file(&path, sql);
                    path
                },
                foreign,
            );
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    sqlite_file(&path, "CREATE TABLE theirs (a)");
    let before = fs::read(&path).unwrap();
    EmbeddedStore::open(&path, Create::IfMissing, DEADLINE).unwrap_err();
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn files_that_are_no_database_are_refused_and_left_alone() {
    let table: [&[u8]; 4] =
        [b"x", &[0; 200], &[7; 5_000], b"SQLite format 3\0 and then nothing of it"];
    for bytes in table {
        for create in [Create::IfMissing, Create::Never] {
            refused(
                create,
                |dir| written(dir, bytes),
                |error| matches!(error, EmbeddedError::NotADatabase { .. }),
            );
        }
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), bytes);
        EmbeddedStore::open(&path, Create::IfMissing, DEADLINE).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn another_format_is_refused_and_named() {
    for version in [0, 2, 77] {
        refused(
            Create::IfMissing,
            |dir| {
                let path = dir.join("store.db");
                store_then(&path, |file| {
                    file.pragma_update(None, "user_version", version).unwrap();
                });
                path
            },
            |error| {
                let message = error.to_string();
                matches!(error, EmbeddedError::Format { known: 1, .. })
                    && message.contains("format 1")
            },
        );
    }
}

#[test]
fn a_truncated_store_is_refused() {
    for pages in [1, 2, 9] {
        refused(
            Create::IfMissing,
            |dir| {
                let path = dir.join("store.db");
                store_then(&path, |_| ());
                let file = OpenOptions::new().write(true).open(&path).unwrap();
                assert!(file.metadata().unwrap().len() > pages * 4096);
                file.set_len(pages * 4096).unwrap();
                path
            },
            |error| matches!(error, EmbeddedError::Damaged { .. }),
        );
    }
}

#[test]
fn damage_inside_a_store_is_told_by_the_transaction_that_meets_it() {
    let overwrite_pages = |path: &Path| {
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        let pages = file.metadata().unwrap().len() / 4096;
        file.seek(SeekFrom::Start(4096)).unwrap();
        file.write_all(&vec![0xa5; usize::try_from((pages - 1) * 4096).unwrap()]).unwrap();
    };
    let damages = [
        "",
        "DELETE FROM store",
        "UPDATE store SET revision = -5",
        "UPDATE keys SET key = x'6b65792fff' WHERE key = CAST('key/1' AS BLOB)",
        "DROP TABLE keys",
    ];
    for damage in damages {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        store_then(&path, |file| file.execute_batch(damage).unwrap());
        if damage.is_empty() {
            overwrite_pages(&path);
        }
        let store = EmbeddedStore::open(&path, Create::Never, DEADLINE).unwrap();
        let all = Txn::read([Read::values(Range::prefix("key/"))]);
        let error = block_on(store.txn(&all, DEADLINE)).unwrap_err();
        assert!(matches!(error, StoreError::Unusable { .. }), "{damage}: {error:?}");
        let reason = reason(&error, &path);
        assert!(matches!(reason, EmbeddedError::Damaged { .. }), "{damage}: {error:?}");
    }
}

/// Says how long a call was given and took, and checks that it gave up in time and blamed the lock.
fn gave_up<T: std::fmt::Debug>(
    path: &Path,
    deadline_ms: u64,
    call: impl FnOnce(Duration) -> Result<T, StoreError>,
) {
    let start = Instant::now();
    let error = call(Duration::from_millis(deadline_ms)).unwrap_err();
    let took_ms = start.elapsed().as_millis();
    assert!(matches!(reason(&error, path), EmbeddedError::Locked { .. }), "{error:?}");
    let StoreError::Unavailable { waited_ms, .. } = error else { panic!("{error:?}") };
    assert!(
        waited_ms >= deadline_ms && u128::from(waited_ms) <= took_ms,
        "{waited_ms} of {took_ms}"
    );
    assert!(took_ms < u128::from(deadline_ms) + 5_000, "{took_ms}");
}

#[test]
fn a_write_gives_up_at_its_deadline_and_reads_do_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = open(&path);
    run(&store, &put("a", b"1"));

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; DELETE FROM keys").unwrap();
    for deadline_ms in [0, 1, 60] {
        gave_up(&path, deadline_ms, |deadline| block_on(store.txn(&put("a", b"2"), deadline)));
    }
    let reply = run(&EmbeddedStore::open(&path, Create::Never, DEADLINE).unwrap(), &get("a"));
    assert_eq!(reply.reads[0].kvs[0].value, "1");

    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(run(&store, &put("a", b"3")).revision.0, 3, "nothing was applied meanwhile");
}

#[test]
fn a_call_without_time_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = open(&path);
    for txn in [put("a", b"1"), get("a")] {
        let error = block_on(store.txn(&txn, Duration::ZERO)).unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        assert!(matches!(reason(&error, &path), EmbeddedError::Late { .. }), "{error:?}");
    }
    let reply = run(&store, &get("a"));
    assert_eq!((reply.revision.0, reply.reads[0].count), (1, 0));
}

#[test]
fn opening_gives_up_at_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    drop(open(&path));
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    for deadline_ms in [0, 60] {
        gave_up(&path, deadline_ms, |deadline| {
            EmbeddedStore::open(&path, Create::IfMissing, deadline)
        });
    }
    drop(other);
    assert_eq!(run(&open(&path), &put("a", b"1")).revision.0, 2);
}

#[test]
fn creating_gives_up_at_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    File::create(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for deadline_ms in [0, 60] {
        gave_up(&path, deadline_ms, |deadline| {
            EmbeddedStore::open(&path, Create::IfMissing, deadline)
        });
    }
    drop(other);
    assert_eq!(run(&open(&path), &put("a", b"1")).revision.0, 2);
}

fn log_bytes(path: &Path) -> u64 {
    fs::metadata(path.with_extension("db-wal")).unwrap().len()
}

#[test]
fn the_log_stays_short_when_every_commit_opens_the_store_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    for n in 0..600 {
        run(&open(&path), &put(&format!("key/{}", n % 40), &vec![7; 4_000 + n]));
        assert!(log_bytes(&path) < 1_000_000, "{} after {n}", log_bytes(&path));
    }
}

#[test]
fn the_log_stays_short_when_one_handle_commits_them_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = open(&path);
    for n in 0..600 {
        run(&store, &put(&format!("key/{}", n % 40), &vec![7; 4_000 + n]));
        assert!(log_bytes(&path) < 1_000_000, "{} after {n}", log_bytes(&path));
    }
}

#[test]
fn the_log_recovers_from_a_reader_that_stayed_too_long() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = open(&path);
    run(&store, &put("a", b"1"));
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count = |reader: &Connection| -> i64 {
        reader.query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&reader), 1);
    for n in 0..300 {
        run(&store, &put(&format!("key/{n}"), &[7; 4_000]));
    }
    assert_eq!(count(&reader), 1, "a reader keeps its snapshot");
    let stretched = log_bytes(&path);
    reader.execute_batch("COMMIT").unwrap();
    for n in 0..600 {
        run(&store, &put(&format!("key/{n}"), &[8; 4_000]));
    }
    assert_eq!(log_bytes(&path), stretched);
}
