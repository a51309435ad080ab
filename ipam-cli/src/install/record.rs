//! What was installed: the list that lies beside the configuration.
//!
//! A file is on the list before it is put anywhere, so a list may be ahead of what is there, and never behind it.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;

use super::place::{Mark, put, remove};
use super::{InstallError, folder};

const FILE_NAME: &str = "installed.json";
const VERSION: u64 = 1;
const MODE: u32 = 0o600;

/// What was installed, in the order in which it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// One entry for each file.
    pub(crate) entries: Vec<Entry>,
}

/// A file that was installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it lies.
    pub(crate) path: PathBuf,
    /// What it holds; several where one is being replaced by another.
    pub(crate) holds: BTreeSet<Mark>,
    /// What lay there before.
    pub(crate) kept: Option<Kept>,
}

/// What lay at a place before, and is put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Where it lies now.
    pub(crate) path: PathBuf,
    /// What it holds.
    pub(crate) holds: BTreeSet<Mark>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRecord {
    version: u64,
    files: Vec<StoredEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEntry {
    path: PathBuf,
    holds: Vec<String>,
    kept: Option<StoredKept>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKept {
    path: PathBuf,
    holds: Vec<String>,
}

impl Record {
    /// Reads the list in a folder, which must be a trusted one; without a list nothing was installed.
    ///
    /// # Errors
    ///
    /// [`InstallError::Unsafe`], [`InstallError::Look`] and [`InstallError::Record`].
    pub(crate) fn read(folder: &Path) -> Result<Self, InstallError> {
        folder::judge(folder)?;
        let path = folder.join(FILE_NAME);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(InstallError::Look { path, source }),
            Ok(text) => text,
        };
        let stored: Result<StoredRecord, _> = serde_json::from_str(&text);
        match stored {
            Ok(stored) if stored.version == VERSION => Ok(stored.into()),
            Ok(stored) => {
                let why = format!("it has version {}, not {VERSION}", stored.version);
                Err(InstallError::Record { path, why })
            }
            Err(error) => Err(InstallError::Record { path, why: error.to_string() }),
        }
    }

    /// Writes the list, or removes one of nothing.
    ///
    /// # Errors
    ///
    /// [`InstallError::Change`].
    pub(super) fn write(&self, folder: &Path) -> Result<(), InstallError> {
        let path = folder.join(FILE_NAME);
        if self.entries.is_empty() {
            return remove(&path);
        }
        let holds = |marks: &BTreeSet<Mark>| marks.iter().map(Mark::to_string).collect::<Vec<_>>();
        let files: Vec<_> = self
            .entries
            .iter()
            .map(|entry| {
                let kept = entry.kept.as_ref();
                let kept = kept.map(|kept| json!({"path": kept.path, "holds": holds(&kept.holds)}));
                json!({"path": entry.path, "holds": holds(&entry.holds), "kept": kept})
            })
            .collect();
        put(&path, format!("{:#}\n", json!({"version": VERSION, "files": files})).as_bytes(), MODE)
    }

    /// Finds the entry of a file.
    pub(crate) fn entry(&self, path: &Path) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }
}

impl From<StoredRecord> for Record {
    fn from(stored: StoredRecord) -> Self {
        let marks = |holds: Vec<String>| holds.into_iter().map(Mark::remembered).collect();
        let entry = |StoredEntry { path, holds, kept }| Entry {
            path,
            holds: marks(holds),
            kept: kept.map(|StoredKept { path, holds }| Kept { path, holds: marks(holds) }),
        };
        Self { entries: stored.files.into_iter().map(entry).collect() }
    }
}
