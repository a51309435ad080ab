//! Building what is stored before anything happens.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipam_core::ip::{Cidr, Family};
use ipam_core::kv::{Key, Kv, Value};
use ipam_core::model::{
    Affinity, AffinityState, HandleId, IpPool, IpPoolSpec, Owner, ResourceKind, key,
};
use ipam_core::plan::{AddressRule, Assign, ClaimBlocks, FamilyRequest, Request, Rules, Want};
use ipam_core::pool::Levels;
use ipam_etcd::{ModelStore, drive};
use serde_json::json;

use crate::stock::{Clock, Stock};

/// When worlds are built.
const START_NANOS: i64 = 1_795_219_200_123_456_789;
/// When something happens in them: blocks are old enough to be taken back.
pub(super) const NOW_NANOS: i64 = START_NANOS + 120_000_000_000;
const DEADLINE: Duration = Duration::from_secs(10);

/// Every key with its value.
pub(super) type World = BTreeMap<Key, Value>;

/// Makes a world, step by step.
#[derive(Debug)]
pub(super) struct Builder {
    store: ModelStore,
    clock: Clock,
}

impl Builder {
    /// Begins with three nodes and pools, each a name, a network and the prefix length of its blocks.
    pub(super) fn new(pools: &[(&str, &str, u8)]) -> Self {
        let builder = Self { store: ModelStore::default(), clock: Clock::starting_at(START_NANOS) };
        for node in ["n1", "n2", "n3"] {
            let value = format!(
                r#"{{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{{"name":"{node}"}},"spec":{{}},"status":{{}}}}"#
            );
            builder.put(key::resource(ResourceKind::Node, node), value.into_bytes());
        }
        for (name, cidr, block_size) in pools {
            builder.pool(name, json!({"cidr": cidr, "blockSize": block_size}));
        }
        builder
    }

    pub(super) fn pool(&self, name: &str, spec: serde_json::Value) {
        let spec: IpPoolSpec = serde_json::from_value(spec).expect("a pool's spec");
        let pool = IpPool::new(ResourceKind::IpPool, name, spec);
        self.put(key::resource(ResourceKind::IpPool, name), pool.encode());
    }

    pub(super) fn put(&self, key: Key, value: Vec<u8>) {
        self.store.with(|model| model.put(key, value));
    }

    /// Stores the claim of a host in a state, whatever becomes of its block.
    pub(super) fn row(&self, host: &str, block: &str, state: AffinityState) {
        let owner = Owner::Host(host.to_owned());
        self.put(key::affinity(&owner, &cidr(block)), Affinity::in_state(state).encode());
    }

    /// Makes a handle hold an address; its block is claimed by the host where it does not exist.
    pub(super) fn hold(&self, host: &str, handle: &str, ip: &str) {
        let ip: IpAddr = ip.parse().expect("an address");
        let family = Family::of(ip);
        let want = Want::Address(ip, AddressRule::AnyPool);
        self.drive(&Assign {
            handle: Some(HandleId::new(handle).expect("a handle")),
            host: host.to_owned(),
            tenant: None,
            attributes: BTreeMap::new(),
            families: vec![FamilyRequest { family, want, levels: Levels::default() }],
            rules: Rules::calico(),
        });
    }

    /// Makes a host claim a block.
    pub(super) fn claim(&self, host: &str, block: &str) {
        self.drive(&ClaimBlocks { cidr: cidr(block), owner: Owner::Host(host.to_owned()) });
    }

    /// Makes a host give a block up.
    pub(super) fn leave(&self, host: &str, block: &str) {
        let stock = Stock::new(&self.store, &self.clock);
        block_on(stock.release_affinity(&cidr(block), host, false)).expect("it is given up");
    }

    pub(super) fn build(self) -> World {
        let kv = |kv: &Kv| (kv.key.clone(), kv.value.clone());
        self.store.with(|model| model.iter().map(kv).collect())
    }

    fn drive<R: Request>(&self, request: &R) {
        let driven = block_on(drive(&self.store, request, self.clock.now(), DEADLINE));
        driven.expect("a world can be built");
    }
}

pub(super) fn cidr(text: &str) -> Cidr {
    Cidr::parse(text).expect("a network")
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(future)
}
