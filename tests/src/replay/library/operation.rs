//! Recorded calls as requests.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipam_core::block::HostReserved;
use ipam_core::block::{Expected, OwnerChange, OwnerChanges, PodName, Target};
use ipam_core::ip::{Cidr, Family};
use ipam_core::kv::Op;
use ipam_core::model::{Block, HandleId, Owner};
use ipam_core::plan::{
    AddressRule, AddressTarget, Assign, ClaimBlocks, Claims, Configure, EnsureBlocks,
    FamilyRequest, NodeRule, ReleaseAddresses, ReleaseClaims, Rules, SetOwners, Shortfall, Want,
};
use ipam_core::pool::{Levels, NamespaceLabels, PoolList, Use};
use serde::Deserialize;
use serde_json::Value;

use super::super::compare::Keys;
use super::super::recording::Step;

const NO_USE: &str = "must specify the intended use when assigning an IP";

/// Sequence numbers here, by those of the recording.
#[derive(Debug, Default)]
pub(super) struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    /// Notes under which sequence numbers the addresses were taken.
    pub(super) fn note(&mut self, step: &Step, here: &Keys) {
        for put in &step.put {
            let Ok(recorded) = Block::decode(&put.key, put.value.as_bytes()) else { continue };
            let ours = here.get(&put.key).and_then(|kv| Block::decode(&put.key, &kv.value).ok());
            let Some(ours) = ours else { continue };
            let ordinals = recorded.sequence_number_for_allocation.iter().flatten();
            self.0.extend(ordinals.map(|(ordinal, number)| (*number, ours.sequence_of(*ordinal))));
        }
    }

    fn here(&self, recorded: u64) -> u64 {
        self.0.get(&recorded).copied().unwrap_or(recorded)
    }
}

/// A call.
pub(super) enum Operation {
    Assign(Box<Assign>),
    AssignAddress(Box<Assign>),
    EnsureBlocks(EnsureBlocks),
    ReleaseHandle(HandleId),
    ReleaseAddresses(ReleaseAddresses),
    Claim(ClaimBlocks),
    ReleaseClaims(ReleaseClaims),
    Held(HandleId),
    SetOwners(SetOwners),
    AssignmentOf(IpAddr),
    Configure(Configure),
    ReadConfig,
    Utilization(Vec<String>),
    /// Stock Calico refuses it before it looks at the store, in these words.
    Refused(String),
    Nothing,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssignArgs {
    #[serde(default)]
    num4: usize,
    #[serde(default)]
    num6: usize,
    hostname: String,
    #[serde(rename = "HandleID")]
    handle: Option<String>,
    #[serde(default)]
    attrs: Option<BTreeMap<String, String>>,
    #[serde(rename = "IPv4Pools", default)]
    pools4: Option<Vec<String>>,
    #[serde(rename = "IPv6Pools", default)]
    pools6: Option<Vec<String>>,
    #[serde(default)]
    max_blocks_per_host: i64,
    #[serde(rename = "MaxAllocToHandlePerIPVersion", default)]
    held_max: usize,
    #[serde(rename = "IP")]
    ip: Option<IpAddr>,
    #[serde(default)]
    intended_use: String,
    namespace: Option<Value>,
    #[serde(rename = "HostReservedAttrIPv4s")]
    reserved4: Option<ReservedArgs>,
    #[serde(rename = "HostReservedAttrIPv6s")]
    reserved6: Option<ReservedArgs>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReservedArgs {
    start_of_block: usize,
    end_of_block: usize,
    handle: String,
    note: String,
}

impl AssignArgs {
    fn pools(&self, family: Family) -> Levels {
        let pools = match family {
            Family::V4 => &self.pools4,
            Family::V6 => &self.pools6,
        };
        match pools {
            Some(pools) if !pools.is_empty() => {
                let configuration = PoolList::from_names(pools.clone()).ok();
                Levels { configuration, ..Levels::default() }
            }
            _ => Levels::default(),
        }
    }

    fn host_reserved(&self) -> BTreeMap<Family, HostReserved> {
        let args = [(Family::V4, &self.reserved4), (Family::V6, &self.reserved6)];
        let reserved = args.into_iter().filter_map(|(family, args)| {
            let ReservedArgs { start_of_block, end_of_block, handle, note } = args.as_ref()?;
            Some((family, HostReserved::new(*start_of_block, *end_of_block, handle, note)?))
        });
        reserved.collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReleaseArgs {
    address: String,
    #[serde(default)]
    handle: String,
    sequence_number: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigArgs {
    strict_affinity: bool,
    auto_allocate_blocks: bool,
    #[serde(default)]
    max_blocks_per_host: i64,
    #[serde(rename = "IPCooldownSeconds", default)]
    cooldown_seconds: i64,
    /// For which there is no request here.
    #[serde(rename = "KubeVirtVMAddressPersistence")]
    persistence: Option<String>,
}

impl Operation {
    /// Reads a call; its name where there is no request for it.
    pub(super) fn read(title: &str, args: &Value, numbers: &Numbers) -> Result<Self, String> {
        let unknown = || title.to_owned();
        let text = |name: &str| args[name].as_str().unwrap_or_default().to_owned();
        let handle = || HandleId::new(text("Handle")).map_err(|_| unknown());
        let cidr = || Cidr::parse(&text("CIDR")).map_err(|_| unknown());
        let owner = || match args["Virtual"].as_bool() {
            Some(true) => Owner::Virtual(text("Host")),
            _ => Owner::Host(text("Host")),
        };
        let must_be_empty = args["MustBeEmpty"].as_bool().unwrap_or(false);
        let claims = |of| Self::ReleaseClaims(ReleaseClaims { of, must_be_empty });
        match title {
            "AutoAssign" => auto_assign(&args["AutoAssign"]).ok_or_else(unknown),
            "EnsureBlock" => ensure_blocks(&args["EnsureBlock"]).ok_or_else(unknown),
            "AssignIP" => assign_address(&args["AssignIP"]).ok_or_else(unknown),
            "ReleaseByHandle" => Ok(Self::ReleaseHandle(handle()?)),
            "ReleaseIPs" => release_addresses(&args["Release"], numbers).ok_or_else(unknown),
            "ClaimAffinity" => Ok(Self::Claim(ClaimBlocks { cidr: cidr()?, owner: owner() })),
            "ReleaseAffinity" => Ok(claims(Claims::Inside(cidr()?, owner()))),
            "ReleaseHostAffinities" | "RemoveIPAMHost" => Ok(claims(Claims::All(owner()))),
            "ReleasePoolAffinities" => Ok(claims(Claims::OfHosts(cidr()?))),
            "IPsByHandle" => Ok(Self::Held(handle()?)),
            "SetOwnerAttributes" => set_owners(args, handle()?).ok_or_else(unknown),
            "GetAssignmentAttributes" => {
                Ok(Self::AssignmentOf(text("IP").parse().map_err(|_| unknown())?))
            }
            "SetIPAMConfig" => configure(&args["Config"]).ok_or_else(unknown),
            "GetIPAMConfig" => Ok(Self::ReadConfig),
            "GetUtilization" => Ok(Self::Utilization(
                serde_json::from_value(args["Pools"].clone()).unwrap_or_default(),
            )),
            "UpgradeHost" => Ok(Self::Nothing),
            _ => Err(unknown()),
        }
    }
}

fn auto_assign(args: &Value) -> Option<Operation> {
    let args: AssignArgs = serde_json::from_value(args.clone()).ok()?;
    let Some(usage) = usage(&args.intended_use)? else {
        return Some(Operation::Refused(NO_USE.to_owned()));
    };
    let counts = [(Family::V4, args.num4), (Family::V6, args.num6)];
    let wanted = counts.into_iter().filter(|(_, count)| *count > 0);
    let families: Vec<FamilyRequest> = wanted
        .map(|(family, count)| {
            let levels = args.pools(family);
            FamilyRequest { family, want: Want::Any(count), levels }
        })
        .collect();
    let rules = Rules {
        namespace_labels: NamespaceLabels::Known(labels(args.namespace.as_ref())),
        blocks_max: args.max_blocks_per_host,
        usage,
        held_max: args.held_max,
        shortfall: Shortfall::Give,
        host_reserved: args.host_reserved(),
        ..Rules::calico()
    };
    Some(Operation::Assign(Box::new(Assign {
        handle: handle(args.handle)?,
        host: args.hostname,
        tenant: None,
        attributes: args.attrs.unwrap_or_default(),
        families,
        rules,
    })))
}

/// Stock Calico does nothing for a family in which the host sets nothing aside.
fn ensure_blocks(args: &Value) -> Option<Operation> {
    let args: AssignArgs = serde_json::from_value(args.clone()).ok()?;
    let host_reserved = args.host_reserved();
    let levels = host_reserved.keys().map(|family| (*family, args.pools(*family))).collect();
    let rules = Rules { host_reserved, ..Rules::calico() };
    Some(Operation::EnsureBlocks(EnsureBlocks { host: args.hostname, levels, rules }))
}

fn assign_address(args: &Value) -> Option<Operation> {
    let args: AssignArgs = serde_json::from_value(args.clone()).ok()?;
    let ip = args.ip?;
    let want = Want::Address(ip, AddressRule::AnyPool);
    let request = FamilyRequest { family: Family::of(ip), want, levels: Levels::default() };
    let rules = Rules {
        node: NodeRule::Optional,
        usage: usage(&args.intended_use)?.unwrap_or(Use::Workload),
        held_max: args.held_max,
        ..Rules::calico()
    };
    Some(Operation::AssignAddress(Box::new(Assign {
        handle: handle(args.handle)?,
        host: args.hostname,
        tenant: None,
        attributes: args.attrs.unwrap_or_default(),
        families: vec![request],
        rules,
    })))
}

fn release_addresses(args: &Value, numbers: &Numbers) -> Option<Operation> {
    let args: Vec<ReleaseArgs> = serde_json::from_value(args.clone()).ok()?;
    let mut targets = Vec::with_capacity(args.len());
    for ReleaseArgs { address, handle, sequence_number } in args {
        let Ok(ip) = address.parse() else {
            return Some(Operation::Refused(format!("failed to parse IP: {address}")));
        };
        let sequence = sequence_number.map(|number| numbers.here(number));
        let handle = (!handle.is_empty()).then_some(handle);
        targets.push(AddressTarget { ip, conditions: Target { handle, sequence } });
    }
    Some(Operation::ReleaseAddresses(ReleaseAddresses { targets }))
}

/// Reads a change of owners. What a request here cannot even say, stock Calico refuses before it looks at the store.
fn set_owners(args: &Value, handle: HandleId) -> Option<Operation> {
    let (updates, preconditions) = (&args["Updates"], &args["Preconditions"]);
    if updates.is_null() {
        return Some(Operation::Refused("updates cannot be nil".to_owned()));
    }
    let change = |role| owner_change(updates, preconditions, role);
    let (active, alternate) = match (change("Active"), change("Alternate")) {
        (Ok(active), Ok(alternate)) => (active, alternate),
        (Err(text), _) | (_, Err(text)) => return Some(Operation::Refused(text)),
    };
    let changes = OwnerChanges { active, alternate };
    Some(Operation::SetOwners(SetOwners {
        ip: args["IP"].as_str()?.parse().ok()?,
        handle,
        changes,
    }))
}

fn owner_change(updates: &Value, preconditions: &Value, role: &str) -> Result<OwnerChange, String> {
    let clear = format!("Clear{role}Owner");
    let (set, pod) = (format!("{role}OwnerAttrs"), format!("Expected{role}Owner"));
    let empty = format!("Verify{role}OwnerEmpty");
    let conflict = |one: &str, other: &str| {
        Err(format!("cannot set both {one} and {other}: these are mutually exclusive"))
    };
    let named = &preconditions[&pod];
    let expected = match (named.is_null(), preconditions[&empty] == true) {
        (true, false) => Expected::Anyone,
        (true, true) => Expected::Nobody,
        (false, true) => return conflict(&pod, &empty),
        (false, false) => {
            let text = |name: &str| named[name].as_str().unwrap_or_default().to_owned();
            Expected::Pod(PodName { namespace: text("Namespace"), name: text("Name") })
        }
    };
    let owner = serde_json::from_value(updates[&set].clone()).ok();
    match (owner, updates[&clear] == true) {
        (None, false) => Ok(OwnerChange::Keep),
        (None, true) => Ok(OwnerChange::Clear(expected)),
        (Some(owner), false) => Ok(OwnerChange::Set(owner, expected)),
        (Some(_), true) => conflict(&format!("{clear}=true"), &set),
    }
}

fn configure(args: &Value) -> Option<Operation> {
    let args: ConfigArgs = serde_json::from_value(args.clone())
        .ok()
        .filter(|args: &ConfigArgs| args.persistence.is_none())?;
    Some(Operation::Configure(Configure {
        strict_affinity: Some(args.strict_affinity),
        auto_allocate_blocks: Some(args.auto_allocate_blocks),
        blocks_max: Some(args.max_blocks_per_host),
        cooldown_seconds: Some(args.cooldown_seconds),
    }))
}

/// Reads a handle; what is no handle at all is not replayed.
#[expect(clippy::option_option, reason = "the outer one says that it cannot be read")]
fn handle(text: Option<String>) -> Option<Option<HandleId>> {
    match text {
        None => Some(None),
        Some(text) => HandleId::new(text).ok().map(Some),
    }
}

/// Reads a use; nothing where it is empty.
#[expect(clippy::option_option, reason = "the outer one says that it cannot be read")]
fn usage(text: &str) -> Option<Option<Use>> {
    match text {
        "" => Some(None),
        text => {
            let uses = [Use::Workload, Use::Tunnel, Use::LoadBalancer];
            uses.into_iter().find(|usage| usage.name() == text).map(Some)
        }
    }
}

fn labels(namespace: Option<&Value>) -> BTreeMap<String, String> {
    let labels = namespace.map(|namespace| &namespace["metadata"]["labels"]);
    labels.and_then(|labels| serde_json::from_value(labels.clone()).ok()).unwrap_or_default()
}

/// Returns the blocks of addresses, written as they are with the next sequence number.
pub(super) fn written_again(ips: &[IpAddr], here: &Keys) -> Vec<Op> {
    let mut ops = BTreeMap::new();
    for ip in ips {
        for (key, kv) in here {
            let Ok(mut block) = Block::decode(key, &kv.value) else { continue };
            if block.cidr.contains(*ip) {
                block.sequence_number += 1;
                ops.insert(key.clone(), Op::put(key.clone(), block.encode()));
            }
        }
    }
    ops.into_values().collect()
}
