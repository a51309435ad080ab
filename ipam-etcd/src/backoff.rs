//! Waiting after a lost race: short, growing, never in step with others.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// The longest single wait.
const WAIT_MS_MAX: u64 = 32;
/// The longest pause before a transaction of unknown outcome is sent again.
const PAUSE_MS_MAX: u64 = 500;
/// How many races may be lost before the first wait: planning again at once usually wins.
const FREE_TRIES: u32 = 2;

/// Waits that grow with the number of lost races.
#[derive(Debug)]
pub(crate) struct Backoff {
    seed: u64,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        // The standard library seeds each hasher at random; processes that lost the same race must not meet again.
        Self { seed: RandomState::new().build_hasher().finish() }
    }

    /// Waits after the `tries`-th lost race, at most as long as is `left`; says whether it waited at all.
    pub(crate) async fn wait(&mut self, tries: u32, left: Duration) -> bool {
        let delay = self.delay(tries).min(left);
        if delay.is_zero() {
            return false;
        }
        tokio::time::sleep(delay).await;
        true
    }

    /// Pauses before a transaction is sent again whose outcome is unknown: its store may need to find itself a leader.
    pub(crate) async fn pause(&mut self, sends: u32, left: Duration) {
        let growth = 1_u64.checked_shl(sends - 1).unwrap_or(u64::MAX).min(PAUSE_MS_MAX);
        tokio::time::sleep(self.jitter(1000 * growth).min(left)).await;
    }

    /// Returns between half of the wait and the whole of it.
    fn delay(&mut self, tries: u32) -> Duration {
        let Some(growth) = tries.checked_sub(FREE_TRIES + 1) else { return Duration::ZERO };
        self.jitter(1000 * 1_u64.checked_shl(growth).unwrap_or(u64::MAX).min(WAIT_MS_MAX))
    }

    fn jitter(&mut self, whole_us: u64) -> Duration {
        self.seed = self.seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        Duration::from_micros(whole_us / 2 + (self.seed >> 33) % (whole_us / 2))
    }
}

/// Returns how long a call may wait after its so many-th lost race, for a simulation that decides by a seed.
#[cfg(any(test, feature = "testing"))]
#[must_use]
pub fn wait_after(tries: u32, seed: u64) -> Duration {
    Backoff { seed }.delay(tries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_limit() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.delay(1), Duration::ZERO);
        for (tries, ms) in [(3, 1), (4, 2), (6, 8), (8, 32), (100, 32), (u32::MAX, 32)] {
            let delay = backoff.delay(tries);
            assert!(
                delay >= Duration::from_millis(ms) / 2 && delay < Duration::from_millis(ms),
                "{tries}"
            );
        }
    }
}
