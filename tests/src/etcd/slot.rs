//! A place for one server.

use std::fs::{self, File};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::cleaner;

/// Below the range that the kernel takes ports for outgoing connections from, so that a server that was killed finds its
/// ports free when it comes back.
const PORTS_START: u16 = 24_000;
const PORTS_PER_SLOT: u16 = 3;
const SLOTS: u16 = 1_000;

/// A folder and three ports on loopback that nobody else uses, neither another test nor another process of tests.
///
/// A slot belongs to whoever locks its file, and the kernel takes the lock back from a process that dies.
#[derive(Debug)]
pub struct Slot {
    folder: PathBuf,
    first_port: u16,
    _lock: File,
}

impl Slot {
    /// Takes the first free one.
    ///
    /// # Panics
    ///
    /// If there is none, or no folder can be made.
    #[must_use]
    pub fn take() -> Self {
        let slots = folder_of_slots();
        (0..SLOTS).find_map(|number| Self::try_take(&slots, number)).expect("a free slot")
    }

    /// Returns the port for clients.
    #[must_use]
    pub fn client_port(&self) -> u16 {
        self.first_port
    }

    /// Returns the port for the other members of a cluster.
    #[must_use]
    pub fn peer_port(&self) -> u16 {
        self.first_port + 1
    }

    /// Returns the port for health and metrics.
    #[must_use]
    pub fn metrics_port(&self) -> u16 {
        self.first_port + 2
    }

    /// Returns where the server keeps its data.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Returns where the server writes its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn try_take(slots: &Path, number: u16) -> Option<Self> {
        let first_port = PORTS_START + number * PORTS_PER_SLOT;
        let folder = slots.join(first_port.to_string());
        fs::create_dir_all(&folder).expect("the folder of a slot is made");
        let lock = File::create(folder.join("lock")).expect("the lock of a slot is made");
        lock.try_lock().ok()?;
        cleaner::remember(&folder);
        let slot = Self { folder, first_port, _lock: lock };
        slot.clear();
        (first_port..first_port + PORTS_PER_SLOT).all(is_free).then_some(slot)
    }

    fn clear(&self) {
        // Either may not exist.
        let _ = fs::remove_dir_all(self.data());
        let _ = fs::remove_file(self.log());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.clear();
    }
}

/// In memory where there is such a file system: etcd waits for the disk at each write.
fn folder_of_slots() -> PathBuf {
    let user = fs::metadata("/proc/self").map_or(0, |process| process.uid());
    let name = format!("ringfence-etcd-{user}");
    let memory = Path::new("/dev/shm").join(&name);
    if fs::create_dir_all(memory.join("0")).is_ok() {
        return memory;
    }
    std::env::temp_dir().join(name)
}

/// Where there is no IPv6, nothing can be in the way there.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        && (TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok() || !has_ipv6())
}

/// Says whether this machine has the loopback address of IPv6.
#[must_use]
pub fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}
