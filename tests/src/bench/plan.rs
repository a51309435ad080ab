//! What planning costs, without any store.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use ipam_core::ip::{Cidr, Family};
use ipam_core::kv::{Range, Read, Txn, TxnReply, View};
use ipam_core::model::{
    Affinity, AffinityState, Attributes, Block, Handle, HandleId, IpPool, IpPoolSpec, Owner,
    ResourceKind, Timestamp, key,
};
use ipam_core::plan::{
    Assign, FamilyRequest, HandleTarget, NodeRule, Release, Request, Rules, Step, Want, step,
};
use ipam_core::pool::Levels;
use ipam_etcd::{Memory, ModelStore, cache, drive};
use serde_json::{Value, json};

use super::report::{Goal, Line, median};

const SIZES: [u128; 2] = [10, 10_000];
const SAMPLES: usize = 400;
const PLANS_IN_SAMPLE: u32 = 20;
/// How long a full block may take.
const BLOCK_MICROSECONDS_MAX: f64 = 250.0;
const DEADLINE: Duration = Duration::from_mins(1);

pub(super) fn lines() -> Vec<Line> {
    let mut lines = vec![
        add_at_both_sizes("plan an ADD", remembered),
        add_at_both_sizes("plan an ADD, nothing remembered", looked_up),
    ];
    lines.extend(full_block());
    lines
}

/// Plans an ADD of a node by what it knows in stores of two sizes, by turns.
fn add_at_both_sizes(name: &str, known: fn(u128) -> Known) -> Line {
    let known = SIZES.map(known);
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..SAMPLES {
        for (known, times) in known.iter().zip(&mut times) {
            times.push(time(&assign("next"), known));
        }
    }
    let [small, large] = times.map(median);
    Line {
        name: format!("{name}, {} blocks", SIZES[1]),
        figure: microseconds(large),
        reference: format!("{} blocks {}", SIZES[0], microseconds(small)),
        ratio: Some(large.as_secs_f64() / small.as_secs_f64()),
        goal: Goal::Below(1.1),
    }
}

/// Releases one of the 64 addresses of a block: it is read, changed and written.
fn full_block() -> [Line; 2] {
    let (cidr, id) = (cidr("10.0.0.0/26"), handle("h7"));
    let block = full(cidr);
    let counted = Handle::new().plus(cidr, 1).encode().expect("a handle that counts");
    let store = ModelStore::default();
    let known = store.with(|model| {
        model.put(key::block(&cidr), block.clone());
        model.put(key::handle(&id), counted);
        let keys = [key::block(&cidr), key::handle(&id), key::CONFIG.into()];
        let txn = Txn::read(keys.map(|key| Read::values(Range::key(key))));
        let reply = model.apply(&txn).expect("a read");
        Known::Read(vec![(txn, reply)])
    });
    let request = Release { targets: vec![HandleTarget::all(id)], host: None };
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        ours.push(time(&request, &known));
        let started = Instant::now();
        for _ in 0..PLANS_IN_SAMPLE {
            black_box(serde_json::from_slice::<Value>(black_box(&block)).expect("JSON"));
        }
        plain.push(started.elapsed() / PLANS_IN_SAMPLE);
    }
    let (ours, plain) = (median(ours), median(plain));
    let name = "full /26 block: decode, plan, encode";
    [
        Line::of_limit(name, ours.as_secs_f64() * 1e6, BLOCK_MICROSECONDS_MAX, "us"),
        Line {
            name: format!("{name} ({} B)", block.len()),
            figure: microseconds(ours),
            reference: format!("serde_json reads it in {}", microseconds(plain)),
            ratio: Some(ours.as_secs_f64() / plain.as_secs_f64()),
            goal: Goal::None,
        },
    ]
}

/// What a process knows when it begins to plan: bytes, of which it has understood nothing yet.
enum Known {
    /// What the node has remembered, as its file.
    Cached(Vec<u8>),
    /// What was read.
    Read(Vec<(Txn, TxnReply)>),
}

impl Known {
    fn view(&self) -> View {
        match self {
            Self::Cached(bytes) => View::recall(cache::decode(bytes).expect("it was encoded")),
            Self::Read(read) => {
                let mut view = View::default();
                for (txn, reply) in read {
                    view.absorb_txn(txn, &arrived(reply.clone()));
                }
                view
            }
        }
    }
}

/// Returns an answer as it comes from a server: its values are bytes of their own.
fn arrived(mut reply: TxnReply) -> TxnReply {
    for kv in reply.reads.iter_mut().flat_map(|read| &mut read.kvs) {
        kv.value = kv.value.to_vec().into();
    }
    reply
}

/// Returns what a node knows after an ADD in a store with so many blocks of others.
fn remembered(size: u128) -> Known {
    let store = store_with(size);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let driving = async { drive(&store, &assign("first"), now(), DEADLINE).await };
    let driven = runtime.expect("a runtime").block_on(driving).expect("an address");
    let Memory::New(recollection) = driven.memory else { panic!("nothing is remembered") };
    Known::Cached(cache::encode(&recollection))
}

/// Returns what a node that remembers nothing has read when it can plan an ADD.
fn looked_up(size: u128) -> Known {
    let store = store_with(size);
    let (mut view, mut read) = (View::default(), Vec::new());
    while let Step::Read(reads) = step(&assign("next"), &view, now()) {
        let txn = Txn::read(reads);
        let reply = store.with(|model| model.apply(&txn)).expect("a read");
        view.absorb_txn(&txn, &reply);
        read.push((txn, reply));
    }
    Known::Read(read)
}

/// Returns a store with so many blocks of others, all over a pool.
fn store_with(size: u128) -> ModelStore {
    let store = ModelStore::default();
    let pool_cidr = cidr("10.0.0.0/12");
    let count = pool_cidr.block_count(26);
    let spec: IpPoolSpec =
        serde_json::from_value(json!({"cidr": pool_cidr.to_string(), "blockSize": 26}))
            .expect("a pool");
    let pool = IpPool::new(ResourceKind::IpPool, "p", spec);
    store.with(|model| {
        model.put(key::resource(ResourceKind::IpPool, "p"), pool.encode());
        for place in 0..size {
            let cidr = pool_cidr.block_at(26, place * count / size).expect("a block");
            let owner = Owner::Host(format!("other-{place}"));
            let row = Affinity::in_state(AffinityState::Confirmed).encode();
            model.put(key::affinity(&owner, &cidr), row);
            let block = Block::new(cidr, &owner, now(), 0).expect("a block");
            model.put(key::block(&cidr), block.encode());
        }
    });
    store
}

fn time<R: Request>(request: &R, known: &Known) -> Duration {
    let views: Vec<View> = (0..PLANS_IN_SAMPLE).map(|_| known.view()).collect();
    let started = Instant::now();
    for view in &views {
        let step = step(black_box(request), black_box(view), now());
        assert!(matches!(step, Step::Commit { reply: Some(_), .. }), "a plan needs nothing more");
        drop(black_box(step));
    }
    started.elapsed() / PLANS_IN_SAMPLE
}

fn assign(container: &str) -> Assign {
    let (family, levels) = (Family::V4, Levels::default());
    Assign {
        handle: Some(handle(container)),
        host: "node".to_owned(),
        tenant: None,
        attributes: BTreeMap::from([("pod".to_owned(), container.to_owned())]),
        families: vec![FamilyRequest { family, want: Want::Any(1), levels }],
        rules: Rules { node: NodeRule::Optional, ..Rules::calico() },
    }
}

/// Returns a block of which every address has a holder of its own, with attributes as pods have.
fn full(cidr: Cidr) -> Vec<u8> {
    let owner = Owner::Host("node".to_owned());
    let mut block = Block::new(cidr, &owner, now(), 0).expect("a block");
    for number in 0..64 {
        let attributes = ["namespace", "node", "pod", "timestamp"]
            .map(|name| (name.to_owned(), format!("{name}-of-a-pod-{number}")));
        let record = Attributes::new(Some(format!("h{number}")), Some(attributes.into())).into();
        (block, _) = block.take(1, &record, |_| true);
    }
    block.encode()
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_795_219_200)
}

fn cidr(text: &str) -> Cidr {
    Cidr::parse(text).expect("a network")
}

fn handle(text: &str) -> HandleId {
    HandleId::new(text).expect("a handle")
}

fn microseconds(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}
