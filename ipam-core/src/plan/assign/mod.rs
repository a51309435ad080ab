//! Giving addresses to a workload.

mod answer;
mod cap;
mod given;
mod replay;
mod stale;

pub(super) use stale::stale_claims;

pub use answer::{Assigned, Assignment, Decision, Short};

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::ControlFlow;

use crate::ip::Family;
use crate::kv::{Lookup, Op, Range, Read};
use crate::model::{
    Affinity, AffinityState, Binding, Block, DecodeError, Handle, HandleId, Owner, Record,
    ResourceKind, Timestamp, key,
};
use crate::pool::{Choice, ChoiceRequest, Level, Levels, Tenant, Use};
use crate::refusal::Refusal;

use super::facts::{Facts, read_binding, read_node_labels};
use super::release::write_handle;
use super::row::Row;
use super::rules::{NodeRule, PoolOrder, Replay, Rules, Shortfall};
use super::seek::{Seek, Shortage, Take};
use super::{Outcome, Planned, Request};
use given::{any_pool, given_address, refuse_foreign_gateway};
use stale::foreign_claims;

/// The owner of blocks for load balancers, which belong to no node.
const LOAD_BALANCER: &str = "load-balancer";

/// Asks for addresses under a handle, given in one transaction: all of them or none, unless the rules say otherwise.
#[derive(Clone, Debug)]
pub struct Assign {
    /// Under which they are held and will be released; without one, only by themselves.
    pub handle: Option<HandleId>,
    /// The node on which the workload runs.
    pub host: String,
    /// In whose name; `None` for nobody's.
    pub tenant: Option<Tenant>,
    /// What is known of the workload, stored with each address unless it is nothing.
    pub attributes: BTreeMap<String, String>,
    /// What is wanted of each family, each family at most once.
    pub families: Vec<FamilyRequest>,
    /// Which of several behaviours is wanted.
    pub rules: Rules,
}

/// What is wanted of one family.
#[derive(Clone, Debug)]
pub struct FamilyRequest {
    /// The family.
    pub family: Family,
    /// Which addresses.
    pub want: Want,
    /// What each level says about pools.
    pub levels: Levels,
}

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Any, this many.
    Any(usize),
    /// This one.
    Address(IpAddr, AddressRule),
}

/// Which addresses may be asked for by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressRule {
    /// Those of the pools that the workload may draw from, unless they are set aside.
    Permitted,
    /// Those of any enabled pool, reserved or not, as stock Calico allows.
    AnyPool,
}

impl Request for Assign {
    type Reply = Assigned;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Assigned>> {
        let owner = self.owner();
        // A new container has no handle, and few namespaces are bound.
        if let Some(handle) = &self.handle {
            lookup.expect_absent(&key::handle(handle));
        }
        if let Some(tenant) = &self.tenant {
            lookup.expect_absent(&key::binding(tenant.name()));
        }
        let facts = Facts::reads().iter().map(Cow::Borrowed);
        lookup.require(facts.chain(self.reads(&owner).into_iter().map(Cow::Owned)))?;
        let facts = Facts::read(lookup)?;
        let labels = match self.rules.usage {
            Use::LoadBalancer => BTreeMap::new(),
            Use::Workload | Use::Tunnel => node_labels(lookup, &self.host, &self.rules)?,
        };
        let binding = match &self.tenant {
            Some(tenant) => read_binding(lookup, tenant.name())?,
            None => None,
        };
        let choices = self.choices(&facts, binding.as_ref(), &labels)?;
        let decisions =
            self.families.iter().zip(&choices).map(|(f, c)| Decision::of(f.family, c)).collect();
        if self.rules.replay == Replay::Same
            && let Some(addresses) = self.replayed(lookup, &choices)?
        {
            let (short, replayed) = (Vec::new(), true);
            return Ok(Outcome::Done(Assigned { addresses, decisions, short, replayed }));
        }
        let any = self.families.iter().filter(|f| matches!(f.want, Want::Any(_))).map(|f| f.family);
        let any: Vec<Family> = any.collect();
        let rows = Row::all_of(lookup, &owner, self.families.iter().map(|f| f.family))?;
        let of_any = rows.iter().filter(|row| any.contains(&row.cidr.family()));
        let stale = stale_claims(lookup, &facts, &owner, &labels, of_any, now)?;
        let found = self.find(lookup, &facts, &owner, &rows, &choices, now)?;
        let replayed = found.takes.is_empty() && !found.addresses.is_empty();
        let mut ops = self.ops(lookup, &owner, found.takes)?;
        ops.extend(stale);
        ops.extend(foreign_claims(lookup, &owner, &rows)?);
        let Found { addresses, short, .. } = found;
        let reply = Assigned { addresses, decisions, short, replayed };
        if ops.is_empty() { Ok(Outcome::Done(reply)) } else { Ok(Outcome::Write { ops, reply }) }
    }

    fn came_true(&self, lookup: &Lookup<'_>, reply: &Assigned) -> bool {
        !reply.addresses.is_empty()
            && reply.addresses.iter().all(|given| self.is_held(lookup, given))
    }
}

/// What was found for the families.
#[derive(Debug, Default)]
struct Found {
    takes: Vec<Take>,
    /// With those that the handle had and may not have more than.
    addresses: Vec<Assignment>,
    short: Vec<Short>,
}

impl Assign {
    fn owner(&self) -> Owner {
        match self.rules.usage {
            Use::LoadBalancer => Owner::Virtual(LOAD_BALANCER.to_owned()),
            Use::Workload | Use::Tunnel => Owner::Host(self.host.clone()),
        }
    }

    /// Returns what must be read besides the facts.
    fn reads(&self, owner: &Owner) -> Vec<Read> {
        let mut reads = Vec::new();
        reads.push(Read::values(Range::key(key::resource(ResourceKind::Node, &self.host))));
        reads.extend(self.handle.iter().map(|id| Read::values(Range::key(key::handle(id)))));
        if let Some(tenant) = &self.tenant {
            reads.push(Read::values(Range::key(key::binding(tenant.name()))));
        }
        reads.extend(self.families.iter().map(|request| Row::reads(owner, request.family)));
        reads
    }

    fn choices(
        &self,
        facts: &Facts,
        binding: Option<&Binding>,
        node_labels: &BTreeMap<String, String>,
    ) -> Planned<Vec<Choice>> {
        let mut choices = Vec::with_capacity(self.families.len());
        for request in &self.families {
            let choice_request = ChoiceRequest {
                family: request.family,
                tenant: self.tenant.as_ref(),
                levels: &request.levels,
                binding,
                node_labels,
                namespace_labels: &self.rules.namespace_labels,
                wanted: self.rules.usage,
                host_reserved: self.rules.host_reserved.get(&request.family),
                skips_other_uses: self.rules.pool_order == PoolOrder::Calico,
            };
            choices.push(match request.want {
                Want::Address(ip, AddressRule::AnyPool) => any_pool(facts, ip, &choice_request)?,
                Want::Any(_) | Want::Address(_, AddressRule::Permitted) => {
                    facts.choose(&choice_request)?
                }
            });
        }
        Ok(choices)
    }

    fn find(
        &self,
        lookup: &mut Lookup<'_>,
        facts: &Facts,
        owner: &Owner,
        rows: &[Row<'_>],
        choices: &[Choice],
        now: Timestamp,
    ) -> Planned<Found> {
        let records: Vec<Record> = choices.iter().map(|choice| self.record(choice.level)).collect();
        let seek = |record| Seek { facts, rules: &self.rules, owner, rows, record, now };
        let mut reads = Vec::new();
        for (choice, record) in choices.iter().zip(&records) {
            refuse_foreign_gateway(&self.rules.addresses, choice)?;
            reads.extend(seek(record).first_reads(lookup, choice));
        }
        lookup.require(reads)?;
        let mut found = Found::default();
        for ((request, choice), record) in self.families.iter().zip(choices).zip(&records) {
            if self.find_family(lookup, &seek(record), request, choice, &mut found)?.is_break() {
                break;
            }
        }
        Ok(found)
    }

    /// Finds what one family is to be given; breaks where the other one is not to be tried any more.
    fn find_family(
        &self,
        lookup: &mut Lookup<'_>,
        seek: &Seek<'_>,
        request: &FamilyRequest,
        choice: &Choice,
        found: &mut Found,
    ) -> Planned<ControlFlow<()>> {
        let (mut requested, mut held) = (1, Vec::new());
        if let Some(capped) = self.capped(lookup, seek, request)? {
            requested = capped.missing;
            held = capped.held;
        } else if let Want::Any(count) = request.want {
            requested = count;
        }
        let (takes, shortage) = match request.want {
            _ if requested == 0 => (Vec::new(), None),
            Want::Any(_) => seek.any(lookup, choice, requested)?,
            Want::Address(ip, rule) => (vec![given_address(lookup, seek, choice, ip, rule)?], None),
        };
        if let (Some(shortage), Shortfall::Refuse) = (shortage, self.rules.shortfall) {
            return Err(seek.refusal(choice, request.family, shortage).into());
        }
        for take in &takes {
            lookup.get(&key::resource(ResourceKind::IpPool, &take.pool.name))?;
            seek.check_gateway(lookup, &take.pool)?;
            found.addresses.extend(Assignment::all_of(take, &self.rules.addresses));
        }
        let given = held.len() + takes.iter().map(|take| take.ordinals.len()).sum::<usize>();
        found.addresses.extend(held);
        found.takes.extend(takes);
        let Some(why) = shortage else { return Ok(ControlFlow::Continue(())) };
        found.short.push(Short {
            family: request.family,
            given,
            requested: match request.want {
                Want::Any(count) => count,
                Want::Address(..) => 1,
            },
            why,
            pools: choice.pools.iter().map(|pool| pool.cidr).collect(),
            host_reserved: self.reserved_handle(request.family),
        });
        // Stock Calico takes the limit for an error, and gives up.
        let is_over = matches!(why, Shortage::BlockLimit { .. } | Shortage::ClaimsOff);
        Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn reserved_handle(&self, family: Family) -> Option<String> {
        self.rules.host_reserved.get(&family).map(|reserved| reserved.handle().to_owned())
    }

    fn record(&self, level: Level) -> Record {
        let known = self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut attributes: BTreeMap<&str, &str> = known.collect();
        if self.rules.record_source {
            attributes.insert("pool-source", level.word());
        }
        Record::new(self.handle.as_ref().map(HandleId::as_str), &attributes)
    }

    /// Says whether an address is stored under this very request: its attributes hold the time at which it was made.
    fn is_held(&self, lookup: &Lookup<'_>, given: &Assignment) -> bool {
        let block_key = key::block(&given.block);
        let Ok(Some(kv)) = lookup.peek(&block_key) else { return false };
        let Ok(block) = Block::decode(&block_key, &kv.value) else { return false };
        let record = given.block.ordinal_of(given.ip).and_then(|ordinal| block.record_of(ordinal));
        record.is_some_and(|record| {
            let stored = record.secondary.as_ref();
            record.handle() == self.handle.as_ref().map(HandleId::as_str)
                && self.attributes.iter().all(|(name, value)| {
                    stored.and_then(|stored| stored.get(name)).is_some_and(|stored| stored == value)
                })
        })
    }

    /// Writes every block, the claims that are new, and the handle, together.
    fn ops(&self, lookup: &mut Lookup<'_>, owner: &Owner, takes: Vec<Take>) -> Planned<Vec<Op>> {
        let handle = match &self.handle {
            Some(id) if !takes.is_empty() => Some(counted(lookup, id, &takes)?),
            Some(_) | None => None,
        };
        let mut ops = Vec::with_capacity(takes.len() * 2 + 1);
        for take in takes {
            let cidr = take.block.cidr;
            if take.confirms {
                let value = Affinity::in_state(AffinityState::Confirmed).encode();
                ops.push(Op::put(key::affinity(owner, &cidr), value));
            }
            ops.push(Op::put(key::block(&cidr), take.block.into_value()));
        }
        ops.extend(handle);
        Ok(ops)
    }
}

/// Reads the labels of the host, and says what it means that it has no record.
pub(super) fn node_labels(
    lookup: &mut Lookup<'_>,
    host: &str,
    rules: &Rules,
) -> Planned<BTreeMap<String, String>> {
    match (read_node_labels(lookup, host)?, rules.node) {
        (Some(labels), _) => Ok(labels),
        (None, NodeRule::Optional) => Ok(BTreeMap::new()),
        (None, NodeRule::Required) => Err(Refusal::UnknownNode { name: host.to_owned() }.into()),
    }
}

/// Writes the handle with what was taken counted.
fn counted(lookup: &mut Lookup<'_>, id: &HandleId, takes: &[Take]) -> Planned<Op> {
    let handle_key = key::handle(id);
    let mut handle = match lookup.get(&handle_key)? {
        Some(kv) => Handle::decode(&handle_key, &kv.value)?,
        None => Handle::new(),
    };
    if handle.is_null() {
        return Err(DecodeError::NullHandle { key: handle_key.to_string() }.into());
    }
    for take in takes {
        let count = u64::try_from(take.ordinals.len()).unwrap_or(u64::MAX);
        handle = handle.plus(take.block.cidr, count);
    }
    Ok(write_handle(handle_key, &handle))
}
