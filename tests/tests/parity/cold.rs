//! Addresses whose cooldown has passed, in blocks that nobody writes.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use ipam_core::kv::model::Model;
use ipam_core::plan::{Claims, CollectCold, Configure};
use ipam_etcd::drive;

use super::races::Restless;
use super::scene::{Scene, leaked};
use super::world::{block_on, cidr, host};

/// Two blocks of `a` and `b`, each with an address that cools down for 60 s, that of `b` released 30 s later.
fn cooling() -> Scene {
    let scene = Scene::new("10.0.0.0/28", 30);
    scene.world.configure(&Configure { cooldown_seconds: Some(60), ..Configure::default() });
    scene.claim("a", "10.0.0.0/30");
    scene.claim("b", "10.0.0.4/30");
    for node in ["a", "b"] {
        scene.take_for_pod(node, &format!("live-{node}"), 1);
        scene.take_for_pod(node, node, 1);
    }
    scene.world.release("a");
    scene.world.wait(30);
    scene.world.release("b");
    scene
}

#[test]
fn only_blocks_with_cold_addresses_are_visited_and_one_conflict_stops_no_other() {
    let scene = cooling();
    assert_eq!(scene.look().unwrap().cold, []);
    scene.world.wait(31);
    assert_eq!(scene.look().unwrap().cold, [CollectCold { block: cidr("10.0.0.0/30") }]);
    scene.world.wait(30);
    let cold = scene.look().unwrap().cold;
    assert_eq!(cold.len(), 2);
    // Whoever writes a block meanwhile collects it in passing.
    scene.take_for_pod("a", "late", 1);
    let freed: Vec<usize> =
        cold.iter().map(|request| scene.world.call(request).unwrap().len()).collect();
    assert_eq!(freed, [0, 1]);
    assert_eq!(scene.look().unwrap().cold, []);
}

const BLOCK: &str = "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-30";

#[test]
fn cold_addresses_are_freed_under_the_revision_that_was_read() {
    let scene = cooling();
    scene.world.wait(31);
    let before = scene.world.block("10.0.0.0/30").unwrap();
    let touch = |model: &mut Model| {
        let value = model.get(BLOCK).unwrap().value.clone();
        model.put(BLOCK, value.to_vec());
    };
    let restless = Restless { store: &scene.world.store, left: AtomicUsize::new(1), does: touch };
    let request = CollectCold { block: cidr("10.0.0.0/30") };
    let driven = drive(&restless, &request, scene.world.now(), Duration::from_secs(5));
    let driven = block_on(driven).unwrap();
    assert_eq!(driven.reply, ["10.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
    let mut expected = before.clone().collected(scene.world.now(), 60);
    expected.sequence_number += 1;
    assert_ne!(before, expected);
    assert_eq!(scene.world.block("10.0.0.0/30").unwrap(), expected);
    assert_eq!(scene.world.held("live-a").len(), 1);
    // What nobody claims and holds goes when its last address has cooled down.
    scene.world.release("live-a");
    scene.world.release_claims(Claims::All(host("a")), false);
    scene.world.wait(61);
    assert_eq!(scene.world.call(&request).unwrap().len(), 1);
    assert_eq!(scene.world.block("10.0.0.0/30"), None);
    assert_eq!(scene.world.call(&request).unwrap().len(), 0, "it is gone");
}

#[test]
fn nothing_is_written_while_nothing_is_cold() {
    let scene = cooling();
    let revision = || scene.world.store.with(|model| model.revision());
    let before = revision();
    for block in ["10.0.0.0/30", "10.0.0.4/30", "10.0.0.8/30"] {
        let request = CollectCold { block: cidr(block) };
        assert!(scene.world.call(&request).unwrap().is_empty());
    }
    assert_eq!(revision(), before);
}

#[test]
fn cooling_addresses_are_no_leaks() {
    let mut scene = cooling();
    scene.pod("live-a", "a", &["10.0.0.0"]);
    scene.pod("live-b", "b", &["10.0.0.4"]);
    let pass = scene.pass_twice();
    assert_eq!((leaked(&pass), scene.memory.suspects.len()), (vec![], 0));
    scene.world.wait(1_000_000);
    let pass = scene.pass();
    assert_eq!((leaked(&pass), scene.memory.suspects.len()), (vec![], 0));
    // Whoever left its owner in the record has released it all the same.
    scene.world.store.with(|model| {
        let text = String::from_utf8(model.get(BLOCK).unwrap().value.to_vec()).unwrap();
        let owner = r#""handle_id":"x","secondary":{"namespace":"fin","node":"a","pod":"x"},"#;
        let named = text.replace(r#""releasedAt""#, &format!("{owner}\"releasedAt\""));
        assert_ne!(named, text);
        model.put(BLOCK, named);
    });
    assert_eq!(leaked(&scene.pass_twice()), [""; 0]);
}
