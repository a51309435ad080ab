//! Politeness between the processes of a node: one plans and commits at a time.
//!
//! The compares of a transaction keep addresses apart; the lock only spares the processes of one node from losing races
//! against each other. So everything about it is best effort: where it cannot be had, the call goes on without.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tracing::warn;

/// Where the lock lies when nothing else is said.
pub(crate) const LOCK_FILE: &str = "/run/ringfence/ipam.lock";
/// How long is waited for the lock when nothing else is said, in milliseconds.
pub(crate) const WAIT_MS_DEFAULT: u64 = 20_000;

/// The lock, as long as it is kept; the kernel takes it back from a process that dies.
#[derive(Debug)]
pub(crate) struct HostLock {
    file: Option<File>,
}

impl HostLock {
    /// Waits for the lock, and goes on without it where it cannot be had in time.
    pub(crate) fn acquire(path: &Path, wait: Duration) -> Self {
        match open(path).and_then(|file| lock(file, wait)) {
            Ok(file) => Self { file: Some(file) },
            Err(error) => {
                warn!(path = %path.display(), %error, "going on without the lock of this node");
                Self { file: None }
            }
        }
    }

    /// Says whether the lock is kept.
    pub(crate) fn is_held(&self) -> bool {
        self.file.is_some()
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent()
        && !folder.exists()
    {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // To open anything but a plain file may take for ever, and to wait on it may be to wait for something else.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The kernel queues waiters in order but knows no deadline, so a thread waits in its queue.
fn lock(file: File, wait: Duration) -> std::io::Result<File> {
    if file.try_lock().is_ok() {
        return Ok(file);
    }
    let (done, waiting) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let locked = file.lock().map(|()| file);
        // Nobody listens any more once the deadline has passed; the lock is given back with the file.
        drop(done.send(locked));
    })?;
    waiting.recv_timeout(wait).map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_is_waited_for_and_then_done_without() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/lock");
        let held = HostLock::acquire(&path, Duration::from_secs(5));
        assert!(held.is_held());
        assert!(!HostLock::acquire(&path, Duration::from_millis(20)).is_held());
        let waiter = thread::spawn({
            let path = path.clone();
            move || HostLock::acquire(&path, Duration::from_secs(20)).is_held()
        });
        drop(held);
        assert!(waiter.join().unwrap());
        assert!(!HostLock::acquire(folder.path(), Duration::ZERO).is_held(), "a folder is no lock");
    }
}
