//! A folder of our own, and files in it that are replaced as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

const GROUP_OR_OTHERS: u32 = 0o077;

/// Reads a file of at most `bytes_max` bytes in a folder of our own; `None` where it does not exist.
pub(super) fn read(folder: &Path, file: &Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    match check(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        checked => checked?,
    }
    match fs::symlink_metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(metadata) if metadata.is_file() => {}
        // To open anything but a plain file may take for ever.
        Ok(_) => return Err(io::ErrorKind::InvalidInput.into()),
    }
    let mut opened = File::open(file)?;
    let length = opened.metadata()?.len();
    if usize::try_from(length).is_ok_and(|length| length > bytes_max) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    (&mut opened).take(limit).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Puts a file in the place of another at once; the folder is made where it is missing.
pub(super) fn replace(folder: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    if !folder.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    check(folder)?;
    let beside = file.with_extension(format!("new-{}", std::process::id()));
    let written = write_new(&beside, bytes).and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        remove(&beside);
        // What it should have replaced is not true any more.
        remove(file);
    }
    written
}

/// Removes a file, if it is there and can be.
pub(super) fn remove(file: &Path) {
    // What cannot be removed is proven before it is used, like anything else that is found there.
    drop(fs::remove_file(file));
}

fn write_new(file: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that a process with the same number left behind when it was killed.
    remove(file);
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    opened.write_all(bytes)
}

/// Refuses a folder that others could have put something into.
fn check(folder: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(folder)?;
    // The owner of this entry is whom this process acts as.
    let ours = fs::metadata("/proc/self")?.uid();
    if !metadata.is_dir() || metadata.uid() != ours || metadata.mode() & GROUP_OR_OTHERS != 0 {
        let why = "the folder is not one that only this user can enter";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}
