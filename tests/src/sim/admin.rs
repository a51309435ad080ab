//! What administrators do while nodes are at work.

use std::net::IpAddr;

use ipam_core::check::{Remedy, Repair, check};
use ipam_core::ip::{Cidr, Family};
use ipam_core::kv::{Compare, Key, Op, Revision, Txn};
use ipam_core::model::{
    Affinity, AffinityState, Binding, BindingMode, IpPool, IpReservation, IpReservationSpec, Node,
    Owner, ResourceKind, key,
};
use ipam_core::plan::{
    ApplyResources, Bind, Claims, Configure, DeletePool, Manifest, ReadAll, ReleaseClaims, Unbind,
};
use ipam_etcd::{Memory, Store};

use super::fault::Fault;
use super::layout::{Layout, NAMESPACES, ZONES};
use super::process::{Answer, DEADLINE, Ended, Process, Site};
use super::world::{Wish, World, zone_of};

/// How often a request is made again that says it is not finished.
const TURNS_MAX: usize = 20;

/// Begins what an administrator does, and returns what it is called; the number decides the details.
pub(super) fn begin(
    fault: Fault,
    number: u64,
    layout: &Layout,
    world: &mut World,
    site: Site,
) -> (&'static str, Process) {
    let node = at(number, world.nodes.len());
    let pool = at(number, world.wishes.len());
    let rest = number / 64;
    match fault {
        Fault::NodeDeleted => {
            let name = world.nodes[node].name.clone();
            ("release claims", delete_node(site, name, rest.is_multiple_of(2)))
        }
        Fault::NodeRenamed => {
            let name = format!("n{node}-{}", rest % 3);
            let before = std::mem::replace(&mut world.nodes[node].name, name.clone());
            if world.stock_hosts.contains(&before) {
                world.stock_hosts.insert(name.clone());
            }
            apply(site, vec![node_of(&name, zone_of(rest))], number)
        }
        Fault::NodeRelabelled => {
            apply(site, vec![node_of(&world.nodes[node].name, zone_of(rest))], number)
        }
        Fault::PoolDisabled => {
            let wish = &mut world.wishes[pool];
            wish.is_disabled = !wish.is_disabled;
            apply(site, vec![manifest(wish)], number)
        }
        Fault::PoolRelabelled => {
            let wish = &mut world.wishes[pool];
            let zones = [None, Some(ZONES[0]), Some(ZONES[1])];
            wish.plan.zone = zones[at(rest, zones.len())];
            apply(site, vec![manifest(wish)], number)
        }
        Fault::PoolDeleted => {
            let wish = &world.wishes[pool];
            let name = wish.plan.name;
            match world.get(&key::resource(ResourceKind::IpPool, name)) {
                Some(_) => ("delete a pool", delete_pool(site, name)),
                None => apply(site, vec![manifest(wish)], number),
            }
        }
        Fault::Reserved => reserve(site, layout, number),
        Fault::Bound => ("bind", bind(site, layout, number)),
        Fault::Configured => ("configure", configure(site, number)),
        Fault::Damaged => ("stock damage", damage(site, layout, world, number)),
        Fault::CrashBefore
        | Fault::CrashAfter
        | Fault::LostRequest
        | Fault::LostReply
        | Fault::LateRequest
        | Fault::RepeatedRequest
        | Fault::SlowReply
        | Fault::Unavailable
        | Fault::StaleCache
        | Fault::ForeignCache
        | Fault::OtherCluster
        | Fault::CutCache
        | Fault::NoCache
        | Fault::ClockForward
        | Fault::ClockBack => panic!("{fault} is no administrator's doing"),
    }
}

/// Mends what can be mended at any time.
pub(super) fn mend(site: Site) -> Process {
    Box::pin(async move {
        let Some(snapshot) = site.read().await else { return done() };
        for finding in check(&snapshot, site.clock.now()) {
            let is_safe = matches!(finding.rule.remedy(), Remedy::AtOnce(_));
            if let Some(repair) = Repair::of(&finding, &snapshot).filter(|_| is_safe) {
                site.drive(&repair, |_| Answer::Done).await;
            }
        }
        done()
    })
}

/// Makes everything that a run begins with.
pub(super) fn set_up(site: Site, layout: &Layout, world: &World) -> (&'static str, Process) {
    let mut manifests: Vec<Manifest> = world.wishes.iter().map(manifest).collect();
    let names = (0..layout.nodes.len()).map(|at| (at, &world.nodes[at].name));
    manifests.extend(names.map(|(at, name)| node_of(name, ZONES[at % ZONES.len()])));
    apply(site, manifests, 1)
}

impl Site {
    async fn read(&self) -> Option<ipam_core::plan::Snapshot> {
        let now = self.clock.now();
        let read = ipam_etcd::drive(&self.link, &ReadAll, now, DEADLINE).await;
        read.ok().map(|driven| driven.reply)
    }
}

fn done() -> Ended {
    Ended { answer: Answer::Done, memory: Memory::Unchanged }
}

fn at(number: u64, count: usize) -> usize {
    usize::try_from(number % 64).unwrap_or_default() % count
}

fn manifest(wish: &Wish) -> Manifest {
    let mut spec = wish.plan.spec();
    spec.disabled = wish.is_disabled;
    let pool = IpPool::new(ResourceKind::IpPool, wish.plan.name, spec);
    Manifest::Pool(Box::new(pool), Some(wish.plan.is_exclusive))
}

fn node_of(name: &str, zone: &str) -> Manifest {
    let text = format!(
        r#"{{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{{"name":"{name}","labels":{{"zone":"{zone}"}}}},"spec":{{}},"status":{{}}}}"#
    );
    let node = Node::decode(&key::resource(ResourceKind::Node, name), text.as_bytes());
    Manifest::Node(Box::new(node.expect("a node")))
}

fn apply(site: Site, manifests: Vec<Manifest>, random: u64) -> (&'static str, Process) {
    let request = ApplyResources { manifests, create_only: false, random: u128::from(random) };
    ("apply", Box::pin(async move { site.drive(&request, |_| Answer::Done).await }))
}

fn delete_pool(site: Site, name: &str) -> Process {
    let request = DeletePool { name: name.to_owned() };
    Box::pin(async move {
        for _ in 0..TURNS_MAX {
            let answer = |gone: bool| if gone { Answer::Done } else { Answer::Given(Vec::new()) };
            let ended = site.drive(&request, answer).await;
            if !matches!(ended.answer, Answer::Given(_)) {
                return ended;
            }
        }
        let answer = Answer::Wrong("a pool is deleted for ever".to_owned());
        Ended { answer, memory: Memory::Unchanged }
    })
}

fn delete_node(site: Site, name: String, is_tidy: bool) -> Process {
    Box::pin(async move {
        if is_tidy {
            let owner = Owner::Host(name.clone());
            let request = ReleaseClaims { of: Claims::All(owner), must_be_empty: false };
            site.drive(&request, |_| Answer::Done).await;
        }
        site.delete(key::resource(ResourceKind::Node, &name)).await
    })
}

impl Site {
    async fn delete(&self, key: Key) -> Ended {
        let txn = Txn { then: vec![Op::delete(key)], ..Txn::default() };
        match self.link.txn(&txn, DEADLINE).await {
            Ok(_) => done(),
            Err(error) => {
                Ended { answer: Answer::Failed(error.to_string()), memory: Memory::Unchanged }
            }
        }
    }
}

/// Leaves what races of a stock node with itself leave: a claim on no block or on another's, or a block without its claim; or
/// what one leaves that dies while it gives a block up: a claim that is marked.
fn damage(site: Site, layout: &Layout, world: &World, number: u64) -> Process {
    let hosts: Vec<&String> = world.stock_hosts.iter().collect();
    if hosts.is_empty() {
        return Box::pin(async { done() });
    }
    let owner = Owner::Host(hosts[at(number, hosts.len())].clone());
    let cidr = layout.block(number / 64);
    let key = key::affinity(&owner, &cidr);
    let states =
        [AffinityState::Confirmed, AffinityState::Confirmed, AffinityState::PendingDeletion];
    let value = Affinity::in_state(states[at(number / 7, states.len())].clone()).encode();
    let stored = world.get(&key).map(|kv| kv.mod_revision);
    let then = match stored {
        None => Op::put(key.clone(), value),
        Some(_) if number.is_multiple_of(3) => {
            let value = Affinity::in_state(AffinityState::PendingDeletion).encode();
            Op::put(key.clone(), value)
        }
        Some(_) => Op::delete(key.clone()),
    };
    let mod_revision = stored.unwrap_or(Revision::ABSENT);
    let compares = vec![Compare::Key { key, mod_revision }];
    let txn = Txn { compares, then: vec![then], otherwise: Vec::new() };
    Box::pin(async move {
        drop(site.link.txn(&txn, DEADLINE).await);
        done()
    })
}

fn reserve(site: Site, layout: &Layout, number: u64) -> (&'static str, Process) {
    let name = format!("r{}", number % 2);
    let kind = ResourceKind::IpReservation;
    if (number / 2).is_multiple_of(3) {
        let key = key::resource(kind, &name);
        return ("apply", Box::pin(async move { site.delete(key).await }));
    }
    let block = layout.block(number / 8);
    let ip: IpAddr = block.first_address();
    let narrow = Cidr::host(ip).expect("one address");
    let networks = [block, narrow];
    let network = networks[usize::from(number.is_multiple_of(5))];
    let spec = IpReservationSpec::new(vec![network.to_string()]);
    let manifest = Manifest::Reservation(Box::new(IpReservation::new(kind, &name, spec)));
    apply(site, vec![manifest], number)
}

fn bind(site: Site, layout: &Layout, number: u64) -> Process {
    let tenant = NAMESPACES[at(number, NAMESPACES.len())].to_owned();
    let rest = number / 64;
    if rest.is_multiple_of(3) {
        let request = Unbind { tenant };
        return Box::pin(async move { site.drive(&request, |_| Answer::Done).await });
    }
    let chosen = |family: Family| {
        let of_family = layout.pools.iter().filter(|pool| pool.family() == family);
        let bits = of_family.enumerate().filter(|(at, _)| (rest >> (at + 2)) & 1 == 1);
        let names: Vec<String> = bits.map(|(_, pool)| pool.name.to_owned()).collect();
        (!names.is_empty()).then_some(names)
    };
    let mode =
        if (rest / 3).is_multiple_of(2) { BindingMode::Required } else { BindingMode::Default };
    let (four, six) = (chosen(Family::V4), chosen(Family::V6));
    let four = four.or_else(|| Some(vec![layout.pools[0].name.to_owned()]));
    let request = Bind { tenant, binding: Binding::new(mode, four, six) };
    Box::pin(async move { site.drive(&request, |_| Answer::Done).await })
}

fn configure(site: Site, number: u64) -> Process {
    let rest = number / 16;
    let seconds = [0, 5, 30][at(rest, 3)];
    let blocks = [0, 2, 20][at(rest / 4, 3)];
    let mut request = Configure::default();
    match number % 4 {
        0 => request.strict_affinity = Some(rest.is_multiple_of(2)),
        1 => request.cooldown_seconds = Some(seconds),
        2 => request.blocks_max = Some(blocks),
        _ => request.auto_allocate_blocks = Some(!rest.is_multiple_of(4)),
    }
    Box::pin(async move { site.drive(&request, |_| Answer::Done).await })
}
