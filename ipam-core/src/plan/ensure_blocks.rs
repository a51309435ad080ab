//! Making sure that a host has a block, before the first address is wanted.

use std::collections::BTreeMap;

use crate::ip::{Cidr, Family};
use crate::kv::{Lookup, Op, Range, Read};
use crate::model::{
    Affinity, AffinityState, Attributes, Owner, Record, ResourceKind, Timestamp, key,
};
use crate::pool::{ChoiceRequest, Levels};

use super::assign::{node_labels, stale_claims};
use super::facts::Facts;
use super::row::Row;
use super::rules::Rules;
use super::seek::{How, Seek, Take};
use super::{Outcome, Planned, Request};

/// Asks for a block of each family for a host: one that it has, full or not, or a new one. No address is taken.
#[derive(Clone, Debug)]
pub struct EnsureBlocks {
    /// The host.
    pub host: String,
    /// What each level says about the pools, by family; nothing is done for a family that is not listed.
    pub levels: BTreeMap<Family, Levels>,
    /// Which of several behaviours is wanted. The limit of blocks does not matter, as in stock Calico.
    pub rules: Rules,
}

impl Request for EnsureBlocks {
    /// The block of each family.
    type Reply = BTreeMap<Family, Cidr>;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        let owner = Owner::Host(self.host.clone());
        lookup.require(self.reads(&owner))?;
        let facts = Facts::read(lookup)?;
        let labels = node_labels(lookup, &self.host, &self.rules)?;
        let families: Vec<Family> = self.levels.keys().copied().collect();
        let record = Record::from(Attributes::default());
        let rows = Row::all_of(lookup, &owner, families.iter().copied())?;
        let seek = Seek {
            facts: &facts,
            rules: &self.rules,
            owner: &owner,
            rows: &rows,
            record: &record,
            now,
        };
        let (mut reply, mut ops) = (BTreeMap::new(), Vec::new());
        for (family, levels) in &self.levels {
            let choice = facts.choose(&self.choice(*family, levels, &labels))?;
            let reads = seek.first_reads(lookup, &choice);
            lookup.require(reads)?;
            let take = match seek.block(lookup, &choice)? {
                Ok(take) => take,
                Err(shortage) => return Err(seek.refusal(&choice, *family, shortage).into()),
            };
            // Whoever deletes the pool, or switches it off, meanwhile must not find a new block in it.
            lookup.get(&key::resource(ResourceKind::IpPool, &take.pool.name))?;
            reply.insert(*family, take.block.cidr);
            ops.extend(writes(&owner, take));
        }
        ops.extend(stale_claims(lookup, &facts, &owner, &labels, &rows, now)?);
        if ops.is_empty() { Ok(Outcome::Done(reply)) } else { Ok(Outcome::Write { ops, reply }) }
    }
}

impl EnsureBlocks {
    fn reads(&self, owner: &Owner) -> Vec<Read> {
        let mut reads = Facts::reads().to_vec();
        reads.push(Read::values(Range::key(key::resource(ResourceKind::Node, &self.host))));
        reads.extend(self.levels.keys().map(|family| Row::reads(owner, *family)));
        reads
    }

    fn choice<'a>(
        &'a self,
        family: Family,
        levels: &'a Levels,
        node_labels: &'a BTreeMap<String, String>,
    ) -> ChoiceRequest<'a> {
        ChoiceRequest {
            family,
            tenant: None,
            levels,
            binding: None,
            node_labels,
            namespace_labels: &self.rules.namespace_labels,
            wanted: self.rules.usage,
            host_reserved: self.rules.host_reserved.get(&family),
            skips_other_uses: false,
        }
    }
}

/// Returns what makes a block the host's; nothing where it is already.
fn writes(owner: &Owner, take: Take) -> Vec<Op> {
    let Take { mut block, confirms, how, .. } = take;
    if !confirms {
        return Vec::new();
    }
    if how != How::Claimed {
        // Another process of this host may be giving the block up: writing it makes that one look again.
        block.sequence_number = block.sequence_number.saturating_add(1);
    }
    let row = Affinity::in_state(AffinityState::Confirmed).encode();
    vec![
        Op::put(key::affinity(owner, &block.cidr), row),
        Op::put(key::block(&block.cidr), block.encode()),
    ]
}
