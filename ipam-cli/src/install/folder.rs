//! The folder of the plugin's configuration: trusted, and worked on by one process at a time.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::InstallError;
use super::surroundings::is_trusted;

const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
const NOBODY_ELSE: u32 = 0o700;

/// A folder that this process has to itself until it lets go of the value.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Whoever dies unlocks it.
    _lock: File,
}

impl Folder {
    /// Makes the folder unless it is there, and takes it.
    ///
    /// # Errors
    ///
    /// [`InstallError::Busy`], [`InstallError::Unsafe`] and [`InstallError::Change`].
    pub(crate) fn take(path: &Path) -> Result<Self, InstallError> {
        let failed = |source| InstallError::Change { path: path.to_path_buf(), source };
        make(path).map_err(failed)?;
        judge(path)?;
        let lock = File::open(path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(InstallError::Busy { path: path.to_path_buf() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder, unless something is left in it.
    ///
    /// # Errors
    ///
    /// [`InstallError::Change`].
    pub(crate) fn leave(self) -> Result<(), InstallError> {
        match fs::remove_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
            removed => {
                removed.map_err(|source| InstallError::Change { path: self.path.clone(), source })
            }
        }
    }
}

/// Refuses a folder in which others could exchange what the plugin, as root, believes.
///
/// # Errors
///
/// [`InstallError::Unsafe`] and [`InstallError::Look`].
pub(crate) fn judge(path: &Path) -> Result<(), InstallError> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        metadata => {
            metadata.map_err(|source| InstallError::Look { path: path.to_path_buf(), source })?
        }
    };
    let why = if !metadata.is_dir() {
        "is not a folder"
    } else if !is_trusted(metadata.uid()) {
        "belongs to another user, who could exchange what lies in it"
    } else if metadata.mode() & GROUP_OR_OTHERS_WRITE != 0 {
        "can be written by its group or by others, who could exchange what lies in it"
    } else {
        return Ok(());
    };
    Err(InstallError::Unsafe { path: path.to_path_buf(), why })
}

fn make(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(NOBODY_ELSE).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
