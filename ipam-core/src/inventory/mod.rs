//! A store as an administrator looks at it: pools, blocks and addresses, sorted and counted.
//!
//! Every number is counted from the blocks when it is asked for. Nothing here is stored, so nothing here can drift.

mod address;
mod usage;
mod utilization;

#[cfg(test)]
mod tests;

pub use address::{Address, AddressState};
pub use usage::Usage;
pub use utilization::{BlockUtilization, Counts, PoolUtilization, Utilization};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::ip::{Cidr, RangeSet};
use crate::kv::{Kv, Revision};
use crate::model::{
    Binding, Block, Config, DecodeError, IpPool, IpReservation, Node, PoolMark, ResourceKind,
    Timestamp, key,
};
use crate::plan::Snapshot;
use crate::pool::Pool;

/// What a store holds, sorted by what it is.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The pools by name.
    pub pools: Vec<PoolEntry>,
    /// The blocks by network, IPv4 first.
    pub blocks: BTreeMap<Cidr, Block>,
    /// The reservations by name.
    pub reservations: Vec<ReservationEntry>,
    /// The bindings by namespace or network.
    pub bindings: BTreeMap<String, Binding>,
    /// The nodes by name.
    pub nodes: BTreeMap<String, Node>,
    /// The configuration, or what holds without one.
    pub config: Config,
}

/// A stored pool.
#[derive(Clone, Debug)]
pub struct PoolEntry {
    /// Its name, as its key has it.
    pub name: String,
    /// The pool as it is stored.
    pub stored: IpPool,
    /// The pool as an allocation sees it; `None` where its network is none.
    pub effective: Option<Pool>,
    /// The revision that changed it last.
    pub mod_revision: Revision,
}

/// A stored reservation.
#[derive(Clone, Debug)]
pub struct ReservationEntry {
    /// Its name, as its key has it.
    pub name: String,
    /// The reservation as it is stored.
    pub stored: IpReservation,
    /// The revision that changed it last.
    pub mod_revision: Revision,
}

impl Inventory {
    /// Sorts a snapshot; values that cannot be understood are left out and reported.
    #[must_use]
    pub fn read(snapshot: &Snapshot) -> (Self, Vec<DecodeError>) {
        let mut inventory = Self::default();
        let mut exclusive = BTreeSet::new();
        let mut errors = Vec::new();
        for kv in &snapshot.kvs {
            if let Err(error) = inventory.take(kv, &mut exclusive) {
                errors.push(error);
            }
        }
        // The marks lie behind the pools, so they are known only now.
        for pool in &mut inventory.pools {
            pool.effective = Pool::read(&pool.stored, exclusive.contains(&pool.name));
        }
        inventory.pools.sort_by(|a, b| a.name.cmp(&b.name));
        inventory.reservations.sort_by(|a, b| a.name.cmp(&b.name));
        (inventory, errors)
    }

    /// Returns the store as an allocator sees it at a time: addresses whose cooldown has passed are free.
    #[must_use]
    pub fn collected(mut self, now: Timestamp) -> Self {
        let cooldown = self.config.ip_cooldown_seconds;
        for block in self.blocks.values_mut() {
            if block.cooling().next().is_some() {
                *block = block.clone().collected(now, cooldown);
            }
        }
        self
    }

    /// Finds a pool by its name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&PoolEntry> {
        self.pools.iter().find(|pool| pool.name == name)
    }

    /// Finds the pool that a network lies in as a whole; the first by name where pools overlap.
    #[must_use]
    pub fn pool_around(&self, cidr: &Cidr) -> Option<&PoolEntry> {
        self.pools.iter().find(|pool| pool.effective.as_ref().is_some_and(|p| p.cidr.covers(cidr)))
    }

    /// Returns every address that is set aside by a reservation; entries that are no networks are passed over.
    #[must_use]
    pub fn reserved(&self) -> RangeSet {
        let mut reserved = RangeSet::new();
        for reservation in &self.reservations {
            reservation.stored.spec.networks().flatten().for_each(|cidr| reserved.insert(&cidr));
        }
        reserved
    }

    /// Walks every address that is in use or in cooldown, in the order of the addresses.
    pub fn addresses(&self) -> impl Iterator<Item = Address<'_>> {
        self.blocks.values().flat_map(|block| {
            let pool = self.pool_around(&block.cidr).map(|pool| pool.name.as_str());
            block.taken().map(move |(ordinal, record)| Address::new(block, pool, ordinal, record))
        })
    }

    /// Finds out who has an address; `None` where it is neither in use nor in cooldown.
    #[must_use]
    pub fn who(&self, ip: IpAddr) -> Option<Address<'_>> {
        // Only a damaged store has several blocks around one address; then any of them may hold it.
        self.blocks.values().filter(|block| block.cidr.contains(ip)).find_map(|block| {
            let ordinal = block.cidr.ordinal_of(ip)?;
            let record = block.record_of(ordinal)?;
            let pool = self.pool_around(&block.cidr).map(|pool| pool.name.as_str());
            Some(Address::new(block, pool, ordinal, record))
        })
    }

    fn take(&mut self, kv: &Kv, exclusive: &mut BTreeSet<String>) -> Result<(), DecodeError> {
        let Some(named) = key::parse(&kv.key) else {
            return Ok(());
        };
        match named {
            key::Named::Block(cidr) => {
                self.blocks.insert(cidr, Block::decode(&kv.key, &kv.value)?);
            }
            key::Named::Binding(tenant) => {
                self.bindings.insert(tenant, Binding::decode(&kv.key, &kv.value)?);
            }
            key::Named::PoolMark(name) => {
                if PoolMark::decode(&kv.key, &kv.value)?.exclusive {
                    exclusive.insert(name);
                }
            }
            key::Named::Config => self.config = Config::decode(&kv.key, &kv.value)?,
            key::Named::Resource(kind, name) => self.take_resource(kind, name, kv)?,
            key::Named::Affinity(..) | key::Named::Handle(_) => {}
        }
        Ok(())
    }

    fn take_resource(
        &mut self,
        kind: ResourceKind,
        name: String,
        kv: &Kv,
    ) -> Result<(), DecodeError> {
        let mod_revision = kv.mod_revision;
        match kind {
            ResourceKind::IpPool => {
                let stored = IpPool::decode(&kv.key, &kv.value)?;
                self.pools.push(PoolEntry { name, stored, effective: None, mod_revision });
            }
            ResourceKind::IpReservation => {
                let stored = IpReservation::decode(&kv.key, &kv.value)?;
                self.reservations.push(ReservationEntry { name, stored, mod_revision });
            }
            ResourceKind::Node => {
                self.nodes.insert(name, Node::decode(&kv.key, &kv.value)?);
            }
            ResourceKind::ClusterInformation => {}
        }
        Ok(())
    }
}
