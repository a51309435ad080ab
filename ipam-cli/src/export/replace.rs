//! Replacing a file so that its readers see the old one or the new one, and nothing between.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Replaces a file, or makes it.
///
/// A link is replaced itself and not followed. The file can be read by everybody, as feed readers run under names of
/// their own, unless the process's mask says otherwise.
///
/// # Errors
///
/// What the operating system says; the old file is as it was then.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut new_name = OsString::from(".");
    new_name.push(name);
    let random = getrandom::u32().map_err(|error| io::Error::other(error.to_string()))?;
    new_name.push(format!(".{random:08x}"));
    let new = directory.join(new_name);
    let written = write(&new, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What matters is why it failed; what is left behind is small and has a telling name.
        let _ = fs::remove_file(&new);
        return written;
    }
    File::open(directory)?.sync_all()
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_made_and_replaced_and_nothing_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fin.txt");
        for text in ["one\n", "two\n", ""] {
            replace(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(names(directory.path()), ["fin.txt"]);
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (directory.path().join("link"), directory.path().join("target"));
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn what_cannot_be_replaced_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "x").unwrap();
        assert!(replace(&path, "new").is_err());
        assert_eq!(names(directory.path()), ["taken"]);
        assert!(replace(&directory.path().join("absent/x"), "new").is_err());
        assert!(replace(Path::new("/"), "new").is_err());
    }
}
