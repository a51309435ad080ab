//! A database that has reached its quota.

use std::thread;

use ipam_core::kv::{Compare, Op, Range, Read, Revision, Txn};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::{Store, StoreError};
use ipam_tests::etcd::{Etcd, Options};

use super::broken::{DEADLINE, get, one, told};
use super::{block_on, tell};

const WRITERS: usize = 8;
const VALUE: usize = 30_000;

/// Writes keys of its own until the database is full; returns the last key, and what was said of it.
fn fill(etcd: &Etcd, writer: usize) -> (String, StoreError) {
    let store = EtcdStore::new(one(etcd.endpoint()), None);
    for number in 0..1000 {
        let key = format!("/calico/{writer}/{number}");
        if let Err(error) = block_on(store.txn(&create(&key), DEADLINE)) {
            return (key, error);
        }
    }
    panic!("a database is full some day")
}

/// Puts a key that must not exist.
fn create(key: &str) -> Txn {
    let compare = Compare::Key { key: key.to_owned(), mod_revision: Revision::ABSENT };
    let put = Op::Put { key: key.to_owned(), value: vec![b'x'; VALUE] };
    let read = Read::values(Range::key(key));
    Txn { compares: vec![compare], then: vec![put], otherwise: vec![read] }
}

/// etcd applies the write that exceeds the quota, and answers that there is no room for it.
#[test]
fn a_write_is_refused_for_want_of_room_only_where_it_was_not_applied() {
    let expected = |url: &str| {
        format!(
            "unusable: etcd store {url} cannot be used: {url} takes no more data, its database has reached its quota: compact and defragment it, then 'etcdctl alarm disarm'"
        )
    };
    let (mut refused, mut unknown, mut applied) = (0, 0, 0);
    for _ in 0..4 {
        let etcd = Options::default().flag("quota-backend-bytes", 2_000_000).start();
        let ends: Vec<(String, StoreError)> = thread::scope(|scope| {
            let etcd = &etcd;
            let writers: Vec<_> =
                (0..WRITERS).map(|writer| scope.spawn(move || fill(etcd, writer))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let store = EtcdStore::new(one(etcd.endpoint()), None);
        for (key, error) in ends {
            let reply = block_on(store.txn(&get(&key), DEADLINE)).unwrap();
            let is_there = !reply.reads[0].kvs.is_empty();
            applied += usize::from(is_there);
            if let StoreError::Indeterminate { .. } = error {
                unknown += 1;
            } else {
                assert_eq!(told(&error), expected(&etcd.endpoint()));
                assert!(!is_there, "{key} was refused and is there");
                refused += 1;
            }
        }
    }
    tell(&format!("{refused} refused, {unknown} unknown, {applied} applied"));
    assert!(refused > 0);
}
