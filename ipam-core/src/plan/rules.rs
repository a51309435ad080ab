//! Which of several behaviours an allocation shows.

use std::collections::BTreeMap;

use crate::block::HostReserved;
use crate::ip::Family;
use crate::pool::{AddressRules, NamespaceLabels, Use};

/// Which of several behaviours is wanted.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How a list of pools is searched.
    pub pool_order: PoolOrder,
    /// What a node without a record means.
    pub node: NodeRule,
    /// What a second request under the same handle means.
    pub replay: Replay,
    /// What the network cannot give away.
    pub addresses: AddressRules,
    /// What is known of the namespace.
    pub namespace_labels: NamespaceLabels,
    /// The most blocks that the host may have for this request; 0 leaves it to the configuration.
    pub blocks_max: i64,
    /// Whether the level that chose the pool is stored as attribute `pool-source`.
    pub record_source: bool,
    /// What the addresses are for.
    pub usage: Use,
    /// The most addresses of a family that the handle may hold; 0 for any number.
    pub held_max: usize,
    /// What becomes of a request that can be fulfilled in part.
    pub shortfall: Shortfall,
    /// What the host sets aside in each block that it claims, by family.
    pub host_reserved: BTreeMap<Family, HostReserved>,
}

impl Rules {
    /// What stock Calico does.
    #[must_use]
    pub fn calico() -> Self {
        Self {
            pool_order: PoolOrder::Calico,
            node: NodeRule::Required,
            replay: Replay::Again,
            addresses: AddressRules::default(),
            namespace_labels: NamespaceLabels::Known(BTreeMap::new()),
            blocks_max: 0,
            record_source: false,
            usage: Use::Workload,
            held_max: 0,
            shortfall: Shortfall::Refuse,
            host_reserved: BTreeMap::new(),
        }
    }
}

/// How a list of pools is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolOrder {
    /// Pool by pool: the next one only when there is no room in those before it.
    Listed,
    /// The host's own blocks in all of them first, as stock Calico does.
    Calico,
}

/// What a node without a record means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRule {
    /// It has no labels.
    Optional,
    /// The request is refused.
    Required,
}

/// What a second request under the same handle means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Further addresses, as stock Calico gives them.
    Again,
    /// The same addresses, if they are still what is asked for.
    Same,
}

/// What becomes of a request that can be fulfilled in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// It is refused, and nothing is given.
    Refuse,
    /// What there is is given, and the reply says what is missing and why, as stock Calico's library does.
    Give,
}
