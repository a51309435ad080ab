//! What Kubernetes says of the cluster, as far as the collector asks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What lives in Kubernetes.
///
/// It must have been listed in full, and after the snapshot that it is held against: a pod exists before its addresses are
/// taken, so an address whose pod is missing here has lost it. Whoever could not list a kind must not collect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The nodes by the names that Kubernetes gives them.
    pub nodes: BTreeSet<String>,
    /// Those of the nodes that are being moved from Flannel to Calico: their label
    /// `projectcalico.org/node-network-during-migration` exists and is not `calico`.
    pub migrating: BTreeSet<String>,
    /// The pods.
    pub pods: BTreeMap<ObjectName, Pod>,
    /// The virtual machines; `None` where the cluster has no `KubeVirt`.
    pub machines: Option<Machines>,
}

/// The name of an object in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// The namespace.
    pub namespace: String,
    /// The name in it.
    pub name: String,
}

impl ObjectName {
    /// Makes a name.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// A pod.
///
/// Its uid is not asked for: that of a static pod, as the plugin hears it from the kubelet, is not that of the mirror which
/// the API server shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// The Kubernetes node that it was given to; `None` while there is none.
    pub node: Option<String>,
    /// Every address that it reports, of all its interfaces; none while it has not reported any, or where that cannot be
    /// read.
    pub ips: BTreeSet<IpAddr>,
    /// Whether its phase is `Succeeded` or `Failed`: it will never use an address again.
    pub has_ended: bool,
}

/// The virtual machines of `KubeVirt`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machines {
    /// The `VirtualMachine` objects. One that is stopped keeps its addresses.
    pub machines: BTreeSet<ObjectName>,
    /// The `VirtualMachineInstance` objects, each with the name of the `VirtualMachine` that owns it; `None` for one that
    /// stands by itself.
    pub instances: BTreeMap<ObjectName, Option<String>>,
}

impl Machines {
    /// Says whether a machine of this name exists, or an instance that stands by itself: one that a machine owns lives no
    /// longer than that.
    #[must_use]
    pub fn has(&self, name: &ObjectName) -> bool {
        let stands_alone = || self.instances.get(name).is_some_and(Option::is_none);
        self.machines.contains(name) || stands_alone()
    }
}
