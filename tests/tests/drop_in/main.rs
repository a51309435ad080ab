//! The plugin in the place of `calico-ipam`: the recorded calls, made again through the process on a real etcd.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod leniency;
mod main_plugin;
mod round_trips;
mod scenarios;

use ipam_core::kv::{Op, Txn};
use ipam_etcd::Store as _;
use ipam_etcd::etcd::EtcdStore;
use ipam_tests::etcd::{EtcdWorld, block_on};
use ipam_tests::replay::{Place, Recording};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

/// The cluster of the recorded chain, and a node of it.
struct Node {
    world: EtcdWorld,
    store: EtcdStore,
    folder: TempDir,
}

impl Node {
    fn new() -> Self {
        Self::with_pools(&[
            ("legacy-fin", json!({"cidr": "10.20.0.0/24", "blockSize": 28})),
            ("shared", json!({"cidr": "10.30.0.0/16"})),
            ("six", json!({"cidr": "fd00:20::/64"})),
        ])
    }

    fn with_pools(pools: &[(&str, Value)]) -> Self {
        let world = EtcdWorld::with_pools(pools);
        let node = Self { store: world.store(), world, folder: tempfile::tempdir().unwrap() };
        let recording = Recording::read("one-node").unwrap();
        let puts = recording.steps[0].put.iter().filter(|put| put.key.ends_with("/nodes/n1"));
        let puts = puts.map(|put| Op::put(put.key.clone(), put.value.clone()));
        let txn = Txn { then: puts.collect(), ..Txn::default() };
        block_on(node.store.txn(&txn, Duration::from_secs(10))).unwrap();
        node
    }

    fn netconf(&self, recorded: &Value) -> Value {
        let endpoint = self.world.server().endpoint();
        let place = Place { endpoint: &endpoint, store: &self.store, folder: self.folder.path() };
        place.netconf(recorded)
    }

    /// Returns a configuration as Calico's main plugin hands it down; `ipam` replaces there.
    fn calico(&self, ipam: &Value) -> Value {
        let mut conf = json!({
            "cniVersion": "0.3.1", "name": "k8s-pod-network", "type": "calico", "nodename": "n1",
            "datastore_type": "etcdv3", "log_level": "info",
            "ipam": {"type": "calico-ipam", "assign_ipv4": "true"},
        });
        conf["ipam"].as_object_mut().unwrap().extend(ipam.as_object().unwrap().clone());
        self.netconf(&conf)
    }
}
