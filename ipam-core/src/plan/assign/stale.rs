//! Claims that a host keeps in pools that have ceased to select it.

use std::collections::BTreeMap;

use crate::block;
use crate::ip::{Cidr, Family};
use crate::kv::{Lookup, Op, Range, Read};
use crate::model::{Block, Owner, Timestamp, key};

use super::super::Planned;
use super::super::downgrade::downgrade;
use super::super::facts::Facts;
use super::super::unselected::is_unselected;
use super::Assign;

/// The most claims that one request gives up besides what it is for.
const STALE_MAX: usize = 8;

/// Gives up empty blocks in enabled pools whose node selector does not match any more, as stock Calico does on each
/// allocation. Whether a pool is off, or was not asked for, does not matter: the host may need the block again.
pub(in crate::plan) fn stale_claims(
    lookup: &mut Lookup<'_>,
    facts: &Facts,
    owner: &Owner,
    labels: &BTreeMap<String, String>,
    families: &[Family],
    now: Timestamp,
) -> Planned<Vec<Op>> {
    let mut stale = Vec::new();
    for family in families {
        let rows = lookup.peek_scan(&Range::prefix(key::affinities(owner, *family)))?;
        for kv in rows {
            let Some(key::Named::Affinity(_, cidr)) = key::parse(&kv.key) else { continue };
            if is_unselected(&facts.pools, &cidr, labels)? {
                stale.push(cidr);
            }
        }
    }
    stale.truncate(STALE_MAX);
    lookup.require(stale.iter().map(|cidr| Read::values(Range::key(key::block(cidr)))))?;
    let mut ops = Vec::new();
    for cidr in stale {
        ops.extend(give_up(lookup, owner, &cidr, now, facts.config.ip_cooldown_seconds)?);
    }
    Ok(ops)
}

impl Assign {
    /// Withdraws claims on blocks that turned out to belong to somebody else while room was looked for.
    pub(super) fn foreign_claims(
        &self,
        lookup: &mut Lookup<'_>,
        owner: &Owner,
    ) -> Planned<Vec<Op>> {
        let mut foreign = Vec::new();
        for request in &self.families {
            let rows = lookup.peek_scan(&Range::prefix(key::affinities(owner, request.family)))?;
            for kv in rows {
                let Some(key::Named::Affinity(_, cidr)) = key::parse(&kv.key) else { continue };
                let block_key = key::block(&cidr);
                let Some(block) = lookup.glance(&block_key) else { continue };
                if !Block::is_affine_as_stored(&block.value, owner)
                    && !Block::decode(&block_key, &block.value)?.is_affine_to(owner)
                {
                    foreign.push((block_key, kv.key.clone()));
                }
            }
        }
        foreign.truncate(STALE_MAX);
        let mut ops = Vec::new();
        for (block_key, row_key) in foreign {
            if let Some(op) = downgrade(lookup, row_key)? {
                lookup.get(&block_key)?;
                ops.push(op);
            }
        }
        Ok(ops)
    }
}

fn give_up(
    lookup: &mut Lookup<'_>,
    owner: &Owner,
    cidr: &Cidr,
    now: Timestamp,
    cooldown: i64,
) -> Planned<Vec<Op>> {
    let (block_key, row_key) = (key::block(cidr), key::affinity(owner, cidr));
    let Some(kv) = lookup.peek(&block_key)? else { return Ok(Vec::new()) };
    let block = Block::decode(&block_key, &kv.value)?.collected(now, cooldown);
    let is_foreign = block.affinity.is_some() && !block.is_affine_to(owner);
    if !is_foreign && !block::is_empty(&block) {
        return Ok(Vec::new());
    }
    lookup.get(&block_key)?;
    if is_foreign {
        return Ok(downgrade(lookup, row_key)?.into_iter().collect());
    }
    lookup.get(&row_key)?;
    Ok([block_key, row_key].map(Op::delete).to_vec())
}
