//! An in-memory store with etcd's exact rules: the truth that other stores are held against.
//!
//! It is stricter than etcd in one respect: a transaction that writes a key twice is refused even where both
//! writes are deletions.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{
    Compare, Key, Kv, Op, Projection, Range, Read, ReadReply, Revision, Txn, TxnReply, Value,
};

/// Keeps keys in memory and carries out transactions on them.
#[derive(Clone, Debug)]
pub struct Model {
    keys: BTreeMap<Key, Kv>,
    revision: Revision,
}

/// Why a transaction was refused; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A list holds more entries than [`Txn::OPS_MAX`].
    #[error("a transaction of {entries} entries is above the limit of {limit}")]
    TooLarge {
        /// The longest of its lists.
        entries: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// A key is written more than once.
    #[error("a transaction writes {key} twice")]
    WrittenTwice {
        /// The key.
        key: Key,
    },
}

impl Default for Model {
    fn default() -> Self {
        Self { keys: BTreeMap::new(), revision: Revision::INITIAL }
    }
}

impl Model {
    /// Carries out a transaction, entirely or not at all.
    ///
    /// A transaction that changes nothing leaves the revision as it is: one that only reads, whose compares fail,
    /// or that only deletes what does not exist. A read in `then` sees the steps before it, and its revision is
    /// the new one as soon as one of them changed something.
    ///
    /// # Errors
    ///
    /// [`ModelError::TooLarge`] and [`ModelError::WrittenTwice`], before anything is looked at.
    pub fn apply(&mut self, txn: &Txn) -> Result<TxnReply, ModelError> {
        check_shape(txn)?;
        let succeeded = txn.compares.iter().all(|compare| self.holds(compare));
        let reads = if succeeded {
            self.carry_out(&txn.then)
        } else {
            txn.otherwise.iter().map(|read| self.read(read)).collect()
        };
        Ok(TxnReply { succeeded, revision: self.revision, reads })
    }

    /// Returns the revision of the last change, [`Revision::INITIAL`] where there was none.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns what is stored under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Kv> {
        self.keys.get(key)
    }

    /// Returns everything that is stored, in key order.
    pub fn iter(&self) -> impl Iterator<Item = &Kv> {
        self.keys.values()
    }

    /// Stores a value in a transaction of its own and returns that transaction's revision.
    pub fn put(&mut self, key: impl Into<Key>, value: impl Into<Vec<u8>>) -> Revision {
        self.store(&key.into(), &value.into().into(), self.revision.next());
        self.revision
    }

    /// Removes a key in a transaction of its own and returns the revision after it, which is the old one where the
    /// key did not exist.
    pub fn delete(&mut self, key: &str) -> Revision {
        self.remove(key, self.revision.next());
        self.revision
    }

    fn carry_out(&mut self, ops: &[Op]) -> Vec<ReadReply> {
        let revision = self.revision.next();
        let mut reads = Vec::new();
        for op in ops {
            match op {
                Op::Put { key, value } => self.store(key, value, revision),
                Op::Delete { key } => self.remove(key, revision),
                Op::Read(read) => reads.push(self.read(read)),
            }
        }
        reads
    }

    fn store(&mut self, key: &Key, value: &Value, revision: Revision) {
        let (create_revision, version) = match self.keys.get(key) {
            Some(old) => (old.create_revision, old.version + 1),
            None => (revision, 1),
        };
        let kv = Kv {
            key: key.clone(),
            // A store keeps bytes, whatever somebody knew of them.
            value: value.to_vec().into(),
            create_revision,
            mod_revision: revision,
            version,
        };
        self.keys.insert(key.clone(), kv);
        self.revision = revision;
    }

    fn remove(&mut self, key: &str, revision: Revision) {
        if self.keys.remove(key).is_some() {
            self.revision = revision;
        }
    }

    fn holds(&self, compare: &Compare) -> bool {
        match compare {
            Compare::Key { key, mod_revision } => {
                self.get(key).map_or(Revision::ABSENT, |kv| kv.mod_revision) == *mod_revision
            }
            Compare::Range { range, newest } => {
                self.covered(range).all(|kv| kv.mod_revision <= *newest)
            }
            Compare::Value { key, value } => self.get(key).is_some_and(|kv| kv.value == *value),
        }
    }

    fn read(&self, read: &Read) -> ReadReply {
        let limit = if read.limit == 0 { usize::MAX } else { read.limit as usize };
        let kvs = match read.projection {
            Projection::Values => self.covered(&read.range).take(limit).cloned().collect(),
            Projection::Keys => self.covered(&read.range).take(limit).map(without_value).collect(),
            Projection::Count => Vec::new(),
        };
        let count = self.covered(&read.range).count() as u64;
        ReadReply { kvs, count, revision: self.revision }
    }

    fn covered<'a>(&'a self, range: &'a Range) -> impl Iterator<Item = &'a Kv> {
        let start: &str = range.start();
        // A map refuses a range whose end lies before its start; here such a range is empty.
        let end = match range.end() {
            None => Bound::Included(start),
            Some(end) => Bound::Excluded(end.max(start)),
        };
        self.keys.range::<str, _>((Bound::Included(start), end)).map(|(_, kv)| kv)
    }
}

fn check_shape(txn: &Txn) -> Result<(), ModelError> {
    let entries = txn.compares.len().max(txn.then.len()).max(txn.otherwise.len());
    if entries > Txn::OPS_MAX {
        return Err(ModelError::TooLarge { entries, limit: Txn::OPS_MAX });
    }
    let mut written: Vec<&Key> = txn.then.iter().filter_map(Op::written_key).collect();
    written.sort_unstable();
    match written.iter().zip(written.iter().skip(1)).find(|(key, next)| key == next) {
        Some((key, _)) => Err(ModelError::WrittenTwice { key: Key::clone(key) }),
        None => Ok(()),
    }
}

fn without_value(kv: &Kv) -> Kv {
    Kv {
        key: kv.key.clone(),
        value: Value::default(),
        create_revision: kv.create_revision,
        mod_revision: kv.mod_revision,
        version: kv.version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(keys: &[&str]) -> Model {
        let mut model = Model::default();
        for key in keys {
            model.put(*key, key.as_bytes());
        }
        model
    }

    fn numbers(model: &Model, key: &str) -> Option<(u64, u64, u64)> {
        model.get(key).map(|kv| (kv.create_revision.0, kv.mod_revision.0, kv.version))
    }

    #[test]
    fn a_new_store_is_at_the_initial_revision() {
        assert_eq!(Model::default().revision(), Revision::INITIAL);
        assert_eq!(Model::default().iter().count(), 0);
    }

    #[test]
    fn single_writes_take_one_revision_each() {
        let mut model = Model::default();
        assert_eq!(model.put("a", "1"), Revision(2));
        assert_eq!(model.put("a", "2"), Revision(3));
        assert_eq!(numbers(&model, "a"), Some((2, 3, 2)));
        assert_eq!(model.delete("a"), Revision(4));
        assert_eq!(model.get("a"), None);
    }

    #[test]
    fn deleting_what_does_not_exist_takes_no_revision() {
        let mut model = stored(&["a"]);
        assert_eq!(model.delete("b"), Revision(2));
        assert_eq!(model.revision(), Revision(2));
    }

    #[test]
    fn keys_come_in_the_order_of_their_bytes() {
        let model = stored(&["b/2", "\u{e9}", "b", "b/10", "a"]);
        let keys: Vec<&str> = model.iter().map(|kv| kv.key.as_ref()).collect();
        assert_eq!(keys, ["a", "b", "b/10", "b/2", "\u{e9}"]);
    }

    #[test]
    fn ranges_cover_what_they_say() {
        let table: [(Range, &[&str]); 7] = [
            (Range::key("b"), &["b"]),
            (Range::key("x"), &[]),
            (Range::prefix("b/"), &["b/1", "b/2"]),
            (Range::prefix("b"), &["b", "b/1", "b/2"]),
            (Range::between("a", "b/2"), &["a", "b", "b/1"]),
            (Range::between("b", "b"), &[]),
            (Range::between("c", "a"), &[]),
        ];
        let mut model = stored(&["a", "b", "b/1", "b/2", "c"]);
        for (range, expected) in table {
            let reply = model.apply(&Txn::read([Read::keys(range.clone())])).unwrap();
            let keys: Vec<&str> = reply.reads[0].kvs.iter().map(|kv| kv.key.as_ref()).collect();
            assert_eq!(keys, expected, "{range:?}");
        }
    }

    #[test]
    fn compares_hold_when_nothing_changed() {
        let key = |mod_revision| Compare::Key { key: "b".into(), mod_revision };
        let range = |newest| Compare::Range { range: Range::prefix("b"), newest };
        let value = |key: &str, value: &[u8]| Compare::Value {
            key: key.into(),
            value: value.to_vec().into(),
        };
        let table = [
            (key(Revision(3)), true),
            (key(Revision(2)), false),
            (key(Revision::ABSENT), false),
            (Compare::Key { key: "x".into(), mod_revision: Revision::ABSENT }, true),
            (range(Revision(3)), true),
            (range(Revision(2)), false),
            (value("b", b"b"), true),
            (value("b", b""), false),
            (value("x", b""), false),
        ];
        let mut model = stored(&["a", "b", "c"]);
        for (compare, expected) in table {
            let read = Read::keys(Range::key("a"));
            let txn = Txn {
                compares: vec![compare],
                then: vec![Op::Read(read.clone())],
                otherwise: vec![read.clone(), read],
            };
            let reply = model.apply(&txn).unwrap();
            assert_eq!(reply.succeeded, expected, "{:?}", txn.compares);
            assert_eq!(reply.reads.len(), if expected { 1 } else { 2 }, "{:?}", txn.compares);
            assert_eq!(reply.revision, Revision(4));
        }
    }

    #[test]
    fn projections_and_limits_cut_what_is_returned_but_not_what_is_counted() {
        let table: [(Projection, u32, &[&str]); 5] = [
            (Projection::Values, 0, &["a=a", "b=b"]),
            (Projection::Values, 1, &["a=a"]),
            (Projection::Keys, 0, &["a=", "b="]),
            (Projection::Keys, 1, &["a="]),
            (Projection::Count, 1, &[]),
        ];
        let mut model = stored(&["a", "b"]);
        for (projection, limit, expected) in table {
            let read = Read { range: Range::between("a", "c"), projection, limit };
            let reply = model.apply(&Txn::read([read])).unwrap().reads.remove(0);
            let text = |kv: &Kv| format!("{}={}", kv.key, String::from_utf8_lossy(&kv.value));
            let kvs: Vec<String> = reply.kvs.iter().map(text).collect();
            assert_eq!(kvs, expected, "{projection:?}, {limit}");
            assert_eq!(reply.count, 2, "{projection:?}, {limit}");
        }
    }

    #[test]
    fn a_read_after_a_write_of_its_transaction_sees_it_and_its_revision() {
        let read = Op::Read(Read::values(Range::key("a")));
        let put = Op::put("a".to_owned(), b"new".to_vec());
        let txn = Txn { then: vec![read.clone(), put, read], ..Txn::default() };
        let reply = stored(&["a"]).apply(&txn).unwrap();
        let seen: Vec<_> =
            reply.reads.iter().map(|read| (read.kvs[0].value.as_ref(), read.revision)).collect();
        assert_eq!(seen, [(&b"a"[..], Revision(2)), (&b"new"[..], Revision(3))]);
        assert_eq!(reply.revision, Revision(3));
    }

    #[test]
    fn refused_transactions_change_nothing() {
        let put = |key: &str| Op::put(key, Vec::new());
        let delete = |key: &str| Op::delete(key);
        let table = [
            (vec![put("b"), put("b")], ModelError::WrittenTwice { key: "b".into() }),
            (vec![put("b"), delete("b")], ModelError::WrittenTwice { key: "b".into() }),
            (vec![delete("b"), delete("b")], ModelError::WrittenTwice { key: "b".into() }),
            (
                (0..=Txn::OPS_MAX).map(|n| put(&n.to_string())).collect(),
                ModelError::TooLarge { entries: Txn::OPS_MAX + 1, limit: Txn::OPS_MAX },
            ),
        ];
        for (then, expected) in table {
            let mut model = stored(&["a"]);
            assert_eq!(model.apply(&Txn { then, ..Txn::default() }), Err(expected));
            assert_eq!((model.revision(), model.iter().count()), (Revision(2), 1));
        }
    }
}
