//! What can be wrong with an embedded store, and what an SQLite error means for a transaction.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::wait::Patience;
use crate::store::{Cause, StoreError};

/// What is wrong with an embedded store's file, and how to mend it.
///
/// It is the source of the [`StoreError`] that an embedded store returns.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The file does not exist, or nothing was ever stored in it.
    #[error("there is no store at {}: name another path, or let it be created", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Something that is not a regular file has the name.
    #[error("{} is not a regular file: name a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file, or a directory above it, could not be created.
    #[error("{} cannot be created: check the directories above it and their permissions", path.display())]
    NotCreated {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file exists but could not be opened.
    #[error("{} cannot be opened: check its permissions and those of its directory", path.display())]
    NotOpened {
        /// The file.
        path: PathBuf,
        /// What the operating system or SQLite said.
        source: Cause,
    },
    /// The file may be read but not written, and a store needs both even to read.
    #[error("{} cannot be written: check its permissions and those of its directory", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else than an SQLite database.
    #[error("{} is no SQLite database, or was overwritten: move it away or restore a backup", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is an SQLite database of another program.
    #[error(
        "{} is a database of another program, with application id {application_id}: name another path",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is, as stored in its header; 0 means that nobody says.
        application_id: i32,
    },
    /// The file was written in a format that this program does not know.
    #[error(
        "{} has format {found}, but only format {known} is known here: use the release that wrote it or a later one",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i32,
        /// The format of this program.
        known: i32,
    },
    /// The file is a store, but its content contradicts itself.
    #[error("{} is damaged: move it away together with its -wal file and restore a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        source: Cause,
    },
    /// The file system is full; nothing was changed.
    #[error("no space is left for {}: free some and try again", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// Another process kept the store locked.
    #[error("another process keeps {} locked: try again, or see who has it open", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The store answered, but not before the deadline; nothing was changed.
    #[error("the deadline passed while {} was at work", path.display())]
    Late {
        /// The file.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("{} cannot be read or written: check the disk and the system log", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Cause,
    },
}

impl EmbeddedError {
    /// Says what an SQLite error means for the file.
    pub(super) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let source = told(error);
        match error.sqlite_error_code() {
            // The statements never change. If SQLite cannot make sense of one, or returns what does not fit, then
            // this program cannot have stored what it met.
            None | Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => {
                Self::Damaged { path, source }
            }
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::NotOpened { path, source }
            }
            Some(_) => Self::Failed { path, source },
        }
    }
}

/// Puts an SQLite error into one message; its own chain says most things twice.
pub(super) fn told(error: &rusqlite::Error) -> Cause {
    match error.sqlite_error() {
        Some(code) => format!("{error}, SQLite error {}", code.extended_code).into(),
        None => error.to_string().into(),
    }
}

/// Why one attempt at something did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite failed before a commit, so nothing was changed.
    Sqlite(rusqlite::Error),
    /// SQLite failed while it committed.
    Commit(rusqlite::Error),
    /// The deadline passed before the commit.
    Late,
    /// The file cannot serve as a store.
    Unusable(EmbeddedError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    /// Says whether a lock was in the way, so that nothing was changed and another attempt may succeed.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            Self::Sqlite(error) | Self::Commit(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::FileLockingProtocolFailed
                )
            ),
            Self::Late | Self::Unusable(_) => false,
        }
    }

    /// Tells the caller of a store.
    pub(super) fn into_store_error(
        self,
        store: String,
        path: &Path,
        patience: &Patience,
    ) -> StoreError {
        let unavailable = |store, reason: EmbeddedError| StoreError::Unavailable {
            store,
            waited_ms: patience.waited_ms(),
            source: reason.into(),
        };
        if self.is_busy() {
            return unavailable(store, EmbeddedError::Locked { path: path.to_owned() });
        }
        match self {
            Self::Late => unavailable(store, EmbeddedError::Late { path: path.to_owned() }),
            Self::Unusable(reason) => StoreError::Unusable { store, source: reason.into() },
            Self::Sqlite(error) => StoreError::Unusable {
                store,
                source: EmbeddedError::from_sqlite(path, &error).into(),
            },
            Self::Commit(error) => {
                let is_full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
                let source = EmbeddedError::from_sqlite(path, &error).into();
                // Without space the last frame, which alone makes a transaction count, was not written.
                if is_full {
                    StoreError::Unusable { store, source }
                } else {
                    StoreError::Indeterminate { store, source }
                }
            }
        }
    }
}
