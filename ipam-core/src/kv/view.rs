//! What has been read of a store, and when.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::entry::{Entry, Known, What};
use super::{
    Compare, Key, Kv, Op, Projection, Range, Read, ReadReply, Recollection, Revision, Txn,
    TxnReply, Value,
};

/// What a plan may look at.
///
/// A view is a collection of answers, each true at the revision at which it was given. They need not be of one
/// moment: a plan's compares prove at the commit that those it depends on are still true.
///
/// A view may be *recalled*: begun with what an earlier call remembered. Nobody has checked that against the store, so a
/// [`Lookup`](super::Lookup) of a recalled view guards everything that is looked at, hints too.
#[derive(Clone, Debug, Default)]
pub struct View {
    keys: BTreeMap<Key, Entry>,
    /// Ranges that were read whole, by what was read of them.
    scans: BTreeMap<Range, Scan>,
    /// How many keys ranges hold that were only counted.
    counts: BTreeMap<Range, u64>,
    /// How far long walks came.
    waypoints: BTreeMap<String, Waypoint>,
    /// In a recalled view, the value that proves the store's history to be the remembered one.
    ///
    /// It stays what was remembered, whatever is read of its key meanwhile: only that value proves the rest.
    witness: Option<Kv>,
    /// How often the call has lost a block to somebody else.
    losses: u32,
}

/// How far a walk over more keys than memory should hold came, so that what it has read can be forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waypoint {
    /// How many places lie behind.
    pub walked: u128,
    /// Keys met on the way to return to first.
    pub better: Vec<Key>,
    /// Keys met on the way to return to otherwise.
    pub good: Vec<Key>,
}

/// A range that was read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// When.
    pub(super) revision: Revision,
    has_values: bool,
    is_remembered: bool,
}

impl Scan {
    /// Notes that the values of a range are remembered.
    pub(super) fn remembered(revision: Revision) -> Self {
        Self { revision, has_values: true, is_remembered: true }
    }
}

impl View {
    /// Begins with what an earlier call remembered.
    #[must_use]
    pub fn recall(recollection: Recollection) -> Self {
        let Recollection { witness, keys, scans } = recollection;
        Self { keys, scans, witness: Some(witness), ..Self::default() }
    }

    /// Turns into what a later call may begin with: the keys that are worth it, by key and value. `None` where `witness` is
    /// not among them.
    #[must_use]
    pub fn into_recollection(
        mut self,
        witness: &str,
        is_worth_it: impl Fn(&str, Option<&Kv>) -> bool,
    ) -> Option<Recollection> {
        let Some(What::Whole(kv)) = self.keys.get(witness).map(|entry| &entry.what) else {
            return None;
        };
        let witness = kv.clone();
        self.keys.retain(|key, entry| {
            entry.is_remembered = true;
            let is_certain = matches!(entry.what, What::Whole(_) | What::Absent);
            is_certain && is_worth_it(key, entry.kv())
        });
        self.scans.retain(|_, scan| {
            scan.is_remembered = true;
            scan.has_values
        });
        let is_kept = self.keys.contains_key(&witness.key);
        is_kept.then_some(Recollection { witness, keys: self.keys, scans: self.scans })
    }

    /// Takes over a value that follows from others that are remembered, where nothing is known of its key.
    pub fn presume(&mut self, key: Key, value: Value) {
        if self.known(&key) != Known::Nothing {
            return;
        }
        let unknown = Revision::ABSENT;
        let (create_revision, mod_revision) = (unknown, unknown);
        let kv = Kv { key: Key::clone(&key), value, create_revision, mod_revision, version: 0 };
        self.keys.insert(key, Entry::remembered(What::Presumed(kv)));
    }

    /// Says whether the view was begun with what an earlier call remembered.
    #[must_use]
    pub fn is_recalled(&self) -> bool {
        self.witness.is_some()
    }

    /// Returns the key and value that prove the store's history in a recalled view.
    #[must_use]
    pub fn witness(&self) -> Option<&Kv> {
        self.witness.as_ref()
    }

    /// Notes how often the call for which this is read has lost a block to somebody else.
    pub fn note_losses(&mut self, losses: u32) {
        self.losses = losses;
    }

    /// Returns how often the call for which this is read has lost a block to somebody else.
    #[must_use]
    pub fn losses(&self) -> u32 {
        self.losses
    }

    /// Takes over the answer to a read. Where it disagrees with an older answer, the newer revision wins.
    pub fn absorb(&mut self, read: &Read, reply: &ReadReply) {
        match read.projection {
            Projection::Values => self.absorb_kvs(read, reply, true),
            Projection::Keys => self.absorb_kvs(read, reply, false),
            Projection::Count => self.absorb_count(&read.range, reply.count),
        }
    }

    /// Takes over what the branch of a transaction read.
    pub fn absorb_txn(&mut self, txn: &Txn, reply: &TxnReply) {
        if reply.succeeded {
            let reads = txn.then.iter().filter_map(|op| match op {
                Op::Read(read) => Some(read),
                Op::Put { .. } | Op::Delete { .. } => None,
            });
            reads.zip(&reply.reads).for_each(|(read, answer)| self.absorb(read, answer));
        } else {
            txn.otherwise
                .iter()
                .zip(&reply.reads)
                .for_each(|(read, answer)| self.absorb(read, answer));
        }
    }

    /// Takes over what a transaction wrote that was applied at `revision`.
    pub fn apply(&mut self, txn: Txn, revision: Revision) {
        for op in txn.then {
            match op {
                Op::Put { key, value } => {
                    let old = self.kv(&key);
                    let create_revision = old.map_or(revision, |kv| kv.create_revision);
                    let version = old.map_or(1, |kv| kv.version.saturating_add(1));
                    let key_of = Key::clone(&key);
                    let kv =
                        Kv { key: key_of, value, create_revision, mod_revision: revision, version };
                    self.keys.insert(key, Entry::read(What::Whole(kv)));
                }
                Op::Delete { key } => {
                    self.keys.insert(key, Entry::read(What::Absent));
                }
                Op::Read(_) => {}
            }
        }
        for compare in &txn.compares {
            // A range that was compared is known to be as it was read until this revision.
            if let Compare::Range { range, .. } = compare
                && let Some(scan) = self.scans.get_mut(range)
            {
                scan.revision = revision;
            }
        }
    }

    /// Says whether the ranges that an applied transaction counted hold as many keys as are known here.
    ///
    /// Its compares do not notice what vanished from a range; the counts do.
    #[must_use]
    pub fn counts_agree(&self, txn: &Txn, reply: &TxnReply) -> bool {
        let reads = txn.then.iter().filter_map(|op| match op {
            Op::Read(read) if read.projection == Projection::Count => Some(read),
            Op::Read(_) | Op::Put { .. } | Op::Delete { .. } => None,
        });
        reads.zip(&reply.reads).all(|(read, answer)| {
            u64::try_from(self.iter_range(&read.range).len()).is_ok_and(|n| n == answer.count)
        })
    }

    /// Notes how far a walk came, and forgets what was read on it.
    pub fn note(&mut self, walk: String, waypoint: Waypoint, forget: &[Key]) {
        self.waypoints.insert(walk, waypoint);
        for key in forget {
            self.keys.remove(key);
        }
    }

    /// Walks every key that is known to exist, with its value where that was read.
    pub fn iter(&self) -> impl Iterator<Item = &Kv> {
        self.keys.values().filter_map(Entry::kv)
    }

    pub(super) fn kv(&self, key: &str) -> Option<&Kv> {
        self.keys.get(key).and_then(Entry::kv)
    }

    pub(super) fn known(&self, key: &str) -> Known<'_> {
        self.entry(key).map_or_else(|| self.known_by_scans(key), Entry::known)
    }

    /// Returns what was noted of a key itself.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.keys.get(key)
    }

    /// Returns what follows from the ranges that were read whole, of a key of which nothing was noted.
    pub(super) fn known_by_scans(&self, key: &str) -> Known<'_> {
        let is_scanned = self.scans.keys().any(|range| range.contains(key));
        if is_scanned { Known::Absent } else { Known::Nothing }
    }

    /// Says whether that is only remembered.
    pub(super) fn is_remembered_by_scans(&self, key: &str) -> bool {
        let mut scans = self.scans.iter().filter(|(range, _)| range.contains(key));
        scans.any(|(_, scan)| scan.is_remembered)
    }

    /// Says whether what is known of a range is only remembered.
    pub(super) fn is_scan_remembered(&self, range: &Range) -> bool {
        self.scans.get(range).is_some_and(|scan| scan.is_remembered)
    }

    /// Returns the revision at which a range was read whole, `None` where it was not.
    pub(super) fn scanned(&self, range: &Range, with_values: bool) -> Option<Revision> {
        let scan = self.scans.get(range)?;
        (scan.has_values || !with_values).then_some(scan.revision)
    }

    /// Returns a range as it was read whole, with values, and when.
    pub(super) fn scan_of(&self, range: &Range) -> Option<(&Range, Revision)> {
        let (range, scan) = self.scans.get_key_value(range)?;
        scan.has_values.then_some((range, scan.revision))
    }

    /// Returns the ranges that were read whole, with values, and hold a key.
    pub(super) fn scans_of(&self, key: &str) -> impl Iterator<Item = &Range> {
        let holds = move |(range, scan): &(&Range, &Scan)| scan.has_values && range.contains(key);
        self.scans.iter().filter(holds).map(|(range, _)| range)
    }

    pub(super) fn counted(&self, range: &Range) -> Option<u64> {
        self.counts.get(range).copied()
    }

    pub(super) fn waypoint(&self, walk: &str) -> Option<&Waypoint> {
        self.waypoints.get(walk)
    }

    pub(super) fn iter_range(&self, range: &Range) -> Vec<&Kv> {
        let from_start = self.keys.range::<str, _>(from(range));
        let inside = from_start.take_while(|(key, _)| range.contains(key));
        inside.filter_map(|(_, entry)| entry.kv()).collect()
    }

    fn absorb_count(&mut self, range: &Range, count: u64) {
        if range.end().is_some() {
            self.counts.insert(range.clone(), count);
            return;
        }
        let what = match (count, self.keys.get(range.start()).map(|entry| &entry.what)) {
            (0, _) => What::Absent,
            (_, Some(What::Listed(_) | What::Whole(_))) => return,
            (_, Some(What::Absent | What::Counted | What::Presumed(_)) | None) => What::Counted,
        };
        self.keys.insert(Key::clone(range.start()), Entry::read(what));
    }

    fn absorb_kvs(&mut self, read: &Read, reply: &ReadReply, has_value: bool) {
        let is_whole = u64::try_from(reply.kvs.len()).is_ok_and(|found| found == reply.count);
        let mut before = BTreeMap::new();
        if is_whole {
            before = self.take_range(&read.range);
            self.remember_scan(&read.range, reply.revision, has_value);
        }
        for kv in &reply.kvs {
            let old = before.remove(&kv.key).or_else(|| self.keys.remove(&kv.key));
            let what = match old.map(|entry| entry.what) {
                // What is known of this very revision is not less true for having been listed again.
                Some(What::Whole(old)) if !has_value && old.mod_revision == kv.mod_revision => {
                    What::Whole(old)
                }
                Some(_) | None if has_value => What::Whole(kv.clone()),
                Some(_) | None => What::Listed(kv.clone()),
            };
            self.keys.insert(Key::clone(&kv.key), Entry::read(what));
        }
    }

    /// Drops, and returns, what a whole answer for the range replaces.
    fn take_range(&mut self, range: &Range) -> BTreeMap<Key, Entry> {
        if range.end().is_none() {
            let key = range.start();
            let old = self.keys.insert(Key::clone(key), Entry::read(What::Absent));
            return old.into_iter().map(|entry| (Key::clone(key), entry)).collect();
        }
        let from_start = self.keys.range::<str, _>(from(range)).map(|(key, _)| key);
        let inside: Vec<Key> = from_start.take_while(|key| range.contains(key)).cloned().collect();
        inside.into_iter().filter_map(|key| self.keys.remove_entry(&key)).collect()
    }

    fn remember_scan(&mut self, range: &Range, revision: Revision, has_values: bool) {
        if range.end().is_some() {
            let scan = Scan { revision, has_values, is_remembered: false };
            self.scans.insert(range.clone(), scan);
        }
    }
}

fn from(range: &Range) -> (Bound<&str>, Bound<&str>) {
    (Bound::Included(range.start()), Bound::Unbounded)
}
