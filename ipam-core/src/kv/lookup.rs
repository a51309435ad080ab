//! How a plan looks at a view, and what follows from having looked.

use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, Known, What};
use super::{Compare, Key, Kv, Op, Projection, Range, Read, Revision, Txn, Value, View, Waypoint};

/// Answers a plan's questions from a view and remembers each one that the plan's result depends on.
///
/// The compares of a transaction are made here from what was looked at, so a plan cannot forget one. What is
/// looked at is a *guard* and will be compared, unless it is asked for as a *hint* (`peek`, `exists`):
/// hints may be stale without harm, because a guard on the thing finally chosen protects the choice.
///
/// In a recalled view nothing has been checked against the store yet. There every look is a guard, a key that is expected to
/// be absent is taken for absent unasked, and the transaction also compares the value of the view's witness. So when it
/// is applied, everything that the plan saw was true; when it fails, its other branch reads all of that anew.
#[derive(Debug)]
pub struct Lookup<'v> {
    view: &'v View,
    guards: RefCell<BTreeMap<Key, Guard<'v>>>,
    /// Whole ranges, and when they were read.
    range_guards: RefCell<BTreeMap<&'v Range, Revision>>,
    /// Keys that are taken for absent in a recalled view, and how they would have been read without it.
    expected: RefCell<BTreeSet<Key>>,
    wishes: RefCell<BTreeSet<Read>>,
    /// Whether anything was looked at that nobody has checked.
    relies_on_memory: Cell<bool>,
}

/// What a key must be for the transaction to be carried out.
#[derive(Clone, Copy, Debug)]
enum Guard<'v> {
    /// Changed last at this revision.
    At(Revision),
    /// This value.
    Holds(&'v Value),
}

/// What must be read before a plan can go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(pub Vec<Read>);

/// Up to how many keys of a recalled range are compared one by one, which notices deletions too.
const KEYS_GUARDED_MAX: usize = 16;

impl<'v> Lookup<'v> {
    /// Starts looking at a view.
    #[must_use]
    pub fn new(view: &'v View) -> Self {
        Self {
            view,
            guards: RefCell::default(),
            range_guards: RefCell::default(),
            expected: RefCell::default(),
            wishes: RefCell::default(),
            relies_on_memory: Cell::new(false),
        }
    }

    /// Returns what is looked at.
    #[must_use]
    pub fn view(&self) -> &'v View {
        self.view
    }

    /// Says whether anything is known of a key, or it is taken for absent.
    #[must_use]
    pub fn is_known(&self, key: &str) -> bool {
        self.view.known(key) != Known::Nothing || self.is_expected(key)
    }

    /// Notes that a key is most likely absent: where that is not known and the view is a recalled one, it is taken for
    /// absent and the transaction finds out. Otherwise this does nothing.
    pub fn expect_absent(&self, key: &str) {
        if self.view.is_recalled() && self.view.known(key) == Known::Nothing {
            self.expected.borrow_mut().insert(key.into());
        }
    }

    /// Says whether anything was looked at that is only remembered, so that an answer may be wrong.
    #[must_use]
    pub fn relies_on_memory(&self) -> bool {
        self.relies_on_memory.get()
    }

    /// Makes sure that reads have been answered, so that all that are missing are asked for at once.
    ///
    /// # Errors
    ///
    /// [`Missing`] with those that have not.
    pub fn require(&self, reads: impl IntoIterator<Item: Borrow<Read>>) -> Result<(), Missing> {
        let is_missing = |read: &Read| !self.is_answered(read);
        let missing = reads.into_iter().filter(|read| is_missing(read.borrow()));
        let mut missing: Vec<Read> = missing.map(|read| read.borrow().clone()).collect();
        if self.view.is_recalled() {
            let assumed = missing.extract_if(.., |read| self.is_assumed(read));
            self.wishes.borrow_mut().extend(assumed);
        }
        if missing.is_empty() { Ok(()) } else { Err(Missing(missing)) }
    }

    /// Returns a key's value as a guard: the transaction will fail if it changed.
    ///
    /// # Errors
    ///
    /// [`Missing`] where it was not read yet.
    pub fn get(&mut self, key: &str) -> Result<Option<&'v Kv>, Missing> {
        let kv = self.peek(key)?;
        // In a recalled view every look is a guard already.
        if !self.view.is_recalled() {
            self.guard(key, self.view.entry(key));
        }
        Ok(kv)
    }

    /// Returns a key's value as a hint.
    ///
    /// # Errors
    ///
    /// [`Missing`] where it was not read yet.
    pub fn peek(&self, key: &str) -> Result<Option<&'v Kv>, Missing> {
        match self.known(key) {
            Known::Value(kv) => Ok(Some(kv)),
            Known::Absent => Ok(None),
            Known::Exists | Known::Nothing => Err(Missing(vec![Read::values(Range::key(key))])),
        }
    }

    /// Returns what happens to be known of a key's value, and depends on nothing: whoever acts on it must still look.
    #[must_use]
    pub fn glance(&self, key: &str) -> Option<&'v Kv> {
        match self.view.known(key) {
            Known::Value(kv) => Some(kv),
            Known::Nothing | Known::Absent | Known::Exists => None,
        }
    }

    /// Says as a hint whether a key exists.
    ///
    /// # Errors
    ///
    /// [`Missing`] where it was not read yet.
    pub fn exists(&self, key: &str) -> Result<bool, Missing> {
        match self.known(key) {
            Known::Value(_) | Known::Exists => Ok(true),
            Known::Absent => Ok(false),
            Known::Nothing => Err(Missing(vec![Read::count(Range::key(key))])),
        }
    }

    /// Guards a key that was not read: the transaction will fail unless it was changed last at this revision.
    ///
    /// Where the guess is wrong, the failed transaction reads the key.
    pub fn guess(&mut self, key: &str, mod_revision: Revision) {
        self.guards.borrow_mut().insert(key.into(), Guard::At(mod_revision));
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
        self.guard_range(range);
        Ok(kvs)
    }

    /// Returns the values of a range as a hint.
    ///
    /// # Errors
    ///
    /// [`Missing`] where it was not read yet.
    pub fn peek_scan(&self, range: &Range) -> Result<Vec<&'v Kv>, Missing> {
        match self.view.scanned(range, true) {
            Some(_) => {
                if self.view.is_recalled() {
                    self.guard_range(range);
                    self.rely(|| self.view.is_scan_remembered(range));
                }
                Ok(self.view.iter_range(range))
            }
            None => Err(Missing(vec![Read::values(range.clone())])),
        }
    }

    /// Returns the keys of a range as a hint.
    ///
    /// # Errors
    ///
    /// [`Missing`] where they were not read yet.
    pub fn peek_keys(&self, range: &Range) -> Result<Vec<&'v Key>, Missing> {
        match self.view.scanned(range, false) {
            Some(_) => Ok(self.view.iter_range(range).into_iter().map(|kv| &kv.key).collect()),
            None => Err(Missing(vec![Read::keys(range.clone())])),
        }
    }

    /// Returns as a hint how many keys a range holds.
    ///
    /// # Errors
    ///
    /// [`Missing`] where they were not counted yet.
    pub fn peek_count(&self, range: &Range) -> Result<u64, Missing> {
        self.view.counted(range).ok_or_else(|| Missing(vec![Read::count(range.clone())]))
    }

    /// Returns how far a walk came; its beginning where nothing was noted yet.
    #[must_use]
    pub fn waypoint(&self, walk: &str) -> Waypoint {
        self.view.waypoint(walk).cloned().unwrap_or_default()
    }

    /// Makes the transaction that writes under every guard taken so far.
    ///
    /// A key that is written without having been looked at becomes a guard too, and is asked for where it is not
    /// known. So does a range that was read whole and in which a key is written: after the commit it is known still.
    ///
    /// # Errors
    ///
    /// [`Missing`] for written keys that were never read.
    pub fn into_txn(mut self, ops: Vec<Op>) -> Result<Txn, Missing> {
        let written = || ops.iter().filter_map(Op::written_key);
        let is_guarded = |key: &str| self.guards.borrow().contains_key(key);
        let unguarded: Vec<Key> = written().filter(|key| !is_guarded(key)).cloned().collect();
        self.require(unguarded.iter().map(|key| Read::values(Range::key(key.clone()))))?;
        for key in unguarded {
            self.get(&key)?;
        }
        for range in written().flat_map(|key| self.view.scans_of(key)) {
            self.guard_range(range);
        }
        let mut then = Vec::new();
        if self.view.is_recalled() {
            then.extend(self.guard_recalled_ranges().into_iter().map(Op::Read));
        }
        then.extend(ops);
        let (guards, ranges) = (self.guards.into_inner(), self.range_guards.into_inner());
        let mut compares = Vec::with_capacity(guards.len() + ranges.len() + 1);
        let mut otherwise = Vec::with_capacity(guards.len() + ranges.len());
        let is_scanned = |key: &Key| {
            let mut begun = ranges.keys().take_while(|range| range.start() <= key);
            begun.any(|range| range.contains(key))
        };
        let keys = guards.keys().filter(|key| !is_scanned(key)).map(|key| Range::key(key.clone()));
        otherwise.extend(keys.chain(ranges.keys().copied().cloned()).map(Read::values));
        let keys = guards.into_iter().map(|(key, guard)| guard.on(key));
        let ranges = ranges
            .into_iter()
            .map(|(range, newest)| Compare::Range { range: range.clone(), newest });
        compares.extend(keys.chain(ranges));
        if let Some(kv) = self.view.witness() {
            compares.push(Compare::Value { key: kv.key.clone(), value: kv.value.clone() });
        }
        let room = Txn::OPS_MAX.saturating_sub(otherwise.len());
        otherwise.extend(self.wishes.into_inner().into_iter().take(room));
        Ok(Txn { compares, then, otherwise })
    }

    fn known(&self, key: &str) -> Known<'v> {
        let entry = self.view.entry(key);
        let known = entry.map_or_else(|| self.view.known_by_scans(key), Entry::known);
        if !self.view.is_recalled() {
            return known;
        }
        match known {
            Known::Value(_) | Known::Absent => self.guard(key, entry),
            Known::Exists => {}
            Known::Nothing if self.is_expected(key) => {
                self.guard(key, None);
                self.rely(|| true);
                return Known::Absent;
            }
            Known::Nothing => return known,
        }
        self.rely(|| match entry {
            Some(entry) => entry.is_remembered,
            None => self.view.is_remembered_by_scans(key),
        });
        known
    }

    fn rely(&self, is_on_memory: impl FnOnce() -> bool) {
        if !self.relies_on_memory() && is_on_memory() {
            self.relies_on_memory.set(true);
        }
    }

    fn is_expected(&self, key: &str) -> bool {
        self.expected.borrow().contains(key)
    }

    /// Guards what is known of a key; without an entry it is taken for absent.
    fn guard(&self, key: &str, entry: Option<&'v Entry>) {
        // What a view holds does not change while somebody looks at it, so the first look is as good as any.
        let mut guards = self.guards.borrow_mut();
        match entry.and_then(Entry::kv) {
            Some(kv) => {
                guards.entry(Key::clone(&kv.key)).or_insert_with(|| match entry {
                    Some(Entry { what: What::Presumed(_), .. }) => Guard::Holds(&kv.value),
                    Some(_) | None => Guard::At(kv.mod_revision),
                });
            }
            None if guards.contains_key(key) => {}
            None => {
                guards.insert(key.into(), Guard::At(Revision::ABSENT));
            }
        }
    }

    fn guard_range(&self, range: &Range) {
        if self.range_guards.borrow().contains_key(range) {
            return;
        }
        if let Some((range, newest)) = self.view.scan_of(range) {
            self.range_guards.borrow_mut().insert(range, newest);
        }
    }

    /// Guards the keys of recalled ranges against deletion, as long as they are few.
    ///
    /// Larger ranges are counted when the transaction is applied, which is soon enough to stop recalling them; those reads
    /// are returned.
    fn guard_recalled_ranges(&self) -> Vec<Read> {
        let mut counts = Vec::new();
        for range in self.range_guards.borrow().keys() {
            let kvs = self.view.iter_range(range);
            if kvs.len() > KEYS_GUARDED_MAX {
                counts.push(Read::count((*range).clone()));
                continue;
            }
            for kv in kvs {
                self.guard(&kv.key, self.view.entry(&kv.key));
            }
        }
        counts
    }

    fn is_answered(&self, read: &Read) -> bool {
        if read.range.end().is_some() {
            return match read.projection {
                Projection::Values => self.view.scanned(&read.range, true).is_some(),
                Projection::Keys => self.view.scanned(&read.range, false).is_some(),
                Projection::Count => self.view.counted(&read.range).is_some(),
            };
        }
        match self.view.known(read.range.start()) {
            Known::Value(_) | Known::Absent => true,
            Known::Exists => read.projection != Projection::Values,
            Known::Nothing => false,
        }
    }

    /// Says whether a read of a recalled view is of a key that is taken for absent.
    fn is_assumed(&self, read: &Read) -> bool {
        read.range.end().is_none()
            && self.view.known(read.range.start()) == Known::Nothing
            && self.is_expected(read.range.start())
    }
}

impl Guard<'_> {
    fn on(self, key: Key) -> Compare {
        match self {
            Self::At(mod_revision) => Compare::Key { key, mod_revision },
            Self::Holds(value) => Compare::Value { key, value: value.clone() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::Recollection;
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

    /// A view recalled in a store with another history: it has the same keys at the same revisions.
    #[test]
    fn what_is_read_of_the_witness_later_does_not_prove_what_was_remembered() {
        let mut elsewhere = Model::default();
        elsewhere.put("pool", b"theirs");
        elsewhere.put("block", b"theirs");
        let kvs = elsewhere.iter().cloned();
        let recollection = Recollection::new("block", kvs, [], []).unwrap();
        for has_block in [true, false] {
            let mut model = Model::default();
            model.put("pool", b"ours");
            if has_block {
                model.put("block", b"ours");
            }
            let mut view = View::recall(recollection.clone());
            let reads = ["block", "given"].map(|key| Read::values(Range::key(key)));
            read(&mut view, &mut model, reads.to_vec());
            let mut lookup = Lookup::new(&view);
            assert_eq!(lookup.get("pool").unwrap().unwrap().value, "theirs");
            let put = Op::put("given".to_owned(), Vec::new());
            let txn = lookup.into_txn(vec![put]).unwrap();
            assert!(!model.apply(&txn).unwrap().succeeded, "with a block: {has_block}");
        }
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
        let put = Op::put("p/y".to_owned(), Vec::new());
        let txn = lookup.into_txn(vec![put]).unwrap();
        assert_eq!(txn.compares.len(), 4);
        assert_eq!(txn.otherwise.len(), 3, "a key of a scanned range is read with it");
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
        let op = Op::delete("a");
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
        assert_eq!(Lookup::new(&view).peek("b/1").unwrap().unwrap().value, "value");
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
