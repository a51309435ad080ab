//! Handing the addresses of a virtual machine to the pod that it has moved to.

use std::net::IpAddr;

use crate::block::PodName;
use crate::ip::Cidr;
use crate::kv::{Lookup, Op, Range, Read};
use crate::model::{Block, Handle, HandleId, Timestamp, key};
use crate::refusal::Refusal;

use super::facts::read_config;
use super::{Outcome, Planned, Request};

/// Asks to make a pod the active owner of all that a handle holds, in both families at once.
///
/// It must be the alternate owner of each address, or the active one already; whoever was active becomes the alternate
/// owner. Stock Calico changes one address after the other, and may end between two.
#[derive(Clone, Debug)]
pub struct PromoteOwner {
    /// The handle of the machine, see [`HandleId::of_vm`].
    pub handle: HandleId,
    /// The pod that runs it now.
    pub pod: PodName,
}

impl Request for PromoteOwner {
    /// The addresses that change hands; none where the pod is the active owner of all already.
    type Reply = Vec<IpAddr>;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        let holds_nothing = || Refusal::HoldsNothing { handle: self.handle.to_string() };
        let handle_key = key::handle(&self.handle);
        lookup.require([&*handle_key, key::CONFIG].map(|key| Read::values(Range::key(key))))?;
        let kv = lookup.get(&handle_key)?.ok_or_else(holds_nothing)?;
        let handle = Handle::decode(&handle_key, &kv.value)?;
        let cooldown = read_config(lookup)?.ip_cooldown_seconds;
        let cidrs: Vec<&Cidr> = handle.blocks().keys().collect();
        lookup.require(cidrs.iter().map(|cidr| Read::values(Range::key(key::block(cidr)))))?;
        let (mut ops, mut reply, mut is_holding) = (Vec::new(), Vec::new(), false);
        for cidr in cidrs {
            let key = key::block(cidr);
            // What a handle counts may be gone.
            let Some(kv) = lookup.get(&key)? else { continue };
            let block = Block::decode(&key, &kv.value)?.collected(now, cooldown);
            is_holding |= !block.ordinals_of(self.handle.as_str(), |_| true).is_empty();
            let promoted = block.with_promoted(self.handle.as_str(), &self.pod);
            if let Some((block, ips)) = promoted.map_err(Refusal::Owners)? {
                ops.push(Op::put(key, block.encode()));
                reply.extend(ips);
            }
        }
        if !is_holding {
            return Err(holds_nothing().into());
        }
        if ops.is_empty() { Ok(Outcome::Done(reply)) } else { Ok(Outcome::Write { ops, reply }) }
    }
}
