//! The clock of a test.

use std::sync::atomic::{AtomicI64, Ordering};

use ipam_core::model::Timestamp;

/// A clock that moves a little each time it is read, so that no two readings are the same.
#[derive(Debug)]
pub struct Clock {
    nanos: AtomicI64,
}

/// How far a reading moves the clock.
const TICK_NANOS: i64 = 1_000;

impl Clock {
    /// Starts a clock.
    #[must_use]
    pub fn starting_at(nanos: i64) -> Self {
        Self { nanos: AtomicI64::new(nanos) }
    }

    /// Reads the clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let before = self.nanos.fetch_add(TICK_NANOS, Ordering::Relaxed);
        Timestamp::from_nanos(i128::from(before))
    }

    /// Lets time pass.
    pub fn advance_nanos(&self, nanos: i64) {
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}
