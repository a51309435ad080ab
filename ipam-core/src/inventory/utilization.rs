//! How full pools are, block by block, counted as stock Calico counts.

use crate::ip::{Cidr, RangeSet};
use crate::model::Block;

use super::Inventory;

/// How full pools and their blocks are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Utilization {
    /// The pools that were asked for, by name.
    pub pools: Vec<PoolUtilization>,
    /// The blocks that lie in no pool; none where only some pools were asked for.
    pub outside: Vec<BlockUtilization>,
}

/// How full one pool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUtilization {
    /// The pool.
    pub name: String,
    /// Its network.
    pub cidr: Cidr,
    /// Its numbers, in addresses. Where addresses are reserved that are in use, they do not add up.
    pub counts: Counts,
    /// Its blocks, by network.
    pub blocks: Vec<BlockUtilization>,
}

/// How full one block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockUtilization {
    /// Its network.
    pub cidr: Cidr,
    /// Its numbers, in addresses.
    pub counts: Counts,
}

/// Numbers of addresses; 2^128 counts as one less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many there are.
    pub capacity: u128,
    /// How many are not free: in use, in cooldown, or set aside by a host.
    pub in_use: u128,
    /// How many a reservation covers, in use or not.
    pub reserved: u128,
    /// How many can still be given to somebody.
    pub available: u128,
}

impl Inventory {
    /// Counts how full pools are; `wanted` holds names or networks of pools, and nothing where all are wanted.
    ///
    /// As stock Calico does, addresses whose cooldown has passed count as in use until their block is written.
    #[must_use]
    pub fn utilization(&self, wanted: &[String]) -> Utilization {
        let reserved = self.reserved();
        let mut pools: Vec<PoolUtilization> = self
            .pools
            .iter()
            .filter_map(|pool| {
                let cidr = pool.effective.as_ref()?.cidr;
                let is_wanted = |text: &String| *text == pool.name || *text == cidr.to_string();
                let counts = Counts::default();
                (wanted.is_empty() || wanted.iter().any(is_wanted)).then(|| PoolUtilization {
                    name: pool.name.clone(),
                    cidr,
                    counts,
                    blocks: Vec::new(),
                })
            })
            .collect();
        let mut outside = Vec::new();
        for block in self.blocks.values() {
            let counted = BlockUtilization::of(block, &reserved);
            match pools.iter_mut().find(|pool| pool.cidr.overlaps(&block.cidr)) {
                Some(pool) => pool.blocks.push(counted),
                None if wanted.is_empty() => outside.push(counted),
                None => {}
            }
        }
        for pool in &mut pools {
            pool.counts = pool.counted(&reserved);
        }
        Utilization { pools, outside }
    }
}

impl PoolUtilization {
    fn counted(&self, reserved: &RangeSet) -> Counts {
        let sum = |number: fn(&Counts) -> u128| self.blocks.iter().map(|b| number(&b.counts)).sum();
        let in_blocks: u128 = sum(|counts| counts.available);
        // Where nobody has claimed a block yet, all that is not reserved is free.
        let mut taken: RangeSet = self.blocks.iter().map(|block| &block.cidr).collect();
        reserved.to_cidrs().iter().for_each(|cidr| taken.insert(cidr));
        let unclaimed = self.cidr.size().saturating_sub(taken.count_in(&self.cidr));
        Counts {
            capacity: self.cidr.size(),
            in_use: sum(|counts| counts.in_use),
            reserved: reserved.count_in(&self.cidr),
            available: in_blocks.saturating_add(unclaimed),
        }
    }
}

impl BlockUtilization {
    fn of(block: &Block, reserved: &RangeSet) -> Self {
        let cidr = block.cidr;
        let free = u128::try_from(block.unallocated.len()).unwrap_or(u128::MAX);
        let usable =
            block.unallocated.iter().filter(|free| !reserved.contains(cidr.address_at(**free)));
        let counts = Counts {
            capacity: cidr.size(),
            in_use: cidr.size().saturating_sub(free),
            reserved: reserved.count_in(&cidr),
            available: u128::try_from(usable.count()).unwrap_or(u128::MAX),
        };
        Self { cidr, counts }
    }
}
