//! Processes of nodes: plugins that were called, ours and stock Calico's.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ipam_core::block::{Expected, OwnerChange, OwnerChanges, PodName, Target};
use ipam_core::ip::{Cidr, Family};
use ipam_core::kv::Recollection;
use ipam_core::model::Owner;
use ipam_core::plan::{
    AddressRule, AddressTarget, Assign, AssignmentOf, Attachment, ClaimBlocks, Claims, CollectCold,
    EnsureBlocks, FamilyRequest, HandleTarget, Held, HeldAddress, Leftovers, NodeRule, Owners,
    PoolOrder, PromoteOwner, ReadAll, Release, ReleaseAddresses, ReleaseClaims, Replay, Request,
    Rules, SetOwners, Shortfall, Verify, Want,
};
use ipam_core::pool::{Levels, NamespaceLabels, PoolList, Tenant, Use};
use ipam_core::refusal::Refusal;
use ipam_etcd::{DriveError, Memory, drive_from};
use serde_json::json;

use super::layout::{Layout, NAMESPACES};
use super::operation::Pod;
use super::world::{container_of, handle_of, names_of};
use crate::network::Link;
use crate::stock::{AutoAssign, Clock, Command, ReleaseOption, Shares, Stock};

/// A process, or rather what is left of it to do.
pub(super) type Process = Pin<Box<dyn Future<Output = Ended>>>;

/// The network of all pods, and their only interface.
pub(super) const NETWORK: &str = "net";
const INTERFACE: &str = "eth0";

/// No process takes as long on a machine that works.
pub(super) const DEADLINE: Duration = Duration::from_mins(10);

/// How a process ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) answer: Answer,
    pub(super) memory: Memory,
}

/// What a process told its caller.
#[derive(Debug)]
pub(super) enum Answer {
    /// These addresses, and no others.
    Given(Vec<IpAddr>),
    /// It is done.
    Done,
    /// It is not done, and nothing was changed.
    Refused(String),
    /// It is not done, or not known to be.
    Failed(#[allow(dead_code, reason = "shown in the log")] String),
    /// What should never be said.
    Wrong(String),
}

/// Where a process runs.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) link: Link,
    pub(super) clock: Arc<Clock>,
    pub(super) host: String,
    pub(super) memory: Option<Recollection>,
}

impl Site {
    /// Carries a request out as a process that begins with what its node remembers.
    pub(super) async fn drive<R: Request>(
        &self,
        request: &R,
        answer: impl FnOnce(R::Reply) -> Answer,
    ) -> Ended {
        let memory = self.memory.clone();
        match drive_from(&self.link, request, memory, self.clock.now(), DEADLINE).await {
            Ok(driven) => Ended { answer: answer(driven.reply), memory: driven.memory },
            Err(error) => Ended { answer: told(&error), memory: Memory::Unchanged },
        }
    }
}

fn told(error: &DriveError) -> Answer {
    match error {
        DriveError::Refused(refusal) if matches!(**refusal, Refusal::Corrupt(_)) => {
            Answer::Wrong(format!("{refusal:?}"))
        }
        DriveError::Refused(refusal) => Answer::Refused(refusal.to_string()),
        DriveError::Store(error) => Answer::Failed(error.to_string()),
        DriveError::Exhausted { .. } => Answer::Wrong(error.to_string()),
    }
}

/// What an ADD asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// One address of each family.
    One,
    /// This address.
    Address(IpAddr),
    /// So many addresses of each family.
    Several(usize),
}

/// An ADD of ours.
pub(super) fn add(site: Site, number: usize, pod: &Pod, ask: Ask, layout: &Layout) -> Process {
    let levels = |family| {
        let names = pod.pools.as_ref().map(|pools| names_of(layout, pools, family));
        let list = names.filter(|names| !names.is_empty());
        Levels {
            pod: list.map(|names| PoolList::from_names(names).expect("a list")),
            ..Levels::default()
        }
    };
    let want = |family: Family| match ask {
        Ask::One => Some(Want::Any(1)),
        Ask::Several(count) => Some(Want::Any(count)),
        Ask::Address(ip) if Family::of(ip) == family => {
            Some(Want::Address(ip, AddressRule::Permitted))
        }
        Ask::Address(_) => None,
    };
    let families = match ask {
        Ask::Address(ip) => vec![Family::of(ip)],
        Ask::One | Ask::Several(_) => pod.families.clone(),
    };
    let family = |family: Family| {
        Some(FamilyRequest { family, want: want(family)?, levels: levels(family) })
    };
    let is_several = matches!(ask, Ask::Several(_));
    let rules = Rules {
        pool_order: if pod.as_calico { PoolOrder::Calico } else { PoolOrder::Listed },
        node: NodeRule::Optional,
        usage: if pod.is_service { Use::LoadBalancer } else { Use::Workload },
        replay: if is_several { Replay::Again } else { Replay::Same },
        namespace_labels: NamespaceLabels::Unknown,
        record_source: true,
        held_max: if is_several { 4 } else { 0 },
        shortfall: if is_several { Shortfall::Give } else { Shortfall::Refuse },
        ..Rules::calico()
    };
    let request = Assign {
        handle: Some(handle_of(number)),
        host: site.host.clone(),
        tenant: Some(Tenant::Namespace(NAMESPACES[pod.namespace].to_owned())),
        attributes: attributes(&site, number, pod),
        families: families.into_iter().filter_map(family).collect(),
        rules,
    };
    Box::pin(async move {
        let given = |reply: ipam_core::plan::Assigned| {
            Answer::Given(reply.addresses.iter().map(|given| given.ip).collect())
        };
        site.drive(&request, given).await
    })
}

fn attributes(site: &Site, number: usize, pod: &Pod) -> BTreeMap<String, String> {
    let pairs = [
        ("namespace", NAMESPACES[pod.namespace].to_owned()),
        ("timestamp", site.clock.now().to_go_text()),
        ("node", site.host.clone()),
        ("network", NETWORK.to_owned()),
        ("container-id", container_of(number)),
        ("interface", INTERFACE.to_owned()),
    ];
    BTreeMap::from(pairs.map(|(name, value)| (name.to_owned(), value)))
}

/// A CHECK of ours: it must find what the pod was given.
pub(super) fn check(site: Site, pod: usize, held: Vec<IpAddr>) -> Process {
    let request = Verify { handle: handle_of(pod), attributes: BTreeMap::new(), addresses: held };
    Box::pin(async move {
        let found = |mismatch: Option<ipam_core::plan::Mismatch>| match mismatch {
            None => Answer::Done,
            Some(mismatch) => Answer::Refused(format!("{mismatch:?}")),
        };
        site.drive(&request, found).await
    })
}

/// A look at what a pod holds: it must find what the pod was given.
pub(super) fn look(site: Site, pod: usize, held: Vec<IpAddr>) -> Process {
    let request = Held { handle: handle_of(pod) };
    let found = move |found: Option<Vec<HeldAddress>>| {
        let found = found.unwrap_or_default();
        let lost = held.into_iter().find(|ip| !found.iter().any(|address| address.ip == *ip));
        lost.map_or(Answer::Done, |ip| Answer::Wrong(format!("{ip} of pod {pod} is not found")))
    };
    Box::pin(async move { site.drive(&request, found).await })
}

/// A look at who holds an address that a pod was given.
pub(super) fn ask_owners(site: Site, pod: usize, ip: IpAddr) -> Process {
    let request = AssignmentOf { ip };
    let told = move |owners: Owners| {
        let handle = handle_of(pod);
        if owners.handle.as_deref() == Some(handle.as_str()) {
            return Answer::Done;
        }
        Answer::Wrong(format!("{ip} of {handle} is said to be {:?}'s", owners.handle))
    };
    Box::pin(async move {
        match site.drive(&request, told).await {
            Ended { answer: Answer::Refused(why), memory } => {
                let answer = Answer::Wrong(format!("{ip} of pod {pod} is said to be free: {why}"));
                Ended { answer, memory }
            }
            ended => ended,
        }
    })
}

/// A change of the owners of an address: a virtual machine is about to move, or does not after all.
pub(super) fn set_owners(site: Site, pod: usize, ip: IpAddr, number: u64) -> Process {
    let owner = |pod: PodName| {
        BTreeMap::from([("namespace".to_owned(), pod.namespace), ("pod".to_owned(), pod.name)])
    };
    let (active, alternate) = match number % 4 {
        0 => (OwnerChange::Keep, OwnerChange::Set(owner(target(pod)), Expected::Nobody)),
        1 => (OwnerChange::Keep, OwnerChange::Set(owner(target(pod)), Expected::Anyone)),
        2 => (OwnerChange::Keep, OwnerChange::Clear(Expected::Pod(target(pod)))),
        _ => (OwnerChange::Clear(Expected::Pod(target(pod))), OwnerChange::Keep),
    };
    let changes = OwnerChanges { active, alternate };
    let request = SetOwners { ip, handle: handle_of(pod), changes };
    Box::pin(async move { site.drive(&request, |()| Answer::Done).await })
}

/// The pod that a virtual machine has moved to takes over.
pub(super) fn promote(site: Site, pod: usize) -> Process {
    let request = PromoteOwner { handle: handle_of(pod), pod: target(pod) };
    Box::pin(async move { site.drive(&request, |_| Answer::Done).await })
}

fn target(pod: usize) -> PodName {
    PodName { namespace: "ns".to_owned(), name: format!("target{pod}") }
}

/// A look at everything.
pub(super) fn read_all(site: Site) -> Process {
    Box::pin(async move { site.drive(&ReadAll, |_| Answer::Done).await })
}

/// A DEL of ours.
pub(super) fn del(site: Site, pod: usize) -> Process {
    let targets = vec![HandleTarget::all(handle_of(pod))];
    let request = Release { targets, host: Some(site.host.clone()) };
    Box::pin(async move { site.drive(&request, |_| Answer::Done).await })
}

/// A release of single addresses of a pod, whatever else it holds.
pub(super) fn release_addresses(site: Site, pod: usize, held: Vec<IpAddr>) -> Process {
    let handle = Some(handle_of(pod).as_str().to_owned());
    let target =
        |ip| AddressTarget { ip, conditions: Target { handle: handle.clone(), sequence: None } };
    let request = ReleaseAddresses { targets: held.into_iter().map(target).collect() };
    Box::pin(async move { site.drive(&request, |_| Answer::Done).await })
}

/// A claim of ours on a block.
pub(super) fn claim(site: Site, cidr: Cidr, owner: Owner) -> Process {
    let request = ClaimBlocks { cidr, owner };
    Box::pin(async move { site.drive(&request, |_| Answer::Done).await })
}

/// The node makes sure that it has a block of each family.
pub(super) fn ensure_blocks(site: Site) -> Process {
    let rules = Rules { node: NodeRule::Optional, ..Rules::calico() };
    let levels = Family::ALL.map(|family| (family, Levels::default()));
    let request = EnsureBlocks { host: site.host.clone(), levels: BTreeMap::from(levels), rules };
    Box::pin(async move { site.drive(&request, |_| Answer::Done).await })
}

/// Addresses of a block that have cooled down are freed.
pub(super) fn collect_cold(site: Site, block: Cidr) -> Process {
    let request = CollectCold { block };
    Box::pin(async move { site.drive(&request, |_| Answer::Done).await })
}

/// What the node holds for pods that its runtime does not know is released.
pub(super) fn collect_leftovers(site: Site, known: &[usize]) -> Process {
    let attachment =
        |pod: &usize| Attachment { container: container_of(*pod), interface: INTERFACE.to_owned() };
    let question = Leftovers {
        host: site.host.clone(),
        network: NETWORK.to_owned(),
        attachments: known.iter().map(attachment).collect(),
        grace_seconds: 0,
    };
    Box::pin(async move {
        let mut found = Vec::new();
        let asked = site.drive(&question, |leftovers| {
            found = leftovers;
            Answer::Done
        });
        let ended = asked.await;
        if found.is_empty() {
            return ended;
        }
        let targets = found.iter().map(HeldAddress::target).collect();
        site.drive(&ReleaseAddresses { targets }, |_| Answer::Done).await
    })
}

/// The node gives a block up, if it is empty.
pub(super) fn release_block(site: Site, cidr: Cidr) -> Process {
    let of = Claims::Inside(cidr, Owner::Host(site.host.clone()));
    let request = ReleaseClaims { of, must_be_empty: true };
    Box::pin(async move { site.drive(&request, |_| Answer::Done).await })
}

/// The node's claims are given up.
pub(super) fn release_claims(site: Site, must_be_empty: bool) -> Process {
    let of = Claims::All(Owner::Host(site.host.clone()));
    let request = ReleaseClaims { of, must_be_empty };
    Box::pin(async move { site.drive(&request, |_| Answer::Done).await })
}

/// An ADD of stock Calico.
pub(super) fn stock_add(
    site: Site,
    number: usize,
    pod: &Pod,
    ask: Ask,
    layout: &Layout,
) -> Process {
    if let Ask::Several(count) = ask {
        return stock_several(site, number, pod, count);
    }
    let pools = |family| match &pod.pools {
        Some(pools) => names_of(layout, pools, family),
        None => Vec::new(),
    };
    let families = match ask {
        Ask::Address(ip) => vec![Family::of(ip)],
        Ask::One | Ask::Several(_) => pod.families.clone(),
    };
    let (four, six) = (pools(Family::V4), pools(Family::V6));
    let args = match ask {
        Ask::Address(ip) => format!(";IP={ip}"),
        Ask::One | Ask::Several(_) => String::new(),
    };
    let command = command(&site.host, number, &families, &[four, six], &args);
    Box::pin(async move {
        let printed = Stock::new(&site.link, &site.clock).add(&command).await;
        let answer = if printed.exit == 0 {
            Answer::Given(printed.addresses)
        } else {
            Answer::Failed(printed.stdout)
        };
        Ended { answer, memory: Memory::Unchanged }
    })
}

fn stock_several(site: Site, number: usize, pod: &Pod, count: usize) -> Process {
    let wanted = |family| if pod.families.contains(&family) { count } else { 0 };
    let request = AutoAssign {
        host: site.host.clone(),
        handle: Some(handle_of(number)),
        attributes: BTreeMap::from([("pod".to_owned(), container_of(number))]),
        counts: [(Family::V4, wanted(Family::V4)), (Family::V6, wanted(Family::V6))],
        pools: Vec::new(),
        blocks_max: 0,
    };
    Box::pin(async move {
        let mut shares = Shares::new();
        let done = Stock::new(&site.link, &site.clock).auto_assign(&request, &mut shares).await;
        let given = shares.values().flat_map(|given| given.addresses.iter().map(|(ip, _)| *ip));
        let answer = match done {
            Ok(()) => Answer::Given(given.collect()),
            Err(fault) => Answer::Failed(fault.to_string()),
        };
        Ended { answer, memory: Memory::Unchanged }
    })
}

/// A DEL of stock Calico.
pub(super) fn stock_del(site: Site, pod: usize) -> Process {
    let command = command(&site.host, pod, &[], &[Vec::new(), Vec::new()], "");
    Box::pin(async move {
        let printed = Stock::new(&site.link, &site.clock).del(&command).await;
        let is_done = printed.exit == 0;
        let answer = if is_done { Answer::Done } else { Answer::Failed(printed.stdout) };
        Ended { answer, memory: Memory::Unchanged }
    })
}

/// A release of single addresses by stock Calico.
pub(super) fn stock_release_addresses(site: Site, held: Vec<IpAddr>) -> Process {
    let option = |ip| ReleaseOption { ip, conditions: Target::default() };
    let options: Vec<ReleaseOption> = held.into_iter().map(option).collect();
    Box::pin(async move {
        let done = Stock::new(&site.link, &site.clock).release_ips(&options).await;
        stock_ended(done.map(drop))
    })
}

/// A claim of stock Calico on a block.
pub(super) fn stock_claim(site: Site, cidr: Cidr) -> Process {
    Box::pin(async move {
        let done = Stock::new(&site.link, &site.clock).claim_affinity(&cidr, &site.host).await;
        stock_ended(done.map(drop))
    })
}

/// Stock Calico gives a block of the node up, if it is empty.
pub(super) fn stock_release_block(site: Site, cidr: Cidr) -> Process {
    Box::pin(async move {
        let stock = Stock::new(&site.link, &site.clock);
        stock_ended(stock.release_affinity(&cidr, &site.host, true).await)
    })
}

/// The node's claims are given up by stock Calico.
pub(super) fn stock_release_claims(site: Site, must_be_empty: bool) -> Process {
    Box::pin(async move {
        let stock = Stock::new(&site.link, &site.clock);
        stock_ended(stock.release_host_affinities(&site.host, must_be_empty).await)
    })
}

fn stock_ended(done: Result<(), crate::stock::Fault>) -> Ended {
    let answer = match done {
        Ok(()) => Answer::Done,
        Err(fault) => Answer::Failed(fault.to_string()),
    };
    Ended { answer, memory: Memory::Unchanged }
}

fn command(
    host: &str,
    pod: usize,
    families: &[Family],
    pools: &[Vec<String>; 2],
    args: &str,
) -> Command {
    let flag = |family| if families.contains(&family) { "true" } else { "false" };
    let conf = json!({
        "cniVersion": "0.3.1",
        "name": NETWORK,
        "nodename": host,
        "ipam": {
            "assign_ipv4": flag(Family::V4),
            "assign_ipv6": flag(Family::V6),
            "ipv4_pools": pools[0],
            "ipv6_pools": pools[1],
        },
    });
    let args = format!("K8S_POD_NAMESPACE=ns;K8S_POD_NAME=name{pod}{args}");
    Command::read(conf, &container_of(pod), &args).expect("a configuration")
}
