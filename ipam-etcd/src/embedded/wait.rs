//! Waiting for a lock: in short, fair steps, and never beyond the deadline.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest pause between two tries for a lock, in microseconds.
///
/// A commit holds the lock for as long as the disk needs to confirm it, often less than a millisecond. SQLite's
/// own handler soon sleeps for 100 ms, in which the lock changes hands a hundred times.
const PAUSE_US_MAX: u64 = 2_000;

/// The shortest pause, in microseconds. With less, the tries of 64 processes keep two cores from all other work.
const PAUSE_US_MIN: u64 = 500;

/// After how many tries the pause is half as long.
const TRIES_TO_HALVE: u64 = 8;

/// The time that one call may take, and how it is spent waiting.
#[derive(Debug)]
pub(super) struct Patience {
    start: Instant,
    deadline: Duration,
    tries: u64,
    dice: u64,
}

impl Patience {
    /// Starts the clock of a call.
    pub(super) fn new(deadline: Duration) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let dice = u64::from(std::process::id()) << 32 | u64::from(now.subsec_nanos());
        Self { start: Instant::now(), deadline, tries: 0, dice }
    }

    /// Says whether the time is up.
    pub(super) fn is_over(&self) -> bool {
        self.start.elapsed() >= self.deadline
    }

    /// Returns the time since the call began, in milliseconds.
    pub(super) fn waited_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits a moment before the next try, `false` where no time is left for one.
    ///
    /// Pauses get shorter with time: who has waited longest asks most often, so nobody starves.
    pub(super) fn pause(&mut self) -> bool {
        let left = self.deadline.saturating_sub(self.start.elapsed());
        if left.is_zero() {
            return false;
        }
        let pause_us = (PAUSE_US_MAX / (1 + self.tries / TRIES_TO_HALVE)).max(PAUSE_US_MIN);
        self.tries += 1;
        // Half to one and a half of that, lest processes that were started together keep asking together.
        let pause_us = pause_us / 2 + self.roll() % pause_us;
        thread::sleep(Duration::from_micros(pause_us).min(left));
        true
    }

    /// Steps a linear congruential generator, with the constants of Knuth's MMIX.
    fn roll(&mut self) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.dice >> 33
    }
}
