//! What has been read of a store, and when.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{Key, Kv, Projection, Range, Read, ReadReply, Revision, Txn, TxnReply};

/// What a plan may look at.
///
/// A view is a collection of answers, each true at the revision at which it was given. They need not be of one
/// moment: a plan's compares prove at the commit that those it depends on are still true.
#[derive(Clone, Debug, Default)]
pub struct View {
    keys: BTreeMap<Key, Entry>,
    /// Ranges that were read whole, by what was read of them.
    scans: BTreeMap<Range, Scan>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// `None` where the key was asked for and does not exist.
    kv: Option<Kv>,
    /// Whether the value was read too.
    has_value: bool,
}

#[derive(Clone, Copy, Debug)]
struct Scan {
    revision: Revision,
    has_values: bool,
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
    /// Takes over the answer to a read. Where it disagrees with an older answer, the newer revision wins.
    pub fn absorb(&mut self, read: &Read, reply: &ReadReply) {
        let has_value = match read.projection {
            Projection::Values => true,
            Projection::Keys => false,
            Projection::Count => return,
        };
        let whole = u64::try_from(reply.kvs.len()).is_ok_and(|found| found == reply.count);
        if whole {
            self.forget(&read.range, has_value);
            self.remember_scan(&read.range, reply.revision, has_value);
        }
        for kv in &reply.kvs {
            let newer = match self.keys.get(&kv.key).and_then(|entry| entry.kv.as_ref()) {
                Some(old) => old.mod_revision < kv.mod_revision,
                None => true,
            };
            if newer || has_value {
                self.keys.insert(kv.key.clone(), Entry { kv: Some(kv.clone()), has_value });
            }
        }
    }

    /// Takes over what the branch of a transaction read.
    pub fn absorb_txn(&mut self, txn: &Txn, reply: &TxnReply) {
        if reply.succeeded {
            let reads = txn.then.iter().filter_map(|op| match op {
                super::Op::Read(read) => Some(read),
                super::Op::Put { .. } | super::Op::Delete { .. } => None,
            });
            reads.zip(&reply.reads).for_each(|(read, answer)| self.absorb(read, answer));
        } else {
            txn.otherwise
                .iter()
                .zip(&reply.reads)
                .for_each(|(read, answer)| self.absorb(read, answer));
        }
    }

    /// Walks every key that is known to exist, with its value where that was read.
    pub fn iter(&self) -> impl Iterator<Item = &Kv> {
        self.keys.values().filter_map(|entry| entry.kv.as_ref())
    }

    pub(super) fn known(&self, key: &str) -> Known<'_> {
        match self.keys.get(key) {
            Some(Entry { kv: Some(kv), has_value: true }) => Known::Value(kv),
            Some(Entry { kv: Some(_), has_value: false }) => Known::Exists,
            Some(Entry { kv: None, .. }) => Known::Absent,
            None if self.scans.keys().any(|range| range.contains(key)) => Known::Absent,
            None => Known::Nothing,
        }
    }

    /// Returns the revision at which a range was read whole, `None` where it was not.
    pub(super) fn scanned(&self, range: &Range, with_values: bool) -> Option<Revision> {
        let scan = self.scans.get(range)?;
        (scan.has_values || !with_values).then_some(scan.revision)
    }

    pub(super) fn iter_range(&self, range: &Range) -> Vec<&Kv> {
        let from_start = self.keys.range::<str, _>(from(range));
        let inside = from_start.take_while(|(key, _)| range.contains(key));
        inside.filter_map(|(_, entry)| entry.kv.as_ref()).collect()
    }

    /// Drops what a whole answer for the range replaces; values stay where only keys were read anew.
    fn forget(&mut self, range: &Range, has_value: bool) {
        if range.end().is_none() {
            self.keys.insert(range.start().to_owned(), Entry { kv: None, has_value });
            return;
        }
        let inside: Vec<Key> = self
            .keys
            .range::<str, _>(from(range))
            .map(|(key, _)| key.clone())
            .take_while(|key| range.contains(key))
            .collect();
        for key in inside {
            self.keys.remove(&key);
        }
    }

    fn remember_scan(&mut self, range: &Range, revision: Revision, has_values: bool) {
        if range.end().is_some() {
            self.scans.insert(range.clone(), Scan { revision, has_values });
        }
    }
}

fn from(range: &Range) -> (Bound<&str>, Bound<&str>) {
    (Bound::Included(range.start()), Bound::Unbounded)
}
