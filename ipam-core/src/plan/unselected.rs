//! Blocks of a host in pools that do not select it any more.

use std::collections::BTreeMap;

use crate::block;
use crate::ip::Cidr;
use crate::kv::{Key, Lookup, Op, Range, Read};
use crate::model::{Block, Node, Owner, ResourceKind, key};
use crate::pool::Pool;
use crate::refusal::Refusal;

use super::Planned;

/// Says whether the enabled pool around a block does not select a node; `false` where there is no such pool.
pub(super) fn is_unselected(
    pools: &[Pool],
    cidr: &Cidr,
    labels: &BTreeMap<String, String>,
) -> Result<bool, Refusal> {
    let holds = |pool: &&Pool| pool.disabled.is_none() && pool.cidr.covers(cidr);
    let Some(pool) = pools.iter().find(holds) else { return Ok(false) };
    match pool.node_selector() {
        Ok(selector) => Ok(!selector.matches(labels)),
        Err(source) => Err(Refusal::Selector {
            pool: pool.name.clone(),
            field: "nodeSelector",
            source: source.clone(),
        }),
    }
}

/// Returns what must be read to know whether a host is to give its empty blocks up.
pub(super) fn reads(host: &str) -> [Read; 2] {
    [Read::values(pools()), Read::values(Range::key(node_key(host)))]
}

/// Returns what gives up a block from which addresses were just released, where it is empty now and its pool does not
/// select its host any more. What cannot be read is no reason to fail a release.
pub(super) fn give_up(lookup: &mut Lookup<'_>, block: &Block) -> Planned<Option<[Op; 2]>> {
    let owner = block.affinity.as_deref().and_then(Owner::parse);
    let Some(owner @ Owner::Host(_)) = owner.filter(|_| block::is_empty(block)) else {
        return Ok(None);
    };
    lookup.require(reads(owner.name()))?;
    let node_key = node_key(owner.name());
    let Some(kv) = lookup.peek(&node_key)? else { return Ok(None) };
    let Ok(node) = Node::decode(&node_key, &kv.value) else { return Ok(None) };
    let stored = lookup.peek_scan(&pools())?;
    let pool = |kv: &&crate::kv::Kv| Pool::of(kv).ok()?;
    let pools: Vec<Pool> = stored.iter().filter_map(pool).collect();
    let labels = node.metadata.labels.unwrap_or_default();
    if !is_unselected(&pools, &block.cidr, &labels).unwrap_or(false) {
        return Ok(None);
    }
    let row_key = key::affinity(&owner, &block.cidr);
    if lookup.get(&row_key)?.is_none() {
        return Ok(None);
    }
    Ok(Some([Op::delete(key::block(&block.cidr)), Op::delete(row_key)]))
}

fn pools() -> Range {
    Range::prefix(key::resources(ResourceKind::IpPool))
}

fn node_key(host: &str) -> Key {
    key::resource(ResourceKind::Node, host)
}
