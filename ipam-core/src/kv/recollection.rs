//! What a call leaves for a later one.

use std::collections::BTreeMap;

use super::entry::{Entry, What};
use super::view::Scan;
use super::{Key, Kv, Range, Revision};

/// What an earlier call has read and written: the seed of a recalled view.
///
/// It holds a *witness*: a key whose value was written once in the history of all stores. So a store in which it has this
/// value has the same history up to there, and everything else that is remembered was true in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recollection {
    pub(super) witness: Kv,
    /// Keys that are known whole or not to exist, all of them only remembered.
    pub(super) keys: BTreeMap<Key, Entry>,
    /// Ranges of which every value is remembered.
    pub(super) scans: BTreeMap<Range, Scan>,
}

impl Recollection {
    /// Puts one together: the key of the witness, keys with their values, keys that did not exist, and ranges of which
    /// every key is remembered, with the revisions at which that was so. `None` where the witness is not among the keys.
    #[must_use]
    pub fn new(
        witness: &str,
        kvs: impl IntoIterator<Item = Kv>,
        absent: impl IntoIterator<Item = Key>,
        scans: impl IntoIterator<Item = (Range, Revision)>,
    ) -> Option<Self> {
        let known = kvs.into_iter().map(|kv| (Key::clone(&kv.key), What::Whole(kv)));
        let absent = absent.into_iter().map(|key| (key, What::Absent));
        let keys = known.chain(absent).map(|(key, what)| (key, Entry::remembered(what)));
        let keys: BTreeMap<Key, Entry> = keys.collect();
        let witness = keys.get(witness).and_then(Entry::kv)?.clone();
        let scans = scans.into_iter().map(|(range, revision)| (range, Scan::remembered(revision)));
        Some(Self { witness, keys, scans: scans.collect() })
    }

    /// Returns the key and value that prove the rest.
    #[must_use]
    pub fn witness(&self) -> &Kv {
        &self.witness
    }

    /// Walks the keys that existed, with their values.
    pub fn kvs(&self) -> impl Iterator<Item = &Kv> {
        self.keys.values().filter_map(Entry::kv)
    }

    /// Walks the keys that did not exist.
    pub fn absent(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(|(_, entry)| entry.what == What::Absent).map(|(key, _)| key)
    }

    /// Walks the ranges of which every key is remembered, with the revisions at which that was so.
    pub fn scans(&self) -> impl Iterator<Item = (&Range, Revision)> {
        self.scans.iter().map(|(range, scan)| (range, scan.revision))
    }
}
