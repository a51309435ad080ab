//! A store, and a cluster of Kubernetes beside it.

use ipam_core::collector::{Cluster, Grace, Memory, ObjectName, Pass, Paused, Pod, collect};
use ipam_core::ip::Cidr;
use ipam_core::plan::ClaimBlocks;
use serde_json::{Value, json};

use super::world::{World, cidr, host};

/// How long something must look unused in a scene.
pub(crate) const GRACE_SECONDS: i64 = 6;
const NODES: &str = "/calico/resources/v3/projectcalico.org/nodes/";

/// A store, what lives in Kubernetes beside it, and what the last pass left.
pub(crate) struct Scene {
    pub(crate) world: World,
    /// The first block of the pool, which `a` claims before all others.
    home: Cidr,
    pub(crate) cluster: Cluster,
    pub(crate) grace: Grace,
    pub(crate) memory: Memory,
}

impl Scene {
    /// Makes nodes `a` and `b`, which Kubernetes knows by the same names, and one pool.
    pub(crate) fn new(pool: &str, block_size: u8) -> Self {
        let world = World::new(&[(pool, block_size)]);
        let mut scene = Self {
            world,
            home: cidr(pool).block_at(block_size, 0).unwrap(),
            cluster: Cluster::default(),
            grace: Grace::of(GRACE_SECONDS),
            memory: Memory::default(),
        };
        scene.ready(&json!(true));
        for node in ["a", "b"] {
            scene.node(node, node);
            scene.cluster.nodes.insert(node.to_owned());
        }
        scene
    }

    pub(crate) fn ready(&self, ready: &Value) {
        let spec = json!({ "clusterGUID": "0", "datastoreReady": ready });
        let none = json!({});
        self.world.resource("ClusterInformation", "clusterinformations", "default", &none, &spec);
    }

    pub(crate) fn node(&self, name: &str, kubernetes: &str) {
        let reference = json!({ "nodeName": kubernetes, "orchestrator": "k8s" });
        let spec = json!({ "orchRefs": [reference] });
        self.world.resource("Node", "nodes", name, &json!({}), &spec);
    }

    pub(crate) fn forget_node(&self, name: &str) {
        self.world.store.with(|model| model.delete(&format!("{NODES}{name}")));
    }

    /// Takes addresses under a handle, with these attributes and that of the node.
    pub(crate) fn take(&self, node: &str, handle: &str, count: usize, attributes: &[(&str, &str)]) {
        if node == "a" && self.world.claims(&host("a")).is_empty() {
            self.claim("a", &self.home.to_string());
        }
        let mut request = self.world.ask(node, count, 0).handle(handle).request();
        let attributes = attributes.iter().copied().chain([("node", node)]);
        request.attributes =
            attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(self.world.call(&request).unwrap().addresses.len(), count);
    }

    /// Takes addresses for a pod in namespace `fin`; the handle is called like it.
    pub(crate) fn take_for_pod(&self, node: &str, pod: &str, count: usize) {
        self.take(node, pod, count, &[("namespace", "fin"), ("pod", pod)]);
    }

    pub(crate) fn pod(&mut self, name: &str, node: &str, ips: &[&str]) {
        let pod = Pod {
            node: Some(node.to_owned()),
            ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
            has_ended: false,
        };
        self.cluster.pods.insert(ObjectName::new("fin", name), pod);
    }

    pub(crate) fn claim(&self, node: &str, block: &str) {
        self.world.call(&ClaimBlocks { cidr: cidr(block), owner: host(node) }).unwrap();
    }

    pub(crate) fn look(&self) -> Result<Pass, Paused> {
        let now = self.world.now();
        collect(&self.world.snapshot(), &self.cluster, self.grace, &self.memory, now)
    }

    pub(crate) fn pass(&mut self) -> Pass {
        let pass = self.look().unwrap();
        self.memory = pass.memory.clone();
        pass
    }

    /// Looks twice, more than the grace apart; returns what the second look finds.
    pub(crate) fn pass_twice(&mut self) -> Pass {
        self.pass();
        self.world.wait(GRACE_SECONDS + 1);
        self.pass()
    }

    pub(crate) fn release(&self, pass: &Pass) {
        for request in pass.releases() {
            self.world.call(&request).unwrap();
        }
    }

    pub(crate) fn give_up(&self, pass: &Pass) {
        for claim in &pass.claims {
            self.world.call(&claim.request()).unwrap();
        }
    }
}

pub(crate) fn leaked(pass: &Pass) -> Vec<String> {
    pass.leaks.iter().map(|leak| leak.ip.to_string()).collect()
}
