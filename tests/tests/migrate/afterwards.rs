//! Life goes on in the target exactly as it would have in the source.

use ipam_etcd::AnyStore;
use ipam_etcd::migrate::Migration;
use ipam_tests::etcd::{Shared, Version};
use ipam_tests::plugin::{Call, netconf};
use ipam_tests::replay::{Recording, replay_moving};

use super::*;

const SCENARIOS: [&str; 11] = [
    "one-node",
    "order-in-block",
    "exhaustion",
    "pool-choice",
    "reserved",
    "specific-ip",
    "handle-reuse",
    "borrowing",
    "block-limit",
    "pool-removed",
    "release-affinity",
];

/// Replays a recording in one store up to a step, and from there on in a copy of it.
async fn replay_and_move(recording: &Recording, moved: usize, first: &AnyStore, then: &AnyStore) {
    let replayed = replay_moving(recording, async |number| {
        if number == moved {
            let migration =
                Migration { source: first, target: then, resume: false, deadline: DEADLINE };
            migration.run(|_| ()).await.unwrap();
        }
        if number < moved { first } else { then }
    });
    if let Err(error) = replayed.await {
        panic!("{} moved before step {moved}: {error}", recording.scenario);
    }
}

fn pair() -> (World, Shared, AnyStore, AnyStore) {
    let (world, server) = (World::with_pools(&[]), Shared::take(Version::System));
    let stores = (open(&world.path()), etcd_at(&server.endpoint()));
    (world, server, AnyStore::Embedded(stores.0), AnyStore::Etcd(stores.1))
}

#[test]
fn what_stock_calico_was_recorded_to_do_goes_on_after_a_move() {
    for scenario in SCENARIOS {
        let recording = Recording::read(scenario).unwrap();
        let middle = recording.steps.len() / 2;
        let (_world, _server, file, cluster) = pair();
        block_on(replay_and_move(&recording, middle, &file, &cluster));
        let (_world, _server, file, cluster) = pair();
        block_on(replay_and_move(&recording, middle, &cluster, &file));
    }
}

#[test]
fn a_move_may_come_at_any_time() {
    let recording = Recording::read("one-node").unwrap();
    for moved in 1..recording.steps.len() {
        let (_world, _server, file, cluster) = pair();
        block_on(replay_and_move(&recording, moved, &file, &cluster));
    }
}

#[test]
fn the_plugin_gives_the_next_addresses_that_the_source_would_have_given() {
    let (world, server) = (
        World::with_pools(&[
            ("a", json!({"cidr": "10.1.0.0/26", "blockSize": 29})),
            ("a6", json!({"cidr": "fd00:1::/120", "blockSize": 125})),
        ]),
        Shared::take(Version::System),
    );
    let conf = netconf(&world.path(), &json!({"assign_ipv6": true}));
    let call = |command: &str, container: &str, conf: &Value| {
        let answer = Call::new(command, container, conf).run();
        assert!(answer.success, "{answer:?}");
        answer.addresses()
    };
    for at in 0..11 {
        call("ADD", &format!("old{at}"), &conf);
    }
    for at in [3, 7, 1] {
        call("DEL", &format!("old{at}"), &conf);
    }
    migrate(&embedded(&world.path()), &etcd(&server.endpoint()));
    let in_etcd = netconf(
        &world.path(),
        &json!({
            "assign_ipv6": true, "datastore_type": "etcdv3", "datastore_path": null,
            "etcd_endpoints": server.endpoint(), "cache_folder": world.folder().join("cache"),
        }),
    );
    for at in 0..14 {
        let container = format!("new{at}");
        let expected = call("ADD", &container, &conf);
        assert_eq!((expected.len(), call("ADD", &container, &in_etcd)), (2, expected), "{at}");
        if at == 5 {
            call("DEL", "old0", &conf);
            call("DEL", "old0", &in_etcd);
        }
    }
}
