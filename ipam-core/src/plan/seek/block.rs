//! A block for the host, without an address of it.

use crate::ip::{Cidr, Family};
use crate::kv::{Lookup, Range, Read};
use crate::model::{Block, key};
use crate::pool::{Choice, Pool};

use super::super::Planned;
use super::own::is_confirmed;
use super::survey::Find;
use super::{How, Seek, Shortage, Take};

impl Seek<'_> {
    /// Finds a block of the host in the chosen pools, full or not, or one that it can claim. No address is taken from it.
    ///
    /// The limit of blocks does not matter, as in stock Calico.
    pub(in super::super) fn block(
        &self,
        lookup: &mut Lookup<'_>,
        choice: &Choice,
    ) -> Planned<Result<Take, Shortage>> {
        let family = choice.pools.first().map_or(Family::V4, Pool::family);
        let rows = self.rows(lookup, family, &choice.pools)?;
        lookup.require(rows.iter().map(|cidr| Read::values(Range::key(key::block(cidr)))))?;
        for cidr in rows.iter().filter(|cidr| !self.facts.reserved.covers(cidr)) {
            let Some(pool) = choice.pools.iter().find(|pool| pool.cidr.covers(cidr)) else {
                continue;
            };
            if let Some(take) = self.claimed_block(lookup, pool, cidr)? {
                return Ok(Ok(take));
            }
        }
        if !self.facts.config.auto_allocate_blocks {
            return Ok(Err(Shortage::ClaimsOff));
        }
        let mut tried = Vec::new();
        for pool in &choice.pools {
            while let Some(cidr) = self.next_free(lookup, pool, &tried)? {
                tried.push(cidr);
                if let Some(take) = self.claim(lookup, pool, cidr, 0)? {
                    return Ok(Ok(take));
                }
            }
        }
        self.block_in_full_pools(lookup, &choice.pools, &mut tried)
    }

    /// Returns a block that the host has a claim on; `None` where it is somebody else's.
    fn claimed_block(
        &self,
        lookup: &mut Lookup<'_>,
        pool: &Pool,
        cidr: &Cidr,
    ) -> Planned<Option<Take>> {
        let (block_key, row_key) = (key::block(cidr), key::affinity(self.owner, cidr));
        let (block, how) = match lookup.peek(&block_key)? {
            None => (self.new_block(lookup, *cidr)?, How::Claimed),
            Some(kv) => (Block::decode(&block_key, &kv.value)?, How::Affine),
        };
        if !block.is_affine_to(self.owner) {
            return Ok(None);
        }
        lookup.get(&block_key)?;
        let confirms = how == How::Claimed || !is_confirmed(lookup, &row_key)?;
        Ok(Some(Take { block, ordinals: Vec::new(), confirms, how, pool: pool.clone() }))
    }

    fn block_in_full_pools(
        &self,
        lookup: &mut Lookup<'_>,
        pools: &[Pool],
        tried: &mut Vec<Cidr>,
    ) -> Planned<Result<Take, Shortage>> {
        loop {
            match self.survey(lookup, pools, tried, 0)? {
                Ok(Find::Own(take)) => return Ok(Ok(*take)),
                Ok(Find::Free(pool, cidr)) => {
                    tried.push(cidr);
                    if let Some(take) = self.claim(lookup, &pool, cidr, 0)? {
                        return Ok(Ok(take));
                    }
                }
                Err(survey) => {
                    self.reclaim(lookup, &survey)?;
                    let is_strict = self.facts.config.strict_affinity;
                    return Ok(Err(if is_strict { Shortage::Strict } else { Shortage::Full }));
                }
            }
        }
    }
}
