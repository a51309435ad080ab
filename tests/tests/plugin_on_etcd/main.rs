//! The plugin as a process on a real etcd: what a call costs, what a node remembers, and what death leaves behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod deadlines;
mod deaths;
mod memory;
mod round_trips;

use ipam_tests::etcd::EtcdWorld;
use ipam_tests::plugin::{Answer, Call};
use serde_json::{Value, json};

/// A world with a pool of each family; blocks are small, so that they fill up.
fn world() -> EtcdWorld {
    EtcdWorld::with_pools(&[
        ("p", json!({"cidr": "10.20.0.0/24", "blockSize": 29})),
        ("q", json!({"cidr": "fd00:20::/120", "blockSize": 125})),
    ])
}

fn dual() -> Value {
    json!({"assign_ipv6": true, "exclude_edges": false})
}

fn single() -> Value {
    json!({"exclude_edges": false})
}

fn call(world: &EtcdWorld, command: &str, container: &str, ipam: &Value) -> Answer {
    Call::new(command, container, &world.netconf(ipam)).run()
}

/// Makes a call that must succeed, and returns the addresses.
fn done(world: &EtcdWorld, command: &str, container: &str, ipam: &Value) -> Vec<String> {
    let answer = call(world, command, container, ipam);
    assert!(answer.success, "{command} {container}: {:?} {}", answer.json, answer.stderr);
    answer.addresses()
}
