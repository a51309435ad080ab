//! Claiming blocks without taking addresses from them.

use crate::ip::Cidr;
use crate::kv::{Lookup, Op, Range, Read};
use crate::model::{
    Affinity, AffinityState, Block, DecodeError, Owner, ResourceKind, Timestamp, key,
};
use crate::pool::Pool;
use crate::refusal::Refusal;

use super::facts::Facts;
use super::{Outcome, Planned, Request, TXN_OPS_MAX};

/// Asks to claim every block of a network for an owner.
///
/// Neither the limit of blocks, nor selectors, nor reservations matter, as in stock Calico.
#[derive(Clone, Debug)]
pub struct ClaimBlocks {
    /// The network: one block or more, inside an enabled pool.
    pub cidr: Cidr,
    /// Who claims.
    pub owner: Owner,
}

impl Request for ClaimBlocks {
    /// The blocks that belong to the owner now, and those that belong to somebody else.
    type Reply = (Vec<Cidr>, Vec<Cidr>);

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        lookup.require(Facts::reads())?;
        let facts = Facts::read(lookup)?;
        let cidrs = blocks_of(&facts.pools, self.cidr, TXN_OPS_MAX / 4)?;
        // Whoever deletes the pool, or switches it off, meanwhile must not find a new block in it.
        for pool in facts.pools.iter().filter(|pool| pool.cidr.covers(&self.cidr)) {
            lookup.get(&key::resource(ResourceKind::IpPool, &pool.name))?;
        }
        let keys =
            cidrs.iter().flat_map(|cidr| [key::block(cidr), key::affinity(&self.owner, cidr)]);
        lookup.require(keys.map(|key| Read::values(Range::key(key))))?;
        let (mut mine, mut others, mut ops) = (Vec::new(), Vec::new(), Vec::new());
        for cidr in cidrs {
            match self.claim(lookup, cidr, now)? {
                Some(mut writes) => {
                    mine.push(cidr);
                    ops.append(&mut writes);
                }
                None => others.push(cidr),
            }
        }
        let reply = (mine, others);
        if ops.is_empty() { Ok(Outcome::Done(reply)) } else { Ok(Outcome::Write { ops, reply }) }
    }
}

impl ClaimBlocks {
    /// Returns what to write, nothing where the block is the owner's already, `None` where it is somebody else's.
    fn claim(
        &self,
        lookup: &mut Lookup<'_>,
        cidr: Cidr,
        now: Timestamp,
    ) -> Planned<Option<Vec<Op>>> {
        let (block_key, row_key) = (key::block(&cidr), key::affinity(&self.owner, &cidr));
        let row = match lookup.get(&row_key)? {
            Some(kv) => Some(Affinity::decode(&row_key, &kv.value)?),
            None => None,
        };
        let confirmed = Affinity::in_state(AffinityState::Confirmed).encode();
        let confirm = Op::put(row_key, confirmed);
        let Some(kv) = lookup.get(&block_key)? else {
            let block = Block::new(cidr, &self.owner, now, 0)
                .map_err(|source| DecodeError::Block { key: block_key.to_string(), source })?;
            return Ok(Some(vec![confirm, Op::put(block_key, block.encode())]));
        };
        let mut block = Block::decode(&block_key, &kv.value)?;
        if !block.is_affine_to(&self.owner) {
            return Ok(None);
        }
        if row.is_some_and(|row| row.is_confirmed()) {
            return Ok(Some(Vec::new()));
        }
        // Another process of this owner may be giving the block up: writing it makes that one look again.
        block.sequence_number = block.sequence_number.saturating_add(1);
        Ok(Some(vec![confirm, Op::put(block_key, block.encode())]))
    }
}

/// Returns the blocks of a network inside an enabled pool, at most `most`.
pub(super) fn blocks_of(pools: &[Pool], cidr: Cidr, most: usize) -> Planned<Vec<Cidr>> {
    let refuse = |why| Refusal::Unclaimable { cidr, why };
    let inside = pools.iter().find(|pool| pool.cidr.covers(&cidr) && pool.disabled.is_none());
    let pool = inside.ok_or_else(|| refuse("it lies in no enabled pool"))?;
    let count = cidr.block_count(pool.block_prefix);
    if count == 0 {
        return Err(refuse("it is smaller than a block of its pool").into());
    }
    if count > u128::try_from(most).unwrap_or(0) {
        return Err(refuse("it holds too many blocks for one request").into());
    }
    Ok((0..count).filter_map(|index| cidr.block_at(pool.block_prefix, index)).collect())
}
