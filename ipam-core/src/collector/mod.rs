//! Collecting what nobody uses any more: addresses without their pods, claims that nodes do not need, cooldowns that have
//! passed.
//!
//! One pass holds a snapshot of the store against what lives in Kubernetes and names what is to be released, and why. It
//! acts on nothing: the requests of a [`Pass`] do, each with conditions that hold only for what was judged.
//!
//! Valid is what is not proven otherwise. An address is never collected where it has no handle, no node, or neither a pod
//! with its namespace nor the type of a tunnel; where another address of its handle is in use; or where its node belongs to
//! no Kubernetes.
//!
//! Source: calico `kube-controllers/pkg/controllers/node/ipam.go`.

mod abandoned;
mod cluster;
mod index;
mod judge;
mod leak;
mod memory;
mod validity;

pub use abandoned::{Abandoned, GoneNode};
pub use cluster::{Cluster, Machines, ObjectName, Pod};
pub use leak::{Fault, Leak, Proof};
pub use memory::{Memory, Sighting};

use std::collections::BTreeMap;

use crate::ip::Cidr;
use crate::model::{DecodeError, Timestamp};
use crate::plan::{AddressTarget, CollectCold, ReleaseAddresses, Snapshot};

use index::Index;
use judge::Judge;

/// How long something must look unused before that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// Seconds for an address of a pod on a living node, and for an empty block; 0 means never.
    pub leak_seconds: i64,
    /// Seconds for an address of a virtual machine.
    pub machine_seconds: i64,
}

impl Grace {
    const MACHINE_SECONDS_MIN: i64 = 300;

    /// Makes the grace of an administrator's `leakGracePeriod`, in seconds; 0 where none is set. Virtual machines get five
    /// minutes at least.
    #[must_use]
    pub const fn of(leak_seconds: i64) -> Self {
        let longer = leak_seconds > Self::MACHINE_SECONDS_MIN;
        let machine_seconds = if longer { leak_seconds } else { Self::MACHINE_SECONDS_MIN };
        Self { leak_seconds, machine_seconds }
    }
}

impl Default for Grace {
    /// Makes what holds where nobody has set anything: 15 minutes.
    fn default() -> Self {
        Self::of(15 * 60)
    }
}

/// Why nothing may be collected now. What was remembered stays good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Paused {
    /// Nobody has described the cluster, or what is stored cannot be read.
    #[error("there is no ClusterInformation that says datastoreReady")]
    NoClusterInformation,
    /// An administrator has locked the datastore.
    #[error("the ClusterInformation does not say datastoreReady: true")]
    NotReady,
}

/// What one pass came to, in the order in which it is to be done.
#[derive(Debug)]
pub struct Pass {
    /// The addresses to release, by their blocks.
    pub leaks: Vec<Leak>,
    /// The blocks with addresses whose cooldown has passed.
    pub cold: Vec<CollectCold>,
    /// The claims to give up.
    pub claims: Vec<Abandoned>,
    /// The records of nodes to delete.
    pub nodes: Vec<GoneNode>,
    /// What the next pass is to be given.
    pub memory: Memory,
    /// What could not be read, and so was not judged.
    pub unreadable: Vec<DecodeError>,
}

impl Pass {
    /// Returns the requests that release the addresses. None speaks of two blocks, so what has changed in one since it was
    /// judged, which refuses the request, stops no other.
    #[must_use]
    pub fn releases(&self) -> Vec<ReleaseAddresses> {
        let mut by_block: BTreeMap<Cidr, Vec<AddressTarget>> = BTreeMap::new();
        for leak in &self.leaks {
            by_block.entry(leak.block).or_default().push(leak.target());
        }
        by_block.into_values().flat_map(ReleaseAddresses::in_parts).collect()
    }
}

/// Judges everything that is stored.
///
/// The snapshot must have been read before the cluster was listed. `memory` is what the last pass left, empty for the first.
///
/// # Errors
///
/// [`Paused`] while nothing may be collected.
pub fn collect(
    snapshot: &Snapshot,
    cluster: &Cluster,
    grace: Grace,
    memory: &Memory,
    now: Timestamp,
) -> Result<Pass, Paused> {
    let index = Index::read(snapshot)?;
    let judge = Judge { index: &index, cluster, grace, memory, now };
    let mut pass = judge.pass();
    pass.unreadable = index.unreadable;
    Ok(pass)
}
