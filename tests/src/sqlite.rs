//! What other programs can do to the file of an embedded store.

use std::path::Path;

use rusqlite::Connection;

/// The lock of a writer that does not come to its end; given back when dropped.
#[derive(Debug)]
pub struct WriteLock {
    _connection: Connection,
}

impl WriteLock {
    /// Locks a store against every other writer.
    ///
    /// # Panics
    ///
    /// If it is locked already.
    #[must_use]
    pub fn hold(store: &Path) -> Self {
        let connection = open(store);
        connection.execute_batch("BEGIN IMMEDIATE").expect("the store is locked");
        Self { _connection: connection }
    }
}

/// Marks a store as written in another format.
///
/// # Panics
///
/// If it cannot be written.
pub fn set_format(store: &Path, format: i32) {
    open(store).pragma_update(None, "user_version", format).expect("the format is stored");
}

/// Moves everything from the store's log to its file, and leaves the log empty.
///
/// # Panics
///
/// If it cannot be written.
pub fn empty_log(store: &Path) {
    let busy: bool = open(store)
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .expect("the log is emptied");
    assert!(!busy, "somebody uses the store");
}

fn open(store: &Path) -> Connection {
    assert!(store.is_file(), "{} does not exist", store.display());
    Connection::open(store).expect("the store is a database")
}
