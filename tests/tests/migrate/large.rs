//! Many keys: it says how far it is, and takes no more than its share at a time.

use ipam_tests::etcd::{Fault, Proxy, Shared, Version};

use super::*;

const KEYS: u32 = 20_000;

fn world(block_bytes: usize) -> World {
    let world = World::with_pools(&[]);
    let keys = (0..KEYS).map(|at| {
        let key = match at % 2 {
            0 => format!("/calico/ipam/v2/assignment/ipv4/block/10.{}.{}.0-26", at / 256, at % 256),
            _ => format!("/calico/ipam/v2/handle/k8s-pod-network.{at:064x}"),
        };
        (key, vec![b'0'; if at % 2 == 0 { block_bytes } else { 120 }])
    });
    fill(&open(&world.path()), keys);
    world
}

#[test]
fn twenty_thousand_keys_go_there_and_back() {
    // As a full block of 64 addresses.
    let (world, server) = (world(8000), Shared::take(Version::System));
    let there = migrate(&embedded(&world.path()), &etcd(&server.endpoint()));
    let back = world.folder().join("back.db");
    let and_back = migrate(&etcd(&server.endpoint()), &embedded(&back));
    let (there, and_back) = (&there["items"][0], &and_back["items"][0]);
    assert_eq!(there["digest"], and_back["digest"]);
    assert_eq!(contents(&open(&back)), contents(&open(&world.path())));
    for (way, item) in [("to etcd", there), ("back", and_back)] {
        let (keys, ms) = (item["keys"].as_u64().unwrap(), item["elapsedMs"].as_u64().unwrap());
        println!("{way}: {keys} keys in {ms} ms, {} keys per second", keys * 1000 / ms.max(1));
    }
}

#[test]
fn a_long_copy_tells_how_far_it_is_and_its_data_stays_alone() {
    let (world, server) = (world(100), Shared::take(Version::System));
    let proxy = Proxy::to(&server.endpoint());
    let late = Duration::from_millis(8);
    for (json, is_told) in [(false, true), (true, false)] {
        server.ctl(&["del", "", "--prefix"]);
        proxy.set(Fault::Delay { requests: Duration::ZERO, replies: late });
        let (from, to) = (embedded(&world.path()), etcd(&proxy.endpoint()));
        let format = if json { "json" } else { "table" };
        let run = run(&[&from, &to, "-o", format]);
        assert_eq!(run.code, 0, "{run:?}");
        let lines: Vec<&str> =
            run.stderr.lines().filter(|line| line.contains("of 20000 keys")).collect();
        assert_eq!(!lines.is_empty(), is_told, "{run:?}");
        assert!(!run.stdout.contains("of 20000 keys"), "{run:?}");
        if json {
            assert!(serde_json::from_str::<Value>(&run.stdout).is_ok(), "{run:?}");
            assert_eq!(run.stderr, "");
        }
    }
}
