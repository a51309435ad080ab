//! Deleting pools.

use crate::block;
use crate::ip::Cidr;
use crate::kv::{Key, Lookup, Op, Range, Read};
use crate::model::{Binding, Block, IpPool, Owner, ResourceKind, Timestamp, key};
use crate::pool::Pool;
use crate::refusal::Refusal;

use super::facts::{cluster_key, read_config, refuse_if_locked};
use super::{Outcome, Planned, Request};

/// How many empty blocks go in one transaction: each takes two compares and two deletions.
const BLOCKS_AT_ONCE: usize = 40;

/// Asks to delete a pool that nobody draws from any more, with its empty blocks and the claims on them.
///
/// A pool with many empty blocks goes in several transactions; the first switches it off, so that nobody claims anew
/// what the others delete.
#[derive(Clone, Debug)]
pub struct DeletePool {
    /// The pool.
    pub name: String,
}

impl Request for DeletePool {
    /// Whether the pool is gone; otherwise it is off, and the request must be made again.
    type Reply = bool;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<bool>> {
        let (pool_key, mark_key) =
            (key::resource(ResourceKind::IpPool, &self.name), key::pool_mark(&self.name));
        let keys = [pool_key.clone(), mark_key.clone(), cluster_key(), key::CONFIG.into()];
        let bindings = Range::prefix(key::bindings());
        let reads = keys.into_iter().map(Range::key).chain([bindings]).map(Read::values);
        lookup.require(reads)?;
        refuse_if_locked(lookup)?;
        let missing = || Refusal::Missing { kind: "pool", name: self.name.clone() };
        let kv = lookup.get(&pool_key)?.ok_or_else(missing)?;
        let mut stored = IpPool::decode(&pool_key, &kv.value)?;
        self.refuse_bound(lookup)?;
        let empty = match Pool::read(&stored, false) {
            Some(pool) => self.empty_blocks(lookup, &pool, now)?,
            None => Vec::new(),
        };
        let (now, later) = empty.split_at(empty.len().min(BLOCKS_AT_ONCE));
        let mut ops = give_up(lookup, now)?;
        if !later.is_empty() {
            stored.spec.disabled = true;
            ops.push(Op::put(pool_key, stored.encode()));
            return Ok(Outcome::Write { ops, reply: false });
        }
        ops.push(Op::delete(pool_key));
        if lookup.get(&mark_key)?.is_some() {
            ops.push(Op::delete(mark_key));
        }
        Ok(Outcome::Write { ops, reply: true })
    }
}

impl DeletePool {
    fn refuse_bound(&self, lookup: &mut Lookup<'_>) -> Planned<()> {
        let mut namespaces = Vec::new();
        for kv in lookup.scan(&Range::prefix(key::bindings()))? {
            if let Some(key::Named::Binding(tenant)) = key::parse(&kv.key)
                && Binding::decode(&kv.key, &kv.value)?.names(&self.name)
            {
                namespaces.push(tenant);
            }
        }
        if namespaces.is_empty() {
            return Ok(());
        }
        Err(Refusal::PoolBound { pool: self.name.clone(), namespaces }.into())
    }

    /// Returns the empty blocks of the pool as an allocator sees them now; refuses where an address is held.
    ///
    /// The blocks of the family are scanned as a guard, so that a block that appears meanwhile is a conflict.
    fn empty_blocks(
        &self,
        lookup: &mut Lookup<'_>,
        pool: &Pool,
        now: Timestamp,
    ) -> Planned<Vec<Block>> {
        let cooldown = read_config(lookup)?.ip_cooldown_seconds;
        let (mut empty, mut addresses, mut blocks) = (Vec::new(), 0, 0);
        for kv in lookup.scan(&Range::prefix(key::blocks(pool.family())))? {
            let inside = |cidr: &Cidr| pool.cidr.covers(cidr);
            if !matches!(key::parse(&kv.key), Some(key::Named::Block(cidr)) if inside(&cidr)) {
                continue;
            }
            let block = Block::decode(&kv.key, &kv.value)?.collected(now, cooldown);
            if block::is_empty(&block) {
                empty.push(block);
            } else {
                addresses += block.taken().count();
                blocks += 1;
            }
        }
        if addresses > 0 {
            return Err(Refusal::PoolInUse { pool: self.name.clone(), addresses, blocks }.into());
        }
        Ok(empty)
    }
}

/// Deletes blocks together with the claims on them.
fn give_up(lookup: &mut Lookup<'_>, blocks: &[Block]) -> Planned<Vec<Op>> {
    let claim = |block: &Block| {
        let owner = block.affinity.as_deref().and_then(Owner::parse)?;
        Some(key::affinity(&owner, &block.cidr))
    };
    let claims: Vec<Key> = blocks.iter().filter_map(claim).collect();
    lookup.require(claims.iter().map(|key| Read::values(Range::key(key.clone()))))?;
    let mut ops = Vec::with_capacity(blocks.len() + claims.len());
    for block in blocks {
        let key = key::block(&block.cidr);
        lookup.get(&key)?;
        ops.push(Op::delete(key));
    }
    for key in claims {
        if lookup.get(&key)?.is_some() {
            ops.push(Op::delete(key));
        }
    }
    Ok(ops)
}
