//! Claims that a host keeps in pools that have ceased to select it.

use std::collections::BTreeMap;

use crate::block;
use crate::kv::{Key, Lookup, Op};
use crate::model::{Block, Owner, Timestamp};

use super::super::Planned;
use super::super::downgrade::downgrade;
use super::super::facts::Facts;
use super::super::row::Row;
use super::super::unselected::is_unselected;

/// The most claims that one request gives up besides what it is for.
const STALE_MAX: usize = 8;

/// Gives up empty blocks in enabled pools whose node selector does not match any more, as stock Calico does on each
/// allocation. Whether a pool is off, or was not asked for, does not matter: the host may need the block again.
pub(in crate::plan) fn stale_claims<'r>(
    lookup: &mut Lookup<'_>,
    facts: &Facts,
    owner: &Owner,
    labels: &BTreeMap<String, String>,
    rows: impl IntoIterator<Item = &'r Row<'r>>,
    now: Timestamp,
) -> Planned<Vec<Op>> {
    let mut stale = Vec::new();
    for row in rows {
        if is_unselected(&facts.pools, &row.cidr, labels)? {
            stale.push(row);
        }
    }
    stale.truncate(STALE_MAX);
    lookup.require(stale.iter().map(|row| row.block_read()))?;
    let mut ops = Vec::new();
    for row in stale {
        ops.extend(give_up(lookup, owner, row, now, facts.config.ip_cooldown_seconds)?);
    }
    Ok(ops)
}

/// Withdraws claims on blocks that turned out to belong to somebody else while room was looked for.
pub(super) fn foreign_claims(
    lookup: &mut Lookup<'_>,
    owner: &Owner,
    rows: &[Row<'_>],
) -> Planned<Vec<Op>> {
    let mut foreign = Vec::new();
    for row in rows {
        let Some(block) = lookup.glance(&row.block_key) else { continue };
        if !Block::is_affine_as_stored(&block.value, owner)
            && !Block::decode(&row.block_key, &block.value)?.is_affine_to(owner)
        {
            foreign.push(row);
        }
    }
    foreign.truncate(STALE_MAX);
    let mut ops = Vec::new();
    for row in foreign {
        if let Some(op) = downgrade(lookup, Key::clone(row.key))? {
            lookup.get(&row.block_key)?;
            ops.push(op);
        }
    }
    Ok(ops)
}

fn give_up(
    lookup: &mut Lookup<'_>,
    owner: &Owner,
    row: &Row<'_>,
    now: Timestamp,
    cooldown: i64,
) -> Planned<Vec<Op>> {
    let Some(kv) = lookup.peek(&row.block_key)? else { return Ok(Vec::new()) };
    let block = Block::decode(&row.block_key, &kv.value)?.collected(now, cooldown);
    let is_foreign = block.affinity.is_some() && !block.is_affine_to(owner);
    if !is_foreign && !block::is_empty(&block) {
        return Ok(Vec::new());
    }
    lookup.get(&row.block_key)?;
    if is_foreign {
        return Ok(downgrade(lookup, Key::clone(row.key))?.into_iter().collect());
    }
    lookup.get(row.key)?;
    Ok([&row.block_key, row.key].map(|key| Op::delete(Key::clone(key))).to_vec())
}
