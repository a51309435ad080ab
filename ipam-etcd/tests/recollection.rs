//! Requests that begin with what an earlier call remembered: what they cost, and that they never come out otherwise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipam_core::check::{Severity, check};
use ipam_core::ip::Family;
use ipam_core::kv::model::Model;
use ipam_core::kv::{Kv, Recollection};
use ipam_core::model::{
    Binding, HandleId, IpPool, IpPoolSpec, IpReservation, IpReservationSpec, ResourceKind,
    Timestamp,
};
use ipam_core::plan::{
    ApplyResources, Assign, Bind, DeletePool, FamilyRequest, HandleTarget, Manifest, NodeRule,
    ReadAll, Release, Replay, Request, Rules, Want,
};
use ipam_core::pool::{Levels, PoolList, Tenant};
use ipam_etcd::{DriveError, Driven, Memory, ModelStore, drive, drive_from};
use proptest::prelude::*;

const DEADLINE: Duration = Duration::from_secs(10);

/// A node, its store, and what it remembers.
#[derive(Default)]
struct World {
    store: ModelStore,
    memory: Option<Recollection>,
    /// Whether what was remembered is used.
    remembers: bool,
    clock: i64,
}

impl World {
    fn new(pools: &[(&str, &str)]) -> Self {
        let mut world = Self { remembers: true, clock: 1000, ..Self::default() };
        for (name, cidr) in pools {
            world.pool(name, cidr);
        }
        world
    }

    fn pool(&mut self, name: &str, cidr: &str) {
        let size = if cidr.contains(':') { 124 } else { 30 };
        let spec: IpPoolSpec =
            serde_json::from_value(serde_json::json!({"cidr": cidr, "blockSize": size})).unwrap();
        self.apply(Manifest::Pool(Box::new(IpPool::new(ResourceKind::IpPool, name, spec)), None))
            .unwrap();
    }

    fn apply(&mut self, manifest: Manifest) -> Result<(), DriveError> {
        let random = u128::from(self.clock.unsigned_abs());
        let request = ApplyResources { manifests: vec![manifest], create_only: false, random };
        self.aside(&request).map(drop)
    }

    fn reserve(&mut self, name: &str, networks: &[&str]) {
        let spec = IpReservationSpec::new(networks.iter().map(|n| (*n).to_owned()).collect());
        let reservation = IpReservation::new(ResourceKind::IpReservation, name, spec);
        self.apply(Manifest::Reservation(Box::new(reservation))).unwrap();
    }

    /// Carries a request out for somebody who remembers nothing.
    fn aside<R: Request>(&mut self, request: &R) -> Result<R::Reply, DriveError> {
        self.clock += 1;
        let now = Timestamp::from_seconds(self.clock);
        block_on(drive(&self.store, request, now, DEADLINE)).map(|driven| driven.reply)
    }

    /// Carries a request out for the node.
    fn call<R: Request>(&mut self, request: &R) -> Result<Driven<R::Reply>, DriveError> {
        self.clock += 1;
        let memory = self.memory.clone().filter(|_| self.remembers);
        let now = Timestamp::from_seconds(self.clock);
        let driven = block_on(drive_from(&self.store, request, memory, now, DEADLINE))?;
        match driven.memory.clone() {
            Memory::Unchanged => {}
            Memory::Lost => self.memory = None,
            Memory::New(recollection) => self.memory = Some(recollection),
        }
        Ok(driven)
    }

    fn add(&mut self, handle: &str, families: &[Family]) -> u32 {
        self.call(&assign(handle, "node", families, &[])).unwrap().round_trips
    }

    fn del(&mut self, handle: &str) -> u32 {
        self.call(&release(handle)).unwrap().round_trips
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn assign(handle: &str, host: &str, families: &[Family], pools: &[&str]) -> Assign {
    let mut levels = Levels::default();
    if !pools.is_empty() {
        let list = serde_json::json!(pools);
        levels = Levels { arguments: Some(PoolList::from_value(&list).unwrap()), ..levels };
    }
    Assign {
        handle: Some(HandleId::new(format!("{handle}.eth0")).unwrap()),
        host: host.to_owned(),
        tenant: Some(Tenant::Namespace("ns".to_owned())),
        attributes: BTreeMap::from([("node".to_owned(), host.to_owned())]),
        families: families
            .iter()
            .map(|family| FamilyRequest {
                family: *family,
                want: Want::Any(1),
                levels: levels.clone(),
            })
            .collect(),
        rules: Rules { replay: Replay::Same, node: NodeRule::Optional, ..Rules::calico() },
    }
}

fn release(handle: &str) -> Release {
    // As the plugin does, which also knows a handle without the interface.
    let handles = [format!("{handle}.eth0"), handle.to_owned()];
    let targets = handles.map(|handle| HandleTarget::all(HandleId::new(&handle).unwrap()));
    Release { targets: targets.to_vec(), host: Some("node".to_owned()) }
}

const V4: [Family; 1] = [Family::V4];
const BOTH: [Family; 2] = [Family::V4, Family::V6];

#[test]
fn fresh_memory_costs_one_round_trip() {
    for families in [&V4[..], &BOTH] {
        let mut world = World::new(&[("p", "10.0.0.0/24"), ("q", "fd00::/64")]);
        assert_eq!(world.add("first", families), 3, "nothing is remembered yet");
        assert_eq!(world.add("second", families), 1);
        assert_eq!(world.del("first"), 1);
        assert_eq!(world.del("second"), 1);
        for n in 0..4 {
            assert_eq!(world.add(&format!("fill{n}"), families), 1);
        }
        assert_eq!(world.add("fifth", families), 1, "a new block, of which nobody knows yet");
        assert_eq!(world.add("sixth", families), 1);
        assert_eq!(world.del("fifth"), 1);
    }
}

#[test]
fn no_memory_costs_three() {
    for families in [&V4[..], &BOTH] {
        let mut world = World::new(&[("p", "10.0.0.0/24"), ("q", "fd00::/64")]);
        world.remembers = false;
        assert_eq!(world.add("first", families), 3, "no block yet");
        for n in 0..3 {
            assert_eq!(world.add(&format!("fill{n}"), families), 3, "room in a known block");
        }
        assert_eq!(world.add("fifth", families), 3, "the known block is full");
        assert_eq!(world.del("fifth"), 3);
        assert_eq!(world.del("nobody"), 1);
    }
}

#[test]
fn old_memory_costs_two() {
    let mut world = World::new(&[("p", "10.0.0.0/24"), ("q", "fd00::/64")]);
    world.add("first", &BOTH);
    world.aside(&assign("aside", "node", &BOTH, &[])).unwrap();
    assert_eq!(world.add("second", &BOTH), 2, "another process of the node took from the blocks");
    world.reserve("r", &["10.0.0.200/32"]);
    assert_eq!(world.add("third", &BOTH), 2, "a reservation is new");
    world
        .store
        .with(|model| model.delete("/calico/resources/v3/projectcalico.org/ipreservations/r"));
    assert_eq!(world.add("fourth", &V4), 2, "a reservation is gone");
    world.bind(&["p"]);
    world.del("fourth");
    assert_eq!(world.add("fifth", &V4), 2, "a binding is new");
    world.aside(&release("fifth")).unwrap();
    assert_eq!(world.del("fifth"), 1, "it is released already");
}

impl World {
    fn bind(&mut self, pools: &[&str]) {
        let names = pools.iter().map(|name| (*name).to_owned()).collect();
        let binding = Binding::new(ipam_core::model::BindingMode::Default, Some(names), None);
        self.aside(&Bind { tenant: "ns".to_owned(), binding }).unwrap();
    }
}

#[test]
fn handles_follow_from_blocks_and_nothing_is_forgotten() {
    let mut world = World::new(&[("p", "10.0.0.0/24"), ("q", "fd00::/64")]);
    world.aside(&assign("before", "node", &BOTH, &[])).unwrap();
    world.add("first", &BOTH);
    assert_eq!(world.del("before"), 1, "what it counts follows from the blocks");
    assert_eq!(world.add("second", &BOTH), 1);
    assert_eq!(world.del("nobody"), 1, "what is absent is not there to be released");
    assert_eq!(world.add("third", &BOTH), 1);
}

#[test]
fn a_cluster_made_anew_by_the_same_hands_is_not_taken_for_the_old_one() {
    let pools = [("p", "10.0.0.0/24")];
    let mut world = World::new(&pools);
    world.reserve("r", &["10.0.0.200/32"]);
    let first = world.call(&assign("first", "node", &V4, &[])).unwrap().reply.addresses[0].ip;
    let IpAddr::V4(first) = first else { panic!("{first}") };
    let next = Ipv4Addr::from_bits(first.to_bits() + 1);
    let before = world.contents();
    let anew = World::new(&pools);
    (world.store, world.clock) = (anew.store, world.clock + 7);
    world.reserve("r", &[&format!("{next}/32")]);
    world.aside(&assign("first", "node", &V4, &[])).unwrap();
    let revisions = |kvs: Vec<Kv>| -> Vec<_> {
        kvs.into_iter().map(|kv| (kv.key, kv.mod_revision, kv.version)).collect()
    };
    assert_eq!(revisions(before), revisions(world.contents()), "no number tells them apart");
    let second = world.call(&assign("second", "node", &V4, &[])).unwrap();
    assert_ne!(second.reply.addresses[0].ip, IpAddr::V4(next), "it is reserved there");
}

#[test]
fn a_handle_that_exists_is_found_although_it_is_not_remembered() {
    let mut world = World::new(&[("p", "10.0.0.0/24")]);
    world.add("first", &V4);
    let before = world.aside(&assign("again", "node", &V4, &[])).unwrap();
    let again = world.call(&assign("again", "node", &V4, &[])).unwrap();
    assert!(again.reply.replayed);
    assert_eq!(again.reply.addresses[0].ip, before.addresses[0].ip);
}

#[test]
fn many_pools_are_no_further_round_trips_and_their_vanishing_is_noticed_by_the_next_call() {
    let mut world = World::new(&[("p", "10.0.0.0/24")]);
    (1..40).for_each(|n| world.pool(&format!("p{n}"), &format!("10.{n}.0.0/24")));
    world.add("first", &V4);
    assert_eq!(world.add("second", &V4), 1);
    world.aside(&DeletePool { name: "p20".to_owned() }).unwrap();
    assert_eq!(world.add("third", &V4), 1, "nothing that it depends on has changed");
    assert!(world.memory.is_none(), "what was remembered is not all true any more");
    assert_eq!(world.add("fourth", &V4), 3);
    assert_eq!(world.add("fifth", &V4), 1);
}

/// What is done to two worlds alike, one of which remembers.
#[derive(Clone, Debug)]
enum Deed {
    Add {
        handle: u8,
        both: bool,
        pool: u8,
    },
    Del {
        handle: u8,
    },
    Aside {
        handle: u8,
        other_host: bool,
    },
    AsideDel {
        handle: u8,
    },
    Reserve {
        name: u8,
        start: u8,
    },
    Unreserve {
        name: u8,
    },
    Pool {
        n: u8,
    },
    DeletePool {
        n: u8,
    },
    Bind {
        pool: u8,
    },
    Unbind,
    Strict {
        on: bool,
    },
    /// A copy of the store is kept.
    Backup,
    /// The store is what it was then; its revisions go on from there.
    Restore,
    /// Another cluster, made by the same hands, so that its revisions are alike.
    Replace {
        net: u8,
    },
}

fn deeds() -> impl Strategy<Value = Deed> {
    let handle = 0..12_u8;
    prop_oneof![
        8 => (handle.clone(), any::<bool>(), 0..4_u8).prop_map(|(handle, both, pool)| Deed::Add { handle, both, pool }),
        5 => handle.clone().prop_map(|handle| Deed::Del { handle }),
        2 => (handle.clone(), any::<bool>()).prop_map(|(handle, other_host)| Deed::Aside { handle, other_host }),
        1 => handle.prop_map(|handle| Deed::AsideDel { handle }),
        1 => (0..3_u8, any::<u8>()).prop_map(|(name, start)| Deed::Reserve { name, start }),
        1 => (0..3_u8).prop_map(|name| Deed::Unreserve { name }),
        1 => (0..3_u8).prop_map(|n| Deed::Pool { n }),
        1 => (0..3_u8).prop_map(|n| Deed::DeletePool { n }),
        1 => (0..3_u8).prop_map(|pool| Deed::Bind { pool }),
        1 => Just(Deed::Unbind),
        1 => any::<bool>().prop_map(|on| Deed::Strict { on }),
        1 => Just(Deed::Backup),
        1 => Just(Deed::Restore),
        1 => (0..3_u8).prop_map(|net| Deed::Replace { net }),
    ]
}

impl World {
    /// Does a deed, and returns what came of it as a text.
    fn deed(&mut self, deed: &Deed, backup: &mut Option<Model>) -> String {
        match deed {
            Deed::Add { handle, both, pool } => {
                let name = format!("p{pool}");
                let pools: &[&str] = if *pool < 3 && !*both { &[&name] } else { &[] };
                let families = if *both { &BOTH[..] } else { &V4 };
                let given = self.call(&assign(&format!("h{handle}"), "node", families, pools));
                format!("{:?}", given.map(|driven| (driven.reply.addresses, driven.reply.replayed)))
            }
            Deed::Del { handle } => {
                let freed = self.call(&release(&format!("h{handle}")));
                format!("{:?}", freed.map(|driven| driven.reply))
            }
            Deed::Aside { handle, other_host } => {
                let host = if *other_host { "other" } else { "node" };
                let given = self.aside(&assign(&format!("h{handle}"), host, &V4, &[]));
                format!("{:?}", given.map(|given| given.addresses))
            }
            Deed::AsideDel { handle } => {
                format!("{:?}", self.aside(&release(&format!("h{handle}"))))
            }
            Deed::Reserve { .. }
            | Deed::Unreserve { .. }
            | Deed::Pool { .. }
            | Deed::DeletePool { .. }
            | Deed::Bind { .. }
            | Deed::Unbind
            | Deed::Strict { .. }
            | Deed::Backup
            | Deed::Restore
            | Deed::Replace { .. } => self.aside_deed(deed, backup),
        }
    }

    /// Does what an administrator does, or what happens to a cluster.
    fn aside_deed(&mut self, deed: &Deed, backup: &mut Option<Model>) -> String {
        match deed {
            Deed::Reserve { name, start } => {
                let start = start & !1;
                self.reserve(&format!("r{name}"), &[&format!("10.0.0.{start}/31")]);
                String::new()
            }
            Deed::Unreserve { name } => {
                let root = "/calico/resources/v3/projectcalico.org/ipreservations/";
                self.store.with(|model| model.delete(&format!("{root}r{name}")));
                String::new()
            }
            Deed::Pool { n } => {
                let spec = serde_json::json!({"cidr": format!("10.0.{n}.0/27"), "blockSize": 30});
                let spec: IpPoolSpec = serde_json::from_value(spec).unwrap();
                let pool = IpPool::new(ResourceKind::IpPool, &format!("p{n}"), spec);
                format!("{:?}", self.apply(Manifest::Pool(Box::new(pool), None)).is_ok())
            }
            Deed::DeletePool { n } => {
                format!("{:?}", self.aside(&DeletePool { name: format!("p{n}") }).is_ok())
            }
            Deed::Bind { pool } => {
                let names = Some(vec![format!("p{pool}")]);
                let binding = Binding::new(ipam_core::model::BindingMode::Required, names, None);
                format!("{:?}", self.aside(&Bind { tenant: "ns".to_owned(), binding }).is_ok())
            }
            Deed::Unbind => {
                self.store.with(|model| model.delete("/ringfence/v1/bindings/ns"));
                String::new()
            }
            Deed::Strict { on } => {
                let config = format!(r#"{{"strict_affinity":{on},"auto_allocate_blocks":true}}"#);
                self.store.with(|model| model.put("/calico/ipam/v2/config", config));
                String::new()
            }
            Deed::Backup => {
                *backup = Some(self.store.with(|model| model.clone()));
                String::new()
            }
            Deed::Restore => {
                if let Some(backup) = backup {
                    self.store.with(|model| *model = backup.clone());
                }
                String::new()
            }
            Deed::Add { .. } | Deed::Del { .. } | Deed::Aside { .. } | Deed::AsideDel { .. } => {
                panic!("the node's own deeds")
            }
            Deed::Replace { net } => {
                self.store = ModelStore::default();
                self.pool("p0", &format!("10.{net}.0.0/27"));
                self.pool("q", "fd00::/120");
                String::new()
            }
        }
    }

    fn contents(&mut self) -> Vec<Kv> {
        self.aside(&ReadAll).unwrap().kvs
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_remembered_never_changes_a_result(deeds in prop::collection::vec(deeds(), 1..80)) {
        let pools = [("p0", "10.0.0.0/27"), ("q", "fd00::/120")];
        let (mut with, mut without) = (World::new(&pools), World::new(&pools));
        without.remembers = false;
        let mut backups = (None, None);
        for deed in &deeds {
            let results =
                (with.deed(deed, &mut backups.0), without.deed(deed, &mut backups.1));
            prop_assert_eq!(&results.0, &results.1, "{:?}", deed);
            prop_assert_eq!(with.contents(), without.contents(), "{:?}", deed);
        }
        let snapshot = with.aside(&ReadAll).unwrap();
        let now = Timestamp::from_seconds(with.clock);
        prop_assert!(check(&snapshot, now).iter().all(|finding| finding.rule.severity() != Severity::Error), "{:?}", check(&snapshot, now));
    }
}
