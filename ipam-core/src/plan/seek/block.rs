//! A block for the host, without an address of it.

use crate::ip::Cidr;
use crate::kv::Lookup;
use crate::model::Block;
use crate::pool::{Choice, Pool};

use super::super::Planned;
use super::super::row::Row;
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
        let rows = self.rows_in(&choice.pools);
        lookup.require(rows.iter().map(|row| row.block_read()))?;
        for row in rows.iter().filter(|row| !self.facts.reserved.covers(&row.cidr)) {
            let Some(pool) = choice.pools.iter().find(|pool| pool.cidr.covers(&row.cidr)) else {
                continue;
            };
            if let Some(take) = self.claimed_block(lookup, pool, row)? {
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
        row: &Row<'_>,
    ) -> Planned<Option<Take>> {
        let (block, how) = match lookup.peek(&row.block_key)? {
            None => (self.new_block(lookup, row.cidr)?, How::Claimed),
            Some(kv) => (Block::decode(&row.block_key, &kv.value)?, How::Affine),
        };
        if !block.is_affine_to(self.owner) {
            return Ok(None);
        }
        lookup.get(&row.block_key)?;
        let confirms = how == How::Claimed || !is_confirmed(lookup, row.key)?;
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
