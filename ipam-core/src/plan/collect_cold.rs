//! Giving addresses back whose cooldown has passed.

use std::net::IpAddr;

use crate::block;
use crate::ip::Cidr;
use crate::kv::{Lookup, Op, Range, Read};
use crate::model::{Block, Timestamp, key};

use super::facts::read_config;
use super::{Outcome, Planned, Request};

/// Asks to free the addresses of one block whose cooldown has passed. A block that is empty then and that nobody claims goes.
///
/// Whoever writes a block for another reason does so in passing; this is for blocks that nobody writes.
///
/// Source: calico `kube-controllers/pkg/controllers/node/ipam.go`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectCold {
    /// The block.
    pub block: Cidr,
}

impl Request for CollectCold {
    /// The addresses that are free now, in their order; none where nothing is due, and nothing is written then.
    type Reply = Vec<IpAddr>;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        let block_key = key::block(&self.block);
        let keys = [block_key.clone(), key::CONFIG.into()];
        lookup.require(keys.map(|key| Read::values(Range::key(key))))?;
        let cooldown = read_config(lookup)?.ip_cooldown_seconds;
        let Some(kv) = lookup.get(&block_key)? else {
            return Ok(Outcome::Done(Vec::new()));
        };
        let before = Block::decode(&block_key, &kv.value)?;
        if !before.has_cold(now, cooldown) {
            return Ok(Outcome::Done(Vec::new()));
        }
        let mut after = before.clone().collected(now, cooldown);
        after.sequence_number = after.sequence_number.saturating_add(1);
        let taken = before.taken().map(|(ordinal, _)| ordinal);
        let freed = taken.filter(|ordinal| after.record_of(*ordinal).is_none());
        let freed = freed.map(|ordinal| self.block.address_at(ordinal)).collect();
        let op = if after.affinity.is_none() && block::is_empty(&after) {
            Op::delete(block_key)
        } else {
            Op::put(block_key, after.encode())
        };
        Ok(Outcome::Write { ops: vec![op], reply: freed })
    }
}
