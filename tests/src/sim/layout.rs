//! What a run begins with: nodes and pools.

use fastrand::Rng;
use ipam_core::ip::{Cidr, Family};
use ipam_core::model::IpPoolSpec;
use serde_json::{Value, json};

use super::operation::By;

/// The namespaces of pods.
pub(super) const NAMESPACES: [&str; 3] = ["shop", "fin", "lab"];
/// The labels that nodes have and pools select.
pub(super) const ZONES: [&str; 2] = ["east", "west"];

/// The pool of services, by number.
pub(super) const SERVICES: usize = 5;

/// Which software a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Software {
    Ours,
    Stock,
    /// Both, as while it is exchanged.
    Both,
}

/// A pool, as it is made.
#[derive(Clone, Debug)]
pub(super) struct PoolPlan {
    pub(super) name: &'static str,
    pub(super) cidr: Cidr,
    pub(super) block_prefix: u8,
    /// The zone whose nodes it selects; `None` for every node.
    pub(super) zone: Option<&'static str>,
    pub(super) is_exclusive: bool,
    pub(super) is_manual: bool,
    /// Whether its addresses are for services, and not for pods.
    pub(super) is_for_services: bool,
}

/// What a run begins with.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) nodes: Vec<Software>,
    pub(super) pools: Vec<PoolPlan>,
}

impl Layout {
    /// Draws a layout: three to five nodes, and pools that are soon full.
    pub(super) fn drawn(rng: &mut Rng) -> Self {
        let count = rng.usize(3..6);
        let software = |rng: &mut Rng| match rng.u8(..10) {
            0..6 => Software::Ours,
            6..8 => Software::Stock,
            _ => Software::Both,
        };
        let nodes = (0..count).map(|_| software(rng)).collect();
        let short = rng.bool();
        let pool = |name, cidr: &str, block_prefix: u8| PoolPlan {
            name,
            cidr: Cidr::parse(cidr).expect("a network"),
            block_prefix,
            zone: None,
            is_exclusive: false,
            is_manual: false,
            is_for_services: false,
        };
        let (block, block6) = if short { (30, 126) } else { (29, 125) };
        let pools = vec![
            pool("main", "10.0.0.0/27", block),
            PoolPlan { zone: Some("east"), ..pool("east", "10.0.1.0/28", block) },
            PoolPlan { is_exclusive: true, ..pool("vault", "10.0.2.0/28", block) },
            PoolPlan { is_manual: true, ..pool("asked", "10.0.3.0/28", 30) },
            pool("six", "fd00::/123", block6),
            PoolPlan { is_manual: true, is_for_services: true, ..pool("front", "10.0.4.0/28", 30) },
        ];
        Self { nodes, pools }
    }

    /// Draws who carries out what a node does.
    pub(super) fn by(&self, rng: &mut Rng, node: usize) -> By {
        let drawn = rng.bool();
        match self.nodes[node] {
            Software::Stock => By::Stock,
            Software::Both if drawn => By::Stock,
            Software::Ours | Software::Both => By::Ours,
        }
    }

    /// Returns a block of some pool that a number leads to.
    pub(super) fn block(&self, number: u64) -> Cidr {
        let number = usize::try_from(number % 1_000_000).unwrap_or_default();
        let pool = &self.pools[number % self.pools.len()];
        let count = 1_usize << (pool.block_prefix - pool.cidr.prefix());
        let index = (number / self.pools.len()) % count;
        let index = u128::try_from(index).unwrap_or_default();
        pool.cidr.block_at(pool.block_prefix, index).expect("a block of the pool")
    }
}

impl PoolPlan {
    pub(super) fn family(&self) -> Family {
        self.cidr.family()
    }

    /// Describes the pool as an administrator does.
    pub(super) fn spec(&self) -> IpPoolSpec {
        let selector = match self.zone {
            Some(zone) => format!("zone == \"{zone}\""),
            None => "all()".to_owned(),
        };
        let mut spec = json!({
            "cidr": self.cidr.to_string(),
            "blockSize": self.block_prefix,
            "nodeSelector": selector,
        });
        if self.is_manual {
            spec["assignmentMode"] = Value::from("Manual");
        }
        if self.is_for_services {
            spec["allowedUses"] = json!(["LoadBalancer"]);
        }
        serde_json::from_value(spec).expect("a pool's spec")
    }
}
