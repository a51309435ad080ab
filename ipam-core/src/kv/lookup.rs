//! How a plan looks at a view, and what follows from having looked.

use std::collections::BTreeMap;

use super::view::Known;
use super::{Compare, Key, Kv, Op, Range, Read, Revision, Txn, View};

/// Answers a plan's questions from a view and remembers each one that the plan's result depends on.
///
/// The compares of a transaction are made here from what was looked at, so a plan cannot forget one. What is
/// looked at is a *guard* and will be compared, unless it is asked for as a *hint* (`peek`, `exists`):
/// hints may be stale without harm, because a guard on the thing finally chosen protects the choice.
#[derive(Debug)]
pub struct Lookup<'v> {
    view: &'v View,
    guards: BTreeMap<Range, Compare>,
}

/// What must be read before a plan can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(pub Vec<Read>);

impl<'v> Lookup<'v> {
    /// Starts looking at a view.
    #[must_use]
    pub fn new(view: &'v View) -> Self {
        Self { view, guards: BTreeMap::new() }
    }

    /// Makes sure that reads have been answered, so that all that are missing are asked for at once.
    ///
    /// # Errors
    ///
    /// [`Missing`] with those that have not.
    pub fn require(&self, reads: impl IntoIterator<Item = Read>) -> Result<(), Missing> {
        let missing: Vec<Read> = reads.into_iter().filter(|read| !self.is_answered(read)).collect();
        if missing.is_empty() { Ok(()) } else { Err(Missing(missing)) }
    }

    /// Returns a key's value as a guard: the transaction will fail if it changed.
    ///
    /// # Errors
    ///
    /// [`Missing`] where it was not read yet.
    pub fn get(&mut self, key: &str) -> Result<Option<&'v Kv>, Missing> {
        let kv = self.peek(key)?;
        let mod_revision = kv.map_or(Revision::ABSENT, |kv| kv.mod_revision);
        let compare = Compare::Key { key: key.to_owned(), mod_revision };
        self.guards.insert(Range::key(key), compare);
        Ok(kv)
    }

    /// Returns a key's value as a hint.
    ///
    /// # Errors
    ///
    /// [`Missing`] where it was not read yet.
    pub fn peek(&self, key: &str) -> Result<Option<&'v Kv>, Missing> {
        match self.view.known(key) {
            Known::Value(kv) => Ok(Some(kv)),
            Known::Absent => Ok(None),
            Known::Exists | Known::Nothing => Err(Missing(vec![Read::values(Range::key(key))])),
        }
    }

    /// Says as a hint whether a key exists.
    ///
    /// # Errors
    ///
    /// [`Missing`] where it was not read yet.
    pub fn exists(&self, key: &str) -> Result<bool, Missing> {
        match self.view.known(key) {
            Known::Value(_) | Known::Exists => Ok(true),
            Known::Absent => Ok(false),
            Known::Nothing => Err(Missing(vec![Read::keys(Range::key(key))])),
        }
    }

    /// Returns the values of a range as a guard: the transaction will fail if one was added or changed.
    ///
    /// Deletions go unnoticed, so a key whose vanishing would matter must be guarded by [`Lookup::get`] too.
    ///
    /// # Errors
    ///
    /// [`Missing`] where it was not read yet.
    pub fn scan(&mut self, range: &Range) -> Result<Vec<&'v Kv>, Missing> {
        let kvs = self.peek_scan(range)?;
        if let Some(newest) = self.view.scanned(range, true) {
            self.guards.insert(range.clone(), Compare::Range { range: range.clone(), newest });
        }
        Ok(kvs)
    }

    /// Returns the values of a range as a hint.
    ///
    /// # Errors
    ///
    /// [`Missing`] where it was not read yet.
    pub fn peek_scan(&self, range: &Range) -> Result<Vec<&'v Kv>, Missing> {
        match self.view.scanned(range, true) {
            Some(_) => Ok(self.view.iter_range(range)),
            None => Err(Missing(vec![Read::values(range.clone())])),
        }
    }

    /// Returns the keys of a range as a hint.
    ///
    /// # Errors
    ///
    /// [`Missing`] where they were not read yet.
    pub fn peek_keys(&self, range: &Range) -> Result<Vec<&'v str>, Missing> {
        match self.view.scanned(range, false) {
            Some(_) => {
                Ok(self.view.iter_range(range).into_iter().map(|kv| kv.key.as_str()).collect())
            }
            None => Err(Missing(vec![Read::keys(range.clone())])),
        }
    }

    /// Makes the transaction that writes under every guard taken so far.
    ///
    /// A key that is written without having been looked at becomes a guard too, and is asked for where it is not
    /// known.
    ///
    /// # Errors
    ///
    /// [`Missing`] for written keys that were never read.
    pub fn into_txn(mut self, ops: Vec<Op>) -> Result<Txn, Missing> {
        let unguarded: Vec<Key> = ops
            .iter()
            .filter_map(Op::written_key)
            .filter(|key| !self.guards.contains_key(&Range::key(*key)))
            .map(str::to_owned)
            .collect();
        self.require(unguarded.iter().map(|key| Read::values(Range::key(key.clone()))))?;
        for key in unguarded {
            self.get(&key)?;
        }
        let otherwise = self.guards.keys().cloned().map(Read::values).collect();
        Ok(Txn { compares: self.guards.into_values().collect(), then: ops, otherwise })
    }

    fn is_answered(&self, read: &Read) -> bool {
        let with_values = read.projection == super::Projection::Values;
        if read.range.end().is_some() {
            return self.view.scanned(&read.range, with_values).is_some();
        }
        match self.view.known(read.range.start()) {
            Known::Value(_) | Known::Absent => true,
            Known::Exists => !with_values,
            Known::Nothing => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::model::Model;

    fn read(view: &mut View, model: &mut Model, reads: Vec<Read>) {
        let txn = Txn::read(reads);
        let reply = model.apply(&txn).unwrap();
        view.absorb_txn(&txn, &reply);
    }

    #[test]
    fn what_is_not_known_is_asked_for_at_once() {
        let view = View::default();
        let lookup = Lookup::new(&view);
        let wanted = vec![Read::values(Range::key("a")), Read::keys(Range::prefix("b/"))];
        assert_eq!(lookup.require(wanted.clone()), Err(Missing(wanted)));
    }

    #[test]
    fn every_look_becomes_a_compare_and_hints_do_not() {
        let (mut view, mut model) = (View::default(), Model::default());
        model.put("a", b"1");
        model.put("p/x", b"2");
        model.put("hint", b"3");
        let reads = ["a", "absent", "hint"].map(|key| Read::values(Range::key(key)));
        read(&mut view, &mut model, reads.to_vec());
        read(&mut view, &mut model, vec![Read::values(Range::prefix("p/"))]);
        let mut lookup = Lookup::new(&view);
        assert!(lookup.get("a").unwrap().is_some());
        assert!(lookup.get("absent").unwrap().is_none());
        assert!(lookup.peek("hint").unwrap().is_some());
        assert_eq!(lookup.scan(&Range::prefix("p/")).unwrap().len(), 1);
        assert!(lookup.get("p/y").unwrap().is_none(), "absent from a whole scan");
        let put = Op::Put { key: "p/y".to_owned(), value: Vec::new() };
        let txn = lookup.into_txn(vec![put]).unwrap();
        assert_eq!(txn.compares.len(), 4);
        assert_eq!(txn.otherwise.len(), 4);
        assert!(!txn.compares.iter().any(|compare| compare.range().contains("hint")));
        assert!(model.clone().apply(&txn).unwrap().succeeded);
        model.put("p/z", b"new");
        let reply = model.apply(&txn).unwrap();
        assert!(!reply.succeeded, "a new key in a scanned range is a conflict");
        view.absorb_txn(&txn, &reply);
        let mut lookup = Lookup::new(&view);
        assert_eq!(lookup.scan(&Range::prefix("p/")).unwrap().len(), 2);
    }

    #[test]
    fn a_write_without_a_look_is_guarded_or_read_first() {
        let mut view = View::default();
        let op = Op::Delete { key: "a".to_owned() };
        let halt = Lookup::new(&view).into_txn(vec![op.clone()]);
        assert!(matches!(halt, Err(Missing(reads)) if reads.len() == 1));
        read(&mut view, &mut Model::default(), vec![Read::values(Range::key("a"))]);
        let txn = Lookup::new(&view).into_txn(vec![op]).unwrap();
        assert_eq!(txn.compares.len(), 1);
    }

    #[test]
    fn a_key_seen_without_its_value_must_be_read_before_use() {
        let (mut view, mut model) = (View::default(), Model::default());
        model.put("b/1", b"value");
        read(&mut view, &mut model, vec![Read::keys(Range::prefix("b/"))]);
        let lookup = Lookup::new(&view);
        assert!(lookup.exists("b/1").unwrap());
        assert!(!lookup.exists("b/2").unwrap());
        assert!(lookup.peek("b/1").is_err());
        read(&mut view, &mut model, vec![Read::values(Range::key("b/1"))]);
        assert_eq!(Lookup::new(&view).peek("b/1").unwrap().unwrap().value, b"value");
    }

    #[test]
    fn a_newer_answer_replaces_an_older_one() {
        let (mut view, mut model) = (View::default(), Model::default());
        model.put("a", b"old");
        let all = vec![Read::values(Range::key("a"))];
        read(&mut view, &mut model, all.clone());
        model.delete("a");
        read(&mut view, &mut model, all);
        assert!(Lookup::new(&view).peek("a").unwrap().is_none());
    }
}
