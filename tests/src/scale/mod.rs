//! Large clusters: what thousands of nodes cost a store, and how often they are in each other's way.
//!
//! Nodes are the product's own: the requests that the plugin makes, carried out by the driver of `ipam-etcd`, and what a node
//! remembers between calls. Two grounds carry them: a simulation, in which one seed decides everything and time is
//! counted and not waited for, and a real etcd. `docs/scale.md` says what came out.
#![allow(clippy::cast_precision_loss, reason = "figures are rounded when they are printed")]

mod call;
mod cluster;
mod command;
mod figures;
mod judge;
mod meter;
mod phase;
mod pod;
mod real;
mod report;
mod size;
mod virtual_time;

use ipam_core::model::Timestamp;
use ipam_core::plan::Snapshot;

pub use command::command;
pub use figures::{Calls, Figures, Stored};
pub use meter::Meter;
pub use report::print;
pub use size::Size;

use cluster::Cluster;
use phase::Phase;
use real::Real;
use virtual_time::VirtualTime;

/// What carries the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The store in memory, in counted time.
    Simulated,
    /// A real etcd, which is started for it.
    Etcd,
}

/// How a run went.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What was run.
    pub size: Size,
    /// What each phase cost, in their order.
    pub phases: Vec<Figures>,
    /// What must not be, and is.
    pub wrong: Vec<String>,
}

/// Runs every phase, one after the other, and judges the store after each.
///
/// # Panics
///
/// If there is no runtime, etcd does not start, or the pool cannot be made.
#[must_use]
pub fn run(size: &Size, ground: Ground) -> Run {
    match ground {
        Ground::Simulated => {
            let mut ground = VirtualTime::new(size.seed);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build();
            runtime.expect("a runtime").block_on(play(size, &mut ground))
        }
        Ground::Etcd => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let mut ground = Real::new(size);
            runtime.expect("a runtime").block_on(play(size, &mut ground))
        }
    }
}

/// Something that carries the nodes through a phase.
trait Carries {
    /// Returns what a clock shows.
    fn now(&self) -> Timestamp;

    /// Stores a pool.
    async fn make_pool(&mut self, cidr: &str);

    /// Lets every node do what the phase wants of it.
    async fn carry(&mut self, cluster: &mut Cluster, phase: Phase) -> Figures;

    /// Returns everything that is stored.
    async fn snapshot(&mut self) -> Snapshot;

    /// Returns the bytes of etcd's file, and those of it in use; `None` where there is none.
    fn file(&self) -> Option<[u64; 2]>;
}

async fn play<G: Carries>(size: &Size, ground: &mut G) -> Run {
    let mut cluster = Cluster::new(size);
    ground.make_pool(&size.pool).await;
    let mut phases = Vec::new();
    let drawn: [fn(&mut Cluster) -> Phase; 4] =
        [Phase::fill, Phase::restart, Phase::burst, Phase::empty];
    for draw in drawn {
        let phase = draw(&mut cluster);
        let mut figures = ground.carry(&mut cluster, phase).await;
        figures.file = ground.file();
        figures.remembered_max = cluster.remembered_max();
        let snapshot = ground.snapshot().await;
        figures.stored = Stored::of(&snapshot);
        judge::judge(&mut cluster, &snapshot, ground.now(), figures.name);
        phases.push(figures);
    }
    Run { size: size.clone(), phases, wrong: cluster.into_wrong() }
}
