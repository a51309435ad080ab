//! Releasing what handles hold.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::block::{self, Freed};
use crate::ip::Cidr;
use crate::kv::{Key, Lookup, Op, Range, Read, Value, View};
use crate::model::{Block, Config, DecodeError, Handle, HandleId, Record, Timestamp, key};

use super::facts::read_config;
use super::unselected;
use super::{Holder, Outcome, Planned, Request};

/// Asks to release everything that some handles hold. What is not held is no error.
#[derive(Clone, Debug)]
pub struct Release {
    /// The handles, each at most once.
    pub targets: Vec<HandleTarget>,
    /// The node that they most likely belong to, so that it can be read with the rest.
    pub host: Option<String>,
}

/// A handle whose addresses are released.
#[derive(Clone, Debug)]
pub struct HandleTarget {
    /// The handle.
    pub handle: HandleId,
    /// Only addresses that do not say otherwise: an attribute given here and stored with an address must be equal.
    pub whose: BTreeMap<String, String>,
    /// Only addresses with this attribute, which must be given in `whose`; `None` for all.
    pub with: Option<&'static str>,
    /// Only addresses that were taken under this sequence number of their block; `None` for all.
    pub sequence: Option<u64>,
}

impl HandleTarget {
    /// Releases everything that a handle holds.
    #[must_use]
    pub fn all(handle: HandleId) -> Self {
        Self { handle, whose: BTreeMap::new(), with: None, sequence: None }
    }

    fn wants(&self, record: &Record) -> bool {
        // Then nobody need know what the record says.
        let wants_all = self.with.is_none() && self.whose.is_empty();
        wants_all || {
            let holder = Holder::of(record);
            self.with.is_none_or(|name| holder.attribute(name).is_some())
                && holder.differs_from(&self.whose).is_none()
        }
    }
}

impl Request for Release {
    /// The addresses that were released.
    type Reply = Vec<IpAddr>;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        let handles: Vec<Key> = self.targets.iter().map(|t| key::handle(&t.handle)).collect();
        // Several handles are what one workload may be known by; rarely more than one of them exists.
        if handles.iter().any(|key| lookup.is_known(key)) {
            for key in &handles {
                lookup.expect_absent(key);
            }
        }
        let keys = handles.iter().cloned().chain([key::CONFIG.into()]);
        // What the host may have to give up is read with the rest, or when it is known to matter.
        let is_first_look = !handles.iter().any(|key| lookup.is_known(key));
        let of_host = self.host.iter().filter(|_| is_first_look);
        let of_host = of_host.flat_map(|host| unselected::reads(host));
        lookup.require(keys.map(|key| Read::values(Range::key(key))).chain(of_host))?;
        let mut is_held = false;
        for key in &handles {
            is_held |= lookup.get(key)?.is_some();
        }
        if !is_held {
            return Ok(Outcome::Done(Vec::new()));
        }
        let config = read_config(lookup)?;
        let mut edits = Edits { config, now, blocks: BTreeMap::new(), handles: Vec::new() };
        let mut released = Vec::new();
        for target in &self.targets {
            released.extend(edits.release(lookup, target)?);
        }
        let ops = edits.into_ops(lookup)?;
        if ops.is_empty() {
            return Ok(Outcome::Done(released));
        }
        Ok(Outcome::Write { ops, reply: released })
    }

    /// What a handle counts follows from the blocks of its node, so no handle need be remembered.
    fn presumed(&self, view: &View) -> Vec<(Key, Value)> {
        let handles = self.targets.iter().map(|target| &target.handle);
        let presumed = |id| Some((key::handle(id), counted(view, id).encode()?.into()));
        handles.filter_map(presumed).collect()
    }
}

/// Counts what the blocks of a view hold for a handle. One that cannot be understood counts nothing: whoever guesses wrong
/// only looks twice.
fn counted(view: &View, id: &HandleId) -> Handle {
    let mut handle = Handle::new();
    for kv in view.iter().filter(|kv| kv.key.starts_with(key::BLOCKS)) {
        if Block::names_as_stored(&kv.value, id)
            && let Ok(block) = Block::of(kv)
            && let held @ 1.. = block.ordinals_of(id.as_str(), |_| true).len()
        {
            handle = handle.plus(block.cidr, u64::try_from(held).unwrap_or(u64::MAX));
        }
    }
    handle
}

/// The changes so far; two handles may hold addresses of one block.
struct Edits {
    config: Config,
    now: Timestamp,
    blocks: BTreeMap<Cidr, Block>,
    handles: Vec<(Key, Handle)>,
}

impl Edits {
    fn release(&mut self, lookup: &mut Lookup<'_>, target: &HandleTarget) -> Planned<Vec<IpAddr>> {
        let handle_key = key::handle(&target.handle);
        let Some(kv) = lookup.get(&handle_key)? else {
            return Ok(Vec::new());
        };
        let mut handle = Handle::decode(&handle_key, &kv.value)?;
        if handle.is_null() {
            // Its addresses cannot be told from the handle; stock Calico reports success here and leaks them.
            return Err(DecodeError::NullHandle { key: handle_key.to_string() }.into());
        }
        let cidrs: Vec<Cidr> = handle.blocks().keys().copied().collect();
        lookup.require(cidrs.iter().map(|cidr| Read::values(Range::key(key::block(cidr)))))?;
        let mut released = Vec::new();
        for cidr in cidrs {
            // A block that holds nothing of the handle leaves its count alone, as in stock Calico: another
            // allocation of the same handle may be under way.
            let Some(freed) = self.release_from(lookup, target, &cidr)? else {
                continue;
            };
            let count = u64::try_from(freed.ordinals.len()).unwrap_or(u64::MAX);
            handle = handle.minus(&cidr, count);
            released.extend(freed.ordinals.iter().map(|ordinal| cidr.address_at(*ordinal)));
            self.blocks.insert(cidr, freed.block);
        }
        if !released.is_empty() {
            self.handles.push((handle_key, handle));
        }
        Ok(released)
    }

    fn release_from(
        &self,
        lookup: &mut Lookup<'_>,
        target: &HandleTarget,
        cidr: &Cidr,
    ) -> Planned<Option<Freed>> {
        let block_key = key::block(cidr);
        let cooldown = self.config.ip_cooldown_seconds;
        let block = match self.blocks.get(cidr) {
            Some(block) => block.clone(),
            None => match lookup.peek(&block_key)? {
                Some(kv) => Block::to_change(kv)?.collected(self.now, cooldown),
                None => return Ok(None),
            },
        };
        let freed = block.release_handle(
            target.handle.as_str(),
            |record| target.wants(record),
            target.sequence,
            self.now,
            cooldown,
        );
        if freed.is_some() {
            lookup.get(&block_key)?;
        }
        Ok(freed)
    }

    fn into_ops(self, lookup: &mut Lookup<'_>) -> Planned<Vec<Op>> {
        let mut ops = Vec::new();
        for block in self.blocks.into_values() {
            ops.extend(write_block(lookup, block)?);
        }
        ops.extend(self.handles.into_iter().map(|(key, handle)| write_handle(key, &handle)));
        Ok(ops)
    }
}

/// Stores a block from which something was released. One that is empty goes where it has no owner, or where its pool does
/// not select its owner any more.
pub(super) fn write_block(lookup: &mut Lookup<'_>, block: Block) -> Planned<Vec<Op>> {
    let key = key::block(&block.cidr);
    if block.affinity.is_none() && block::is_empty(&block) {
        return Ok(vec![Op::delete(key)]);
    }
    if let Some(ops) = unselected::give_up(lookup, &block)? {
        return Ok(ops.to_vec());
    }
    Ok(vec![Op::put(key, block.into_value())])
}

/// Stores a handle; one that holds nothing goes.
pub(crate) fn write_handle(key: Key, handle: &Handle) -> Op {
    match handle.encode() {
        Some(value) => Op::put(key, value),
        None => Op::delete(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{Revision, Txn};

    const BLOCK: &str = r#"{"cidr":"10.65.0.8/30","affinity":"host:n","allocations":[0,1,1,null],"unallocated":[3],"attributes":[{"handle_id":"net.a","secondary":{"node":"net.c"}},{"handle_id":"net.b"}],"sequenceNumber":5,"sequenceNumberForAllocation":{"0":1,"1":2,"2":3},"deleted":false}"#;

    fn held(block: &str, id: &str) -> u64 {
        let key = "/calico/ipam/v2/assignment/ipv4/block/10.65.0.8-30";
        let mut view = View::default();
        view.apply(Txn { then: vec![Op::put(key, block)], ..Txn::default() }, Revision(2));
        counted(&view, &HandleId::new(id).unwrap()).blocks().values().sum()
    }

    #[test]
    fn what_a_handle_holds_follows_from_the_blocks_and_a_damaged_one_counts_nothing() {
        for (id, count) in [("net.a", 1), ("net.b", 2), ("net", 0), ("net.c", 0), ("nobody", 0)] {
            assert_eq!(held(BLOCK, id), count, "{id}");
        }
        for (what, damaged) in [
            ("an index below 0", BLOCK.replace("[0,1,1,", "[0,-1,1,")),
            ("an index of no record", BLOCK.replace("[0,1,1,", "[0,1,2,")),
            ("cut off", BLOCK.chars().take(240).collect()),
            ("cut off at the end", BLOCK.chars().take(BLOCK.len() - 1).collect()),
            ("another block", BLOCK.replace("10.65.0.8/30", "10.65.0.12/30")),
        ] {
            assert_ne!(damaged, BLOCK, "{what}");
            assert_eq!(held(&damaged, "net.b"), 0, "{what}");
        }
    }
}
