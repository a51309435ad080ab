//! Releasing single addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::block::Target;
use crate::ip::{Cidr, Family, Ordinal};
use crate::kv::{Lookup, Op, Range, Read};
use crate::model::{Block, DecodeError, Handle, HandleId, ResourceKind, Timestamp, key};
use crate::pool::Pool;
use crate::refusal::Refusal;

use super::facts::read_config;
use super::release::{write_block, write_handle};
use super::{Holder, Outcome, Planned, Request};

/// Asks to release addresses, whoever holds them, unless a condition says otherwise: all in one transaction, so not many.
#[derive(Clone, Debug)]
pub struct ReleaseAddresses {
    /// The addresses, each with its conditions.
    pub targets: Vec<AddressTarget>,
}

/// An address that is released.
#[derive(Clone, Debug)]
pub struct AddressTarget {
    /// The address.
    pub ip: IpAddr,
    /// Only if these hold.
    pub conditions: Target,
}

impl AddressTarget {
    /// Names what a holder took under a sequence number: this allocation, and no later one of the same address.
    #[must_use]
    pub fn allocation(ip: IpAddr, holder: &Holder, sequence: u64) -> Self {
        let conditions = Target { handle: holder.handle.clone(), sequence: Some(sequence) };
        Self { ip, conditions }
    }
}

/// What a release of addresses did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// The addresses that were held, and by whom.
    pub released: Vec<(IpAddr, Holder)>,
    /// The addresses that nobody held.
    pub unallocated: Vec<IpAddr>,
}

impl Request for ReleaseAddresses {
    type Reply = Released;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Released>> {
        let pools = Range::prefix(key::resources(ResourceKind::IpPool));
        lookup.require([Read::values(pools.clone()), Read::values(Range::key(key::CONFIG))])?;
        let cooldown = read_config(lookup)?.ip_cooldown_seconds;
        let mut reply = Released::default();
        let mut ops = Vec::new();
        let mut by_handle: BTreeMap<String, Vec<(Cidr, u64)>> = BTreeMap::new();
        for (cidr, targets) in self.by_block(lookup, &mut reply)? {
            let block_key = key::block(&cidr);
            let Some(kv) = lookup.get(&block_key)? else {
                reply.unallocated.extend(targets.keys().map(|ordinal| cidr.address_at(*ordinal)));
                continue;
            };
            let block = Block::decode(&block_key, &kv.value)?.collected(now, cooldown);
            note_holders(&block, &targets, &mut reply);
            let freed =
                block.release_ordinals(&targets, now, cooldown).map_err(Refusal::Release)?;
            let Some(freed) = freed else { continue };
            for (handle, count) in freed.by_handle {
                by_handle.entry(handle).or_default().push((cidr, count));
            }
            ops.extend(write_block(lookup, freed.block)?);
        }
        for (handle, counts) in by_handle {
            ops.extend(count_down(lookup, &handle, &counts)?);
        }
        if ops.is_empty() { Ok(Outcome::Done(reply)) } else { Ok(Outcome::Write { ops, reply }) }
    }

    /// None of the addresses is its holder's any more. Whoever took one since must not make a refusal of what was done.
    fn came_true(&self, lookup: &Lookup<'_>, reply: &Released) -> bool {
        let is_left = |(ip, holder): &(IpAddr, Holder)| {
            let cidr = match find_block(lookup, *ip) {
                Ok(Some(cidr)) => cidr,
                Ok(None) => return true,
                // The block went with its last address, and nobody has read again which others there are.
                Err(_) => return matches!(block_of_pool(lookup, *ip), Ok(Some((_, false)))),
            };
            let kv = lookup.glance(&key::block(&cidr));
            let block = kv.and_then(|kv| Block::decode(&kv.key, &kv.value).ok());
            block.zip(cidr.ordinal_of(*ip)).is_some_and(|(block, ordinal)| {
                let held = block.record_of(ordinal).filter(|record| record.released_at().is_none());
                held.is_none_or(|record| record.handle() != holder.handle.as_deref())
            })
        };
        !reply.released.is_empty() && reply.released.iter().all(is_left)
    }
}

/// How many addresses go in one transaction: each may have a block, a claim and a handle of its own.
const TARGETS_AT_ONCE: usize = 30;

impl ReleaseAddresses {
    /// Releases any number of addresses in as many requests as it takes, neighbours together.
    #[must_use]
    pub fn in_parts(mut targets: Vec<AddressTarget>) -> Vec<Self> {
        targets.sort_by_key(|target| target.ip);
        targets.chunks(TARGETS_AT_ONCE).map(|part| Self { targets: part.to_vec() }).collect()
    }

    /// Sorts the addresses by their blocks; those in no block are noted as unallocated.
    fn by_block(
        &self,
        lookup: &Lookup<'_>,
        reply: &mut Released,
    ) -> Planned<BTreeMap<Cidr, BTreeMap<Ordinal, Target>>> {
        let mut by_block: BTreeMap<Cidr, BTreeMap<Ordinal, Target>> = BTreeMap::new();
        for target in &self.targets {
            let block = find_block(lookup, target.ip)?;
            match block.and_then(|cidr| Some((cidr, cidr.ordinal_of(target.ip)?))) {
                Some((cidr, ordinal)) => {
                    by_block.entry(cidr).or_default().insert(ordinal, target.conditions.clone());
                }
                None => reply.unallocated.push(target.ip),
            }
        }
        let reads = by_block.keys().map(|cidr| Read::values(Range::key(key::block(cidr))));
        lookup.require(reads)?;
        Ok(by_block)
    }
}

/// Returns which block of its pool's size an address lies in, and whether there is one.
fn block_of_pool(lookup: &Lookup<'_>, ip: IpAddr) -> Planned<Option<(Cidr, bool)>> {
    let pools = lookup.peek_scan(&Range::prefix(key::resources(ResourceKind::IpPool)))?;
    let pool = pools.iter().filter_map(|kv| Pool::of(kv).ok()?).find(|pool| pool.cidr.contains(ip));
    match pool.and_then(|pool| Cidr::around(ip, pool.block_prefix).ok()) {
        Some(cidr) => Ok(Some((cidr, lookup.exists(&key::block(&cidr))?))),
        None => Ok(None),
    }
}

/// Finds the block of an address: by its pool's block size, or among all blocks where its pool is gone.
pub(super) fn find_block(lookup: &Lookup<'_>, ip: IpAddr) -> Planned<Option<Cidr>> {
    if let Some((cidr, true)) = block_of_pool(lookup, ip)? {
        return Ok(Some(cidr));
    }
    let keys = lookup.peek_keys(&Range::prefix(key::blocks(Family::of(ip))))?;
    Ok(keys.into_iter().find_map(|key| match key::parse(key) {
        Some(key::Named::Block(cidr)) if cidr.contains(ip) => Some(cidr),
        _ => None,
    }))
}

fn note_holders(block: &Block, targets: &BTreeMap<Ordinal, Target>, reply: &mut Released) {
    for ordinal in targets.keys() {
        let ip = block.cidr.address_at(*ordinal);
        match block.record_of(*ordinal).filter(|record| record.released_at().is_none()) {
            Some(record) => reply.released.push((ip, Holder::of(record))),
            None => reply.unallocated.push(ip),
        }
    }
}

/// Lowers the counts of a handle; one that does not exist, or has no map, is left alone.
fn count_down(
    lookup: &mut Lookup<'_>,
    handle: &str,
    counts: &[(Cidr, u64)],
) -> Planned<Option<Op>> {
    let Ok(id) = HandleId::new(handle) else {
        return Ok(None);
    };
    let handle_key = key::handle(&id);
    let Some(kv) = lookup.get(&handle_key)? else {
        return Ok(None);
    };
    let mut stored = Handle::decode(&handle_key, &kv.value)?;
    if stored.is_null() {
        return Err(DecodeError::NullHandle { key: handle_key.to_string() }.into());
    }
    for (cidr, count) in counts {
        stored = stored.minus(cidr, *count);
    }
    Ok(Some(write_handle(handle_key, &stored)))
}
