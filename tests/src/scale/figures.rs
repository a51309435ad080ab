//! What a phase cost.

use std::collections::BTreeMap;
use std::time::Duration;

use ipam_core::model::key::{Named, parse};
use ipam_core::plan::Snapshot;

use super::call::{Ended, Verb};
use super::meter::Meter;

/// What a phase cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// The phase.
    pub name: &'static str,
    /// Calls that gave an address.
    pub adds: Calls,
    /// Calls that took one back.
    pub dels: Calls,
    /// Calls that did neither.
    pub failed: u64,
    /// Why the first of them did not.
    pub why: Option<String>,
    /// What the store was asked.
    pub meter: Meter,
    /// How long it took, by the clock of what carried it.
    pub elapsed: Duration,
    /// What is stored at its end.
    pub stored: Stored,
    /// The bytes of etcd's file at its end, and those of it in use; `None` in a simulation.
    pub file: Option<[u64; 2]>,
    /// The most bytes that a node remembers at its end.
    pub remembered_max: usize,
}

/// Calls of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// How many calls took how many round trips.
    trips: BTreeMap<u32, u64>,
    /// How many calls took how many milliseconds.
    milliseconds: BTreeMap<u128, u64>,
}

/// What is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Keys.
    pub keys: usize,
    /// Bytes of all keys and values.
    pub bytes: usize,
    /// Bytes of the largest value.
    pub value_max: usize,
    /// Blocks.
    pub blocks: usize,
    /// Handles.
    pub handles: usize,
}

impl Figures {
    pub(super) fn of(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Counts a call.
    pub(super) fn note(&mut self, ended: &Ended, took: Duration) {
        if let Err(why) = &ended.addresses {
            self.failed += 1;
            self.why.get_or_insert_with(|| why.clone());
            return;
        }
        let calls = match ended.verb {
            Verb::Add => &mut self.adds,
            Verb::Del => &mut self.dels,
        };
        *calls.trips.entry(ended.round_trips).or_default() += 1;
        *calls.milliseconds.entry(took.as_millis()).or_default() += 1;
    }

    /// Returns how many calls did what they were for.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.adds.count() + self.dels.count()
    }

    /// Returns how many transactions failed, by calls; each is about one address.
    #[must_use]
    pub fn conflicts_per_address(&self) -> f64 {
        self.meter.failed as f64 / self.calls().max(1) as f64
    }

    /// Returns how many transactions the store carried out in a second.
    #[must_use]
    pub fn transactions_per_second(&self) -> f64 {
        self.meter.transactions() as f64 / self.elapsed.as_secs_f64()
    }
}

impl Calls {
    /// Returns how many calls there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.trips.values().sum()
    }

    /// Returns how many round trips a call took.
    #[must_use]
    pub fn trips_mean(&self) -> f64 {
        let sum: u64 = self.trips.iter().map(|(trips, calls)| u64::from(*trips) * calls).sum();
        sum as f64 / self.count().max(1) as f64
    }

    /// Returns how many round trips 99 of 100 calls took at the most.
    #[must_use]
    pub fn trips_p99(&self) -> u32 {
        percentile(&self.trips, 99)
    }

    /// Returns how many round trips a call took at the most.
    #[must_use]
    pub fn trips_max(&self) -> u32 {
        percentile(&self.trips, 100)
    }

    /// Returns how many milliseconds 99 of 100 calls took at the most.
    #[must_use]
    pub fn milliseconds_p99(&self) -> u128 {
        percentile(&self.milliseconds, 99)
    }
}

impl Stored {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut stored = Self { keys: snapshot.kvs.len(), ..Self::default() };
        for kv in &snapshot.kvs {
            stored.bytes += kv.key.len() + kv.value.len();
            stored.value_max = stored.value_max.max(kv.value.len());
            match parse(&kv.key) {
                Some(Named::Block(_)) => stored.blocks += 1,
                Some(Named::Handle(_)) => stored.handles += 1,
                Some(
                    Named::Affinity(..)
                    | Named::Config
                    | Named::Resource(..)
                    | Named::Binding(_)
                    | Named::PoolMark(_),
                )
                | None => {}
            }
        }
        stored
    }
}

/// Returns what so many of a hundred counted values do not exceed.
fn percentile<V: Copy + Default>(counts: &BTreeMap<V, u64>, of_hundred: u64) -> V {
    let wanted = (counts.values().sum::<u64>() * of_hundred).div_ceil(100);
    let mut passed = 0;
    let found = counts.iter().find(|(_, count)| {
        passed += **count;
        passed >= wanted
    });
    found.map(|(value, _)| *value).unwrap_or_default()
}
