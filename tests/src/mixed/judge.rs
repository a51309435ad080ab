//! Whether what is stored keeps every promise that was made.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipam_core::check::{Finding, Rule, check};
use ipam_core::ip::{Cidr, Family};
use ipam_core::kv::{Key, Kv, Revision, Value};
use ipam_core::model::key::{self, Named};
use ipam_core::model::{Attributes, Block, HandleId, IpPool, Owner, ResourceKind, Timestamp};
use ipam_core::plan::{HandleTarget, ReadAll, Release, Snapshot};
use ipam_core::pool::Pool;
use ipam_etcd::{Store, drive};

use super::DEADLINE;
use super::operation::{HANDLE, HOST, Operation, Outcome};
use super::request::{Ours, Reply};
use super::scenes::Scene;
use super::world::{NOW_NANOS, World};
use crate::stock::{Clock, Fault, Stock};

/// What is stored at one moment.
pub(super) struct State {
    snapshot: Snapshot,
    blocks: BTreeMap<Cidr, Block>,
    pools: Vec<Pool>,
    handles: BTreeSet<String>,
}

/// Reads what is stored.
pub(super) async fn read<S: Store>(store: &S) -> State {
    State::of(snapshot(store).await)
}

/// Reads what is stored, and leaves it to be understood later.
pub(super) async fn snapshot<S: Store>(store: &S) -> Snapshot {
    let driven = drive(store, &ReadAll, Timestamp::EPOCH, DEADLINE).await;
    driven.expect("the store is read").reply
}

impl State {
    /// Understands what was read.
    pub(super) fn of(snapshot: Snapshot) -> Self {
        let mut state = Self {
            snapshot: Snapshot::default(),
            blocks: BTreeMap::new(),
            pools: Vec::new(),
            handles: BTreeSet::new(),
        };
        for kv in &snapshot.kvs {
            state.note(&kv.key, &kv.value);
        }
        state.snapshot = snapshot;
        state
    }

    fn note(&mut self, key: &str, value: &[u8]) {
        match key::parse(key) {
            Some(Named::Block(cidr)) => {
                self.blocks.insert(cidr, Block::decode(key, value).expect("a sound block"));
            }
            Some(Named::Handle(id)) => {
                self.handles.insert(id);
            }
            Some(Named::Resource(ResourceKind::IpPool, _)) => {
                let pool = IpPool::decode(key, value).expect("a pool");
                self.pools.extend(Pool::read(&pool, false));
            }
            Some(
                Named::Resource(..)
                | Named::Affinity(..)
                | Named::Config
                | Named::Binding(_)
                | Named::PoolMark(_),
            )
            | None => {}
        }
    }

    /// Returns every address that somebody holds, with its handle; nobody holds one that cools down.
    pub(super) fn held(&self) -> Vec<(IpAddr, String)> {
        let of_block = |block: &Block| -> Vec<(IpAddr, String)> {
            let holder = |record: &Attributes| record.handle().unwrap_or_default().to_owned();
            let taken = block.taken().filter(|(_, record)| record.released_at.is_none());
            taken.map(|(at, record)| (block.cidr.address_at(at), holder(record))).collect()
        };
        self.blocks.values().flat_map(of_block).collect()
    }

    /// Says whether an address of a pool is not free: somebody holds it, or it cools down.
    pub(super) fn is_in_use(&self, pool: &str) -> bool {
        let of_pool =
            |cidr: &Cidr| self.pools.iter().any(|p| p.name == pool && p.cidr.covers(cidr));
        self.blocks.values().any(|block| of_pool(&block.cidr) && block.taken().next().is_some())
    }

    /// Says whether a pool of the family has an address that nobody holds.
    pub(super) fn has_room(&self, family: Family) -> bool {
        self.has_block(family, |block| block.count_free(|_| true) > 0)
    }

    /// Says whether a host has such an address in a block of its own, or in one that does not exist.
    pub(super) fn has_own_room(&self, family: Family, host: &str) -> bool {
        let owner = Owner::Host(host.to_owned());
        self.has_block(family, |block| block.is_affine_to(&owner) && block.count_free(|_| true) > 0)
    }

    /// Says whether the pools of the family have a block that does not exist, or is wanted.
    fn has_block(&self, family: Family, wanted: impl Fn(&Block) -> bool) -> bool {
        self.pools.iter().filter(|pool| pool.family() == family).any(|pool| {
            let mut cidrs = (0..pool.block_count())
                .filter_map(|index| pool.cidr.block_at(pool.block_prefix, index));
            cidrs.any(|cidr| self.blocks.get(&cidr).is_none_or(&wanted))
        })
    }
}

/// What callers were told to hold and did not release.
#[derive(Debug, Default)]
pub(super) struct Told {
    held: Vec<(String, IpAddr)>,
}

impl Told {
    /// What is held before anything happens.
    pub(super) fn before(scene: &Scene) -> Self {
        Self { held: scene.held.clone() }
    }

    /// Takes both operations into account.
    pub(super) fn note_operation(&mut self, operation: &Operation, stock: &Outcome, ours: &Reply) {
        self.held.extend(stock.told.iter().map(|ip| (HANDLE.to_owned(), *ip)));
        self.held.extend(ours.told.iter().cloned());
        // What is released and given again at once is told twice and released once.
        for ip in &ours.released {
            if let Some(at) = self.held.iter().position(|(_, held)| held == ip) {
                self.held.remove(at);
            }
        }
        // A release that failed half-way may have released; one that is under way takes what comes under its handle.
        match operation {
            Operation::ReleaseAddresses(ips) => {
                self.held.retain(|(handle, ip)| handle != HANDLE || !ips.contains(ip));
            }
            Operation::Del => self.held.retain(|(handle, _)| handle != HANDLE),
            Operation::Add(_)
            | Operation::AddAddress(_)
            | Operation::Several(_)
            | Operation::ReleaseAffinity(_)
            | Operation::ClaimAffinity(_) => {}
        }
    }
}

/// What was done.
#[derive(Clone, Copy)]
pub(super) struct Case<'c> {
    pub(super) scene: &'c Scene,
    pub(super) ours: &'c Ours,
    pub(super) outcome: &'c Outcome,
    pub(super) has_crashed: bool,
}

/// Returns every promise that is broken: of now, and of what is left once everybody has released everything.
pub(super) async fn judge<S: Store>(
    store: &S,
    clock: &Clock,
    case: Case<'_>,
    told: &Told,
    by_stock: bool,
) -> Vec<String> {
    let state = read(store).await;
    let mut broken = promises(&state, told);
    let findings = faults(&state, clock, case);
    broken.extend(findings.iter().map(|finding| format!("{finding:?}")));
    broken.extend(complaint(&state, case));
    let handles: BTreeSet<String> =
        state.held().into_iter().map(|(_, handle)| handle).chain(state.handles).collect();
    for handle in handles {
        broken.extend(release(store, clock, &handle, by_stock && handle == HANDLE).await);
    }
    let state = read(store).await;
    broken.extend(state.held().iter().map(|(ip, handle)| format!("{ip} of {handle} is leaked")));
    let findings = faults(&state, clock, case);
    broken.extend(findings.iter().map(|finding| format!("in the end {finding:?}")));
    broken
}

/// Says whether the stock operation failed without a reason, though nobody died.
fn complaint(state: &State, case: Case<'_>) -> Option<String> {
    let failure = case.outcome.failure.as_ref().filter(|_| !case.has_crashed)?;
    let is_full = failure.contains("No IPs available") && !state.has_room(Family::V4);
    let is_full_here =
        failure.contains("strict affinity enabled") && !state.has_own_room(Family::V4, HOST);
    // Calico means to try again and does not, because it looks for another type of error.
    let has_lost_claim = matches!(case.scene.operation, Operation::AddAddress(_))
        && *case.ours == Ours::ClaimElsewhere
        && failure.contains("is claimed by another owner");
    // Whoever draws from a pool that goes may find it gone, or its claim; so it is when stock Calico deletes it.
    let has_lost_pool = *case.ours == Ours::DeletePool;
    // The empty block that it was about to take back was taken by ours, after it had looked whose it was.
    let has_lost_idle = case.scene.name.starts_with("taking an empty block back")
        && matches!(case.ours, Ours::AssignHere | Ours::AssignSameHandle)
        && failure.contains("strict affinity enabled");
    let is_explained = is_full || is_full_here || has_lost_claim || has_lost_pool || has_lost_idle;
    (!is_explained).then(|| format!("the stock operation failed: {failure}"))
}

fn promises(state: &State, told: &Told) -> Vec<String> {
    let mut broken = Vec::new();
    let held: BTreeMap<IpAddr, String> = state.held().into_iter().collect();
    let mut seen = BTreeSet::new();
    for (handle, ip) in &told.held {
        if !seen.insert(*ip) {
            broken.push(format!("{ip} is held twice: {:?}", told.held));
        }
        if held.get(ip) != Some(handle) {
            broken.push(format!("{ip} of {handle} is lost: it is {:?}'s", held.get(ip)));
        }
    }
    broken
}

async fn release<S: Store>(
    store: &S,
    clock: &Clock,
    handle: &str,
    by_stock: bool,
) -> Option<String> {
    let id = HandleId::new(handle).expect("a handle");
    if by_stock {
        return match Stock::new(store, clock).release_by_handle(&id).await {
            Ok(()) | Err(Fault::NotFound(_)) => None,
            Err(fault) => Some(format!("the DEL of {handle} failed: {fault}")),
        };
    }
    let request = Release { targets: vec![HandleTarget::all(id)], host: None };
    let driven = drive(store, &request, clock.now(), DEADLINE).await;
    driven.err().map(|error| format!("the DEL of {handle} failed: {error:?}"))
}

/// Judges the store, without what stock nodes leave behind by themselves.
fn faults(state: &State, clock: &Clock, case: Case<'_>) -> Vec<Finding> {
    let mut findings = check(&state.snapshot, clock.now());
    findings.retain(|finding| !TOLERATED.iter().any(|tolerated| tolerated(finding, case)));
    findings
}

/// What stock nodes leave behind by themselves, so that it is no fault of ours. Everything else is: no rule of a single
/// block may be broken, no handle may miss an address, no block may be without its claim, and handles and claims that only
/// we write must be exact.
const TOLERATED: [fn(&Finding, Case<'_>) -> bool; 6] = [
    // The world began like this, and nobody came by to repair it.
    |finding, case| case.scene.faults.contains(&(finding.rule, finding.subject.clone())),
    // We withdraw a claim on a block of somebody else and do not delete it, see `check`.
    |finding, case| {
        finding.rule == Rule::Unconfirmed
            && finding.evidence.starts_with("it is pending,")
            && case.scene.faults.contains(&(Rule::X1, finding.subject.clone()))
    },
    // They count an address before they take it, and take it back before they count it down: whoever dies in between
    // leaves a count.
    |finding, case| counts_too_much(finding) && case.has_crashed,
    // They count what was asked for and not what a block gave, and an address by name again after each conflict.
    |finding, case| {
        let operation = &case.scene.operation;
        counts_too_much(finding)
            && matches!(operation, Operation::Several(_) | Operation::AddAddress(_))
    },
    // They announce a claim before they create its block, and mark it before they delete that: whoever dies in between
    // leaves the claim as it was.
    |finding, case| {
        let is_theirs = finding.subject.contains(&format!("/{HOST}/"))
            || finding.subject.ends_with(&case.scene.block.key_text());
        finding.rule == Rule::Unconfirmed && is_theirs && case.has_crashed
    },
    // They mark the claim of a node from which they take a block back. If that node uses the block before they delete
    // it, they leave both as they are, and the node's next allocation confirms the claim.
    |finding, case| {
        finding.rule == Rule::Unconfirmed
            && finding.evidence == "it is pendingDeletion, and the block is its own"
            && finding.subject.ends_with(&case.scene.block.key_text())
            && *case.ours == Ours::AssignElsewhere
    },
];

/// Says whether the handle of the stock container counts too much; ours never may.
fn counts_too_much(finding: &Finding) -> bool {
    finding.rule == Rule::Phantom && finding.subject.ends_with(HANDLE)
}

/// Returns what is wrong with a world before anything happens.
pub(super) fn faults_of(world: &World) -> Vec<(Rule, String)> {
    let findings = check(&as_read(world), Timestamp::from_nanos(i128::from(NOW_NANOS)));
    findings.into_iter().map(|finding| (finding.rule, finding.subject)).collect()
}

/// Returns what is held in a world before anything happens, and by which handle.
pub(super) fn held_in(world: &World) -> Vec<(String, IpAddr)> {
    State::of(as_read(world)).held().into_iter().map(|(ip, handle)| (handle, ip)).collect()
}

fn as_read(world: &World) -> Snapshot {
    let kv = |(key, value): (&Key, &Value)| Kv {
        key: key.clone(),
        value: value.clone(),
        create_revision: Revision::INITIAL,
        mod_revision: Revision::INITIAL,
        version: 1,
    };
    Snapshot { kvs: world.iter().map(kv).collect() }
}
