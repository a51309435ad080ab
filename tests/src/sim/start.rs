//! Letting what the plot says begin.

use std::net::IpAddr;

use ipam_core::ip::{Cidr, Ordinal};
use ipam_core::kv::Recollection;
use ipam_core::model::Owner;
use ipam_etcd::cache;

use super::fault::Fault;
use super::operation::{By, Operation};
use super::process::{self, Ask, Process, Site};
use super::run::{Run, What};
use super::world::handle_of;
use super::{admin, world};

/// Lets an operation begin; some are over at once.
pub(super) fn start(run: &mut Run, at: usize) {
    let operation = run.plot.operations[at].clone();
    match operation {
        Operation::Add(pod, by) => add(run, pod, by, Ask::One),
        Operation::AddAddress(pod, by, number) => {
            let ip = address(run, number);
            add(run, pod, by, Ask::Address(ip));
        }
        Operation::AddSeveral(pod, by, count) => add(run, pod, by, Ask::Several(count)),
        Operation::Check(pod) => by_pod(run, "check", pod, process::check),
        Operation::Look(pod) => by_pod(run, "look", pod, process::look),
        Operation::SetOwners(pod, number) => set_owners(run, pod, number),
        Operation::Promote(pod) => {
            by_pod(run, "promote", pod, |site, pod, _| process::promote(site, pod));
        }
        Operation::AskOwners(pod) => ask_owners(run, pod),
        Operation::Del(pod, by) => del(run, pod, by),
        Operation::ReleaseAddresses(pod, by) => release_addresses(run, pod, by),
        Operation::ClaimBlock(node, by, number) => {
            let cidr = run.layout.block(number);
            claims(run, node, by, ["claim", "stock claim"], |site| match by {
                By::Ours => {
                    let owner = Owner::Host(site.host.clone());
                    process::claim(site, cidr, owner)
                }
                By::Stock => process::stock_claim(site, cidr),
            });
        }
        Operation::ReleaseBlock(node, by, number) => {
            let cidr = run.layout.block(number);
            claims(run, node, by, RELEASES, |site| match by {
                By::Ours => process::release_block(site, cidr),
                By::Stock => process::stock_release_block(site, cidr),
            });
        }
        Operation::ReleaseClaims(node, by, must_be_empty) => {
            claims(run, node, by, RELEASES, |site| match by {
                By::Ours => process::release_claims(site, must_be_empty),
                By::Stock => process::stock_release_claims(site, must_be_empty),
            });
        }
        Operation::EnsureBlocks(node) => {
            let what = of_node(run, "ensure blocks", node, By::Ours);
            let process = process::ensure_blocks(site(run, &what));
            run.push(what, process);
        }
        Operation::CollectLeftovers(node) => collect_leftovers(run, node),
        Operation::ClaimForNobody(number) => {
            let (cidr, owner) = (run.layout.block(number), Owner::Virtual("nobody".to_owned()));
            by_admin(run, "claim for nobody", |site| process::claim(site, cidr, owner));
        }
        Operation::CollectCold(number) => {
            let cidr = run.layout.block(number);
            by_admin(run, "collect cold", |site| process::collect_cold(site, cidr));
        }
        Operation::ReadAll => by_admin(run, "read all", process::read_all),
        Operation::Mend => by_admin(run, "mend", admin::mend),
        Operation::Admin(fault, number) => administer(run, fault, number),
        Operation::Cache(fault, node, number) => spoil(run, fault, node, number),
        Operation::Clock(fault, node, number) => set_clock(run, fault, node, number),
    }
}

/// What giving claims up is called, by who does it.
const RELEASES: [&str; 2] = ["release claims", "stock release claims"];

fn del(run: &mut Run, pod: usize, by: By) {
    let what = of_pod(run, family(by, "del", "stock del"), pod, by);
    run.world.told.leave(handle_of(pod).as_str());
    let site = site(run, &what);
    let process = match by {
        By::Ours => process::del(site, pod),
        By::Stock => process::stock_del(site, pod),
    };
    run.push(what, process);
}

fn claims(
    run: &mut Run,
    node: usize,
    by: By,
    [ours, stock]: [&'static str; 2],
    process: impl FnOnce(Site) -> Process,
) {
    let what = of_node(run, family(by, ours, stock), node, by);
    let process = process(site(run, &what));
    run.push(what, process);
}

fn by_admin(run: &mut Run, family: &'static str, process: impl FnOnce(Site) -> Process) {
    let what = counted(run, What::admin(family));
    let process = process(run.site(None, "admin"));
    run.push(what, process);
}

fn by_pod(
    run: &mut Run,
    family: &'static str,
    pod: usize,
    process: impl FnOnce(Site, usize, Vec<IpAddr>) -> Process,
) {
    let what = of_pod(run, family, pod, By::Ours);
    let process = process(site(run, &what), pod, what.held.clone());
    run.push(what, process);
}

fn ask_owners(run: &mut Run, pod: usize) {
    let what = of_pod(run, "ask for owners", pod, By::Ours);
    let Some(ip) = what.held.first().copied() else { return };
    let process = process::ask_owners(site(run, &what), pod, ip);
    run.push(what, process);
}

/// A runtime knows the pods that it told what they hold. It calls nobody for the node's pods meanwhile.
fn collect_leftovers(run: &mut Run, node: usize) {
    let what = of_node(run, "collect leftovers", node, By::Ours);
    let pods = run.plot.pods_of(node);
    let holds = |pod: &usize| !run.world.told.of(handle_of(*pod).as_str()).is_empty();
    let known: Vec<usize> = pods.iter().copied().filter(holds).collect();
    let process = process::collect_leftovers(site(run, &what), &known);
    run.push(What { kept_waiting: pods, ..what }, process);
}

fn administer(run: &mut Run, fault: Fault, number: u64) {
    // Where no stock node ever was, there is no damage of one.
    if fault != Fault::Damaged || !run.world.stock_hosts.is_empty() {
        run.tally.fault(fault);
    }
    let by = if fault == Fault::Damaged { By::Stock } else { By::Ours };
    let site = run.site(None, "admin");
    let (family, process) = admin::begin(fault, number, &run.layout, &mut run.world, site);
    let what = counted(run, What { by, ..What::admin(family) });
    run.push(what, process);
}

fn family(by: By, ours: &'static str, stock: &'static str) -> &'static str {
    match by {
        By::Ours => ours,
        By::Stock => stock,
    }
}

fn counted(run: &mut Run, what: What) -> What {
    run.tally.request(what.family);
    what
}

fn of_node(run: &mut Run, family: &'static str, node: usize, by: By) -> What {
    let host = run.world.nodes[node].name.clone();
    counted(run, What { by, host, node: Some(node), ..What::admin(family) })
}

fn of_pod(run: &mut Run, family: &'static str, pod: usize, by: By) -> What {
    let handle = handle_of(pod).as_str().to_owned();
    let held = run.world.told.of(&handle).into_iter().collect();
    let stored = run.world.held_by(&handle);
    let node = run.plot.pods[pod].node;
    if by == By::Stock {
        run.world.stock_handles.insert(handle);
    }
    let kept_waiting = vec![pod];
    What { pod: Some(pod), held, stored, kept_waiting, ..of_node(run, family, node, by) }
}

fn site(run: &Run, what: &What) -> Site {
    run.site(what.node, &what.host)
}

fn add(run: &mut Run, number: usize, by: By, ask: Ask) {
    let family = match (by, ask) {
        (By::Ours, Ask::One) => "add",
        (By::Ours, Ask::Address(_)) => "add an address",
        (By::Ours, Ask::Several(_)) => "add several",
        (By::Stock, Ask::One) => "stock add",
        (By::Stock, Ask::Address(_)) => "stock add an address",
        (By::Stock, Ask::Several(_)) => "stock add several",
    };
    let is_replay = by == By::Ours && !matches!(ask, Ask::Several(_));
    let pod = run.plot.pods[number].clone();
    let asked = (by == By::Ours).then(|| (ask, pod.families.clone()));
    let what = What { is_add: true, is_replay, ask: asked, ..of_pod(run, family, number, by) };
    let site = site(run, &what);
    let process = match by {
        By::Ours => process::add(site, number, &pod, ask, &run.layout),
        By::Stock => process::stock_add(site, number, &pod, ask, &run.layout),
    };
    run.push(what, process);
}

fn release_addresses(run: &mut Run, pod: usize, by: By) {
    let what = of_pod(run, family(by, "release addresses", "stock release addresses"), pod, by);
    let held = what.held.clone();
    if held.is_empty() {
        return;
    }
    run.world.told.leave(handle_of(pod).as_str());
    let site = site(run, &what);
    let process = match by {
        By::Ours => process::release_addresses(site, pod, held),
        By::Stock => process::stock_release_addresses(site, held),
    };
    run.push(what, process);
}

/// Changes an owner of an address of the pod, or tries it with anybody's.
fn set_owners(run: &mut Run, pod: usize, number: u64) {
    let what = of_pod(run, "set owners", pod, By::Ours);
    let is_mistaken = number.is_multiple_of(16);
    let anybody = run.world.told.iter().map(|(ip, _)| *ip).filter(|_| is_mistaken);
    let ips: Vec<IpAddr> = what.held.iter().copied().chain(anybody).collect();
    let at = usize::try_from(number / 16).unwrap_or_default() % ips.len().max(1);
    let Some(ip) = ips.get(at).copied() else { return };
    let process = process::set_owners(site(run, &what), pod, ip, number);
    run.push(what, process);
}

fn address(run: &Run, number: u64) -> IpAddr {
    let block: Cidr = run.layout.block(number / 64);
    let count = 1_u64 << (32 - u32::from(block.prefix() % 32)).min(3);
    let ordinal = usize::try_from(number % count.min(4)).unwrap_or_default();
    block.address_at(Ordinal::new(ordinal).expect("an ordinal"))
}

/// What a node remembers is not what it was.
fn spoil(run: &mut Run, fault: Fault, node: usize, number: u64) {
    let count = run.world.nodes.len();
    let other = run.world.nodes[(node + 1) % count].memory.clone();
    let here = &mut run.world.nodes[node];
    let before = here.memory.clone();
    here.memory = match (fault, here.memory.take()) {
        (Fault::StaleCache, memory) => here.earlier.clone().or(memory),
        (Fault::ForeignCache, memory) => other.or(memory),
        (Fault::OtherCluster, Some(memory)) => world::of_another_cluster(&memory),
        (Fault::CutCache, Some(memory)) => cut(&memory, number),
        _ => None,
    };
    if here.memory != before {
        run.tally.fault(fault);
    }
}

/// The file that a node keeps it in is cut off somewhere, or a bit of it has flipped.
fn cut(memory: &Recollection, number: u64) -> Option<Recollection> {
    let mut bytes = cache::encode(memory);
    let number = usize::try_from(number).unwrap_or_default();
    let at = number % bytes.len();
    if number.is_multiple_of(2) {
        bytes.truncate(at);
    } else if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << (number % 8);
    }
    cache::decode(&bytes)
}

fn set_clock(run: &mut Run, fault: Fault, node: usize, number: u64) {
    run.tally.fault(fault);
    let seconds = i64::try_from(number % 7200).unwrap_or_default();
    let nanos = seconds * 1_000_000_000;
    let clock = &run.world.nodes[node].clock;
    clock.advance_nanos(if fault == Fault::ClockBack { -nanos } else { nanos });
}
