//! What a transaction changes, and when it does not.

use ipam_core::kv::{Op, Range, Read, Revision, Txn, TxnReply};
use ipam_etcd::{Store, StoreError};

use super::{
    DEADLINE, Fresh, block_on, delete, everything, holds, key_is, names, nothing_newer, numbers,
    put, revision, run, then,
};

pub(crate) fn a_fresh_store_is_empty_and_at_the_initial_revision<S: Store>(
    fresh: impl Fn() -> Fresh<S>,
) {
    let store = fresh();
    let reply = run(&store, &Txn::default());
    assert_eq!(reply, TxnReply { succeeded: true, revision: Revision::INITIAL, reads: vec![] });
    assert_eq!(everything(&store), []);
}

pub(crate) fn all_writes_of_a_transaction_share_one_revision<S: Store>(
    fresh: impl Fn() -> Fresh<S>,
) {
    let store = fresh();
    assert_eq!(run(&store, &then([put("a", "1"), put("b", "1")])).revision, Revision(2));
    let reply = run(&store, &then([put("a", "2"), delete("b"), put("c", "1")]));
    assert_eq!(reply.revision, Revision(3));
    assert_eq!(numbers(&store, "a"), Some((2, 3, 2)));
    assert_eq!(numbers(&store, "b"), None);
    assert_eq!(numbers(&store, "c"), Some((3, 3, 1)));
}

pub(crate) fn only_changes_advance_the_revision<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let everything = Read::values(Range::prefix("a"));
    let failing = vec![key_is("a", 77)];
    let table = [
        ("an empty transaction", Txn::default(), 2),
        ("a read", Txn::read([everything.clone()]), 2),
        ("a holding compare", Txn { compares: vec![key_is("a", 2)], ..Txn::default() }, 2),
        ("a failing compare", Txn { compares: failing.clone(), ..then([put("a", "2")]) }, 2),
        (
            "reads after a failing compare",
            Txn { compares: failing, otherwise: vec![everything], then: vec![put("a", "2")] },
            2,
        ),
        ("deleting what does not exist", then([delete("x"), delete("y")]), 2),
        ("deleting a key", then([delete("a")]), 3),
        ("deleting a key and one that does not exist", then([delete("x"), delete("a")]), 3),
        ("a new key", then([put("b", "1")]), 3),
        ("storing the same value again", then([put("a", "1")]), 3),
    ];
    for (what, txn, expected) in table {
        let store = fresh();
        run(&store, &then([put("a", "1")]));
        assert_eq!(run(&store, &txn).revision.0, expected, "{what}: in the reply");
        assert_eq!(revision(&store), expected, "{what}: afterwards");
    }
}

pub(crate) fn history_is_kept_in_numbers<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    let table = [
        (put("a", "1"), Some((2, 2, 1))),
        (put("a", "2"), Some((2, 3, 2))),
        (put("b", "1"), Some((2, 3, 2))),
        (put("a", "2"), Some((2, 5, 3))),
        (delete("a"), None),
        (delete("a"), None),
        (put("a", "1"), Some((7, 7, 1))),
    ];
    for (op, expected) in table {
        run(&store, &then([op.clone()]));
        assert_eq!(numbers(&store, "a"), expected, "after {op:?}");
    }
}

pub(crate) fn a_compare_on_a_key_needs_exactly_its_mod_revision<S: Store>(
    fresh: impl Fn() -> Fresh<S>,
) {
    let store = fresh();
    run(&store, &then([put("a", "1"), put("gone", "1")]));
    run(&store, &then([put("a", "2"), delete("gone")]));
    let table = [
        ("a", 3, true),
        ("a", 2, false),
        ("a", 4, false),
        ("a", 0, false),
        ("a", u64::MAX, false),
        ("never", 0, true),
        ("never", 1, false),
        ("gone", 0, true),
        ("gone", 2, false),
    ];
    for (key, mod_revision, expected) in table {
        let held = holds(&store, vec![key_is(key, mod_revision)]);
        assert_eq!(held, expected, "{key} at {mod_revision}");
    }
}

pub(crate) fn a_compare_on_a_range_notices_new_and_changed_keys_only<S: Store>(
    fresh: impl Fn() -> Fresh<S>,
) {
    let changes: [(&str, Vec<Op>, bool); 6] = [
        ("nothing", vec![], true),
        ("a new key", vec![put("p/c", "1")], false),
        ("a changed key", vec![put("p/a", "2")], false),
        ("a deleted key", vec![delete("p/a")], true),
        ("a key before the range", vec![put("p", "1")], true),
        ("a key behind the range", vec![put("p0", "1")], true),
    ];
    for (what, ops, expected) in changes {
        let store = fresh();
        let read_at = run(&store, &then([put("p/a", "1"), put("p/b", "1")])).revision.0;
        run(&store, &then(ops));
        let held = holds(&store, vec![nothing_newer(Range::prefix("p/"), read_at)]);
        assert_eq!(held, expected, "{what}");
        assert!(holds(&store, vec![nothing_newer(Range::prefix("p/"), u64::MAX)]), "{what}");
        assert!(holds(&store, vec![nothing_newer(Range::prefix("q/"), 0)]), "an empty range");
        assert!(holds(&store, vec![nothing_newer(Range::between("q", "a"), 0)]), "no range");
    }
}

pub(crate) fn a_compare_on_a_value_needs_exactly_its_bytes<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    run(&store, &then([put("a", "1"), put("empty", "")]));
    let value = |key: &str, value: &str| super::Compare::Value {
        key: key.into(),
        value: value.as_bytes().to_vec().into(),
    };
    for (compare, expected) in [
        (value("a", "1"), true),
        (value("a", "2"), false),
        (value("a", ""), false),
        (value("empty", ""), true),
        (value("absent", ""), false),
        (value("absent", "1"), false),
    ] {
        assert_eq!(holds(&store, vec![compare.clone()]), expected, "{compare:?}");
    }
}

pub(crate) fn every_compare_must_hold<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    run(&store, &then([put("a", "1")]));
    let (yes, no) = (key_is("a", 2), key_is("a", 3));
    let newer = nothing_newer(Range::key("a"), 1);
    assert!(holds(&store, vec![]));
    assert!(holds(&store, vec![yes.clone(), yes.clone()]));
    assert!(!holds(&store, vec![yes.clone(), no.clone()]));
    assert!(!holds(&store, vec![no, yes.clone()]));
    assert!(!holds(&store, vec![yes, newer]));
}

pub(crate) fn a_failed_transaction_writes_nothing_and_answers_the_other_reads<S: Store>(
    fresh: impl Fn() -> Fresh<S>,
) {
    let store = fresh();
    run(&store, &then([put("a", "1"), put("b", "1")]));
    let before = everything(&store);
    let txn = Txn {
        compares: vec![key_is("a", 77)],
        then: vec![
            put("a", "2"),
            delete("b"),
            put("c", "1"),
            Op::Read(Read::values(Range::key("a"))),
        ],
        otherwise: vec![Read::values(Range::key("b")), Read::values(Range::key("c"))],
    };
    let reply = run(&store, &txn);
    assert!(!reply.succeeded);
    assert_eq!(reply.reads.len(), 2);
    assert_eq!(names(&reply.reads[0].kvs), ["b"]);
    assert_eq!(names(&reply.reads[1].kvs), [""; 0]);
    assert!(reply.reads.iter().all(|read| read.revision == Revision(2)));
    assert_eq!(everything(&store), before);
}

pub(crate) fn the_longest_lists_are_accepted_and_longer_ones_refused<S: Store>(
    fresh: impl Fn() -> Fresh<S>,
) {
    let store = fresh();
    let lists = |compares: usize, then: usize, otherwise: usize| Txn {
        compares: (0..compares).map(|n| key_is(&n.to_string(), 0)).collect(),
        then: (0..then).map(|n| put(&n.to_string(), "1")).collect(),
        otherwise: (0..otherwise).map(|n| Read::keys(Range::key(n.to_string()))).collect(),
    };
    let max = Txn::OPS_MAX;
    for txn in [lists(max + 1, 1, 0), lists(0, max + 1, 0), lists(0, 1, max + 1)] {
        let error = block_on(store.txn(&txn, DEADLINE)).unwrap_err();
        let StoreError::TooLarge { entries, limit } = error else { panic!("{error:?}") };
        assert_eq!((entries, limit), (max + 1, max));
        assert_eq!(revision(&store), 1);
    }
    assert!(run(&store, &lists(max, max, max)).succeeded);
    assert_eq!(everything(&store).len(), max);
    let reply = run(&store, &lists(max, max, max));
    assert!(!reply.succeeded && reply.reads.len() == max);
}

pub(crate) fn writing_a_key_twice_is_refused<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    run(&store, &then([put("a", "1")]));
    for twice in
        [[put("a", "2"), put("a", "3")], [put("a", "2"), delete("a")], [delete("a"), delete("a")]]
    {
        let [first, second] = twice;
        let error =
            block_on(store.txn(&then([first, put("b", "1"), second]), DEADLINE)).unwrap_err();
        assert!(matches!(&error, StoreError::WrittenTwice { key } if **key == *"a"), "{error:?}");
        assert_eq!(numbers(&store, "a"), Some((2, 2, 1)));
        assert_eq!(revision(&store), 2);
    }
}
