//! A database that has reached its quota.

use std::thread;

use ipam_core::ip::Family;
use ipam_core::kv::{Compare, Op, Range, Read, Revision, Txn};
use ipam_core::plan::Replay;
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::{DriveError, Store, StoreError};
use ipam_tests::etcd::{Etcd, Options};

use super::broken::{DEADLINE, get, one, told};
use super::requests::{ask, assert_sound, assign, held, ips, is_unknown, make_pools};
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
    let compare = Compare::Key { key: key.into(), mod_revision: Revision::ABSENT };
    let put = Op::put(key, vec![b'x'; VALUE]);
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

/// Takes addresses until that fails, and returns each handle with what was answered.
fn take_until_full(etcd: &Etcd, who: usize) -> Vec<(String, Result<Vec<String>, DriveError>)> {
    let store = EtcdStore::new(one(etcd.endpoint()), None);
    let mut answers = Vec::new();
    for number in 0..1000 {
        let handle = format!("h{who}-{number}");
        let request = assign(&handle, &format!("n{who}"), Replay::Again, &[Family::V4]);
        let answer = ask(&store, &request, DEADLINE).map(|driven| ips(&driven.reply));
        let is_over = answer.is_err();
        answers.push((handle, answer));
        if is_over {
            break;
        }
    }
    answers
}

#[test]
fn an_add_on_a_database_that_fills_holds_what_it_was_told() {
    let (mut given, mut refused, mut unknown) = (0, 0, 0);
    for _ in 0..4 {
        let etcd = Options::default().flag("quota-backend-bytes", 2_000_000).start();
        make_pools(&one(etcd.endpoint()), &[("p", "10.0.0.0/20")]);
        let answers: Vec<_> = thread::scope(|scope| {
            let etcd = &etcd;
            let takers: Vec<_> =
                (0..4).map(|who| scope.spawn(move || take_until_full(etcd, who))).collect();
            fill(etcd, 0);
            takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect()
        });
        let store = EtcdStore::new(one(etcd.endpoint()), None);
        for (handle, answer) in answers {
            let held = held(&store, &handle);
            match answer {
                Ok(ips) => {
                    assert_eq!(held, ips, "{handle}");
                    given += 1;
                }
                Err(error) if is_unknown(&error) => unknown += 1,
                Err(error) => {
                    assert_eq!(held, [""; 0], "{handle}: {error:?}");
                    refused += 1;
                }
            }
        }
        assert_sound(&store);
    }
    tell(&format!("{given} given, {refused} refused, {unknown} unknown"));
    assert!(given > 0 && refused > 0);
    assert_eq!(unknown, 0, "sending it again tells");
}
