//! What is there in a run beside the processes: the store, nodes with their clocks and memories, and who was told what.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ipam_core::ip::Family;
use ipam_core::kv::{Kv, Recollection, Revision};
use ipam_core::model::{Config, HandleId, Timestamp, key};
use ipam_core::plan::Snapshot;
use ipam_etcd::ModelStore;

use super::layout::{Layout, PoolPlan, Software, ZONES};
use super::process::NETWORK;
use crate::stock::Clock;
use crate::transition::Moment;

/// When runs begin.
const START_NANOS: i64 = 1_795_219_200_000_000_000;

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) clock: Arc<Clock>,
    /// What it remembers from call to call.
    pub(super) memory: Option<Recollection>,
    /// What it remembered before.
    pub(super) earlier: Option<Recollection>,
}

/// What an administrator wants of a pool.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) plan: PoolPlan,
    pub(super) is_disabled: bool,
}

/// What is there.
#[derive(Debug)]
pub(super) struct World {
    pub(super) store: ModelStore,
    pub(super) nodes: Vec<Node>,
    /// The clock of administrators.
    pub(super) clock: Arc<Clock>,
    pub(super) wishes: Vec<Wish>,
    /// The hosts on which stock Calico ran, under every name that they had.
    pub(super) stock_hosts: BTreeSet<String>,
    /// The handles that stock Calico counted for.
    pub(super) stock_handles: BTreeSet<String>,
    pub(super) told: Told,
    /// The latest time that any clock has shown, in nanoseconds.
    latest: AtomicI64,
}

/// What callers hold, as far as they were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    held: BTreeMap<IpAddr, String>,
}

impl World {
    pub(super) fn new(layout: &Layout) -> Self {
        let clock = || Arc::new(Clock::starting_at(START_NANOS));
        let node = |at: usize| Node {
            name: format!("n{at}"),
            clock: clock(),
            memory: None,
            earlier: None,
        };
        let wish = |plan: &PoolPlan| Wish { plan: plan.clone(), is_disabled: false };
        let stock = layout.nodes.iter().enumerate().filter(|(_, s)| **s != Software::Ours);
        Self {
            store: ModelStore::default(),
            nodes: (0..layout.nodes.len()).map(node).collect(),
            clock: clock(),
            wishes: layout.pools.iter().map(wish).collect(),
            stock_hosts: stock.map(|(at, _)| format!("n{at}")).collect(),
            stock_handles: BTreeSet::new(),
            told: Told::default(),
            latest: AtomicI64::new(START_NANOS),
        }
    }

    /// Returns everything that is stored.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { kvs: self.store.with(|model| model.iter().cloned().collect()) }
    }

    /// Returns the value of a key.
    pub(super) fn get(&self, key: &str) -> Option<Kv> {
        self.store.with(|model| model.get(key).cloned())
    }

    /// Returns which addresses are a handle's, whoever was told of them.
    pub(super) fn held_by(&self, handle: &str) -> BTreeSet<IpAddr> {
        let moment = Moment::of(&self.snapshot().kvs);
        let held = moment.blocks.values().flat_map(|block| {
            let own = block.taken().filter(|(_, record)| record.handle() == Some(handle));
            own.map(|(at, _)| block.cidr.address_at(at)).collect::<Vec<_>>()
        });
        held.collect()
    }

    /// Returns how often the store was changed.
    pub(super) fn revision(&self) -> Revision {
        self.store.with(|model| model.revision())
    }

    /// Returns how long addresses cool down now.
    pub(super) fn cooldown(&self) -> i64 {
        let config = self.get(key::CONFIG).map(|kv| Config::decode(&kv.key, &kv.value));
        config.map_or(0, |config| config.expect("a configuration").ip_cooldown_seconds)
    }

    /// Lets time pass everywhere.
    pub(super) fn pass(&self, nanos: i64) {
        self.clock.advance_nanos(nanos);
        for node in &self.nodes {
            node.clock.advance_nanos(nanos);
        }
    }

    /// Returns the latest time that any clock has ever shown.
    pub(super) fn latest(&self) -> Timestamp {
        let clocks = self.nodes.iter().map(|node| &node.clock).chain([&self.clock]);
        let now = clocks.map(|clock| clock.now().nanos()).max().unwrap_or_default();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let before = self.latest.fetch_max(now, Ordering::Relaxed);
        Timestamp::from_nanos(i128::from(before.max(now)))
    }
}

impl Told {
    /// Notes that somebody was given an address; says if somebody else holds it.
    pub(super) fn give(&mut self, ip: IpAddr, handle: &str) -> Option<String> {
        let before = self.held.insert(ip, handle.to_owned()).filter(|before| before != handle)?;
        Some(format!("{ip} is given to {handle}, and {before} holds it"))
    }

    /// Notes that what a handle holds may go from now on.
    pub(super) fn leave(&mut self, handle: &str) {
        self.held.retain(|_, holder| holder != handle);
    }

    /// Returns what a handle holds.
    pub(super) fn of(&self, handle: &str) -> BTreeSet<IpAddr> {
        let held = self.held.iter().filter(|(_, holder)| *holder == handle);
        held.map(|(ip, _)| *ip).collect()
    }

    /// Returns who holds an address.
    pub(super) fn holder(&self, ip: IpAddr) -> Option<&str> {
        self.held.get(&ip).map(String::as_str)
    }

    /// Returns everything that is held.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&IpAddr, &String)> {
        self.held.iter()
    }
}

/// Returns the handle of a pod.
pub(super) fn handle_of(pod: usize) -> HandleId {
    HandleId::new(format!("{NETWORK}.{}", container_of(pod))).expect("a handle")
}

/// Returns the container of a pod.
pub(super) fn container_of(pod: usize) -> String {
    format!("pod{pod}")
}

/// Returns the zone that a number leads to.
pub(super) fn zone_of(number: u64) -> &'static str {
    ZONES[usize::from(number % 2 == 1)]
}

/// Returns the names of the pools of a family among some, by number.
pub(super) fn names_of(layout: &Layout, pools: &[usize], family: Family) -> Vec<String> {
    let pools = pools.iter().map(|at| &layout.pools[*at]);
    pools.filter(|pool| pool.family() == family).map(|pool| pool.name.to_owned()).collect()
}

/// Turns what a node remembers into what it would remember of another cluster: the same keys at the same revisions, and
/// other values, down to the one that proves where it comes from.
pub(super) fn of_another_cluster(memory: &Recollection) -> Option<Recollection> {
    let witness = &memory.witness().key;
    let kvs = memory.kvs().map(|kv| {
        let text = String::from_utf8_lossy(&kv.value);
        let other =
            text.replace("net.pod", "net.gone").replace("\"cidr\":\"10.0.", "\"cidr\":\"10.9.");
        let other = if kv.key == *witness { format!("{text} ") } else { other };
        Kv { value: other.into(), ..kv.clone() }
    });
    let scans = memory.scans().map(|(range, revision)| (range.clone(), revision));
    Recollection::new(witness, kvs, memory.absent().cloned(), scans)
}
