//! Nodes on the store in memory, in time that is counted and not waited for.
//!
//! One seed decides how long each request and each reply is on its way. Whoever is due first goes on; requests wait at the
//! store in the order in which they arrive.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fastrand::Rng;
use ipam_core::kv::{Revision, Txn};
use ipam_core::model::{IpPool, IpPoolSpec, ResourceKind, Timestamp};
use ipam_core::plan::{ApplyResources, Manifest, Snapshot};
use ipam_etcd::{ModelStore, Store, drive, wait_after};
use serde_json::json;

use super::Carries;
use super::call::{DEADLINE, Ended, carry_out};
use super::cluster::Cluster;
use super::figures::Figures;
use super::meter::written;
use super::phase::{Job, Phase};
use crate::network::{Link, Network};

/// When runs begin.
const START: i128 = 1_795_219_200_000_000_000;

/// How long a request or a reply is on its way.
const LATENCY_NANOS: Range<u64> = 1_000_000..3_000_000;
/// How long the store is busy with a transaction, and with each byte that it writes.
const TRANSACTION_NANOS: u64 = 50_000;
const BYTE_NANOS: u64 = 10;

/// Longer than any pause between two attempts.
const NAP: Duration = Duration::from_secs(1);

/// The store in memory, and the time there.
#[derive(Debug)]
pub(super) struct VirtualTime {
    store: ModelStore,
    rng: Rng,
    /// Nanoseconds since the beginning.
    now: u64,
    /// When the store has carried out all that has arrived.
    free_at: u64,
}

/// A node at work.
struct Worker {
    jobs: VecDeque<Job>,
    /// The call that it carries out, when and at which revision that began, and how many of its transactions failed.
    call: Option<Pin<Box<dyn Future<Output = Ended>>>>,
    began: u64,
    began_at: Revision,
    conflicts: u32,
}

/// A phase under way.
struct Play<'p> {
    time: &'p mut VirtualTime,
    cluster: &'p mut Cluster,
    network: Arc<Network>,
    pause: u64,
    workers: BTreeMap<usize, Worker>,
    /// Who goes on when; of two at the same time, who came first.
    due: BinaryHeap<Reverse<(u64, u64, usize)>>,
    order: u64,
    figures: Figures,
}

impl VirtualTime {
    pub(super) fn new(seed: u64) -> Self {
        let rng = Rng::with_seed(!seed);
        Self { store: ModelStore::default(), rng, now: 0, free_at: 0 }
    }

    fn latency(&mut self) -> u64 {
        self.rng.u64(LATENCY_NANOS)
    }
}

impl Carries for VirtualTime {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(START + i128::from(self.now))
    }

    async fn make_pool(&mut self, cidr: &str) {
        make_pool(&self.store, cidr, self.now()).await;
    }

    async fn carry(&mut self, cluster: &mut Cluster, phase: Phase) -> Figures {
        let Phase { name, mut jobs, order, at_once, pause } = phase;
        let began = self.now;
        let mut play = Play {
            time: self,
            cluster,
            network: Arc::default(),
            pause: nanos(pause),
            workers: BTreeMap::new(),
            due: BinaryHeap::new(),
            order: 0,
            figures: Figures::of(name),
        };
        let mut waiting = order.into_iter();
        for at in waiting.by_ref().take(at_once) {
            play.enter(at, std::mem::take(&mut jobs[at]));
        }
        while let Some(Reverse((due, _, at))) = play.due.pop() {
            play.time.now = due;
            if !play.step(at).await
                && let Some(next) = waiting.next()
            {
                play.enter(next, std::mem::take(&mut jobs[next]));
            }
        }
        let mut figures = play.figures;
        figures.elapsed = Duration::from_nanos(self.now - began);
        figures
    }

    async fn snapshot(&mut self) -> Snapshot {
        Snapshot { kvs: self.store.with(|model| model.iter().cloned().collect()) }
    }

    fn file(&self) -> Option<[u64; 2]> {
        None
    }
}

impl Play<'_> {
    fn enter(&mut self, at: usize, jobs: Vec<Job>) {
        let worker = Worker {
            jobs: jobs.into(),
            call: None,
            began: 0,
            began_at: Revision::INITIAL,
            conflicts: 0,
        };
        self.workers.insert(at, worker);
        self.come_back(at, 0);
    }

    fn come_back(&mut self, at: usize, after: u64) {
        self.order += 1;
        self.due.push(Reverse((self.time.now + after, self.order, at)));
    }

    /// Lets a node go one step further; says whether it has something left to do.
    async fn step(&mut self, at: usize) -> bool {
        let Some(worker) = self.workers.get_mut(&at) else { return false };
        if worker.call.is_none() {
            return self.call(at).await;
        }
        match self.network.turn(at) {
            Some(turn) => match turn.txn {
                Some(txn) => {
                    let after = self.serve(at, turn.call, &txn).await;
                    self.come_back(at, after);
                    return true;
                }
                None => self.network.deliver(at, turn.call),
            },
            None => tokio::time::advance(NAP).await,
        }
        self.go_on(at).await;
        true
    }

    /// Lets a node call its next plugin.
    async fn call(&mut self, at: usize) -> bool {
        let now = self.time.now();
        let Some(worker) = self.workers.get_mut(&at) else { return false };
        while let Some(job) = worker.jobs.pop_front() {
            if let Some(call) = self.cluster.begin(at, job, now) {
                let link = Link::new(&self.network, at);
                worker.call = Some(Box::pin(async move { carry_out(&link, call).await }));
                (worker.began, worker.conflicts) = (self.time.now, 0);
                worker.began_at = self.time.store.with(|model| model.revision());
                self.go_on(at).await;
                return true;
            }
        }
        self.workers.remove(&at);
        false
    }

    /// Lets a call go on until it waits for something.
    async fn go_on(&mut self, at: usize) {
        let Some(worker) = self.workers.get_mut(&at) else { return };
        let Some(call) = worker.call.as_mut() else { return };
        let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context)));
        let after = match polled.await {
            Poll::Ready(mut ended) => {
                worker.call = None;
                let took = Duration::from_nanos(self.time.now - worker.began);
                self.figures.note(&ended, took);
                self.cluster.end(at, &mut ended);
                self.pause
            }
            Poll::Pending if self.network.is_asked_by(at) => self.time.latency(),
            Poll::Pending => nanos(wait_after(worker.conflicts, self.time.rng.u64(..))),
        };
        self.come_back(at, after);
    }

    /// Carries a request out; returns when its reply arrives, from now on.
    async fn serve(&mut self, at: usize, number: u64, txn: &Txn) -> u64 {
        let reply = self.time.store.txn(txn, DEADLINE).await;
        let mut busy = TRANSACTION_NANOS;
        if let Ok(reply) = &reply {
            let Some(worker) = self.workers.get_mut(&at) else { return 0 };
            self.figures.meter.note(txn, reply, worker.began_at);
            if reply.succeeded {
                busy += BYTE_NANOS * written(txn);
            } else {
                worker.conflicts += 1;
            }
        }
        self.network.answer(at, number, reply);
        self.time.free_at = self.time.free_at.max(self.time.now) + busy;
        self.time.free_at - self.time.now + self.time.latency()
    }
}

/// Stores the pool.
pub(super) async fn make_pool<S: Store>(store: &S, cidr: &str, now: Timestamp) {
    let spec = json!({"cidr": cidr, "blockSize": 26});
    let spec: IpPoolSpec = serde_json::from_value(spec).expect("a pool's spec");
    let pool = IpPool::new(ResourceKind::IpPool, "pods", spec);
    let manifests = vec![Manifest::Pool(Box::new(pool), None)];
    let request = ApplyResources { manifests, create_only: true, random: 7 };
    drive(store, &request, now, DEADLINE).await.expect("the pool is made");
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
