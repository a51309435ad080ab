//! Giving addresses to a workload.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::ip::{Cidr, Family};
use crate::kv::{Lookup, Op, Range, Read};
use crate::model::{
    Affinity, AffinityState, Attributes, Binding, Block, Handle, HandleId, Owner, ResourceKind,
    Timestamp, key,
};
use crate::pool::{AddressRules, Choice, ChoiceRequest, Gateway, Level, Levels, Pool, Tenant, Use};
use crate::refusal::{Dropped, Refusal};

use super::facts::{Facts, cluster_key, read_binding, read_node_labels};
use super::held::{HeldAddress, held_by};
use super::rules::{NodeRule, Replay, Rules};
use super::seek::{How, Seek, Take};
use super::{Outcome, Planned, Request};

/// Asks for addresses under a handle: all of them, in one transaction, or none.
#[derive(Clone, Debug)]
pub struct Assign {
    /// Under which they are held and will be released.
    pub handle: HandleId,
    /// The node on which the workload runs.
    pub host: String,
    /// In whose name; `None` for nobody's.
    pub tenant: Option<Tenant>,
    /// What is known of the workload, stored with each address.
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

/// The addresses that were given.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Each with its block and pool, in the order of the families.
    pub addresses: Vec<Assignment>,
    /// How the pools of each family were chosen.
    pub decisions: Vec<Decision>,
    /// Whether the handle held them already.
    pub replayed: bool,
}

/// One address that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The address.
    pub ip: IpAddr,
    /// Its block.
    pub block: Cidr,
    /// Its pool.
    pub pool: String,
    /// The network of its pool.
    pub pool_cidr: Cidr,
    /// The gateway of its pool.
    pub gateway: Option<IpAddr>,
    /// Where it comes from; `None` where the handle held it already.
    pub how: Option<How>,
}

/// How the pools of a family were chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The family.
    pub family: Family,
    /// The level that won.
    pub level: Level,
    /// Who that is, in words.
    pub named_by: String,
    /// The chosen pools in the order in which they are tried.
    pub pools: Vec<String>,
    /// The pools that were passed over.
    pub dropped: Vec<Dropped>,
    /// The required binding that the choice was held against.
    pub held_to: Option<String>,
}

impl Request for Assign {
    type Reply = Assigned;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Assigned>> {
        let owner = Owner::Host(self.host.clone());
        // A new container has no handle, and few namespaces are bound.
        lookup.expect_absent(&key::handle(&self.handle));
        if let Some(tenant) = &self.tenant {
            lookup.expect_absent(&key::binding(tenant.name()));
        }
        lookup.require(self.reads(&owner))?;
        let facts = Facts::read(lookup)?;
        let labels = self.node_labels(lookup)?;
        let binding = match &self.tenant {
            Some(tenant) => read_binding(lookup, tenant.name())?,
            None => None,
        };
        let choices = self.choices(&facts, binding.as_ref(), &labels)?;
        let decisions =
            self.families.iter().zip(&choices).map(|(f, c)| decision(f.family, c)).collect();
        if self.replay_is_same()
            && let Some(addresses) = self.replayed(lookup, &choices)?
        {
            return Ok(Outcome::Done(Assigned { addresses, decisions, replayed: true }));
        }
        let takes = self.takes(lookup, &facts, &owner, &choices, now)?;
        let ops = self.ops(lookup, &owner, &takes)?;
        let addresses = takes.iter().flat_map(|take| self.assignments(take)).collect();
        Ok(Outcome::Write { ops, reply: Assigned { addresses, decisions, replayed: false } })
    }

    fn came_true(&self, lookup: &Lookup<'_>, reply: &Assigned) -> bool {
        !reply.addresses.is_empty()
            && reply.addresses.iter().all(|given| self.is_held(lookup, given))
    }
}

impl Assign {
    fn reads(&self, owner: &Owner) -> Vec<Read> {
        let mut reads = Facts::reads().to_vec();
        reads.push(Read::values(Range::key(cluster_key())));
        reads.push(Read::values(Range::key(key::resource(ResourceKind::Node, &self.host))));
        reads.push(Read::values(Range::key(key::handle(&self.handle))));
        if let Some(tenant) = &self.tenant {
            reads.push(Read::values(Range::key(key::binding(tenant.name()))));
        }
        reads.extend(self.families.iter().map(|request| Seek::reads(owner, request.family)));
        reads
    }

    fn replay_is_same(&self) -> bool {
        self.rules.replay == Replay::Same
    }

    fn node_labels(&self, lookup: &mut Lookup<'_>) -> Planned<BTreeMap<String, String>> {
        match (read_node_labels(lookup, &self.host)?, self.rules.node) {
            (Some(labels), _) => Ok(labels),
            (None, NodeRule::Optional) => Ok(BTreeMap::new()),
            (None, NodeRule::Required) => {
                Err(Refusal::UnknownNode { name: self.host.clone() }.into())
            }
        }
    }

    fn choices(
        &self,
        facts: &Facts,
        binding: Option<&Binding>,
        node_labels: &BTreeMap<String, String>,
    ) -> Planned<Vec<Choice>> {
        let mut choices = Vec::with_capacity(self.families.len());
        for request in &self.families {
            if let Want::Address(ip, AddressRule::AnyPool) = request.want {
                choices.push(any_pool(facts, ip)?);
                continue;
            }
            let choice_request = ChoiceRequest {
                family: request.family,
                tenant: self.tenant.as_ref(),
                levels: &request.levels,
                binding,
                node_labels,
                namespace_labels: &self.rules.namespace_labels,
                wanted: Use::Workload,
            };
            choices.push(facts.choose(&choice_request)?);
        }
        Ok(choices)
    }

    /// Returns what the handle holds already, `None` where it holds nothing.
    fn replayed(
        &self,
        lookup: &mut Lookup<'_>,
        choices: &[Choice],
    ) -> Planned<Option<Vec<Assignment>>> {
        let held = held_by(lookup, &self.handle)?;
        if held.is_empty() {
            return Ok(None);
        }
        let in_use = |why: String| Refusal::HandleInUse { handle: self.handle.to_string(), why };
        for held in &held {
            if let Some((name, stored, mine)) = held.holder.differs_from(&self.attributes) {
                return Err(in_use(format!("its {name} is {stored}, not {mine}")).into());
            }
        }
        let mut assignments = Vec::new();
        for (request, choice) in self.families.iter().zip(choices) {
            let of_family: Vec<&HeldAddress> =
                held.iter().filter(|h| Family::of(h.ip) == request.family).collect();
            assignments.extend(self.replay_family(request, choice, &of_family).map_err(in_use)?);
        }
        if assignments.len() != held.len() {
            return Err(in_use(
                "it also holds addresses of a family that is not asked for".to_owned(),
            )
            .into());
        }
        Ok(Some(assignments))
    }

    fn replay_family(
        &self,
        request: &FamilyRequest,
        choice: &Choice,
        held: &[&HeldAddress],
    ) -> Result<Vec<Assignment>, String> {
        let wanted = match request.want {
            Want::Any(count) => count,
            Want::Address(ip, _) if held.iter().all(|h| h.ip == ip) => 1,
            Want::Address(ip, _) => return Err(format!("it does not hold {ip}")),
        };
        if held.len() != wanted {
            let (found, family) = (held.len(), request.family);
            return Err(format!("it holds {found} {family} addresses, {wanted} are asked for"));
        }
        held.iter()
            .map(|held| match choice.pools.iter().find(|pool| pool.cidr.contains(held.ip)) {
                Some(pool) => Ok(self.assignment(pool, held.block, held.ip, None)),
                None => {
                    Err(format!("it holds {}, which {} does not permit", held.ip, choice.named_by))
                }
            })
            .collect()
    }

    fn takes(
        &self,
        lookup: &mut Lookup<'_>,
        facts: &Facts,
        owner: &Owner,
        choices: &[Choice],
        now: Timestamp,
    ) -> Planned<Vec<Take>> {
        let records: Vec<Attributes> =
            choices.iter().map(|choice| self.record(choice.level)).collect();
        let seek = |attributes| Seek { facts, rules: &self.rules, owner, attributes, now };
        let mut reads = Vec::new();
        for (choice, record) in choices.iter().zip(&records) {
            refuse_foreign_gateway(&self.rules.addresses, choice)?;
            reads.extend(seek(record).first_reads(lookup, choice)?);
        }
        lookup.require(reads)?;
        let mut takes = Vec::new();
        for ((request, choice), record) in self.families.iter().zip(choices).zip(&records) {
            let seek = seek(record);
            let found = match request.want {
                Want::Any(count) => seek.any(lookup, choice, count)?,
                Want::Address(ip, rule) => {
                    vec![given_address(lookup, &seek, choice, ip, rule)?]
                }
            };
            for take in &found {
                lookup.get(&key::resource(ResourceKind::IpPool, &take.pool.name))?;
                seek.check_gateway(lookup, &take.pool)?;
            }
            takes.extend(found);
        }
        Ok(takes)
    }

    fn record(&self, level: Level) -> Attributes {
        let mut attributes = self.attributes.clone();
        if self.rules.record_source {
            attributes.insert("pool-source".to_owned(), level.word().to_owned());
        }
        Attributes::new(Some(self.handle.to_string()), Some(attributes))
    }

    /// Says whether an address is stored under this very request: its attributes hold the time at which it was made.
    fn is_held(&self, lookup: &Lookup<'_>, given: &Assignment) -> bool {
        let block_key = key::block(&given.block);
        let Ok(Some(kv)) = lookup.peek(&block_key) else { return false };
        let Ok(block) = Block::decode(&block_key, &kv.value) else { return false };
        let record = given.block.ordinal_of(given.ip).and_then(|ordinal| block.record_of(ordinal));
        record.is_some_and(|record| {
            let stored = record.secondary.as_ref();
            record.handle() == Some(self.handle.as_str())
                && self.attributes.iter().all(|(name, value)| {
                    stored.and_then(|stored| stored.get(name)).is_some_and(|stored| stored == value)
                })
        })
    }

    /// Writes every block, the claims that are new, and the handle, together.
    fn ops(&self, lookup: &mut Lookup<'_>, owner: &Owner, takes: &[Take]) -> Planned<Vec<Op>> {
        let handle_key = key::handle(&self.handle);
        let mut handle = match lookup.get(&handle_key)? {
            Some(kv) => Handle::decode(&handle_key, &kv.value)?,
            None => Handle::new(),
        };
        if handle.is_null() {
            return Err(crate::model::DecodeError::NullHandle { key: handle_key }.into());
        }
        let mut ops = Vec::with_capacity(takes.len() * 2 + 1);
        for take in takes {
            let cidr = take.block.cidr;
            if take.confirms {
                let value = Affinity::in_state(AffinityState::Confirmed).encode();
                ops.push(Op::Put { key: key::affinity(owner, &cidr), value });
            }
            ops.push(Op::Put { key: key::block(&cidr), value: take.block.encode() });
            handle = handle.plus(cidr, u64::try_from(take.ordinals.len()).unwrap_or(u64::MAX));
        }
        if let Some(value) = handle.encode() {
            ops.push(Op::Put { key: handle_key, value });
        }
        Ok(ops)
    }

    fn assignments(&self, take: &Take) -> Vec<Assignment> {
        let block = &take.block;
        let address = |ordinal| {
            self.assignment(&take.pool, block.cidr, block.cidr.address_at(ordinal), Some(take.how))
        };
        take.ordinals.iter().copied().map(address).collect()
    }

    fn assignment(&self, pool: &Pool, block: Cidr, ip: IpAddr, how: Option<How>) -> Assignment {
        Assignment {
            ip,
            block,
            pool: pool.name.clone(),
            pool_cidr: pool.cidr,
            gateway: self.rules.addresses.gateway(&pool.cidr),
            how,
        }
    }
}

/// Chooses the enabled pool that an address lies in, whoever asks.
fn any_pool(facts: &Facts, ip: IpAddr) -> Planned<Choice> {
    let pool = facts.pools.iter().find(|pool| {
        pool.cidr.contains(ip) && pool.disabled.is_none() && pool.allows(Use::Workload)
    });
    let pool = pool.ok_or(Refusal::AddressOutside { ip })?;
    Ok(Choice {
        level: Level::Arguments,
        named_by: "IP of CNI_ARGS".to_owned(),
        pools: vec![pool.clone()],
        dropped: Vec::new(),
        held_to: None,
    })
}

fn decision(family: Family, choice: &Choice) -> Decision {
    Decision {
        family,
        level: choice.level,
        named_by: choice.named_by.clone(),
        pools: choice.pools.iter().map(|pool| pool.name.clone()).collect(),
        dropped: choice.dropped.clone(),
        held_to: choice.held_to.clone(),
    }
}

/// Refuses a given gateway that lies in none of the chosen pools.
fn refuse_foreign_gateway(rules: &AddressRules, choice: &Choice) -> Result<(), Refusal> {
    let Some(first) = choice.pools.first() else {
        return Ok(());
    };
    match rules.of(first.family()) {
        Gateway::Address(gateway)
            if !choice.pools.iter().any(|pool| pool.cidr.contains(gateway)) =>
        {
            Err(Refusal::GatewayOutside { gateway, pool: first.name.clone(), cidr: first.cidr })
        }
        Gateway::Address(_) | Gateway::None | Gateway::First | Gateway::Last => Ok(()),
    }
}

/// Finds one given address, if it may be given.
fn given_address(
    lookup: &mut Lookup<'_>,
    seek: &Seek<'_>,
    choice: &Choice,
    ip: IpAddr,
    rule: AddressRule,
) -> Planned<Take> {
    let Some(pool) = choice.pools.iter().find(|pool| pool.cidr.contains(ip)) else {
        let pool = seek.facts.pools.iter().find(|pool| pool.cidr.contains(ip));
        let permitted = choice.pools.iter().map(|pool| pool.name.clone()).collect();
        return Err(match pool {
            Some(pool) => Refusal::AddressNotPermitted { ip, pool: pool.name.clone(), permitted },
            None => Refusal::AddressOutside { ip },
        }
        .into());
    };
    if rule == AddressRule::Permitted
        && let Some(why) = seek.set_aside(pool, ip)
    {
        return Err(Refusal::AddressSetAside { ip, why }.into());
    }
    seek.address(lookup, pool, ip)
}
