//! Blocks that the host has a claim on.

use crate::ip::{Cidr, Family};
use crate::kv::{Lookup, Range, Read};
use crate::model::{Affinity, Block, key};
use crate::pool::Pool;

use super::super::Planned;
use super::{How, Seek, Take, taken};

impl Seek<'_> {
    /// Returns the blocks inside the pools that the host has a claim on, in the order of their keys.
    pub(super) fn rows(
        &self,
        lookup: &Lookup<'_>,
        family: Family,
        pools: &[Pool],
    ) -> Planned<Vec<Cidr>> {
        let rows = lookup.peek_scan(&Range::prefix(key::affinities(self.owner, family)))?;
        let named = rows.iter().filter_map(|kv| match key::parse(&kv.key) {
            Some(key::Named::Affinity(_, cidr)) => Some(cidr),
            _ => None,
        });
        Ok(named.filter(|cidr| pools.iter().any(|pool| pool.cidr.covers(cidr))).collect())
    }

    pub(super) fn in_rows(
        &self,
        lookup: &mut Lookup<'_>,
        group: &[Pool],
        rows: &[Cidr],
        count: usize,
    ) -> Planned<Vec<Take>> {
        let in_group = |cidr: &&Cidr| group.iter().any(|pool| pool.cidr.covers(cidr));
        let rows: Vec<&Cidr> = rows.iter().filter(in_group).collect();
        lookup.require(rows.iter().map(|cidr| Read::values(Range::key(key::block(cidr)))))?;
        let mut takes = Vec::new();
        for cidr in rows {
            let missing = count - taken(&takes);
            if missing == 0 {
                break;
            }
            let Some(pool) = group.iter().find(|pool| pool.cidr.covers(cidr)) else {
                continue;
            };
            takes.extend(self.in_row(lookup, pool, cidr, missing)?);
        }
        Ok(takes)
    }

    /// Takes from a block that the host has a claim on; a claim whose block does not exist yet is completed.
    fn in_row(
        &self,
        lookup: &mut Lookup<'_>,
        pool: &Pool,
        cidr: &Cidr,
        count: usize,
    ) -> Planned<Option<Take>> {
        let (block_key, row_key) = (key::block(cidr), key::affinity(self.owner, cidr));
        let usable = self.usable(pool);
        let (block, confirms, how) = match lookup.peek(&block_key)? {
            None => (self.new_block(lookup, *cidr)?, true, How::Claimed),
            Some(kv) if Block::is_full_as_stored(&kv.value) => return Ok(None),
            Some(kv) => {
                let block =
                    Block::decode(&block_key, &kv.value)?.collected(self.now, self.cooldown());
                if !block.is_affine_to(self.owner) || block.count_free(&usable) == 0 {
                    return Ok(None);
                }
                (block, !is_confirmed(lookup, &row_key)?, How::Affine)
            }
        };
        lookup.get(&block_key)?;
        let (block, ordinals) = block.take(count, self.record, usable);
        let take = Take { block, ordinals, confirms, how, pool: pool.clone() };
        Ok((!take.ordinals.is_empty()).then_some(take))
    }
}

/// Says whether the host's claim is confirmed, as a guard.
pub(super) fn is_confirmed(lookup: &mut Lookup<'_>, row_key: &str) -> Planned<bool> {
    match lookup.get(row_key)? {
        Some(kv) => Ok(Affinity::decode(row_key, &kv.value)?.is_confirmed()),
        None => Ok(false),
    }
}
