//! The layout of the file: how a store is recognised, and how one comes into being.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::{io, mem};

use rusqlite::{Connection, TransactionBehavior};

use super::error::{EmbeddedError, Failure};

/// Marks the file as one of ours, in SQLite's header; the letters `Rfnc`.
const APPLICATION_ID: i32 = 0x5266_6e63;

/// The layout below. One that an older release could not use correctly needs the next number.
const FORMAT: i32 = 1;

/// The tables.
///
/// Keys are blobs, so that SQLite orders them by their bytes. The values stand last in the rows of an ordinary
/// table: a look-up then compares the short keys of the index and never loads a value. `WITHOUT ROWID` would keep
/// the values in the index, where each comparison on the way down reads one in full; a look-up among 20 000 blocks
/// took five times as long.
const TABLES: &str = "
    CREATE TABLE keys (
        key BLOB NOT NULL UNIQUE,
        create_revision INTEGER NOT NULL,
        mod_revision INTEGER NOT NULL,
        version INTEGER NOT NULL,
        value BLOB NOT NULL
    ) STRICT;
    CREATE TABLE store (revision INTEGER NOT NULL) STRICT;
    INSERT INTO store (revision) VALUES (1);
";

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A store of our format.
    Store,
    /// Nothing: it was just created, or its creation was cut short.
    Nothing,
}

/// Looks what the file holds.
///
/// # Errors
///
/// [`Failure::Unusable`] where it holds something else, or a store of another format.
pub(super) fn content(connection: &mut Connection, path: &Path) -> Result<Content, Failure> {
    if header_field(connection, "application_id")? == APPLICATION_ID {
        return format(connection, path);
    }
    // Another process may be creating the store right now, so the closer look needs one snapshot.
    let snapshot = connection.transaction()?;
    let application_id = header_field(&snapshot, "application_id")?;
    if application_id == APPLICATION_ID {
        return format(&snapshot, path);
    }
    let is_empty: bool =
        snapshot
            .query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if application_id == 0 && is_empty && header_field(&snapshot, "user_version")? == 0 {
        return Ok(Content::Nothing);
    }
    Err(Failure::Unusable(EmbeddedError::Foreign { path: path.to_owned(), application_id }))
}

/// Creates an empty file that only its owner may read, and the directories above it.
///
/// An empty file is an empty database, so whoever finds it goes on from there. The process that creates it can be
/// killed at any instant.
///
/// # Errors
///
/// [`EmbeddedError::NotCreated`].
pub(super) fn create_file(path: &Path) -> Result<(), EmbeddedError> {
    let not_created = |source| EmbeddedError::NotCreated { path: path.to_owned(), source };
    let above: Vec<&Path> = path.ancestors().skip(1).take_while(|dir| !dir.exists()).collect();
    if let Some(parent) = above.first() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(not_created)?;
    }
    for directory in above {
        sync_entry(directory).map_err(not_created)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            // Another thread may have opened the file through SQLite already, and POSIX drops all of a process's
            // locks on a file when any of its descriptors is closed. So this one stays open until the process ends.
            mem::forget(file);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(not_created(error)),
    }
}

/// Makes a store of an empty file; another process may be doing the same.
///
/// Every step leaves a file that [`content`] finds either empty or complete. The journal mode comes first, since it
/// cannot be part of the transaction: a complete store always has a write-ahead log.
///
/// # Errors
///
/// As [`content`], and [`Failure::Sqlite`], [`Failure::Commit`].
pub(super) fn create(connection: &mut Connection, path: &Path) -> Result<(), Failure> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let source = format!("its file system has no write-ahead log, only journal mode {mode}");
        let path = path.to_owned();
        return Err(Failure::Unusable(EmbeddedError::Failed { path, source: source.into() }));
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if header_field(&transaction, "application_id")? != 0 {
        return Ok(());
    }
    // The transaction has created the log, and nobody can store anything before it is committed.
    sync_new_log(path)?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit().map_err(Failure::Commit)
}

/// Makes the names of the file and of its new log durable.
///
/// SQLite would do so with the first commit of every process, since it does not know who created the log: a second
/// wait for the disk in every process that commits once. A build with `SQLITE_DISABLE_DIRSYNC` leaves it to this
/// function, which is only needed where the log did not exist before.
///
/// # Errors
///
/// [`Failure::Unusable`] with [`EmbeddedError::NotCreated`].
pub(super) fn sync_new_log(path: &Path) -> Result<(), Failure> {
    // The log lies next to the real file, not next to a symbolic link.
    fs::canonicalize(path).and_then(|path| sync_entry(&path)).map_err(|source| {
        Failure::Unusable(EmbeddedError::NotCreated { path: path.to_owned(), source })
    })
}

fn sync_entry(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn format(connection: &Connection, path: &Path) -> Result<Content, Failure> {
    match header_field(connection, "user_version")? {
        FORMAT => Ok(Content::Store),
        found => {
            let path = path.to_owned();
            Err(Failure::Unusable(EmbeddedError::Format { path, found, known: FORMAT }))
        }
    }
}

fn header_field(connection: &Connection, name: &str) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
