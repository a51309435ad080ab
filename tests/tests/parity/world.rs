//! A store with pools and nodes, and what is asked of it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipam_core::block::HostReserved;
use ipam_core::check::check;
use ipam_core::inventory::Inventory;
use ipam_core::ip::{Cidr, Family};
use ipam_core::kv::{Range, Read, Txn};
use ipam_core::model::{Affinity, Block, HandleId, Owner, Timestamp, key};
use ipam_core::plan::{
    AddressRule, AddressTarget, Assign, Assigned, Claims, Configure, FamilyRequest, GivenUp,
    HandleTarget, Held, NodeRule, ReadAll, Release, ReleaseAddresses, ReleaseClaims, Released,
    Request, Rules, Shortfall, Want,
};
use ipam_core::pool::{Levels, NamespaceLabels, PoolList, Use};
use ipam_core::refusal::Refusal;
use ipam_etcd::{DriveError, ModelStore, Store, drive};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(30);
const START: i64 = 1_795_000_000;

/// A store in memory and a clock; after each call the whole store is checked.
pub(crate) struct World {
    pub(crate) store: ModelStore,
    now: Cell<Timestamp>,
}

impl World {
    /// Makes a store with pools `p0`, `p1` and so on, each a network and the prefix of its blocks, and nodes `a`, `b`, `c`.
    pub(crate) fn new(pools: &[(&str, u8)]) -> Self {
        let world =
            Self { store: ModelStore::default(), now: Cell::new(Timestamp::from_seconds(START)) };
        for (number, (cidr, block)) in pools.iter().enumerate() {
            world.pool(&format!("p{number}"), &json!({ "cidr": cidr, "blockSize": block }));
        }
        for node in ["a", "b", "c"] {
            world.node(node, &json!({}));
        }
        world
    }

    /// Stores a pool; what is not said is as stock Calico fills it in.
    pub(crate) fn pool(&self, name: &str, spec: &Value) {
        let mut spec = spec.clone();
        for (member, value) in [
            ("nodeSelector", json!("all()")),
            ("allowedUses", json!(["Workload", "Tunnel"])),
            ("vxlanMode", json!("Never")),
        ] {
            if spec[member].is_null() {
                spec[member] = value;
            }
        }
        self.resource("IPPool", "ippools", name, &json!({}), &spec);
    }

    pub(crate) fn node(&self, name: &str, labels: &Value) {
        self.resource("Node", "nodes", name, labels, &json!({}));
    }

    pub(crate) fn reserve(&self, cidrs: &[&str]) {
        let spec = json!({ "reservedCIDRs": cidrs });
        self.resource("IPReservation", "ipreservations", "r", &json!({}), &spec);
    }

    pub(crate) fn resource(
        &self,
        kind: &str,
        plural: &str,
        name: &str,
        labels: &Value,
        spec: &Value,
    ) {
        let value = json!({
            "kind": kind, "apiVersion": "projectcalico.org/v3",
            "metadata": { "name": name, "labels": labels }, "spec": spec,
        });
        let key = format!("/calico/resources/v3/projectcalico.org/{plural}/{name}");
        self.store.with(|model| model.put(&*key, value.to_string()));
    }

    pub(crate) fn delete_pool_key(&self, name: &str) {
        let key = format!("/calico/resources/v3/projectcalico.org/ippools/{name}");
        self.store.with(|model| model.delete(&key));
    }

    pub(crate) fn strict(&self, strict: bool) {
        let change = Configure { strict_affinity: Some(strict), ..Configure::default() };
        self.call(&change).unwrap();
    }

    pub(crate) fn configure(&self, change: &Configure) {
        self.call(change).unwrap();
    }

    pub(crate) fn wait(&self, seconds: i64) {
        self.now.set(self.now.get().plus_seconds(seconds));
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now.get()
    }

    /// Carries a request out; the store must be sound afterwards, or as it was where it is refused.
    pub(crate) fn call<R: Request>(&self, request: &R) -> Result<R::Reply, Box<Refusal>> {
        self.now.set(Timestamp::from_nanos(self.now.get().nanos() + 1_000_000));
        let before = self.store.with(|model| model.revision());
        let driven = block_on(drive(&self.store, request, self.now.get(), DEADLINE));
        let result = match driven {
            Ok(driven) => Ok(driven.reply),
            Err(DriveError::Refused(refusal)) => {
                assert_eq!(self.store.with(|model| model.revision()), before, "{refusal}");
                Err(refusal)
            }
            Err(error) => panic!("{error:?}"),
        };
        let findings = check(&self.snapshot(), self.now.get());
        assert!(findings.is_empty(), "{findings:?}");
        result
    }

    /// Carries a request out that must not be refused, and checks nothing afterwards.
    pub(crate) fn unchecked<R: Request>(&self, request: &R) -> R::Reply {
        block_on(drive(&self.store, request, self.now.get(), DEADLINE)).unwrap().reply
    }

    pub(crate) fn snapshot(&self) -> ipam_core::plan::Snapshot {
        block_on(drive(&self.store, &ReadAll, self.now.get(), DEADLINE)).unwrap().reply
    }

    pub(crate) fn inventory(&self) -> Inventory {
        Inventory::read(&self.snapshot()).0
    }

    pub(crate) fn ask<'w>(&'w self, host: &str, v4: usize, v6: usize) -> Ask<'w> {
        Ask {
            world: self,
            host: host.to_owned(),
            counts: [v4, v6],
            pools: [vec![], vec![]],
            handle: Some(format!("h{}", self.store.with(|model| model.revision().0))),
            namespace: NamespaceLabels::Known(BTreeMap::new()),
            rules: Rules { shortfall: Shortfall::Give, ..Rules::calico() },
        }
    }

    pub(crate) fn assign_address(
        &self,
        host: &str,
        handle: Option<&str>,
        ip: &str,
        rules: Rules,
    ) -> Result<Assigned, Box<Refusal>> {
        let ip = ip.parse().unwrap();
        let want = Want::Address(ip, AddressRule::AnyPool);
        self.call(&Assign {
            handle: handle.map(|id| HandleId::new(id).unwrap()),
            host: host.to_owned(),
            tenant: None,
            attributes: BTreeMap::new(),
            families: vec![FamilyRequest {
                family: Family::of(ip),
                want,
                levels: Levels::default(),
            }],
            rules: Rules { node: NodeRule::Optional, ..rules },
        })
    }

    pub(crate) fn release(&self, handle: &str) -> usize {
        let target = HandleTarget::all(HandleId::new(handle).unwrap());
        self.call(&Release { targets: vec![target], host: None }).unwrap().len()
    }

    pub(crate) fn release_addresses(
        &self,
        targets: Vec<AddressTarget>,
    ) -> Result<Released, Box<Refusal>> {
        self.call(&ReleaseAddresses { targets })
    }

    pub(crate) fn release_claims(&self, of: Claims, must_be_empty: bool) -> GivenUp {
        self.call(&ReleaseClaims { of, must_be_empty }).unwrap()
    }

    pub(crate) fn held(&self, handle: &str) -> Vec<String> {
        let held = self.call(&Held { handle: HandleId::new(handle).unwrap() }).unwrap();
        held.into_iter().flatten().map(|held| held.ip.to_string()).collect()
    }

    /// Returns the blocks, each with its owner.
    pub(crate) fn blocks(&self) -> BTreeMap<String, Option<String>> {
        let blocks = self.inventory().blocks;
        blocks.values().map(|block| (block.cidr.to_string(), block.affinity.clone())).collect()
    }

    pub(crate) fn block(&self, cidr: &str) -> Option<Block> {
        self.inventory().blocks.get(&Cidr::parse(cidr).unwrap()).cloned()
    }

    /// Returns the networks that an owner has a claim on.
    pub(crate) fn claims(&self, owner: &Owner) -> BTreeSet<String> {
        let everything = Txn::read([Read::values(Range::prefix("/calico/ipam/"))]);
        let reply = block_on(self.store.txn(&everything, DEADLINE)).unwrap();
        let rows = reply.reads[0].kvs.iter().filter_map(|kv| match key::parse(&kv.key) {
            Some(key::Named::Affinity(of, cidr)) if of == *owner => {
                assert!(Affinity::decode(&kv.key, &kv.value).unwrap().is_confirmed());
                Some(cidr.to_string())
            }
            _ => None,
        });
        rows.collect()
    }
}

/// A request for addresses.
#[derive(Clone)]
pub(crate) struct Ask<'w> {
    world: &'w World,
    host: String,
    counts: [usize; 2],
    pools: [Vec<String>; 2],
    handle: Option<String>,
    namespace: NamespaceLabels,
    rules: Rules,
}

impl Ask<'_> {
    pub(crate) fn pools(mut self, pools: &[&str]) -> Self {
        for pool in pools {
            self.pools[usize::from(pool.contains(':'))].push((*pool).to_owned());
        }
        self
    }

    pub(crate) fn pools6(mut self, pools: &[&str]) -> Self {
        self.pools[1] = pools.iter().map(|pool| (*pool).to_owned()).collect();
        self
    }

    pub(crate) fn handle(mut self, handle: &str) -> Self {
        self.handle = Some(handle.to_owned());
        self
    }

    pub(crate) fn no_handle(mut self) -> Self {
        self.handle = None;
        self
    }

    pub(crate) fn limit(mut self, blocks: i64) -> Self {
        self.rules.blocks_max = blocks;
        self
    }

    pub(crate) fn cap(mut self, addresses: usize) -> Self {
        self.rules.held_max = addresses;
        self
    }

    /// Sets addresses aside in each IPv4 block that the host claims.
    pub(crate) fn host_reserved(mut self, reserved: HostReserved) -> Self {
        self.rules.host_reserved.insert(Family::V4, reserved);
        self
    }

    pub(crate) fn usage(mut self, usage: Use) -> Self {
        self.rules.usage = usage;
        self
    }

    pub(crate) fn namespace(mut self, labels: &[(&str, &str)]) -> Self {
        let label = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.namespace = NamespaceLabels::Known(labels.iter().map(label).collect());
        self
    }

    pub(crate) fn request(self) -> Assign {
        let levels = |pools: &[String]| Levels {
            configuration: PoolList::from_names(pools.to_vec()).ok(),
            ..Levels::default()
        };
        let wanted = Family::ALL.iter().zip(self.counts).zip(&self.pools);
        let families = wanted.filter(|((_, count), _)| *count > 0);
        Assign {
            handle: self.handle.map(|id| HandleId::new(id).unwrap()),
            host: self.host,
            tenant: None,
            attributes: BTreeMap::from([("node".to_owned(), "n".to_owned())]),
            families: families
                .map(|((family, count), pools)| FamilyRequest {
                    family: *family,
                    want: Want::Any(count),
                    levels: levels(pools),
                })
                .collect(),
            rules: Rules { namespace_labels: self.namespace, ..self.rules },
        }
    }

    pub(crate) fn try_go(self) -> Result<Assigned, Box<Refusal>> {
        let world = self.world;
        world.call(&self.request())
    }

    /// Asks, and expects no refusal; addresses may be missing.
    pub(crate) fn go(self) -> Assigned {
        self.try_go().unwrap()
    }

    /// Asks, and expects no refusal; returns the addresses.
    pub(crate) fn ips(self) -> Vec<String> {
        ips(&self.go())
    }

    /// Asks, and expects no refusal; returns how many addresses there are and why there are no more.
    pub(crate) fn count(self) -> (usize, Vec<String>) {
        let assigned = self.go();
        (assigned.addresses.len(), assigned.short.iter().map(ToString::to_string).collect())
    }
}

pub(crate) fn ips(assigned: &Assigned) -> Vec<String> {
    assigned.addresses.iter().map(|address| address.ip.to_string()).collect()
}

pub(crate) fn host(name: &str) -> Owner {
    Owner::Host(name.to_owned())
}

pub(crate) fn cidr(text: &str) -> Cidr {
    Cidr::parse(text).unwrap()
}

pub(crate) fn target(ip: &str, handle: Option<&str>, sequence: Option<u64>) -> AddressTarget {
    let handle = handle.map(str::to_owned);
    let conditions = ipam_core::block::Target { handle, sequence };
    AddressTarget { ip: ip.parse().unwrap(), conditions }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}
