//! Several endpoints: one that works is enough, and where none does each is told.

use std::time::{Duration, Instant};

use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::{EtcdSettings, Store, StoreError};
use ipam_tests::etcd::{Cluster, Etcd, Options, Pki};

use super::broken::{Broken, DEADLINE, assert_works, closed, get, one, put, with_tls};
use super::{at, block_on};

/// What is right away, on a busy machine too.
const AT_ONCE: Duration = Duration::from_millis(1200);
/// A member that does not answer is waited for, and then the next one is asked.
const AFTER_SILENCE: Duration = Duration::from_millis(2500);

/// Which endpoint is tried first depends on the process, so everything is tried both ways round.
fn both_ways(mut settings: EtcdSettings) -> [EtcdSettings; 2] {
    let there = settings.clone();
    settings.endpoints.reverse();
    [there, settings]
}

#[test]
fn where_none_works_each_is_told_in_order() {
    let urls = [closed(), "http://[::1]:1".to_owned(), "http://127.0.0.1:2".to_owned()];
    let told = |number: u32| {
        format!("E{number} refuses connections: start etcd there, or name another endpoint")
    };
    Broken::new(at(&urls)).says(&format!(
        "unavailable: etcd store E1,E2,E3 did not answer in N ms: none of 3 endpoints can be used: {}; {}; {}",
        told(1), told(2), told(3),
    ));
}

#[test]
fn one_that_works_is_enough() {
    let etcd = Etcd::start();
    for settings in both_ways(at(&[closed(), etcd.endpoint()])) {
        let took = assert_works(&settings);
        assert!(took < AT_ONCE, "{took:?}");
    }
    let unknown = format!("http://{}.example:2379", "x".repeat(70));
    for settings in both_ways(at(&[unknown, etcd.endpoint()])) {
        let took = assert_works(&settings);
        assert!(took < AT_ONCE, "{took:?}");
    }
}

#[test]
fn one_whose_certificate_is_wrong_is_passed_over() {
    let pki = Pki::new();
    let expired = Options::default().tls_as(&pki, pki.expired_server().clone()).start();
    let sound = Options::default().tls(&pki).start();
    let both = at(&[expired.endpoint(), sound.endpoint()]);
    for settings in both_ways(with_tls(both, &pki, Some(&pki.client("root")))) {
        let took = assert_works(&settings);
        assert!(took < AT_ONCE, "{took:?}");
    }
}

#[test]
fn one_that_is_silent_is_waited_for_a_moment() {
    let cluster = Cluster::start();
    let silent = (cluster.leader() + 1) % 3;
    let sound = (silent + 1) % 3;
    cluster.stop(silent);
    let urls = [silent, sound].map(|member| cluster.member(member).endpoint());
    for settings in both_ways(at(&urls)) {
        for txn in [get("a"), put("a", "b")] {
            let started = Instant::now();
            let store = EtcdStore::new(settings.clone(), None);
            let reply = match block_on(store.txn(&txn, DEADLINE)) {
                // It may yet do it; whoever sent it sends it again.
                Err(StoreError::Indeterminate { .. }) if txn.is_write() => {
                    block_on(store.txn(&txn, DEADLINE))
                }
                reply => reply,
            };
            reply.unwrap();
            let took = started.elapsed();
            assert!(took < AFTER_SILENCE, "{took:?}");
        }
    }
    cluster.resume(silent);
}

#[test]
fn one_that_is_silent_is_not_waited_for_where_tls_must_begin() {
    let pki = Pki::new();
    let [silent, sound] = [(); 2].map(|()| Options::default().tls(&pki).start());
    silent.stop();
    let both = at(&[silent.endpoint(), sound.endpoint()]);
    for settings in both_ways(with_tls(both, &pki, Some(&pki.client("root")))) {
        let took = assert_works(&settings);
        assert!(took < AT_ONCE, "{took:?}");
    }
}

#[test]
fn a_store_goes_on_where_the_member_in_use_is_lost() {
    let cluster = Cluster::start();
    let store = EtcdStore::new(at(&cluster.endpoints()), None);
    block_on(store.txn(&put("a", "1"), DEADLINE)).unwrap();
    for lost in 0..3 {
        cluster.kill(lost);
        let started = Instant::now();
        // The leader may have been lost, too.
        let reply = block_on(store.txn(&get("a"), DEADLINE)).unwrap();
        assert_eq!(reply.reads[0].kvs[0].value, "1");
        let took = started.elapsed();
        assert!(took < AFTER_SILENCE, "{took:?}");
        cluster.restart(lost);
    }
}

#[test]
fn an_endpoint_that_comes_late_is_waited_for_a_moment() {
    let etcd = Etcd::start();
    assert_works(&one(etcd.endpoint()));
    etcd.kill();
    Broken::new(one(etcd.endpoint())).reads(
        "unavailable: etcd store E did not answer in N ms: E refuses connections: start etcd there, or name another endpoint",
    );
    etcd.restart();
    assert_works(&one(etcd.endpoint()));
}
