//! An address that is to be released.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use crate::ip::Cidr;
use crate::model::Timestamp;
use crate::plan::{AddressTarget, Holder};

use super::ObjectName;

/// An address that is held for nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The address.
    pub ip: IpAddr,
    /// Its block.
    pub block: Cidr,
    /// Who holds it; there is a handle.
    pub holder: Holder,
    /// Under which sequence number it was taken, 0 where none is stored.
    pub sequence: u64,
    /// Why nobody uses it.
    pub fault: Fault,
    /// Why that is certain.
    pub proof: Proof,
}

impl Leak {
    /// Returns what to release: this allocation and no later one of the same address.
    #[must_use]
    pub fn target(&self) -> AddressTarget {
        AddressTarget::allocation(self.ip, &self.holder, self.sequence)
    }
}

/// Why nobody uses an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its pod does not exist.
    NoPod(ObjectName),
    /// Its pod runs on another node.
    OtherNode {
        /// The pod.
        pod: ObjectName,
        /// The Kubernetes node that the pod was given to.
        node: String,
    },
    /// Its pod has ended.
    Ended(ObjectName),
    /// Its pod has other addresses.
    OtherAddresses {
        /// The pod.
        pod: ObjectName,
        /// What the pod reports.
        ips: BTreeSet<IpAddr>,
    },
    /// Its virtual machine does not exist.
    NoMachine(ObjectName),
    /// It is the tunnel address of a node that is gone, and nothing else of the node is in use.
    NoNode,
}

/// Why it is certain that nobody uses an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Its node is gone.
    NodeGone,
    /// It has looked like that since then, for longer than the grace.
    Since(Timestamp),
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPod(pod) => write!(f, "pod {pod} does not exist"),
            Self::OtherNode { pod, node } => write!(f, "pod {pod} is on node {node}"),
            Self::Ended(pod) => write!(f, "pod {pod} has ended"),
            Self::OtherAddresses { pod, ips } => {
                write!(f, "pod {pod} has")?;
                ips.iter().try_for_each(|ip| write!(f, " {ip}"))
            }
            Self::NoMachine(machine) => write!(f, "virtual machine {machine} does not exist"),
            Self::NoNode => f.write_str("nothing of its node is in use"),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeGone => f.write_str("its node is gone"),
            Self::Since(since) => write!(f, "since {since}"),
        }
    }
}
