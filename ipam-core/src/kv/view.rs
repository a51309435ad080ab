//! What has been read of a store, and when.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::{Compare, Key, Kv, Op, Projection, Range, Read, ReadReply, Revision, Txn, TxnReply};

/// What a plan may look at.
///
/// A view is a collection of answers, each true at the revision at which it was given. They need not be of one
/// moment: a plan's compares prove at the commit that those it depends on are still true.
///
/// A view may be *recalled*: begun with what an earlier call remembered. Nobody has checked that against the store, so a
/// [`Lookup`](super::Lookup) of a recalled view guards everything that is looked at, hints too.
#[derive(Clone, Debug, Default)]
pub struct View {
    keys: BTreeSet<Entry>,
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

/// What an earlier call has read and written, as plain data: the seed of a recalled view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recollection {
    /// One of the keys. Its value was written once in the history of all stores, so a store in which it has this value
    /// at this revision has the same history up to there, and everything else that is remembered was true in it.
    pub witness: Key,
    /// Keys with their values.
    pub kvs: Vec<Kv>,
    /// Keys that did not exist.
    pub absent: Vec<Key>,
    /// Ranges of which every key is remembered, and when that was so.
    pub scans: Vec<(Range, Revision)>,
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

/// What is known of one key. Entries are ordered by their keys, and found by them.
#[derive(Clone, Debug)]
enum Entry {
    /// It was asked for and does not exist.
    Absent(Key),
    /// It exists; only that was asked.
    Counted(Key),
    /// It exists; the value was not read.
    Listed(Kv),
    /// It was read whole.
    Whole(Kv),
    /// It is remembered whole.
    Remembered(Kv),
    /// It is remembered not to exist.
    RememberedAbsent(Key),
    /// Its value follows from others that are remembered.
    Presumed(Kv),
}

#[derive(Clone, Copy, Debug)]
struct Scan {
    revision: Revision,
    has_values: bool,
    is_remembered: bool,
}

/// What a view knows of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known<'v> {
    /// Nothing.
    Nothing,
    /// It does not exist.
    Absent,
    /// It exists; the value was not read.
    Exists,
    /// It exists with this value.
    Value(&'v Kv),
}

impl View {
    /// Begins with what an earlier call remembered; an empty view where the witness is missing from it.
    #[must_use]
    pub fn recall(recollection: Recollection) -> Self {
        let Recollection { witness, kvs, absent, scans } = recollection;
        let Some(witness) = kvs.iter().find(|kv| kv.key == witness).cloned() else {
            return Self::default();
        };
        let known = kvs.into_iter().map(Entry::Remembered);
        let absent = absent.into_iter().map(Entry::RememberedAbsent);
        let scan =
            |(range, revision)| (range, Scan { revision, has_values: true, is_remembered: true });
        Self {
            keys: known.chain(absent).collect(),
            scans: scans.into_iter().map(scan).collect(),
            witness: Some(witness),
            ..Self::default()
        }
    }

    /// Turns into what a later call may begin with; `None` where `witness` is not among it.
    #[must_use]
    pub fn into_recollection(self, witness: &str) -> Option<Recollection> {
        let (mut kvs, mut absent) = (Vec::with_capacity(self.keys.len()), Vec::new());
        for entry in self.keys {
            match entry {
                Entry::Whole(kv) | Entry::Remembered(kv) => kvs.push(kv),
                Entry::Absent(key) | Entry::RememberedAbsent(key) => absent.push(key),
                Entry::Counted(_) | Entry::Listed(_) | Entry::Presumed(_) => {}
            }
        }
        kvs.iter().find(|kv| kv.key == witness)?;
        let scans = self.scans.into_iter().filter(|(_, scan)| scan.has_values);
        let scans = scans.map(|(range, scan)| (range, scan.revision)).collect();
        Some(Recollection { witness: witness.to_owned(), kvs, absent, scans })
    }

    /// Takes over a value that follows from others that are remembered, where nothing is known of its key.
    pub fn presume(&mut self, key: Key, value: Vec<u8>) {
        if self.known(&key) != Known::Nothing {
            return;
        }
        let unknown = Revision::ABSENT;
        let (create_revision, mod_revision) = (unknown, unknown);
        let kv = Kv { key, value, create_revision, mod_revision, version: 0 };
        self.keys.replace(Entry::Presumed(kv));
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
                    let kv = Kv { key, value, create_revision, mod_revision: revision, version };
                    self.keys.replace(Entry::Whole(kv));
                }
                Op::Delete { key } => {
                    self.keys.replace(Entry::Absent(key));
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
            self.keys.remove(key.as_str());
        }
    }

    /// Walks every key that is known to exist, with its value where that was read.
    pub fn iter(&self) -> impl Iterator<Item = &Kv> {
        self.keys.iter().filter_map(Entry::kv)
    }

    pub(super) fn kv(&self, key: &str) -> Option<&Kv> {
        self.keys.get(key).and_then(Entry::kv)
    }

    pub(super) fn known(&self, key: &str) -> Known<'_> {
        match self.keys.get(key) {
            Some(Entry::Whole(kv) | Entry::Remembered(kv) | Entry::Presumed(kv)) => {
                Known::Value(kv)
            }
            Some(Entry::Listed(_) | Entry::Counted(_)) => Known::Exists,
            Some(Entry::Absent(_) | Entry::RememberedAbsent(_)) => Known::Absent,
            None if self.scans.keys().any(|range| range.contains(key)) => Known::Absent,
            None => Known::Nothing,
        }
    }

    /// Says whether what is known of a key is only remembered.
    pub(super) fn is_remembered(&self, key: &str) -> bool {
        match self.keys.get(key) {
            Some(Entry::Remembered(_) | Entry::RememberedAbsent(_) | Entry::Presumed(_)) => true,
            Some(Entry::Absent(_) | Entry::Counted(_) | Entry::Listed(_) | Entry::Whole(_)) => {
                false
            }
            None => {
                let mut scans = self.scans.iter().filter(|(range, _)| range.contains(key));
                scans.any(|(_, scan)| scan.is_remembered)
            }
        }
    }

    /// Says whether the value of a key only follows from others.
    pub(super) fn is_presumed(&self, key: &str) -> bool {
        matches!(self.keys.get(key), Some(Entry::Presumed(_)))
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
        let inside = from_start.take_while(|entry| range.contains(entry.key()));
        inside.filter_map(Entry::kv).collect()
    }

    fn absorb_count(&mut self, range: &Range, count: u64) {
        if range.end().is_some() {
            self.counts.insert(range.clone(), count);
            return;
        }
        let key = || range.start().to_owned();
        let entry = match (count, self.keys.take(range.start())) {
            (0, _) => Entry::Absent(key()),
            (_, Some(known @ (Entry::Listed(_) | Entry::Whole(_) | Entry::Remembered(_)))) => known,
            (
                _,
                Some(
                    Entry::Absent(_)
                    | Entry::RememberedAbsent(_)
                    | Entry::Counted(_)
                    | Entry::Presumed(_),
                )
                | None,
            ) => Entry::Counted(key()),
        };
        self.keys.replace(entry);
    }

    fn absorb_kvs(&mut self, read: &Read, reply: &ReadReply, has_value: bool) {
        let is_whole = u64::try_from(reply.kvs.len()).is_ok_and(|found| found == reply.count);
        let mut before = BTreeSet::new();
        if is_whole {
            before = self.take_range(&read.range);
            self.remember_scan(&read.range, reply.revision, has_value);
        }
        for kv in &reply.kvs {
            let key = kv.key.as_str();
            let old = before.take(key).or_else(|| self.keys.take(key));
            let entry = match old {
                // What is known of this very revision is not less true for having been listed again.
                Some(Entry::Whole(old) | Entry::Remembered(old))
                    if !has_value && old.mod_revision == kv.mod_revision =>
                {
                    Entry::Whole(old)
                }
                Some(_) | None if has_value => Entry::Whole(kv.clone()),
                Some(_) | None => Entry::Listed(kv.clone()),
            };
            self.keys.replace(entry);
        }
    }

    /// Drops, and returns, what a whole answer for the range replaces.
    fn take_range(&mut self, range: &Range) -> BTreeSet<Entry> {
        if range.end().is_none() {
            return self
                .keys
                .replace(Entry::Absent(range.start().to_owned()))
                .into_iter()
                .collect();
        }
        let inside: Vec<Key> = self
            .keys
            .range::<str, _>(from(range))
            .map(|entry| entry.key().to_owned())
            .take_while(|key| range.contains(key))
            .collect();
        inside.into_iter().filter_map(|key| self.keys.take(key.as_str())).collect()
    }

    fn remember_scan(&mut self, range: &Range, revision: Revision, has_values: bool) {
        if range.end().is_some() {
            let scan = Scan { revision, has_values, is_remembered: false };
            self.scans.insert(range.clone(), scan);
        }
    }
}

impl Entry {
    fn kv(&self) -> Option<&Kv> {
        match self {
            Self::Listed(kv) | Self::Whole(kv) | Self::Remembered(kv) | Self::Presumed(kv) => {
                Some(kv)
            }
            Self::Absent(_) | Self::RememberedAbsent(_) | Self::Counted(_) => None,
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Listed(kv) | Self::Whole(kv) | Self::Remembered(kv) | Self::Presumed(kv) => {
                &kv.key
            }
            Self::Absent(key) | Self::RememberedAbsent(key) | Self::Counted(key) => key,
        }
    }
}

impl Borrow<str> for Entry {
    fn borrow(&self) -> &str {
        self.key()
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(other.key())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

fn from(range: &Range) -> (Bound<&str>, Bound<&str>) {
    (Bound::Included(range.start()), Bound::Unbounded)
}
