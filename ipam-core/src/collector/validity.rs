//! Whether what an address was taken for still uses it.

use super::index::Allocation;
use super::{Cluster, Fault, ObjectName};

/// What an address was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A pod of Kubernetes.
    Pod,
    /// The node itself: the end of a tunnel.
    Tunnel,
    /// Something that Kubernetes does not know.
    Unknown,
}

/// The types of addresses that a node takes for itself.
const TUNNELS: [&str; 5] = [
    "ipipTunnelAddress",
    "vxlanTunnelAddress",
    "vxlanV6TunnelAddress",
    "wireguardTunnelAddress",
    "wireguardV6TunnelAddress",
];

impl Allocation<'_> {
    /// Returns what the address was taken for, as its attributes tell.
    pub(super) fn purpose(&self) -> Purpose {
        if self.attribute("type").is_some_and(|kind| TUNNELS.contains(&kind)) {
            Purpose::Tunnel
        } else if self.pod().is_some() {
            Purpose::Pod
        } else {
            Purpose::Unknown
        }
    }

    /// Says whether it was taken for a virtual machine, whose address outlives its pods.
    pub(super) fn is_machine(&self) -> bool {
        self.record.owner_attribute("vmi-name").is_some()
    }

    /// Finds what shows that the pod or virtual machine does not use the address any more; `None` where nothing does.
    ///
    /// `node` is what Kubernetes calls the node of the address, where that is known.
    ///
    /// Source: calico `kube-controllers/pkg/controllers/node/ipam.go::allocationIsValid`.
    pub(super) fn fault(&self, node: Option<&str>, cluster: &Cluster) -> Option<Fault> {
        if self.is_machine() {
            let name = ObjectName::new(self.attribute("namespace")?, self.attribute("vmi-name")?);
            let is_there = cluster.machines.as_ref()?.has(&name);
            return (!is_there).then_some(Fault::NoMachine(name));
        }
        let name = self.pod()?;
        let Some(pod) = cluster.pods.get(&name) else {
            return Some(Fault::NoPod(name));
        };
        match (&pod.node, node) {
            (Some(found), Some(node)) if found != node => {
                Some(Fault::OtherNode { pod: name, node: found.clone() })
            }
            _ if pod.ips.is_empty() => None,
            _ if pod.has_ended => Some(Fault::Ended(name)),
            _ if pod.ips.contains(&self.ip) => None,
            _ => Some(Fault::OtherAddresses { pod: name, ips: pod.ips.clone() }),
        }
    }

    fn pod(&self) -> Option<ObjectName> {
        Some(ObjectName::new(self.attribute("namespace")?, self.attribute("pod")?))
    }
}
