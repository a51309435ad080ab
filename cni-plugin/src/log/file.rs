//! A log file that many processes append to, and that does not grow for ever.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::protocol::CniError;
use crate::settings::Fields;

/// Where the log is, and what is kept of it. The fields, and what they are without being set, are Calico's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileSettings {
    pub(crate) path: PathBuf,
    /// At which size, in megabytes, it is put aside.
    pub(crate) size_max: u64,
    /// After how many days what was put aside is removed; 0 for never.
    pub(crate) age_max: u64,
    /// How many that were put aside are kept; 0 for all.
    pub(crate) count_max: u64,
}

const MEGABYTES_DEFAULT: u64 = 100;
const DAYS_DEFAULT: u64 = 30;
const FILES_DEFAULT: u64 = 10;
const MEGABYTE: u64 = 1024 * 1024;
const DAY: Duration = Duration::from_hours(24);

impl FileSettings {
    /// Reads what the configuration says, `None` where there is to be no file.
    pub(crate) fn of(fields: &Fields) -> Result<Option<Self>, CniError> {
        let Some(path) = fields.shared_text("log_file_path")? else { return Ok(None) };
        if !path.starts_with('/') {
            return Err(CniError::field("log_file_path", "must be an absolute path"));
        }
        Ok(Some(Self {
            path: PathBuf::from(path),
            size_max: fields.number("log_file_max_size", MEGABYTES_DEFAULT)?,
            age_max: fields.number("log_file_max_age", DAYS_DEFAULT)?,
            count_max: fields.number("log_file_max_count", FILES_DEFAULT)?,
        }))
    }

    /// Opens the file at its end, and puts it aside first where it has grown too large.
    pub(super) fn open(&self) -> io::Result<File> {
        let file = open(&self.path)?;
        if file.metadata()?.len() < self.size_max.saturating_mul(MEGABYTE) {
            return Ok(file);
        }
        // Whoever comes first puts it aside; the others go on in the old one for this once.
        if file.try_lock().is_err() || !is_at(&file, &self.path) {
            return Ok(file);
        }
        fs::rename(&self.path, self.aside(SystemTime::now()))?;
        self.prune(SystemTime::now());
        open(&self.path)
    }

    /// Returns the name of the file that is put aside now.
    fn aside(&self, now: SystemTime) -> PathBuf {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.path.with_file_name(format!("{name}.{:020}", since.as_nanos()))
    }

    /// Removes what was put aside too long ago, and the oldest of too many. What cannot be removed stays.
    fn prune(&self, now: SystemTime) {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let is_aside = |path: &PathBuf| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let number = file.strip_prefix(&*name).and_then(|rest| rest.strip_prefix('.'));
            number.is_some_and(|n| n.len() == 20 && n.bytes().all(|b| b.is_ascii_digit()))
        };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut aside: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_aside).collect();
        // Their names sort by time.
        aside.sort();
        aside.reverse();
        let is_old = |path: &PathBuf| {
            let changed = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
            let age = changed.and_then(|changed| now.duration_since(changed).ok());
            let days = u32::try_from(self.age_max).unwrap_or(u32::MAX);
            days > 0 && age.is_some_and(|age| age > DAY.saturating_mul(days))
        };
        let kept = usize::try_from(self.count_max).ok().filter(|count| *count > 0);
        for (at, path) in aside.iter().enumerate() {
            if is_old(path) || kept.is_some_and(|kept| at >= kept) {
                drop(fs::remove_file(path));
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent()
        && !folder.exists()
    {
        DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
    }
    // To open a pipe may take for ever.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
    }
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// Says whether a file is still the one of this name.
fn is_at(file: &File, path: &Path) -> bool {
    let of = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().ok().map(of) == fs::metadata(path).ok().map(of)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_large_file_is_put_aside_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/ipam.log");
        let settings = FileSettings { path: path.clone(), size_max: 1, age_max: 30, count_max: 2 };
        let files = || {
            let mut names: Vec<String> = fs::read_dir(path.parent().unwrap())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/ipam.log.notes"), "somebody else's").unwrap();
        for round in 0..5_u8 {
            let mut file = settings.open().unwrap();
            assert_eq!(file.metadata().unwrap().len(), 0, "round {round} begins anew");
            assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o640);
            file.write_all(&vec![round; 1024 * 1024]).unwrap();
        }
        let names = files();
        assert_eq!(names.len(), 4, "the log, two put aside, and what is no log: {names:?}");
        assert!(names.contains(&"ipam.log.notes".to_owned()));
        let kept = fs::read(path.with_file_name(&names[1])).unwrap();
        assert_eq!(kept.first(), Some(&2), "the oldest are gone");
        let far = SystemTime::now() + DAY * 31;
        settings.prune(far);
        assert_eq!(files().len(), 2, "a month later all are");
    }

    #[test]
    fn what_somebody_else_puts_aside_is_left_to_him() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ipam.log");
        let settings = FileSettings { path: path.clone(), size_max: 1, age_max: 0, count_max: 0 };
        fs::write(&path, vec![b'x'; 1024 * 1024]).unwrap();
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        assert!(settings.open().unwrap().metadata().unwrap().len() > 0, "the old one goes on");
        drop(other);
        assert_eq!(settings.open().unwrap().metadata().unwrap().len(), 0);
        assert!(FileSettings { path: folder.path().to_owned(), ..settings }.open().is_err());
    }
}
