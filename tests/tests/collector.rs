//! What stock kube-controllers collected in four recorded worlds, collected by our own verdicts and requests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use ipam_core::check::check;
use ipam_core::collector::{
    Abandoned, Cluster, GoneNode, Grace, Memory, ObjectName, Pass, Pod, collect,
};
use ipam_core::ip::Cidr;
use ipam_core::kv::{Key, Op, Txn};
use ipam_core::model::key::{self, Named};
use ipam_core::model::{Block, Owner, ResourceKind, Timestamp};
use ipam_core::plan::{ReadAll, ReleaseClaims, Request, Snapshot};
use ipam_etcd::embedded::{Create, EmbeddedStore};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::Endpoint;
use ipam_etcd::{EtcdSettings, ModelStore, Store, drive};
use ipam_tests::etcd::{Shared, Version};
use ipam_tests::replay::{raise_count, swap_ordinals, unfinish};
use serde_json::Value;
use tokio::runtime::Runtime;

const DEADLINE: Duration = Duration::from_secs(10);
/// After every sequence number of the recording.
const START: i64 = 1_795_300_000;
const GRACE_SECONDS: i64 = 6;
/// Stock Calico ran for about 28 s, and looked every 3 s.
const PASSES: usize = 6;

fn worlds() -> Vec<Value> {
    let text = include_str!("../golden/gc.json");
    let recording: Value = serde_json::from_str(text).unwrap();
    recording["worlds"].as_array().unwrap().clone()
}

/// Reads what Kubernetes holds; an object that is null was deleted.
fn cluster(objects: &Value) -> Cluster {
    let mut cluster = Cluster::default();
    for (key, object) in objects.as_object().unwrap().iter().filter(|(_, it)| !it.is_null()) {
        match key.split('/').collect::<Vec<_>>()[..] {
            ["nodes", "-", name] => {
                cluster.nodes.insert(name.to_owned());
            }
            ["pods", namespace, name] => {
                let text = |value: &Value| value.as_str().map(str::to_owned);
                let ips = object["status"]["podIPs"].as_array().into_iter().flatten();
                let pod = Pod {
                    node: text(&object["spec"]["nodeName"]),
                    ips: ips.map(|ip| ip["ip"].as_str().unwrap().parse().unwrap()).collect(),
                    has_ended: matches!(
                        object["status"]["phase"].as_str(),
                        Some("Succeeded" | "Failed")
                    ),
                };
                cluster.pods.insert(ObjectName::new(namespace, name), pod);
            }
            _ => panic!("{key}"),
        }
    }
    cluster
}

/// A store that holds what was recorded, and a collector that looks at it.
struct World<S> {
    store: S,
    runtime: Runtime,
    memory: Memory,
    now: Timestamp,
    collected: Collected,
}

/// Everything that the collector named so far.
#[derive(Debug, Default, PartialEq, Eq)]
struct Collected {
    /// Each with its handle.
    addresses: BTreeSet<(IpAddr, String)>,
    /// The keys of the claims.
    claims: BTreeSet<Key>,
}

impl<S: Store> World<S> {
    /// Puts what was recorded into an empty store.
    fn load(store: S, keys: &Value) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (memory, now) = (Memory::default(), Timestamp::from_seconds(START));
        let here = Self { store, runtime, memory, now, collected: Collected::default() };
        for kv in keys.as_array().unwrap() {
            let text = |member: &str| kv[member].as_str().unwrap().to_owned();
            here.write(Op::put(text("key"), text("value").into_bytes()));
        }
        here
    }

    fn call<R: Request>(&self, request: &R) -> R::Reply {
        self.runtime.block_on(drive(&self.store, request, self.now, DEADLINE)).unwrap().reply
    }

    fn write(&self, op: Op) {
        let txn = Txn { then: vec![op], ..Txn::default() };
        self.runtime.block_on(self.store.txn(&txn, DEADLINE)).unwrap();
    }

    /// Looks once and does what comes of it; the clock goes past the grace.
    fn pass(&mut self, cluster: &Cluster) {
        let snapshot = self.call(&ReadAll);
        let grace = Grace::of(GRACE_SECONDS);
        let pass = collect(&snapshot, cluster, grace, &self.memory, self.now).unwrap();
        assert!(pass.unreadable.is_empty(), "{:?}", pass.unreadable);
        self.note(&snapshot, &pass);
        for request in pass.releases() {
            let released = self.call(&request);
            assert_eq!(released.released.len(), request.targets.len(), "{request:?}");
        }
        for request in &pass.cold {
            self.call(request);
        }
        for request in claims(&pass) {
            assert!(!self.call(&request).is_partial);
        }
        for gone in &pass.nodes {
            self.write(Op::delete(key::resource(ResourceKind::Node, &gone.node)));
        }
        self.memory = pass.memory;
        self.now = self.now.plus_seconds(GRACE_SECONDS + 1);
    }

    /// Notes what a pass names, before anything comes of it.
    fn note(&mut self, snapshot: &Snapshot, pass: &Pass) {
        for leak in &pass.leaks {
            let address = (leak.ip, leak.holder.handle.clone().unwrap());
            assert!(self.collected.addresses.insert(address), "named twice: {leak:?}");
        }
        for claim in &pass.claims {
            let is_meant = |owner: &Owner, cidr| match claim {
                Abandoned::Idle { node, block, .. } => owner.name() == node && cidr == *block,
                Abandoned::NodeGone { node } => owner.name() == node,
            };
            self.note_claims(snapshot, is_meant);
        }
        for gone in &pass.nodes {
            self.note_claims(snapshot, |owner, _| owner.name() == gone.node);
        }
    }

    fn note_claims(&mut self, snapshot: &Snapshot, is_meant: impl Fn(&Owner, Cidr) -> bool) {
        for kv in &snapshot.kvs {
            if let Some(Named::Affinity(owner, cidr)) = key::parse(&kv.key)
                && is_meant(&owner, cidr)
            {
                self.collected.claims.insert(kv.key.clone());
            }
        }
    }

    fn keys(&self) -> BTreeMap<Key, String> {
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let kvs = self.call(&ReadAll).kvs;
        kvs.into_iter().map(|kv| (kv.key, text(&kv.value))).collect()
    }
}

/// Returns the requests that give claims up, in their order.
fn claims(pass: &Pass) -> Vec<ReleaseClaims> {
    let claims = pass.claims.iter().map(Abandoned::request);
    claims.chain(pass.nodes.iter().map(GoneNode::request)).collect()
}

fn recorded(keys: &Value) -> BTreeMap<Key, String> {
    let text = |kv: &Value, member: &str| kv[member].as_str().unwrap().to_owned();
    keys.as_array().unwrap().iter().map(|kv| (text(kv, "key").into(), text(kv, "value"))).collect()
}

/// Returns the addresses that are held, each with its handle, and the claims.
fn held(keys: &BTreeMap<Key, String>) -> Collected {
    let mut held = Collected::default();
    for (key, value) in keys {
        match key::parse(key) {
            Some(Named::Block(cidr)) => {
                let block = Block::decode(key, value.as_bytes()).unwrap();
                let named = block.taken().map(|(ordinal, record)| {
                    (cidr.address_at(ordinal), record.handle().unwrap().to_owned())
                });
                held.addresses.extend(named);
            }
            Some(Named::Affinity(..)) => {
                held.claims.insert(key.clone());
            }
            Some(_) | None => {}
        }
    }
    held
}

/// What stock Calico collected in a world: what was there before and is not there after.
fn gone(world: &Value) -> Collected {
    let (before, after) = (recorded(&world["before"]), recorded(&world["after"]));
    let (before, after) = (held(&before), held(&after));
    Collected {
        addresses: before.addresses.difference(&after.addresses).cloned().collect(),
        claims: before.claims.difference(&after.claims).cloned().collect(),
    }
}

/// Everything that IPAM stores and the nodes, without how often each block was written.
fn comparable(keys: &BTreeMap<Key, String>) -> BTreeMap<Key, Value> {
    let matters = |key: &Key| key.starts_with(key::IPAM_ROOT) || key.contains("/nodes/");
    let keys = keys.iter().filter(|(key, _)| matters(key));
    keys.map(|(key, value)| {
        let mut value: Value = serde_json::from_str(value).unwrap();
        value.as_object_mut().unwrap().remove("sequenceNumber");
        // The free addresses come in the order in which they were released, which in stock Calico is one of chance.
        if let Some(free) = value.get_mut("unallocated").and_then(Value::as_array_mut) {
            free.sort_by_key(Value::as_u64);
        }
        (key.clone(), value)
    })
    .collect()
}

fn replay<S: Store>(store: S, world: &Value) -> World<S> {
    let mut here = World::load(store, &world["before"]);
    let (before, after) = (cluster(&world["kubernetes"]), cluster(&world["kubernetesAfter"]));
    here.pass(&before);
    for _ in 1..PASSES {
        here.pass(&after);
    }
    here
}

#[test]
fn exactly_what_stock_calico_collects_is_named() {
    let mut counts = Vec::new();
    for world in worlds() {
        let (theirs, ours) = (gone(&world), replay(ModelStore::default(), &world).collected);
        assert_eq!(ours, theirs, "{}", world["world"]);
        counts.push((ours.addresses.len(), ours.claims.len()));
    }
    assert_eq!(counts, [(5, 0), (2, 1), (8, 5), (3, 1)]);
}

/// Replays a world on an empty store: what it leaves must be what stock Calico left, and sound.
fn judge<S: Store>(store: S, world: &Value) {
    let here = replay(store, world);
    assert_eq!(here.collected, gone(world), "{}", world["world"]);
    let left = recorded(&world["after"]);
    assert_eq!(comparable(&here.keys()), comparable(&left), "{}", world["world"]);
    let findings = check(&here.call(&ReadAll), here.now);
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn the_same_is_left_when_it_is_done() {
    for world in worlds() {
        judge(ModelStore::default(), &world);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        judge(EmbeddedStore::open(&path, Create::IfMissing, DEADLINE).unwrap(), &world);
    }
}

#[test]
fn the_same_is_left_on_real_etcd() {
    for version in Version::here() {
        for world in worlds() {
            let server = Shared::take(version);
            let endpoints = vec![Endpoint { url: server.endpoint() }];
            let settings = EtcdSettings { endpoints, tls: None, login: None };
            judge(EtcdStore::new(settings, None), &world);
        }
    }
}

/// A part of keys, and a change of the values that they name.
type Alteration = (&'static str, fn(&mut Value) -> bool);

const ALTERATIONS: [Alteration; 3] =
    [("/assignment/", swap_ordinals), ("/handle/", raise_count), ("/host/", unfinish)];

/// Of each kind, the first that a world has: what it left is not what is left here.
#[test]
fn altered_worlds_differ() {
    let mut altered = BTreeMap::<&str, usize>::new();
    for world in worlds() {
        let left = comparable(&replay(ModelStore::default(), &world).keys());
        for (key, alter) in ALTERATIONS {
            let mut after = recorded(&world["after"]);
            let named = after.iter_mut().filter(|(here, _)| here.contains(key));
            let has_one = named.into_iter().any(|(_, text)| {
                let mut value: Value = serde_json::from_str(text).unwrap();
                let is_changed = alter(&mut value);
                *text = value.to_string();
                is_changed
            });
            if has_one {
                assert_ne!(left, comparable(&after), "{}: {key}", world["world"]);
                *altered.entry(key).or_default() += 1;
            }
        }
    }
    assert!(ALTERATIONS.iter().all(|(key, _)| altered.get(key) >= Some(&3)), "{altered:?}");
}

/// Within the grace, what is on living nodes stays as it is.
#[test]
fn nothing_is_collected_at_first_sight_on_a_living_node() {
    for (world, expected) in worlds().iter().zip([0, 1, 0, 0]) {
        let mut here = World::load(ModelStore::default(), &world["before"]);
        here.pass(&cluster(&world["kubernetes"]));
        assert_eq!(here.collected.addresses.len(), expected, "{}", world["world"]);
    }
}
