//! What a handle holds.

use std::net::IpAddr;

use crate::ip::Cidr;
use crate::kv::{Lookup, Range, Read};
use crate::model::{Block, Handle, HandleId, Timestamp, key};

use super::{AddressTarget, Holder, Outcome, Planned, Request};

/// Asks which addresses a handle holds.
#[derive(Clone, Debug)]
pub struct Held {
    /// The handle.
    pub handle: HandleId,
}

/// One address that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldAddress {
    /// The address.
    pub ip: IpAddr,
    /// Its block.
    pub block: Cidr,
    /// Who holds it.
    pub holder: Holder,
    /// Under which sequence number it was taken.
    pub sequence: u64,
}

impl HeldAddress {
    /// Returns everything that somebody holds in a block.
    pub(super) fn all_of(block: &Block) -> impl Iterator<Item = Self> {
        let taken = block.taken().filter(|(_, record)| record.released_at().is_none());
        taken.map(|(ordinal, record)| Self {
            ip: block.cidr.address_at(ordinal),
            block: block.cidr,
            holder: Holder::of(record),
            sequence: block.sequence_of(ordinal),
        })
    }

    /// Returns what to release: this allocation, and no later one of the same address.
    #[must_use]
    pub fn target(&self) -> AddressTarget {
        AddressTarget::allocation(self.ip, &self.holder, self.sequence)
    }
}

impl Request for Held {
    /// What it holds, which may be nothing; `None` where there is no such handle.
    type Reply = Option<Vec<HeldAddress>>;

    fn plan(&self, lookup: &mut Lookup<'_>, _now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        Ok(Outcome::Done(held_by(lookup, &self.handle)?))
    }
}

/// Returns what a handle holds according to its blocks; its own counts may be too high. `None` where it does not exist.
pub(super) fn held_by(lookup: &mut Lookup<'_>, id: &HandleId) -> Planned<Option<Vec<HeldAddress>>> {
    let handle_key = key::handle(id);
    let Some(kv) = lookup.get(&handle_key)? else {
        return Ok(None);
    };
    let handle = Handle::decode(&handle_key, &kv.value)?;
    let blocks: Vec<&Cidr> = handle.blocks().keys().collect();
    lookup.require(blocks.iter().map(|cidr| Read::values(Range::key(key::block(cidr)))))?;
    let mut held = Vec::new();
    for cidr in blocks {
        let block_key = key::block(cidr);
        let Some(kv) = lookup.peek(&block_key)? else {
            continue;
        };
        let block = Block::decode(&block_key, &kv.value)?;
        let is_mine = |address: &HeldAddress| address.holder.handle.as_deref() == Some(id.as_str());
        held.extend(HeldAddress::all_of(&block).filter(is_mine));
    }
    Ok(Some(held))
}
