//! What lies at a path, and the only ways in which that is changed.
//!
//! Whoever looks sees the old file or the new one, whole and with its mode. A link is a thing of its own: it is replaced,
//! kept and put back, and never followed. The names of what is not finished are known, so that the next run clears it away.

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::InstallError;

const MODE_BITS: u32 = 0o7777;
const NOBODY_ELSE: u32 = 0o600;

/// What a file holds or where a link leads, short enough to be remembered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(String);

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// A file.
    File {
        /// What it holds.
        mark: Mark,
        /// Its permissions.
        mode: u32,
        /// The number of its owner.
        owner: u32,
    },
    /// A symbolic link, wherever it leads.
    Link(Mark),
    /// Something that is never replaced, such as a folder.
    Other,
}

impl Mark {
    /// Marks what a file holds.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self::digest("sha256", bytes)
    }

    /// Takes a mark that was remembered.
    pub(super) fn remembered(text: String) -> Self {
        Self(text)
    }

    fn digest(kind: &str, bytes: &[u8]) -> Self {
        let mut text = format!("{kind}:");
        for byte in Sha256::digest(bytes) {
            // Text takes whatever is written to it.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Found {
    /// Returns the mark of what lies there, if it is something that can have one.
    pub(crate) fn mark(&self) -> Option<&Mark> {
        match self {
            Self::File { mark, .. } | Self::Link(mark) => Some(mark),
            Self::Nothing | Self::Other => None,
        }
    }
}

/// Looks what lies at a path.
///
/// # Errors
///
/// [`InstallError::Look`].
pub(crate) fn look(path: &Path) -> Result<Found, InstallError> {
    let read = || {
        let metadata = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            metadata => metadata?,
        };
        if metadata.is_symlink() {
            let target = fs::read_link(path)?;
            return Ok(Found::Link(Mark::digest("link-sha256", target.as_os_str().as_bytes())));
        }
        if !metadata.is_file() {
            return Ok(Found::Other);
        }
        let mark = Mark::of_bytes(&fs::read(path)?);
        Ok(Found::File { mark, mode: metadata.mode() & MODE_BITS, owner: metadata.uid() })
    };
    read().map_err(|source| InstallError::Look { path: path.to_path_buf(), source })
}

/// Makes a file, or replaces what lies there.
///
/// # Errors
///
/// [`InstallError::Change`]; what lay there still does.
pub(super) fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<(), InstallError> {
    change(path, |unfinished| {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(NOBODY_ELSE).open(unfinished)?;
        file.write_all(bytes)?;
        // Set by itself, as the mask of the process takes from what a file is made with.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(unfinished, path)
    })
}

/// Keeps what lies at a path under another name as well, with its mode, its owner and its times.
///
/// # Errors
///
/// [`InstallError::Change`]; nothing is changed.
pub(super) fn keep(path: &Path, aside: &Path) -> Result<(), InstallError> {
    change(aside, |unfinished| {
        fs::hard_link(path, unfinished)?;
        fs::rename(unfinished, aside)
    })
}

/// Puts back what was kept.
///
/// # Errors
///
/// [`InstallError::Change`]; nothing is changed.
pub(super) fn restore(aside: &Path, path: &Path) -> Result<(), InstallError> {
    change(path, |_| fs::rename(aside, path))
}

/// Removes a file, if it is there.
///
/// # Errors
///
/// [`InstallError::Change`].
pub(super) fn remove(path: &Path) -> Result<(), InstallError> {
    change(path, |_| clear(path))
}

/// Clears away what a run left behind that was cut short.
///
/// # Errors
///
/// [`InstallError::Change`].
pub(super) fn tidy(path: &Path) -> Result<(), InstallError> {
    clear(&unfinished(path))
        .map_err(|source| InstallError::Change { path: path.to_path_buf(), source })
}

/// Changes what lies at a path, by way of a name that nobody looks at, and sees to it that a crash does not undo it.
fn change(path: &Path, by: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), InstallError> {
    let unfinished = unfinished(path);
    let changed = clear(&unfinished).and_then(|()| {
        let changed = by(&unfinished).and_then(|()| File::open(folder(path))?.sync_all());
        if changed.is_err() {
            // What matters is why it failed; the next run clears it away.
            let _ = clear(&unfinished);
        }
        changed
    });
    changed.map_err(|source| InstallError::Change { path: path.to_path_buf(), source })
}

fn clear(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Returns the name under which a file is made before it takes its place. Runtimes pass over it: it starts with a dot.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".ringfence-unfinished");
    path.with_file_name(name)
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
