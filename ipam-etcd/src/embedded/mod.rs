//! A store in a file, for everything that runs on one machine.
//!
//! SQLite keeps the keys, with the revisions that etcd would give them. Any number of processes may use the file at
//! once, each for a few milliseconds or for days, and each may be killed at any instant. What was answered is on
//! disk. The file must lie on a local file system: network file systems do not lock well enough.
//!
//! Next to the file lie its write-ahead log (`-wal`) and the log's index (`-shm`). The log is part of the store: who
//! copies or moves the file while it is not in use must take the log along.

mod error;
mod schema;
#[cfg(test)]
mod tests;
mod txn;
mod wait;

use std::path::{self, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;
use std::{fs, io};

use ipam_core::kv::{Txn, TxnReply};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

pub use error::EmbeddedError;
use error::{Failure, told};
use schema::Content;
use wait::Patience;

use crate::store::{Store, StoreError, check_shape};

/// How many pages the write-ahead log may hold before a writer moves them to the file and begins the log anew.
///
/// It weighs two costs. The first process to open an idle store reads the whole log; at this length that takes
/// 50 microseconds on average. And beginning anew costs that writer two or three further waits for the disk, once
/// in some twenty commits.
const LOG_PAGES_MAX: i64 = 128;

/// What to do where no store exists yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// Create the file with mode 0600, and missing directories above it with mode 0700.
    IfMissing,
    /// Refuse with [`EmbeddedError::Missing`].
    Never,
}

/// A store that lives in one SQLite file.
///
/// A commit is durable when it is answered, even if the power fails the next moment. Reads never wait for writers.
///
/// Its futures never yield: they block the thread while SQLite works or waits for a lock. That is what a process
/// wants that lives for one call; others move the calls to a thread of their own. Closing a store does not touch the
/// disk.
#[derive(Debug)]
pub struct EmbeddedStore {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl EmbeddedStore {
    /// Opens the store at `path`, and blocks while another process keeps it locked.
    ///
    /// Any number of processes may create the same store at once, and one that is killed meanwhile leaves nothing
    /// behind that the others would refuse.
    ///
    /// # Errors
    ///
    /// - [`StoreError::Unusable`] where the file cannot be opened or is not a store of a known format; its source is
    ///   an [`EmbeddedError`].
    /// - [`StoreError::Unavailable`] where it stays locked beyond `deadline`.
    /// - [`StoreError::Indeterminate`] where the disk fails during the creation, which may be tried again.
    pub fn open(path: &Path, create: Create, deadline: Duration) -> Result<Self, StoreError> {
        let mut patience = Patience::new(deadline);
        // SQLite reads names such as `:memory:` or `file:x` in ways of its own, but never one that begins with `/`.
        let path = path::absolute(path).map_err(|error| {
            let source = EmbeddedError::NotOpened { path: path.to_owned(), source: error.into() };
            StoreError::Unusable { store: name(path), source: source.into() }
        })?;
        loop {
            match attempt(&path, create) {
                Ok(connection) => {
                    return Ok(Self { path, connection: Mutex::new(connection) });
                }
                Err(failure) if failure.is_busy() && patience.pause() => {}
                Err(failure) => {
                    return Err(failure.into_store_error(name(&path), &path, &patience));
                }
            }
        }
    }

    fn txn_blocking(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        check_shape(txn)?;
        let mut patience = Patience::new(deadline);
        let fail = |failure: Failure, patience: &Patience| {
            Err(failure.into_store_error(self.name(), &self.path, patience))
        };
        let Some(mut connection) = self.connection(&mut patience) else {
            return fail(Failure::Late, &patience);
        };
        if txn.is_write() {
            shorten_log(&connection);
        }
        loop {
            match txn::carry_out(&mut connection, txn, &patience) {
                Ok(reply) => return Ok(reply),
                Err(failure) if failure.is_busy() && patience.pause() => {}
                Err(failure) => return fail(failure, &patience),
            }
        }
    }

    /// Waits for the other threads that use this handle, `None` when the time is up.
    fn connection(&self, patience: &mut Patience) -> Option<MutexGuard<'_, Connection>> {
        loop {
            match self.connection.try_lock() {
                Ok(connection) => return Some(connection),
                // Who panicked left no transaction behind: its guard has ended it.
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if patience.pause() => {}
                Err(TryLockError::WouldBlock) => return None,
            }
        }
    }
}

impl Store for EmbeddedStore {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        self.txn_blocking(txn, deadline)
    }

    fn name(&self) -> String {
        name(&self.path)
    }
}

fn name(path: &Path) -> String {
    format!("embedded store {}", path.display())
}

fn attempt(path: &Path, create: Create) -> Result<Connection, Failure> {
    refuse_emptied(path)?;
    let mut connection = connect_or_create(path, create)?;
    // The first statement creates a missing log, so this has to be looked up before.
    let has_log = has_log(&connection);
    configure(&connection)?;
    match schema::content(&mut connection, path)? {
        Content::Store if has_log => {}
        // Another program has removed the log, as SQLite does with its last connection by default.
        Content::Store => schema::sync_new_log(path)?,
        Content::Nothing => {
            check_empty(path)?;
            if create == Create::Never {
                return Err(Failure::Unusable(EmbeddedError::Missing { path: path.to_owned() }));
            }
            schema::create(&mut connection, path)?;
        }
    }
    Ok(connection)
}

/// Refuses a file that was emptied while its log still holds the store: opening it would make SQLite delete the log.
fn refuse_emptied(path: &Path) -> Result<(), Failure> {
    let length = |path: &Path| fs::metadata(path).map(|metadata| metadata.len());
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log_length = length(Path::new(&log)).unwrap_or(0);
    if log_length > 0 && length(path).is_ok_and(|length| length == 0) {
        let path = path.to_owned();
        let source = format!("it is empty, but its log of {log_length} bytes is not").into();
        return Err(Failure::Unusable(EmbeddedError::Damaged { path, source }));
    }
    Ok(())
}

fn connect_or_create(path: &Path, create: Create) -> Result<Connection, Failure> {
    if let Ok(connection) = connect(path)
        && !connection.is_readonly("main")?
    {
        return Ok(connection);
    }
    if create == Create::IfMissing && fs::exists(path).is_ok_and(|exists| !exists) {
        schema::create_file(path).map_err(Failure::Unusable)?;
    }
    // Another process may have created the file during the first look. SQLite, which tries again read-only where
    // it cannot open a file for writing, may even have found nothing the first time and a file the second time.
    let connection =
        connect(path).map_err(|error| Failure::Unusable(why_not_opened(path, &error)))?;
    if connection.is_readonly("main")? {
        return Err(Failure::Unusable(EmbeddedError::ReadOnly { path: path.to_owned() }));
    }
    Ok(connection)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // Waiting is done here, where the deadline is known.
    connection.busy_timeout(Duration::ZERO)?;
    // The last one to close the store would move the log to the file: two more waits for the disk in every process
    // that lives for one call. Writers keep the log short instead.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Durability must not hang on how SQLite was built.
    connection.pragma_update(None, "synchronous", "FULL")
}

fn has_log(connection: &Connection) -> bool {
    // SQLite's own path is free of symbolic links, and the log lies next to the real file.
    connection.path().is_some_and(|path| fs::exists(format!("{path}-wal")).unwrap_or(false))
}

/// Looks closer at a file that SQLite takes for an empty database, before anything is written to it.
fn check_empty(path: &Path) -> Result<(), Failure> {
    let path = path.to_owned();
    match fs::metadata(&path) {
        // SQLite overlooks a single byte, for the sake of file systems that cannot lock an empty file.
        Ok(metadata) if metadata.is_file() && metadata.len() == 1 => {
            Err(Failure::Unusable(EmbeddedError::NotADatabase { path }))
        }
        Ok(metadata) if metadata.is_file() => Ok(()),
        // A device such as /dev/null looks as empty as a new file.
        Ok(_) => Err(Failure::Unusable(EmbeddedError::NotAFile { path })),
        Err(error) => {
            Err(Failure::Unusable(EmbeddedError::NotOpened { path, source: error.into() }))
        }
    }
}

fn why_not_opened(path: &Path, error: &rusqlite::Error) -> EmbeddedError {
    let path = path.to_owned();
    match fs::metadata(&path) {
        Ok(metadata) if !metadata.is_file() => EmbeddedError::NotAFile { path },
        Ok(_) => EmbeddedError::NotOpened { path, source: told(error) },
        Err(error) if error.kind() == io::ErrorKind::NotFound => EmbeddedError::Missing { path },
        Err(error) => EmbeddedError::NotOpened { path, source: error.into() },
    }
}

/// Moves the pages of a long log to the file, so that the next commit begins the log anew.
///
/// It has to happen right before a write. The index of the log, where SQLite notes what it has moved, ends with the
/// last process that uses it; whoever comes later finds all pages of the log in force and can only append. Beginning
/// anew also keeps the length of the log's file, so that a commit writes to blocks which the file has already.
fn shorten_log(connection: &Connection) {
    let pages = connection
        .prepare_cached("PRAGMA wal_checkpoint(NOOP)")
        .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(1)));
    // Whatever keeps the log from being shortened, a commit can still append to it, or will say what is wrong.
    if pages.is_ok_and(|pages| pages >= LOG_PAGES_MAX) {
        let _ = connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(()));
    }
}
