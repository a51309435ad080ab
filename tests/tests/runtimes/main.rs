//! Real container runtimes, containerd and podman, that run containers with addresses from our plugin on a real etcd.
//!
//! Each scene has a machine of its own, and ends with two questions: does the store hold what lives and nothing else
//! (`holdings`), and is the machine as it was (`traces`)?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

mod containerd;
mod cri;
mod holdings;
mod image;
mod killed;
mod podman;
mod podman_containers;
mod pods;
mod traces;
mod traffic;

use ipam_tests::etcd::EtcdWorld;
use serde_json::{Value, json};

/// Two pools that are for those who name them, one of them with room for a single workload, and one for everybody else.
fn world() -> EtcdWorld {
    EtcdWorld::with_pools(&[
        ("legacy", json!({"cidr": "10.1.0.0/24", "blockSize": 28, "assignmentMode": "Manual"})),
        ("branch", json!({"cidr": "10.2.0.0/24", "blockSize": 28, "assignmentMode": "Manual"})),
        ("tiny", json!({"cidr": "10.3.0.0/30", "blockSize": 30, "assignmentMode": "Manual"})),
        ("default", json!({"cidr": "10.4.0.0/24", "blockSize": 28})),
    ])
}

/// Returns a list of plugins: an upper one with what it is told beside, and after it those that are given.
fn conflist(world: &EtcdWorld, upper: &Value, after: &[Value]) -> Value {
    let ipam = json!({"gateway": "first", "routes": [{"dst": "0.0.0.0/0"}]});
    let netconf = world.netconf(&ipam);
    let mut first = upper.clone();
    first["ipam"] = netconf["ipam"].clone();
    first["capabilities"] = json!({"io.kubernetes.cri.pod-annotations": true});
    let plugins = [&[first], after].concat();
    json!({"cniVersion": "1.0.0", "name": "pods", "plugins": plugins})
}
