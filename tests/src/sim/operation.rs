//! What happens in a run: operations of nodes and administrators, drawn before anything happens.

use fastrand::Rng;
use ipam_core::ip::Family;

use super::fault::{Fault, Faults};
use super::layout::{Layout, NAMESPACES, SERVICES};

/// How soon what happens at once follows.
const AT_ONCE_NANOS: std::ops::Range<i64> = 0..3_000_000;
/// How soon something follows that finds the first thing done.
const SOON_NANOS: std::ops::Range<i64> = 20_000_000..60_000_000;

/// Who carries out what concerns a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Our own plugin.
    Ours,
    /// A stock Calico node.
    Stock,
}

/// A pod, as its annotations and its runtime describe it.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    /// The node, by number.
    pub(super) node: usize,
    /// Its namespace, by number.
    pub(super) namespace: usize,
    /// The families that it needs.
    pub(super) families: Vec<Family>,
    /// The pools that its annotations name, by number; `None` without annotations.
    pub(super) pools: Option<Vec<usize>>,
    /// Whether the node that runs it is asked as stock Calico asks.
    pub(super) as_calico: bool,
    /// Whether it is no pod, but a service with addresses of its own.
    pub(super) is_service: bool,
}

/// One thing that somebody does.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// A pod's network is set up, or set up again.
    Add(usize, By),
    /// A pod is given one address by name: a number that leads into some pool.
    AddAddress(usize, By, u64),
    /// A pod is given several addresses at once.
    AddSeveral(usize, By, usize),
    /// A pod's network is checked.
    Check(usize),
    /// What a pod holds is looked up.
    Look(usize),
    /// Who holds an address of a pod is looked up.
    AskOwners(usize),
    /// An owner of an address of a pod changes; the number decides which and how.
    SetOwners(usize, u64),
    /// The pod that a virtual machine has moved to becomes the owner of its addresses.
    Promote(usize),
    /// A pod's network is taken down.
    Del(usize, By),
    /// The addresses of a pod are released by themselves.
    ReleaseAddresses(usize, By),
    /// A node claims a block, a number that leads to one.
    ClaimBlock(usize, By, u64),
    /// A node gives such a block up, if it is empty.
    ReleaseBlock(usize, By, u64),
    /// A node's claims are given up.
    ReleaseClaims(usize, By, bool),
    /// A node makes sure that it has a block of each family.
    EnsureBlocks(usize),
    /// A virtual owner claims a block, a number that leads to one.
    ClaimForNobody(u64),
    /// Addresses of a block that have cooled down are freed; a number that leads to one.
    CollectCold(u64),
    /// A node's runtime tells which pods it knows, and what others hold there is released.
    CollectLeftovers(usize),
    /// Everything is read.
    ReadAll,
    /// Something goes wrong that an administrator brings about; the number decides the details.
    Admin(Fault, u64),
    /// What a node remembers is not what it was; the number decides the details.
    Cache(Fault, usize, u64),
    /// The clock of a node is set, as far as the number says.
    Clock(Fault, usize, u64),
    /// What `check` finds is mended, as an administrator may at any time as long as he waits where he must.
    Mend,
}

/// Everything that happens, in order.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    pub(super) pods: Vec<Pod>,
    pub(super) operations: Vec<Operation>,
    /// When each of them begins, in nanoseconds from the beginning of the run.
    pub(super) starts: Vec<i64>,
}

impl Plot {
    /// Draws a plot.
    pub(super) fn drawn(rng: &mut Rng, layout: &Layout, faults: &Faults, length: usize) -> Self {
        let mut plot = Self { pods: Vec::new(), operations: Vec::new(), starts: Vec::new() };
        let mut living: Vec<usize> = Vec::new();
        let mut start = 0;
        while plot.operations.len() < length {
            let operation = plot.operation(rng, layout, faults, &mut living);
            let sequel = sequel(rng, layout, &operation);
            start += gap(rng);
            plot.push(operation, start);
            for (delay, operation) in sequel {
                start += delay;
                plot.push(operation, start);
            }
        }
        plot.operations.truncate(length);
        plot
    }

    fn push(&mut self, operation: Operation, start: i64) {
        self.operations.push(operation);
        self.starts.push(start);
    }

    fn operation(
        &mut self,
        rng: &mut Rng,
        layout: &Layout,
        faults: &Faults,
        living: &mut Vec<usize>,
    ) -> Operation {
        if let Some(operation) = calamity(rng, layout, faults) {
            return operation;
        }
        let pod = living.get(rng.usize(..living.len().max(1))).copied();
        let node = rng.usize(..layout.nodes.len());
        match (rng.u8(..100), pod) {
            (0..42, _) | (_, None) => {
                let pod = self.pods.len();
                self.pods.push(draw_pod(rng, layout));
                living.push(pod);
                let by = self.by(rng, layout, pod);
                match rng.u8(..10) {
                    0 => Operation::AddAddress(pod, by, rng.u64(..)),
                    1 => Operation::AddSeveral(pod, by, rng.usize(2..6)),
                    _ => Operation::Add(pod, by),
                }
            }
            (42..49, Some(pod)) => Operation::Add(pod, self.by(rng, layout, pod)),
            (49..52, Some(pod)) => Operation::Check(pod),
            (52..54, Some(pod)) => Operation::SetOwners(pod, rng.u64(..)),
            (54..56, Some(pod)) => Operation::Look(pod),
            (56..57, Some(pod)) => Operation::AskOwners(pod),
            (57..83, Some(pod)) => {
                if rng.u8(..10) > 0 {
                    living.retain(|other| *other != pod);
                }
                Operation::Del(pod, self.by(rng, layout, pod))
            }
            (83..86, Some(pod)) => Operation::ReleaseAddresses(pod, self.by(rng, layout, pod)),
            (86..89, _) => Operation::ClaimBlock(node, layout.by(rng, node), rng.u64(..)),
            (89..92, _) => Operation::ReleaseClaims(node, layout.by(rng, node), rng.u8(..10) > 2),
            (92..94, _) => Operation::EnsureBlocks(node),
            (94, _) => Operation::ClaimForNobody(rng.u64(..)),
            (95, _) => Operation::CollectCold(rng.u64(..)),
            (96, _) => Operation::CollectLeftovers(node),
            (97..99, _) => Operation::Mend,
            (99.., _) => Operation::ReadAll,
        }
    }

    /// Draws who does something for a pod; stock Calico's controller of services is not played.
    fn by(&self, rng: &mut Rng, layout: &Layout, pod: usize) -> By {
        let Pod { node, is_service, .. } = self.pods[pod];
        let by = layout.by(rng, node);
        if is_service { By::Ours } else { by }
    }

    /// Returns the pods of a node.
    pub(super) fn pods_of(&self, node: usize) -> Vec<usize> {
        let pods = self.pods.iter().enumerate();
        pods.filter(|(_, pod)| pod.node == node).map(|(at, _)| at).collect()
    }
}

/// Draws how long it is until something else begins: mostly less than an operation takes, and now and then longer than any
/// cooldown.
fn gap(rng: &mut Rng) -> i64 {
    match rng.u16(..1000) {
        0..8 => 90_000_000_000,
        8..30 => 6_000_000_000,
        _ => rng.i64(0..12_000_000),
    }
}

/// Draws what follows. A virtual machine that is about to move arrives.
///
/// Stock Calico confirms a claim without looking whether its block is still there: while a node claims a block that it has,
/// somebody gives its claims up, and then another node takes the block.
fn sequel(rng: &mut Rng, layout: &Layout, first: &Operation) -> Vec<(i64, Operation)> {
    if let Operation::SetOwners(pod, _) = first {
        return vec![(rng.i64(SOON_NANOS), Operation::Promote(*pod))];
    }
    let other = rng.usize(..layout.nodes.len());
    let Operation::ClaimBlock(node, By::Stock, number) = first else { return Vec::new() };
    let claim = || Operation::ClaimBlock(*node, By::Stock, *number);
    vec![
        (rng.i64(SOON_NANOS), Operation::ReleaseBlock(*node, By::Stock, *number)),
        (rng.i64(AT_ONCE_NANOS), claim()),
        (rng.i64(AT_ONCE_NANOS), claim()),
        (rng.i64(SOON_NANOS), Operation::ClaimBlock(other, layout.by(rng, other), *number)),
        (rng.i64(SOON_NANOS), Operation::ReleaseBlock(*node, layout.by(rng, *node), *number)),
    ]
}

fn calamity(rng: &mut Rng, layout: &Layout, faults: &Faults) -> Option<Operation> {
    let node = rng.usize(..layout.nodes.len());
    let number = rng.u64(..);
    for fault in Fault::OF_ADMINS {
        if faults.strikes(fault, rng) {
            return Some(Operation::Admin(fault, number));
        }
    }
    for fault in Fault::OF_CACHES {
        if faults.strikes(fault, rng) {
            return Some(Operation::Cache(fault, node, number));
        }
    }
    let clocks = [Fault::ClockForward, Fault::ClockBack];
    let fault = clocks.into_iter().find(|fault| faults.strikes(*fault, rng))?;
    Some(Operation::Clock(fault, node, number))
}

fn draw_pod(rng: &mut Rng, layout: &Layout) -> Pod {
    let families = match rng.u8(..10) {
        0..6 => vec![Family::V4],
        6..8 => vec![Family::V6],
        _ => Family::ALL.to_vec(),
    };
    let is_service = rng.u8(..20) == 0;
    if is_service {
        let (node, namespace) = (rng.usize(..layout.nodes.len()), rng.usize(..NAMESPACES.len()));
        let (families, pools) = (vec![Family::V4], Some(vec![SERVICES]));
        return Pod { node, namespace, families, pools, as_calico: rng.bool(), is_service };
    }
    let pools = (rng.u8(..10) < 3).then(|| {
        let mut pools: Vec<usize> = (0..layout.pools.len()).collect();
        rng.shuffle(&mut pools);
        pools.truncate(rng.usize(1..4));
        pools
    });
    Pod {
        node: rng.usize(..layout.nodes.len()),
        namespace: rng.usize(..NAMESPACES.len()),
        families,
        pools,
        as_calico: rng.bool(),
        is_service,
    }
}
