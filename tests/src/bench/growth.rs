//! What a request costs at stores of different sizes.

use std::thread;
use std::time::{Duration, Instant};

use etcd_client::{Client, Txn, TxnOp};
use ipam_core::ip::Cidr;
use ipam_core::model::{Affinity, AffinityState, Attributes, Block, Owner, Timestamp, key};
use ipam_core::plan::{Assigned, How};
use ipam_etcd::Driven;
use tokio::runtime::Builder;

use super::engine::{Node, make_pool, settings};
use super::placement::Apart;
use super::report::{Line, median, milliseconds};
use super::{received_bytes, sent_bytes};
use crate::etcd::Etcd;

const SIZES: [u128; 3] = [10, 1_000, 100_000];
/// 262,144 blocks of 64 addresses.
const POOL: &str = "10.0.0.0/8";
const BLOCK_PREFIX: u8 = 26;
const BLOCK_ADDRESSES: usize = 64;
const PUTS_IN_TXN: usize = 100;
const WRITERS: u128 = 8;
const WARM_CALLS: usize = 50;
const NEW_NODES: usize = 20;

/// One kind of request at one size.
#[derive(Default)]
struct Costs {
    trips: Vec<u32>,
    received: Vec<u64>,
    sent: Vec<u64>,
    times: Vec<Duration>,
}

/// Fills a server step by step, and measures three kinds of requests at each step.
pub(super) fn lines() -> Vec<Line> {
    let etcd = Etcd::start();
    make_pool(settings(etcd.endpoint(), None), POOL);
    let mut rows = vec![Vec::new(), Vec::new(), Vec::new()];
    let mut filled = 0;
    for size in SIZES {
        fill(&etcd, filled, size);
        filled = size;
        let _apart = Apart::from(&[&etcd]);
        for (row, line) in rows.iter_mut().zip(at(&etcd, size)) {
            row.push(line);
        }
    }
    rows.into_iter().flatten().collect()
}

fn at(etcd: &Etcd, size: u128) -> [Line; 3] {
    let node = |name: &str| Node::new(&format!("{name}-{size}"), settings(etcd.endpoint(), None));
    let mut costs = [(); 3].map(|()| Costs::default());
    let mut steady = node("steady");
    steady.add(&format!("first-{size}"), 1);
    for call in 0..WARM_CALLS {
        costs[0].measure(etcd, &mut steady, &format!("warm-{size}-{call}"));
    }
    for number in 0..NEW_NODES {
        let name = format!("new-{number}");
        let mut new = node(&name);
        new.connect();
        let given = costs[1].measure(etcd, &mut new, &format!("{name}-{size}-first"));
        assert_eq!(given.reply.addresses[0].how, Some(How::Claimed), "a new node claims");
        new.add(&format!("{name}-{size}-rest"), BLOCK_ADDRESSES - 1);
        let given = costs[2].measure(etcd, &mut new, &format!("{name}-{size}-further"));
        assert_eq!(given.reply.addresses[0].how, Some(How::Claimed), "its block is full");
    }
    let [warm, new, further] = costs;
    [
        warm.line(&format!("ADD, engine, warm, {size} blocks")),
        new.line(&format!("claim, nothing known, {size} blocks")),
        further.line(&format!("claim, known block full, {size} blocks")),
    ]
}

impl Costs {
    fn measure(&mut self, etcd: &Etcd, node: &mut Node, container: &str) -> Driven<Assigned> {
        let before = etcd.metrics();
        let started = Instant::now();
        let driven = node.add(container, 1);
        self.times.push(started.elapsed());
        let after = etcd.metrics();
        self.trips.push(driven.round_trips);
        self.received.push(received_bytes(&after) - received_bytes(&before));
        self.sent.push(sent_bytes(&after) - sent_bytes(&before));
        driven
    }

    fn line(self, name: &str) -> Line {
        let (received, sent) = (median(self.received), median(self.sent));
        let figure = format!("{} in {}", trips(&self.trips), milliseconds(median(self.times)));
        Line::of_note(name, figure, format!("{received} B to etcd, {sent} B back"))
    }
}

/// Names the median of round trips, and the most where that is more.
fn trips(trips: &[u32]) -> String {
    let (usual, most) = (median(trips.to_vec()), trips.iter().max().copied().unwrap_or_default());
    let most = if most > usual { format!(" (at most {most})") } else { String::new() };
    format!("{usual} trip{}{most}", if usual == 1 { "" } else { "s" })
}

/// Gives blocks to other nodes: every second one of the pool, up to a number.
fn fill(etcd: &Etcd, from: u128, to: u128) {
    let pool = Cidr::parse(POOL).expect("a network");
    let first = pool.block_at(BLOCK_PREFIX, 0).expect("a block");
    let like = used_block(first);
    let row = Affinity::in_state(AffinityState::Confirmed).encode();
    let puts = |place: u128| {
        let cidr = pool.block_at(BLOCK_PREFIX, place * 2).expect("a block");
        let owner = owner(place);
        // A hundred thousand of them are made faster so.
        let value = like.replacen(&format!("\"{first}\""), &format!("\"{cidr}\""), 1).replacen(
            "\"host:other-0\"",
            &format!("\"{owner}\""),
            1,
        );
        [
            TxnOp::put(&*key::block(&cidr), value, None),
            TxnOp::put(&*key::affinity(&owner, &cidr), row.clone(), None),
        ]
    };
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let puts = &puts;
            scope.spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build();
                let writing = async {
                    let mut client = Client::connect([etcd.endpoint()], None).await?;
                    let places: Vec<u128> = (from..to).filter(|n| n % WRITERS == writer).collect();
                    for places in places.chunks(PUTS_IN_TXN / 2) {
                        let ops: Vec<TxnOp> = places.iter().copied().flat_map(puts).collect();
                        client.txn(Txn::new().and_then(ops)).await?;
                    }
                    Ok::<_, etcd_client::Error>(())
                };
                runtime.expect("a runtime").block_on(writing).expect("etcd takes the blocks");
            });
        }
    });
}

fn owner(place: u128) -> Owner {
    Owner::Host(format!("other-{}", place % 1_000))
}

/// Returns a block of which three addresses are in use.
fn used_block(cidr: Cidr) -> String {
    let block = Block::new(cidr, &owner(0), Timestamp::from_seconds(1_700_000_000), 0);
    let record = Attributes::new(Some("theirs".to_owned()), None).into();
    let block = block.expect("a block").take(3, &record, |_| true).0;
    String::from_utf8(block.encode()).expect("a block is text")
}
