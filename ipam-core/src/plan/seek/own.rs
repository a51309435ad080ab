//! Blocks that the host has a claim on.

use crate::kv::Lookup;
use crate::model::{Affinity, Block};
use crate::pool::Pool;

use super::super::Planned;
use super::super::row::Row;
use super::{How, Seek, Take, taken};

impl Seek<'_> {
    /// Returns the host's claims inside the pools, in the order of their keys.
    pub(super) fn rows_in(&self, pools: &[Pool]) -> Vec<&Row<'_>> {
        let is_inside = |row: &&Row<'_>| pools.iter().any(|pool| pool.cidr.covers(&row.cidr));
        self.rows.iter().filter(is_inside).collect()
    }

    pub(super) fn in_rows(
        &self,
        lookup: &mut Lookup<'_>,
        group: &[Pool],
        rows: &[&Row<'_>],
        count: usize,
    ) -> Planned<Vec<Take>> {
        let pool_of = |row: &Row<'_>| group.iter().find(|pool| pool.cidr.covers(&row.cidr));
        let rows = rows.iter().filter_map(|row| Some((*row, pool_of(row)?)));
        lookup.require(rows.clone().map(|(row, _)| row.block_read()))?;
        let mut takes = Vec::new();
        for (row, pool) in rows {
            let missing = count - taken(&takes);
            if missing == 0 {
                break;
            }
            takes.extend(self.in_row(lookup, pool, row, missing)?);
        }
        Ok(takes)
    }

    /// Takes from a block that the host has a claim on; a claim whose block does not exist yet is completed.
    fn in_row(
        &self,
        lookup: &mut Lookup<'_>,
        pool: &Pool,
        row: &Row<'_>,
        count: usize,
    ) -> Planned<Option<Take>> {
        let usable = self.usable(pool);
        let (block, confirms, how) = match lookup.peek(&row.block_key)? {
            None => (self.new_block(lookup, row.cidr)?, true, How::Claimed),
            Some(kv) if Block::is_full_as_stored(&kv.value) => return Ok(None),
            Some(kv) => {
                let block = Block::to_change(kv)?.collected(self.now, self.cooldown());
                if !block.is_affine_to(self.owner) || block.count_free(&usable) == 0 {
                    return Ok(None);
                }
                (block, !is_confirmed(lookup, row.key)?, How::Affine)
            }
        };
        lookup.get(&row.block_key)?;
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
