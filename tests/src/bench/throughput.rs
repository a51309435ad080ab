//! ADD and DEL through the engine, by many nodes at once, against raw transactions of the same content.
//!
//! The raw transactions are those that the engine itself sent for other containers, recorded on their way. Their compares
//! ask something else of the same keys that takes as many bytes and always holds, as they are sent over and over.

use std::thread;
use std::time::{Duration, Instant};

use etcd_client::{Client, Txn};
use tokio::runtime::{Builder, Runtime};

use super::engine::{Node, make_pool, settings};
use super::recorder::Recorder;
use super::report::{Goal, Line, median};
use super::request::{Compares, decode};
use crate::etcd::Etcd;

const NODES: usize = 16;
/// So many pairs of each node are recorded, and then sent over and over.
const PAIRS: usize = 20;
const SLICE: Duration = Duration::from_millis(500);
const SLICES: usize = 15;
const POOL: &str = "10.20.0.0/16";

/// What one node sent for pairs of ADD and DEL.
struct Recorded {
    pairs: Vec<[Txn; 2]>,
    /// The writes of the last transaction, so that everything that compares look at exists.
    beginning: Txn,
}

/// Sends transactions over one connection.
struct Raw {
    client: Client,
    runtime: Runtime,
    pairs: Vec<[Txn; 2]>,
    next: usize,
}

/// Measures both in turn.
pub(super) fn lines() -> Vec<Line> {
    let recorded = record();
    let [ours, theirs] = [(); 2].map(|()| {
        let etcd = Etcd::start();
        make_pool(settings(etcd.endpoint(), None), POOL);
        etcd
    });
    let mut nodes: Vec<Node> = (0..NODES).map(|node| warm_node(node, ours.endpoint())).collect();
    let mut raws: Vec<Raw> =
        recorded.into_iter().map(|recorded| Raw::connect(&theirs.endpoint(), recorded)).collect();
    slice(&mut raws, Raw::pair);
    let before = [&ours, &theirs].map(counted);
    let (mut engine, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..SLICES {
        engine.push(slice(&mut nodes, pair));
        raw.push(slice(&mut raws, Raw::pair));
    }
    let [(our_txns, our_bytes), (their_txns, their_bytes)] = [&ours, &theirs].map(counted);
    let size = |bytes: u64, txns: u64, (old_txns, old_bytes): (u64, u64)| {
        format!("{} B", (bytes - old_bytes) / (txns - old_txns))
    };
    let (engine, raw) = (median(engine), median(raw));
    let [trips, conflicts] = [0, 1].map(|of| nodes.iter().map(|node| node.took[of]).sum::<u32>());
    let requests: u32 = nodes.iter().map(|node| node.requests).sum();
    vec![
        Line {
            name: format!("ADD + DEL, engine, {NODES} nodes at once"),
            figure: format!("{engine:.0} pairs/s"),
            reference: format!("raw transactions {raw:.0} pairs/s"),
            ratio: Some(engine / raw),
            goal: Goal::AtLeast(0.9),
        },
        Line::of_note(
            "  a request, as etcd counts",
            size(our_bytes, our_txns, before[0]),
            format!("raw {}", size(their_bytes, their_txns, before[1])),
        ),
        Line::of_note(
            "  requests; round trips and conflicts of each",
            requests.to_string(),
            format!("{:.4}; {:.4}", of_each(trips, requests), of_each(conflicts, requests)),
        ),
    ]
}

/// Returns what each node sends for pairs of ADD and DEL when it has warmed up.
fn record() -> Vec<Recorded> {
    let etcd = Etcd::start();
    make_pool(settings(etcd.endpoint(), None), POOL);
    let recorder = Recorder::to(etcd.address());
    for node in 0..NODES {
        let mut node = warm_node(node, recorder.endpoint());
        for _ in 0..PAIRS {
            pair(&mut node);
        }
    }
    let requests = recorder.requests();
    assert_eq!(requests.len(), NODES, "each node has one connection");
    let steady = requests.into_iter().map(|mut sent| sent.split_off(sent.len() - 2 * PAIRS));
    steady.map(|sent| Recorded::of(&sent).expect("what the engine sends is known")).collect()
}

impl Recorded {
    fn of(sent: &[Vec<u8>]) -> Option<Self> {
        let beginning = decode(sent.last()?, Compares::Absent)?;
        let txns = sent.iter().map(|bytes| decode(bytes, Compares::True));
        let txns = txns.collect::<Option<Vec<Txn>>>()?;
        let pairs = txns.chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect();
        Some(Self { pairs, beginning })
    }
}

/// Returns a node that has a block with an address in use.
fn warm_node(node: usize, endpoint: String) -> Node {
    let mut node = Node::new(&format!("node-{node:02}"), settings(endpoint, None));
    node.add(&format!("{}-stays", node.host()), 1);
    for _ in 0..3 {
        pair(&mut node);
    }
    node
}

fn pair(node: &mut Node) {
    let container = format!("{}-comes", node.host());
    node.add(&container, 1);
    node.del(&container);
}

impl Raw {
    fn connect(endpoint: &str, recorded: Recorded) -> Self {
        let Recorded { pairs, beginning } = recorded;
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut client = runtime.block_on(Client::connect([endpoint], None)).expect("a connection");
        runtime.block_on(client.txn(beginning)).expect("etcd answers");
        Self { client, runtime, pairs, next: 0 }
    }

    fn pair(&mut self) {
        let [add, del] = self.pairs[self.next % self.pairs.len()].clone();
        self.next += 1;
        for txn in [add, del] {
            let reply = self.runtime.block_on(self.client.txn(txn)).expect("etcd answers");
            assert!(reply.succeeded(), "every compare holds");
        }
    }
}

/// Lets every worker work for a while, all at once, and returns their pairs in a second.
fn slice<W: Send>(workers: &mut [W], pair: impl Fn(&mut W) + Sync) -> f64 {
    let started = Instant::now();
    let pairs: usize = thread::scope(|scope| {
        let running: Vec<_> = workers
            .iter_mut()
            .map(|worker| {
                let pair = &pair;
                scope.spawn(move || {
                    let mut pairs = 0;
                    while started.elapsed() < SLICE {
                        pair(worker);
                        pairs += 1;
                    }
                    pairs
                })
            })
            .collect();
        running.into_iter().map(|worker| worker.join().expect("a worker ends well")).sum()
    });
    pairs as f64 / started.elapsed().as_secs_f64()
}

fn of_each(sum: u32, requests: u32) -> f64 {
    f64::from(sum) / f64::from(requests)
}

fn counted(etcd: &Etcd) -> (u64, u64) {
    let metrics = etcd.metrics();
    (metrics.reads_and_writes(), super::received_bytes(&metrics))
}
