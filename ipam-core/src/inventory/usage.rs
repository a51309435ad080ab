//! How full the pools are.

use crate::ip::{Cidr, Family, RangeSet};
use crate::model::{Block, Owner};

use super::address::{is_borrowed, state_of};
use super::{AddressState, Inventory, PoolEntry};

/// How the addresses of a pool are used, or those of all blocks of a family that lie in no pool.
///
/// `used + cooling + free + (reserved - reserved_in_use) = total` in a pool. Outside pools nothing is free, because
/// nobody allocates there.
#[derive(Clone, Debug)]
pub struct Usage<'a> {
    /// The pool; `None` for the blocks that lie in no pool.
    pub pool: Option<&'a PoolEntry>,
    /// The family of the addresses.
    pub family: Family,
    /// How many addresses there are; a /0 of IPv6 counts one too few, as 2^128 has no number.
    pub total: u128,
    /// How many are in use.
    pub used: u64,
    /// How many are in cooldown.
    pub cooling: u64,
    /// How many a reservation sets aside, in use or not.
    pub reserved: u128,
    /// How many of these are in use or in cooldown all the same: they were taken before the reservation was made.
    pub reserved_in_use: u64,
    /// How many of those in use lie in a block that another node claimed.
    pub borrowed: u64,
    /// How many can still be given to somebody.
    pub free: u128,
    /// How many blocks there can be.
    pub blocks_total: u128,
    /// How many blocks there are.
    pub blocks_claimed: u64,
}

impl Inventory {
    /// Counts how full each pool is, by name, and then the blocks that lie in no pool, by family.
    ///
    /// A block that lies only partly in a pool lies in no pool. Pools whose network is none are left out.
    #[must_use]
    pub fn usage(&self) -> Vec<Usage<'_>> {
        let reserved = self.reserved();
        let mut counted: Vec<Usage<'_>> =
            self.pools.iter().filter_map(|pool| Usage::of_pool(pool, &reserved)).collect();
        let [mut v4, mut v6] = Family::ALL.map(Usage::outside);
        for block in self.blocks.values() {
            let covers =
                |usage: &&mut Usage<'_>| usage.cidr().is_some_and(|c| c.covers(&block.cidr));
            match (counted.iter_mut().find(covers), block.cidr.family()) {
                (Some(usage), _) => usage.count(block, &reserved),
                (None, Family::V4) => v4.count_outside(block, &reserved),
                (None, Family::V6) => v6.count_outside(block, &reserved),
            }
        }
        for usage in &mut counted {
            usage.free = usage.left();
        }
        counted.extend([v4, v6].into_iter().filter(|usage| usage.blocks_claimed > 0));
        counted
    }
}

impl<'a> Usage<'a> {
    /// Returns the network of the pool, `None` for blocks that lie in no pool.
    #[must_use]
    pub fn cidr(&self) -> Option<Cidr> {
        self.pool?.effective.as_ref().map(|pool| pool.cidr)
    }

    /// Returns how many tenths of a percent of the addresses are used or cooling, rounded down.
    #[must_use]
    pub fn permille(&self) -> u32 {
        let taken = u128::from(self.used) + u128::from(self.cooling);
        let permille = taken.saturating_mul(1000).checked_div(self.total).unwrap_or(0);
        u32::try_from(permille).unwrap_or(u32::MAX)
    }

    fn of_pool(entry: &'a PoolEntry, reserved: &RangeSet) -> Option<Self> {
        let pool = entry.effective.as_ref()?;
        Some(Self {
            pool: Some(entry),
            total: pool.cidr.size(),
            reserved: reserved.count_in(&pool.cidr),
            blocks_total: pool.block_count(),
            ..Self::outside(pool.family())
        })
    }

    fn outside(family: Family) -> Self {
        Self {
            pool: None,
            family,
            total: 0,
            used: 0,
            cooling: 0,
            reserved: 0,
            reserved_in_use: 0,
            borrowed: 0,
            free: 0,
            blocks_total: 0,
            blocks_claimed: 0,
        }
    }

    fn count_outside(&mut self, block: &Block, reserved: &RangeSet) {
        self.total = self.total.saturating_add(block.cidr.size());
        self.reserved = self.reserved.saturating_add(reserved.count_in(&block.cidr));
        self.blocks_total += 1;
        self.count(block, reserved);
    }

    fn count(&mut self, block: &Block, reserved: &RangeSet) {
        self.blocks_claimed += 1;
        let owner = block.affinity.as_deref().and_then(Owner::parse);
        let any_reserved = reserved.count_in(&block.cidr) > 0;
        for (ordinal, record) in block.taken() {
            match state_of(record) {
                AddressState::Used => self.used += 1,
                AddressState::Cooling => self.cooling += 1,
            }
            if is_borrowed(owner.as_ref(), record) {
                self.borrowed += 1;
            }
            if any_reserved && reserved.contains(block.cidr.address_at(ordinal)) {
                self.reserved_in_use += 1;
            }
        }
    }

    fn left(&self) -> u128 {
        let taken = u128::from(self.used) + u128::from(self.cooling);
        let set_aside = self.reserved.saturating_sub(u128::from(self.reserved_in_use));
        self.total.saturating_sub(taken).saturating_sub(set_aside)
    }
}
