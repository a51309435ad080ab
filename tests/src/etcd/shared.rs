//! Servers that tests use one after the other.

use std::iter;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::options::Options;
use super::server::Etcd;
use super::version::Version;

/// Those that nobody uses just now.
static IDLE: Mutex<Vec<(Version, Etcd)>> = Mutex::new(Vec::new());

/// A server that holds nothing; when dropped, the next test may have it.
///
/// Its revisions go on where the test before ended. It runs until the process of the tests ends.
#[derive(Debug)]
pub struct Shared {
    version: Version,
    /// Here until it is given back.
    server: Option<Etcd>,
}

impl Shared {
    /// Takes a server that runs without TLS and users, and empties it; starts one if none is idle.
    ///
    /// # Panics
    ///
    /// If it does not become healthy.
    #[must_use]
    pub fn take(version: Version) -> Self {
        // A test may have left one killed or stopped.
        let sound = iter::from_fn(|| idle_of(version)).find(Etcd::is_healthy);
        let server = sound.unwrap_or_else(|| Options::default().version(version).start());
        server.ctl(&["del", "", "--prefix"]);
        Self { version, server: Some(server) }
    }
}

impl Deref for Shared {
    type Target = Etcd;

    fn deref(&self) -> &Etcd {
        self.server.as_ref().expect("it is given back only when dropped")
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        idle().extend(self.server.take().map(|server| (self.version, server)));
    }
}

fn idle_of(version: Version) -> Option<Etcd> {
    let mut idle = idle();
    let at = idle.iter().position(|(of, _)| *of == version)?;
    Some(idle.swap_remove(at).1)
}

fn idle() -> MutexGuard<'static, Vec<(Version, Etcd)>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}
