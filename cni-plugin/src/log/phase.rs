//! Where the time of a call goes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A part of a call that can take long.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// Asking the Kubernetes API; connecting to the store is under way meanwhile.
    Annotations,
    /// Waiting for the other processes of the node.
    Lock,
    /// Connecting to the store, and carrying out requests.
    Store,
}

/// The process is one call, so there is one clock of each kind.
static TAKEN: [AtomicU64; 3] = [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];

impl Phase {
    fn clock(self) -> &'static AtomicU64 {
        let [annotations, lock, store] = &TAKEN;
        match self {
            Self::Annotations => annotations,
            Self::Lock => lock,
            Self::Store => store,
        }
    }

    /// Returns how long it took so far.
    pub(crate) fn taken(self) -> Duration {
        Duration::from_micros(self.clock().load(Ordering::Relaxed))
    }

    /// Adds the time since a moment.
    pub(crate) fn took(self, since: Instant) {
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.clock().fetch_add(micros, Ordering::Relaxed);
    }
}

/// Waits for something, and notes how long that took.
pub(crate) async fn timed<F: Future>(phase: Phase, future: F) -> F::Output {
    let began = Instant::now();
    let output = future.await;
    phase.took(began);
    output
}
