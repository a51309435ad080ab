//! What happens while a copy is under way: the source changes, somebody writes into the target, etcd dies.

use std::thread::sleep;
use std::time::Instant;

use ipam_tests::etcd::{Etcd, Fault, Moment, Proxy, Shared, Version};

use super::*;

const KEYS: usize = 2000;

/// Makes a store with many keys, of which the first are blocks' and the last ours.
fn large() -> World {
    let world = World::with_pools(&[("a", json!({"cidr": "10.1.0.0/24"}))]);
    let keys = (0..KEYS).map(|at| (format!("{}k{at:06}", key::ROOTS[at % 3]), vec![b'v'; 300]));
    fill(&open(&world.path()), keys);
    world
}

/// Waits until the target holds something.
fn await_some(target: &impl Store) {
    let started = Instant::now();
    while contents(target).is_empty() {
        assert!(started.elapsed() < DEADLINE, "nothing arrives");
        sleep(Duration::from_millis(2));
    }
}

/// Starts a slow copy to etcd.
fn slow(world: &World, proxy: &Proxy) -> Child {
    let late = Duration::from_millis(20);
    proxy.set(Fault::Delay { requests: Duration::ZERO, replies: late });
    start(&[&embedded(&world.path()), &etcd(&proxy.endpoint())])
}

#[test]
fn a_source_that_changes_makes_no_copy() {
    let (world, server) = (large(), Shared::take(Version::System));
    let proxy = Proxy::to(&server.endpoint());
    let child = slow(&world, &proxy);
    await_some(&etcd_at(&server.endpoint()));
    world.put("/calico/ipam/v2/k000000", "changed meanwhile");
    let run = end(child);
    assert_eq!((run.code, run.stdout.as_str()), (5, ""), "{run:?}");
    assert!(run.stderr.contains("[RF-E0704]"), "{run:?}");
    for told in [
        "/calico/ipam/v2/k000000 is newer",
        "keys of the source",
        "etcdctl del --prefix /calico/ipam/v2/",
        "etcdctl del --prefix /ringfence/v1/",
    ] {
        assert!(run.stderr.contains(told), "{told}: {run:?}");
    }
    // What is told to do helps.
    proxy.set(Fault::None);
    for root in key::ROOTS {
        server.ctl(&["del", "--prefix", root]);
    }
    migrate(&embedded(&world.path()), &etcd(&server.endpoint()));
    assert_eq!(contents(&etcd_at(&server.endpoint())), contents(&open(&world.path())));
}

#[test]
fn whoever_writes_into_the_target_is_noticed() {
    let (world, server) = (large(), Shared::take(Version::System));
    let proxy = Proxy::to(&server.endpoint());
    let child = slow(&world, &proxy);
    let etcd_store = etcd_at(&server.endpoint());
    await_some(&etcd_store);
    let (_, last) = (0..KEYS).map(|at| (at, at % 3)).rfind(|(_, root)| *root == 2).unwrap();
    let key = format!("{}k{:06}", key::ROOTS[last], KEYS - 3);
    assert!(contents(&open(&world.path())).iter().any(|(stored, _)| **stored == *key), "{key}");
    put(&etcd_store, &key, b"somebody else's");
    let run = end(child);
    assert!(run.code == 5 && run.stderr.contains("[RF-E0705]"), "{run:?}");
    assert!(run.stderr.contains(&format!("somebody else has put {key} into")), "{run:?}");
    let stored = contents(&etcd_store).into_iter().find(|(stored, _)| **stored == *key);
    assert_eq!(stored.unwrap().1, "somebody else's");
}

#[test]
fn a_connection_that_breaks_ends_in_a_beginning_that_is_continued() {
    for (call, at) in [
        (6, Moment::BeforeRequest),
        (6, Moment::AfterRequest),
        (9, Moment::BeforeReply),
        (12, Moment::InReply),
    ] {
        let (world, server) = (large(), Shared::take(Version::System));
        let proxy = Proxy::to(&server.endpoint());
        let (from, to) = (embedded(&world.path()), etcd(&proxy.endpoint()));
        proxy.set_then(Fault::Cut { call, at }, Fault::Refuse);
        let told = fails(&[&from, &to, "--timeout", "1"], 3, "RF-E0707");
        let source = contents(&open(&world.path()));
        let there = contents(&etcd_at(&server.endpoint()));
        assert!(!there.is_empty() && source.starts_with(&there), "{at:?}: {}", there.len());
        // What is told is true: so many keys, or so many and the ones of which nobody knows.
        let number = |behind: &str| {
            let rest = told.split(behind).nth(1).unwrap_or("0");
            rest.split_whitespace().next().unwrap().parse::<usize>().unwrap()
        };
        let (sure, unsure) = (number("holds the first "), number("and perhaps "));
        assert!([sure, sure + unsure].contains(&there.len()), "{at:?}: {}: {told}", there.len());
        assert!(told.contains(&format!(" of {} keys", source.len())), "{told}");
        assert!(told.contains("--resume"), "{told}");

        proxy.set(Fault::None);
        fails(&[&from, &to], 5, "RF-E0702");
        let report = run(&[&from, &to, "--resume", "-o", "json"]);
        let report: Value = serde_json::from_str(&report.stdout).unwrap();
        let copied = report["items"][0]["copied"].as_u64().unwrap();
        assert_eq!(copied, (source.len() - there.len()) as u64, "{at:?}");
        assert_eq!(contents(&etcd_at(&server.endpoint())), source, "{at:?}");
    }
}

#[test]
fn one_broken_connection_does_not_end_a_copy() {
    for at in [Moment::BeforeRequest, Moment::AfterRequest, Moment::BeforeReply, Moment::InReply] {
        let (world, server) = (large(), Shared::take(Version::System));
        let proxy = Proxy::to(&server.endpoint());
        proxy.set(Fault::Cut { call: 8, at });
        migrate(&embedded(&world.path()), &etcd(&proxy.endpoint()));
        assert_eq!(proxy.counts().cuts, 1, "{at:?}");
        assert_eq!(contents(&etcd_at(&server.endpoint())), contents(&open(&world.path())));
    }
}

#[test]
fn a_killed_etcd_keeps_what_was_confirmed() {
    let (world, server) = (large(), Etcd::start());
    let proxy = Proxy::to(&server.endpoint());
    let late = Duration::from_millis(20);
    proxy.set(Fault::Delay { requests: Duration::ZERO, replies: late });
    let (from, to) = (embedded(&world.path()), etcd(&proxy.endpoint()));
    let child = start(&[&from, &to, "--timeout", "1"]);
    await_some(&etcd_at(&server.endpoint()));
    server.kill();
    let run = end(child);
    assert!(run.code == 3 && run.stderr.contains("[RF-E0707]"), "{run:?}");
    server.restart();
    proxy.set(Fault::None);
    let there = contents(&etcd_at(&server.endpoint()));
    assert!(contents(&open(&world.path())).starts_with(&there) && !there.is_empty());
    assert_eq!(super::run(&[&from, &to, "--resume"]).code, 0);
    assert_eq!(contents(&etcd_at(&server.endpoint())), contents(&open(&world.path())));
}
