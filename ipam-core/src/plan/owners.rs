//! The owners of an address: who uses it, and who takes it over while a virtual machine moves.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::block::{OwnerChange, OwnerChanges, Role};
use crate::ip::Ordinal;
use crate::kv::{Kv, Lookup, Op, Range, Read};
use crate::model::{Attributes, Block, HandleId, Record, ResourceKind, Timestamp, key};
use crate::pool::Pool;
use crate::refusal::{Refusal, Unassigned};

use super::facts::read_config;
use super::release_address::find_block;
use super::{Outcome, Planned, Request};

/// Asks to change the owners of an address, both or neither.
///
/// All addresses that were taken by one call share their owners, so theirs change too. The block is written anew even where
/// nothing changes, as stock Calico does.
#[derive(Clone, Debug)]
pub struct SetOwners {
    /// The address.
    pub ip: IpAddr,
    /// The handle that must hold it.
    pub handle: HandleId,
    /// What becomes of its owners.
    pub changes: OwnerChanges,
}

/// Asks who an address is assigned to.
#[derive(Clone, Debug)]
pub struct AssignmentOf {
    /// The address.
    pub ip: IpAddr,
}

/// Who an address is assigned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owners {
    /// The handle that holds it, without what an old defect left behind a carriage return.
    pub handle: Option<String>,
    /// The attributes of the active owner; empty for none.
    pub active: BTreeMap<String, String>,
    /// The attributes of the alternate owner; empty for none.
    pub alternate: BTreeMap<String, String>,
}

impl Request for SetOwners {
    type Reply = ();

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<()>> {
        let (block, ordinal) = block_of(lookup, self.ip, now)?;
        assignment(&block, ordinal)?;
        let changed = block.with_owners(ordinal, self.handle.as_str(), &self.changes);
        let block = changed.map_err(Refusal::Owners)?;
        let put = Op::put(key::block(&block.cidr), block.encode());
        Ok(Outcome::Write { ops: vec![put], reply: () })
    }

    /// The owners are those that were asked for. Nobody else asks for the same ones, and if he did the reply were true.
    fn came_true(&self, lookup: &Lookup<'_>, (): &()) -> bool {
        let is_so = |record: &Record| {
            let changes =
                [(Role::Active, &self.changes.active), (Role::Alternate, &self.changes.alternate)];
            record.handle() == Some(self.handle.as_str())
                && changes.into_iter().all(|(role, change)| match change {
                    OwnerChange::Keep => true,
                    OwnerChange::Clear(_) => role.of(record).is_empty(),
                    OwnerChange::Set(owner, _) => role.of(record) == owner,
                })
        };
        let Ok(Some(cidr)) = find_block(lookup, self.ip) else { return false };
        let kv = lookup.glance(&key::block(&cidr));
        let block = kv.and_then(|kv| Block::decode(&kv.key, &kv.value).ok());
        let record = block.as_ref().zip(cidr.ordinal_of(self.ip));
        record.and_then(|(block, ordinal)| block.record_of(ordinal)).is_some_and(is_so)
    }
}

impl Request for AssignmentOf {
    type Reply = Owners;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Owners>> {
        let (block, ordinal) = block_of(lookup, self.ip, now)?;
        let record = assignment(&block, ordinal)?;
        Ok(Outcome::Done(Owners {
            handle: record.handle().map(str::to_owned),
            active: Role::Active.of(record).clone(),
            alternate: Role::Alternate.of(record).clone(),
        }))
    }
}

/// Reads the block of an address as an allocator must see it; it is a guard.
fn block_of(lookup: &mut Lookup<'_>, ip: IpAddr, now: Timestamp) -> Planned<(Block, Ordinal)> {
    let pools = Range::prefix(key::resources(ResourceKind::IpPool));
    lookup.require([Read::values(pools), Read::values(Range::key(key::CONFIG))])?;
    let cooldown = read_config(lookup)?.ip_cooldown_seconds;
    if let Some(cidr) = find_block(lookup, ip)?
        && let Some(ordinal) = cidr.ordinal_of(ip)
        && let Some(kv) = lookup.get(&key::block(&cidr))?
    {
        return Ok((Block::decode(&kv.key, &kv.value)?.collected(now, cooldown), ordinal));
    }
    let is_inside = lies_in_a_pool(lookup, ip)?;
    let no_block = Refusal::AddressUnassigned { ip, why: Unassigned::NoBlock };
    Err(if is_inside { no_block } else { Refusal::AddressOutside { ip } }.into())
}

/// Returns the record of an address that somebody holds.
fn assignment(block: &Block, ordinal: Ordinal) -> Result<&Attributes, Refusal> {
    let unassigned = |why| Refusal::AddressUnassigned { ip: block.cidr.address_at(ordinal), why };
    let record = block.record_of(ordinal).ok_or_else(|| unassigned(Unassigned::Free))?;
    let is_cooling = record.released_at().is_some();
    if is_cooling { Err(unassigned(Unassigned::Cooling)) } else { Ok(record) }
}

fn lies_in_a_pool(lookup: &Lookup<'_>, ip: IpAddr) -> Planned<bool> {
    let pools = lookup.peek_scan(&Range::prefix(key::resources(ResourceKind::IpPool)))?;
    let pool = |kv: &&Kv| Pool::of(kv).ok()?;
    Ok(pools.iter().filter_map(pool).any(|pool| pool.disabled.is_none() && pool.cidr.contains(ip)))
}
