//! What a read brings back.

use ipam_core::kv::{Kv, Op, Projection, Range, Read, ReadReply, Revision};
use ipam_etcd::Store;

use super::{Fresh, delete, everything, get, names, put, read, run, then};

pub(crate) fn reads_see_the_steps_before_them<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    run(&store, &then([put("a", "old"), put("b", "old")]));
    let look = || Op::Read(Read::values(Range::prefix("")));
    let all = || Op::Read(Read::values(Range::between("a", "z")));
    let txn = then([all(), put("a", "new"), all(), delete("b"), put("c", "new"), all(), look()]);
    let reply = run(&store, &txn);
    let seen: Vec<(Vec<&str>, u64)> =
        reply.reads.iter().map(|read| (names(&read.kvs), read.revision.0)).collect();
    let expected = [(vec!["a", "b"], 2), (vec!["a", "b"], 3), (vec!["a", "c"], 3), (vec![], 3)];
    assert_eq!(seen, expected);
    let values: Vec<_> = reply.reads.iter().take(3).map(|read| &read.kvs[0].value[..]).collect();
    assert_eq!(values, [b"old", b"new", b"new"]);
    assert_eq!(reply.reads[1].kvs[0].mod_revision, Revision(3));
    assert_eq!(reply.revision, Revision(3));
}

pub(crate) fn ranges_cover_what_they_say<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    let keys = ["a", "a\0", "a/", "a/1", "a/1/x", "a/2", "a0", "b", "\u{e9}"];
    run(&store, &then(keys.map(|key| put(key, "1"))));
    let table: [(Range, &[&str]); 10] = [
        (Range::key("a"), &["a"]),
        (Range::key("a\0"), &["a\0"]),
        (Range::key("absent"), &[]),
        (Range::prefix("a/"), &["a/", "a/1", "a/1/x", "a/2"]),
        (Range::prefix("a/1"), &["a/1", "a/1/x"]),
        (Range::prefix("\u{e9}"), &["\u{e9}"]),
        (Range::prefix("c"), &[]),
        (Range::between("a/1", "b"), &["a/1", "a/1/x", "a/2", "a0"]),
        (Range::between("b", "b"), &[]),
        (Range::between("b", "a"), &[]),
    ];
    for (range, expected) in table {
        let reply = read(&store, Read::values(range.clone()));
        assert_eq!(names(&reply.kvs), expected, "{range:?}");
        assert_eq!(reply.count, expected.len() as u64, "{range:?}");
    }
}

pub(crate) fn keys_come_in_the_order_of_their_bytes<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    let sorted = [
        " ",
        "1",
        "10",
        "2",
        "A",
        "a",
        "a\0",
        "a/",
        "aa",
        "\u{7f}",
        "\u{80}",
        "\u{ff5e}",
        "\u{1f600}",
    ];
    run(&store, &then(sorted.iter().rev().map(|key| put(key, "1"))));
    assert_eq!(names(&everything(&store)), sorted);
}

pub(crate) fn a_limit_cuts_the_keys_but_not_the_count<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    run(&store, &then(["a", "b", "c"].map(|key| put(key, "1"))));
    let table: [(u32, &[&str]); 6] = [
        (0, &["a", "b", "c"]),
        (1, &["a"]),
        (2, &["a", "b"]),
        (3, &["a", "b", "c"]),
        (4, &["a", "b", "c"]),
        (u32::MAX, &["a", "b", "c"]),
    ];
    for (limit, expected) in table {
        for projection in [Projection::Values, Projection::Keys, Projection::Count] {
            let reply = read(&store, Read { range: Range::between("a", "z"), projection, limit });
            let expected = if projection == Projection::Count { &[] } else { expected };
            assert_eq!(names(&reply.kvs), expected, "{projection:?}, {limit}");
            assert_eq!(reply.count, 3, "{projection:?}, {limit}");
        }
    }
}

pub(crate) fn projections_bring_what_they_say<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    run(&store, &then([put("a", "value")]));
    let whole = get(&store, "a").unwrap();
    let read = |projection| read(&store, Read { range: Range::key("a"), projection, limit: 0 });
    assert_eq!(read(Projection::Values).kvs, std::slice::from_ref(&whole));
    assert_eq!(read(Projection::Keys).kvs, [Kv { value: vec![].into(), ..whole }]);
    let counted = ReadReply { kvs: vec![], count: 1, revision: Revision(2) };
    assert_eq!(read(Projection::Count), counted);
}

pub(crate) fn keys_and_values_are_kept_byte_for_byte<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let store = fresh();
    let keys = ["quote'\"`;--", "back\\slash", "nul\0inside", "line\nbreak", "%_*?", "\u{1f600}"];
    let all_bytes: Vec<u8> = (0..=u8::MAX).collect();
    let values = [vec![], vec![0], vec![0xff; 3], all_bytes, b"text".to_vec(), vec![7; 1_000_000]];
    let ops =
        keys.iter().zip(&values).map(|(key, value)| Op::put((*key).to_owned(), value.clone()));
    run(&store, &then(ops));
    for (key, value) in keys.iter().zip(&values) {
        let kv = get(&store, key).unwrap();
        assert!(*kv.key == **key && kv.value == *value, "{key:?}");
    }
}
