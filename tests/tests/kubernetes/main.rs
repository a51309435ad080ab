//! Annotations and labels from the Kubernetes API, through the plugin as a process: what they choose, and that no fault of the
//! API, of the network or of the configuration ever gives a pod an address from a pool that nobody named for it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod access;
mod choice;
mod faults;
mod identity;
mod labels;
mod promises;
mod real;

use std::path::Path;

use ipam_core::model::{Binding, BindingMode};
use ipam_tests::kubernetes::{ApiServer, Reply};
use ipam_tests::plugin::{Answer, Call, netconf};
use ipam_tests::world::World;
use serde_json::{Value, json};

/// The pool that a pod gets where nobody names one.
const ANY: &str = "10.30.";
/// The pool `fin`.
const FIN: &str = "10.20.0.";
/// The pool `hr`.
const HR: &str = "10.20.1.";
const ANNOTATION_V4: &str = "cni.projectcalico.org/ipv4pools";

/// A node of a cluster with a Kubernetes API.
struct Cluster {
    world: World,
    api: ApiServer,
}

impl Cluster {
    /// Makes a cluster with three pools, of which only one is automatic, and a namespace `fin` with a pod `web`.
    fn new() -> Self {
        Self::with(ApiServer::start())
    }

    fn with(api: ApiServer) -> Self {
        let world = World::with_pools(&[
            ("any", json!({"cidr": "10.30.0.0/24"})),
            ("fin", json!({"cidr": "10.20.0.0/24", "assignmentMode": "Manual"})),
            ("hr", json!({"cidr": "10.20.1.0/24", "assignmentMode": "Manual"})),
        ]);
        api.namespace("fin", Reply::namespace("fin", &json!({}), &json!({})));
        api.pod("fin", "web", Reply::pod("fin", "web", &json!({})));
        Self { world, api }
    }

    fn conf(&self, kubeconfig: &Path, ipam: &Value) -> Value {
        let mut ours = json!({"kubernetes": {"kubeconfig": kubeconfig}});
        ours.as_object_mut().unwrap().extend(ipam.as_object().unwrap().clone());
        netconf(&self.world.path(), &ours)
    }

    /// Binds the namespace `fin` to a pool.
    fn bind(&self, pool: &str, mode: BindingMode) {
        let binding = Binding::new(mode, Some(vec![pool.to_owned()]), None);
        self.world.bind("fin", binding);
    }

    fn add(&self, container: &str) -> Answer {
        let conf = self.conf(&self.api.kubeconfig(), &json!({}));
        Call::new("ADD", container, &conf).pod("fin", "web").run()
    }

    /// Makes a call that must be refused, and sees that nothing was stored.
    fn refused(&self, call: &Call, code: u64, says: &str) -> Answer {
        let before = self.world.contents();
        let answer = call.run();
        assert_eq!(answer.code(), Some(code), "{says}: {:?} {}", answer.json, answer.stderr);
        let told = format!("{} {}", answer.message(), answer.json["details"]);
        assert!(told.contains(says), "{says}: {told}");
        assert_eq!(self.world.contents(), before, "{says}: the store has changed");
        answer
    }
}

fn first(answer: &Answer) -> String {
    assert!(answer.success, "{:?} {}", answer.json, answer.stderr);
    answer.addresses().first().expect("an address").clone()
}
