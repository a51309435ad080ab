//! Releasing single addresses.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipam_core::block::{ReleaseError, Target};
use ipam_core::ip::{Cidr, Family, Ordinal};
use ipam_core::model::key::{self, Named};
use ipam_core::model::{Block, Config, Handle, HandleId};
use ipam_core::pool::Pool;
use ipam_etcd::Store;

use super::assign_ip::ordinal_in;
use super::verbs::Stored;
use super::{Fault, RETRIES, Stock};

/// Where the keys of handles begin.
const HANDLES: &str = "/calico/ipam/v2/handle/";

/// An address that is released, and what must be true of it.
#[derive(Clone, Debug)]
pub struct ReleaseOption {
    /// The address.
    pub ip: IpAddr,
    /// Which handle must hold it, and under which sequence number it must have been taken.
    pub conditions: Target,
}

/// What a release of addresses did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// The addresses that nobody held.
    pub unallocated: Vec<IpAddr>,
    /// The addresses whose blocks, or pools, are known; those that nobody held are among them.
    pub released: Vec<IpAddr>,
}

/// A block without the addresses, how many each handle held, and the addresses that nobody held.
type Taken = (Block, BTreeMap<String, u64>, Vec<IpAddr>);

/// Handles as one list showed them, for the first attempt at each.
type Known = BTreeMap<String, Stored<Handle>>;

impl<S: Store> Stock<'_, S> {
    /// Releases addresses, block by block.
    ///
    /// # Errors
    ///
    /// The first block's fault; other blocks are released all the same.
    pub async fn release_ips(&self, options: &[ReleaseOption]) -> Result<Released, Fault> {
        let mut released = Released::default();
        let by_block = self.by_block(options, &mut released).await?;
        let known = if options.len() > 2 { self.all_handles().await? } else { Known::new() };
        let config = self.config().await?;
        let mut first = Ok(());
        // Calico does this for several blocks at once, so their order is not fixed.
        for (cidr, options) in by_block {
            match self.release_of_block(&cidr, &options, &known, &config).await {
                Ok(mut unallocated) => {
                    released.released.extend(options.iter().map(|option| option.ip));
                    released.unallocated.append(&mut unallocated);
                }
                Err(fault) => first = first.and(Err(fault)),
            }
        }
        first.map(|()| released)
    }

    async fn by_block(
        &self,
        options: &[ReleaseOption],
        released: &mut Released,
    ) -> Result<BTreeMap<Cidr, Vec<ReleaseOption>>, Fault> {
        let pools = self.all_pools().await?;
        let mut listed: BTreeMap<Family, Vec<Cidr>> = BTreeMap::new();
        let mut by_block: BTreeMap<Cidr, Vec<ReleaseOption>> = BTreeMap::new();
        for option in options {
            let ip = option.ip;
            let in_pool = pools.iter().find(|pool| pool.cidr.contains(ip));
            let block = if let Some(pool) = in_pool {
                block_in(pool, ip)
            } else {
                let family = Family::of(ip);
                if let Entry::Vacant(entry) = listed.entry(family) {
                    let blocks = self.verbs.list::<Block>(&key::blocks(family)).await?;
                    entry.insert(blocks.into_iter().map(|block| block.value.cidr).collect());
                }
                listed[&family].iter().find(|cidr| cidr.contains(ip)).copied()
            };
            match block {
                Some(cidr) => by_block.entry(cidr).or_default().push(option.clone()),
                None => released.unallocated.push(ip),
            }
        }
        Ok(by_block)
    }

    async fn all_handles(&self) -> Result<Known, Fault> {
        let stored = self.verbs.list::<Handle>(HANDLES).await?;
        let named = stored.into_iter().filter_map(|stored| match key::parse(&stored.key) {
            Some(Named::Handle(id)) => Some((id, stored)),
            Some(
                Named::Block(_)
                | Named::Affinity(..)
                | Named::Config
                | Named::Resource(..)
                | Named::Binding(_)
                | Named::PoolMark(_),
            )
            | None => None,
        });
        Ok(named.collect())
    }

    /// Releases addresses of one block; returns those that nobody held.
    async fn release_of_block(
        &self,
        cidr: &Cidr,
        options: &[ReleaseOption],
        known: &Known,
        config: &Config,
    ) -> Result<Vec<IpAddr>, Fault> {
        let all = || options.iter().map(|option| option.ip).collect();
        for _ in 0..RETRIES {
            let block = match self.verbs.get::<Block>(&key::block(cidr)).await {
                Ok(block) => block,
                Err(fault) if fault.is_not_found() => return Ok(all()),
                Err(fault) => return Err(fault),
            };
            let seen = block.value.clone().collected(self.clock.now(), config.ip_cooldown_seconds);
            let (value, freed, unallocated) = self.freed(seen, options, config)?;
            if unallocated.len() == options.len() {
                return Ok(unallocated);
            }
            match self.write_freed(Stored { value: value.clone(), ..block }).await {
                Ok(()) => {
                    for (handle, count) in freed {
                        let Ok(id) = HandleId::new(&handle) else { continue };
                        let known = known.get(&handle).cloned();
                        // A count that stays too high is only logged.
                        drop(self.count_down(&id, cidr, count, known).await);
                    }
                    self.leave_unselected(&value).await;
                    return Ok(unallocated);
                }
                Err(fault) if fault.is_conflict() => {}
                Err(fault) => return Err(fault),
            }
        }
        Err(Fault::other("Max retries hit - excessive concurrent IPAM requests"))
    }

    /// Takes the addresses out of a block.
    fn freed(
        &self,
        block: Block,
        options: &[ReleaseOption],
        config: &Config,
    ) -> Result<Taken, Fault> {
        let cidr = block.cidr;
        let targets: BTreeMap<Ordinal, Target> = options
            .iter()
            .map(|option| (ordinal_in(&cidr, option.ip), option.conditions.clone()))
            .collect();
        let held = |ip: &IpAddr| {
            let record = block.record_of(ordinal_in(&cidr, *ip));
            record.is_some_and(|record| record.released_at.is_none())
        };
        let named: BTreeSet<IpAddr> = options.iter().map(|option| option.ip).collect();
        let unallocated: Vec<IpAddr> = named.into_iter().filter(|ip| !held(ip)).collect();
        let freed = block
            .clone()
            .release_ordinals(&targets, self.clock.now(), config.ip_cooldown_seconds)
            .map_err(|error| Fault::Unmet(address_of(&error).to_string()))?;
        if let Some(freed) = freed {
            return Ok((freed.block, freed.by_handle, unallocated));
        }
        // One free address that is named twice makes Calico write the block without a change.
        let mut rewritten = block;
        rewritten.sequence_number += 1;
        Ok((rewritten, BTreeMap::new(), unallocated))
    }
}

fn block_in(pool: &Pool, ip: IpAddr) -> Option<Cidr> {
    Cidr::around(ip, pool.block_prefix).ok()
}

fn address_of(error: &ReleaseError) -> IpAddr {
    match error {
        ReleaseError::Sequence { ip, .. } | ReleaseError::Handle { ip, .. } => *ip,
    }
}
