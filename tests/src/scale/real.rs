//! Nodes on a real etcd, each with a connection of its own.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use ipam_core::kv::{Revision, Txn, TxnReply};
use ipam_core::model::Timestamp;
use ipam_core::plan::{ReadAll, Snapshot};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::Endpoint;
use ipam_etcd::{EtcdSettings, Store, StoreError, drive};

use super::Carries;
use super::call::{DEADLINE, carry_out};
use super::cluster::Cluster;
use super::figures::Figures;
use super::meter::Meter;
use super::phase::{Job, Phase};
use super::size::Size;
use super::virtual_time::make_pool;
use crate::etcd::{Etcd, Options};
use crate::world::now;

/// Room for all that is ever written, as nothing is compacted.
const QUOTA_BYTES: u64 = 16 << 30;

/// A server, and the connections of the nodes.
pub(super) struct Real {
    etcd: Etcd,
    nodes: Vec<Metered>,
}

/// A connection whose transactions are counted.
struct Metered {
    store: EtcdStore,
    /// The newest revision that any connection has seen, and that at which the call began.
    newest: Arc<AtomicU64>,
    began: AtomicU64,
    meter: Mutex<Meter>,
}

impl Real {
    pub(super) fn new(size: &Size) -> Self {
        let etcd = Options::default().flag("quota-backend-bytes", QUOTA_BYTES).start();
        let endpoints = vec![Endpoint { url: etcd.endpoint() }];
        let settings = EtcdSettings { endpoints, tls: None, login: None };
        let newest = Arc::new(AtomicU64::new(0));
        let node = |_| Metered {
            store: EtcdStore::new(settings.clone(), None),
            newest: Arc::clone(&newest),
            began: AtomicU64::new(0),
            meter: Mutex::default(),
        };
        Self { nodes: (0..size.nodes).map(node).collect(), etcd }
    }
}

impl Carries for Real {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn make_pool(&mut self, cidr: &str) {
        make_pool(&self.nodes[0].store, cidr, now()).await;
    }

    async fn carry(&mut self, cluster: &mut Cluster, phase: Phase) -> Figures {
        for node in &self.nodes {
            node.store.connect(DEADLINE).await.expect("the server answers");
        }
        let answered = self.etcd.metrics().reads_and_writes();
        let began = Instant::now();
        let shared = RefCell::new((cluster, Figures::of(phase.name)));
        let (jobs, pause) = (&phase.jobs, phase.pause);
        stream::iter(phase.order)
            .for_each_concurrent(phase.at_once, |at| self.work(at, &jobs[at], pause, &shared))
            .await;
        let (cluster, mut figures) = shared.into_inner();
        figures.elapsed = began.elapsed();
        for node in &self.nodes {
            figures.meter.add(&std::mem::take(&mut *node.meter()));
        }
        let answered = self.etcd.metrics().reads_and_writes() - answered;
        if answered != figures.meter.transactions() {
            let asked = figures.meter.transactions();
            cluster.report(format!("etcd answered {answered} requests of {asked}"));
        }
        figures
    }

    async fn snapshot(&mut self) -> Snapshot {
        let all = drive(&self.nodes[0].store, &ReadAll, now(), DEADLINE).await;
        all.expect("everything is read").reply
    }

    fn file(&self) -> Option<[u64; 2]> {
        let metrics = self.etcd.metrics();
        let names = ["etcd_mvcc_db_total_size_in_bytes", "etcd_mvcc_db_total_size_in_use_in_bytes"];
        Some(names.map(|name| metrics.sum(name, &[])))
    }
}

impl Real {
    /// Lets a node do what it is to do, call by call.
    async fn work(
        &self,
        at: usize,
        jobs: &[Job],
        pause: Duration,
        shared: &RefCell<(&mut Cluster, Figures)>,
    ) {
        for job in jobs {
            let call = shared.borrow_mut().0.begin(at, *job, now());
            let Some(call) = call else { continue };
            let began = Instant::now();
            let node = &self.nodes[at];
            node.began.store(node.newest.load(Ordering::Relaxed), Ordering::Relaxed);
            let mut ended = carry_out(node, call).await;
            let took = began.elapsed();
            {
                let (cluster, figures) = &mut *shared.borrow_mut();
                figures.note(&ended, took);
                cluster.end(at, &mut ended);
            }
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
    }
}

impl Metered {
    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Metered {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        let reply = self.store.txn(txn, deadline).await?;
        self.newest.fetch_max(reply.revision.0, Ordering::Relaxed);
        self.meter().note(txn, &reply, Revision(self.began.load(Ordering::Relaxed)));
        Ok(reply)
    }

    fn name(&self) -> String {
        self.store.name()
    }
}
