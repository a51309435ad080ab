//! Replays what stock Calico's library was recorded to do: many addresses at once, by handle, by address, by block.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ipam_core::block::Target;
use ipam_core::ip::{Cidr, Family};
use ipam_core::model::{Block, HandleId};
use ipam_etcd::Store;
use serde::Deserialize;
use serde_json::Value;

use crate::replay::{Aspect, Difference, Keys, ReplayError, Step, equal};

use super::assign::{AutoAssign, Shares};
use super::assign_ip::AssignIp;
use super::release_ips::ReleaseOption;
use super::replay::{NANOS_PER_SECOND, START_NANOS, STEP_NANOS, Tape, mismatch};
use super::{Clock, Fault, Stock};

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LibrarySummary {
    /// Calls that the stand-in carried out.
    pub carried_out: usize,
    /// Steps that were taken over: what is not part of the stand-in, and what only reads.
    pub loaded: usize,
}

#[derive(Debug, Deserialize)]
struct Recorded {
    scenario: String,
    steps: Vec<RecordedStep>,
}

#[derive(Debug, Deserialize)]
struct RecordedStep {
    #[serde(flatten)]
    step: Step,
    #[serde(default)]
    args: Value,
    #[serde(default)]
    result: Value,
}

#[derive(Debug, Deserialize)]
struct AutoAssignArgs {
    #[serde(rename = "Num4", default)]
    num4: usize,
    #[serde(rename = "Num6", default)]
    num6: usize,
    #[serde(rename = "Hostname")]
    host: String,
    #[serde(rename = "HandleID")]
    handle: Option<String>,
    #[serde(rename = "Attrs", default)]
    attributes: BTreeMap<String, String>,
    #[serde(rename = "IPv4Pools", default)]
    pools4: Vec<String>,
    #[serde(rename = "IPv6Pools", default)]
    pools6: Vec<String>,
    #[serde(rename = "MaxBlocksPerHost", default)]
    blocks_max: i64,
}

#[derive(Debug, Deserialize)]
struct AssignIpArgs {
    #[serde(rename = "IP")]
    ip: String,
    #[serde(rename = "Hostname")]
    host: String,
    #[serde(rename = "HandleID")]
    handle: Option<String>,
    #[serde(rename = "Attrs")]
    attributes: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct ReleaseArgs {
    #[serde(rename = "Address")]
    address: String,
    #[serde(rename = "Handle", default)]
    handle: String,
    #[serde(rename = "SequenceNumber")]
    sequence: Option<u64>,
}

/// What a call came to: the addresses of each family, where it gives any, or the text of its fault.
type Answer = Result<Option<BTreeMap<Family, Vec<String>>>, Fault>;

/// Sequence numbers here, by those of the recording.
type Numbers = BTreeMap<u64, u64>;

/// Replays a recording of the library on an empty store; `pauses` are the steps before which three seconds passed.
///
/// Sequence numbers in arguments are those of the recording, and are replaced by their counterparts here. Revisions are
/// not compared: Calico releases from several blocks at once.
///
/// # Errors
///
/// [`ReplayError`]: the first difference, or a store that fails.
///
/// # Panics
///
/// If the recording cannot be read.
pub async fn replay_library<S: Store>(
    name: &str,
    pauses: &[usize],
    store: &S,
) -> Result<LibrarySummary, ReplayError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/library");
    let text = fs::read(folder.join(name).with_extension("json")).expect("the recording exists");
    let recorded: Recorded = serde_json::from_slice(&text).expect("it is a recording");
    let clock = Clock::starting_at(START_NANOS);
    let mut tape = Tape::new(store);
    let mut numbers = Numbers::new();
    let mut summary = LibrarySummary::default();
    for (number, RecordedStep { step, args, result }) in recorded.steps.iter().enumerate() {
        let pause = if pauses.contains(&number) { 3 * NANOS_PER_SECOND } else { 0 };
        clock.advance_nanos(STEP_NANOS + pause);
        let before = tape.keys().await?;
        let Some(answer) = call(&Stock::new(store, &clock), &step.title, args, &numbers).await
        else {
            tape.load(step).await?;
            summary.loaded += 1;
            continue;
        };
        summary.carried_out += 1;
        let after = tape.keys().await?;
        let compared =
            same_answer(result, &answer).and_then(|()| tape.changes(step, &before, &after));
        compared.map_err(|difference| mismatch(&recorded.scenario, number, step, difference))?;
        note_numbers(step, &after, &mut numbers);
    }
    Ok(summary)
}

/// Notes under which sequence numbers the addresses were taken, by those of the recording.
fn note_numbers(step: &Step, after: &Keys, numbers: &mut Numbers) {
    for put in &step.put {
        let Ok(recorded) = Block::decode(&put.key, put.value.as_bytes()) else { continue };
        let here = Block::decode(&put.key, &after[&put.key].value).expect("it is the same block");
        let ordinals = recorded.sequence_number_for_allocation.iter().flatten();
        numbers.extend(ordinals.map(|(ordinal, number)| (*number, here.sequence_of(*ordinal))));
    }
}

/// Carries a call out; `None` for one that is taken over.
async fn call<S: Store>(
    stock: &Stock<'_, S>,
    title: &str,
    args: &Value,
    numbers: &Numbers,
) -> Option<Answer> {
    let text = |name: &str| args[name].as_str().expect("an argument").to_owned();
    let cidr = || Cidr::parse(&text("CIDR")).expect("a network");
    let must_be_empty = || args["MustBeEmpty"].as_bool().unwrap_or(false);
    if args["Virtual"].as_bool() == Some(true) {
        return None;
    }
    let done = match title {
        "AutoAssign" => {
            let request = auto_assign(&args["AutoAssign"])?;
            let mut shares = Shares::new();
            return Some(
                stock.auto_assign(&request, &mut shares).await.map(|()| Some(networks(&shares))),
            );
        }
        "AssignIP" => stock.assign_ip(&assign_ip(&args["AssignIP"])?).await,
        "ReleaseByHandle" => stock.release_by_handle(&HandleId::new(text("Handle")).ok()?).await,
        "ReleaseIPs" => stock.release_ips(&release_ips(&args["Release"], numbers)?).await.map(drop),
        "ReleaseAffinity" => stock.release_affinity(&cidr(), &text("Host"), must_be_empty()).await,
        "ReleaseHostAffinities" => {
            stock.release_host_affinities(&text("Host"), must_be_empty()).await
        }
        "RemoveIPAMHost" => stock.release_host_affinities(&text("Host"), false).await,
        "ReleasePoolAffinities" => stock.release_pool_affinities(&cidr()).await,
        "ClaimAffinity" => stock.claim_affinity(&cidr(), &text("Host")).await.map(drop),
        _ => return None,
    };
    Some(done.map(|()| None))
}

fn auto_assign(args: &Value) -> Option<AutoAssign> {
    // What the stand-in leaves out: caps of handles, addresses that a host sets aside, namespaces, other uses.
    let left_out = ["MaxAllocToHandlePerIPVersion", "HostReservedAttrIPv4s", "Namespace"];
    if left_out.iter().any(|name| !args[*name].is_null()) || args["IntendedUse"] != "Workload" {
        return None;
    }
    let args: AutoAssignArgs = serde_json::from_value(args.clone()).ok()?;
    let pools = args.pools4.iter().chain(&args.pools6);
    Some(AutoAssign {
        host: args.host,
        handle: args.handle.map(|id| HandleId::new(id).expect("a handle")),
        attributes: args.attributes,
        counts: [(Family::V4, args.num4), (Family::V6, args.num6)],
        pools: pools.map(|text| Cidr::parse(text).expect("a network")).collect(),
        blocks_max: args.blocks_max,
    })
}

fn assign_ip(args: &Value) -> Option<AssignIp> {
    if !args["MaxAllocToHandlePerIPVersion"].is_null() || args["IntendedUse"] != "Workload" {
        return None;
    }
    let args: AssignIpArgs = serde_json::from_value(args.clone()).ok()?;
    Some(AssignIp {
        ip: args.ip.parse().ok()?,
        host: args.host,
        handle: args.handle.map(|id| HandleId::new(id).expect("a handle")),
        attributes: args.attributes,
    })
}

fn release_ips(args: &Value, numbers: &Numbers) -> Option<Vec<ReleaseOption>> {
    let args: Vec<ReleaseArgs> = serde_json::from_value(args.clone()).ok()?;
    let option = |args: ReleaseArgs| {
        let handle = (!args.handle.is_empty()).then_some(args.handle);
        let here = |number| numbers.get(&number).copied().unwrap_or(number);
        let conditions = Target { handle, sequence: args.sequence.map(here) };
        Some(ReleaseOption { ip: args.address.parse().ok()?, conditions })
    };
    args.into_iter().map(option).collect()
}

fn networks(shares: &Shares) -> BTreeMap<Family, Vec<String>> {
    shares.iter().map(|(family, given)| (*family, given.networks())).collect()
}

fn same_answer(recorded: &Value, here: &Answer) -> Result<(), Difference> {
    let fault = recorded["error"].as_str().map(str::to_owned);
    equal(Aspect::Exit, &fault.is_some(), &here.is_err())?;
    let Ok(Some(networks)) = here else { return Ok(()) };
    for (family, member) in [(Family::V4, "v4"), (Family::V6, "v6")] {
        let ips = recorded[member]["ips"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ips: Vec<String> = ips.iter().filter_map(|ip| ip.as_str().map(str::to_owned)).collect();
        let given = networks.get(&family).cloned().unwrap_or_default();
        equal(Aspect::Addresses, &ips, &given)?;
    }
    Ok(())
}
