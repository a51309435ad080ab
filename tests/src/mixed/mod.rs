//! Our own operations next to those of stock nodes, on one store.
//!
//! A stock operation consists of many requests. Between any two of them, one of our own requests is carried out, and the
//! stock process may die right after. Whatever happens, nobody may lose an address or share one, the stored data must
//! keep its rules, and once everybody has released everything nothing may be left. See [`explore`].

mod judge;
mod operation;
mod request;
mod scenes;
mod watch;
mod world;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipam_core::kv::{Key, Op, Range, Read, Txn, Value};
use ipam_core::model::key;
use ipam_etcd::Store;

use crate::interleave::{Crash, Interleaved, Intruder, Pause, Pausing, Script};
use crate::stock::{Clock, Stock};

pub use operation::Operation;
pub use request::Ours;
pub use scenes::{Scene, scenes};

use judge::{Case, Told};
use request::Reply;
use watch::Watched;
use world::NOW_NANOS;

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// More requests than this an operation makes only if it never ends.
const CALLS_MAX: usize = 120;

/// What an exploration did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explored {
    /// How many runs there were.
    pub runs: usize,
    /// In how many of them our request was carried out, and in how many it was refused.
    pub replies: [usize; 2],
    /// In how many of them the stock operation succeeded, and in how many it failed or died.
    pub stock: [usize; 2],
}

impl std::ops::Add for Explored {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let both = |one: [usize; 2], two: [usize; 2]| [one[0] + two[0], one[1] + two[1]];
        Self {
            runs: self.runs + other.runs,
            replies: both(self.replies, other.replies),
            stock: both(self.stock, other.stock),
        }
    }
}

/// How thoroughly to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Our request is carried out in one go.
    AtOnce,
    /// Our request reads at one point of the stock operation, and writes at a later one.
    Split,
}

/// Carries a stock operation out once for each of its requests, with ours in between, and judges what comes of it.
///
/// `fresh` makes a store for each run; it is emptied, so that it may be the same one each time.
///
/// # Errors
///
/// Every run that broke a promise, in words.
pub async fn explore<S: Store>(
    scene: &Scene,
    ours: &Ours,
    depth: Depth,
    fresh: impl Fn() -> S,
) -> Result<Explored, Vec<String>> {
    let undisturbed = alone(scene, &fresh()).await;
    let mut explorer =
        Explorer { scene, ours, fresh, explored: Explored::default(), broken: Vec::new() };
    match depth {
        Depth::AtOnce => explorer.at_once().await,
        Depth::Split => explorer.split(&undisturbed).await,
    }
    if explorer.broken.is_empty() { Ok(explorer.explored) } else { Err(explorer.broken) }
}

/// The requests that a stock operation made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requests {
    /// How many there are.
    pub calls: usize,
    /// Which of them, counted from 1, write.
    pub writes: Vec<usize>,
}

/// Carries a stock operation out on an empty store, with nobody near, and returns what it asked of the store.
///
/// # Panics
///
/// If the store fails.
pub async fn alone<S: Store>(scene: &Scene, store: &S) -> Requests {
    let clock = Clock::starting_at(NOW_NANOS);
    fill(store, scene).await;
    let wrapped = Interleaved::new(store, Script::default(), None, Pause::never());
    scene.operation.run(&Stock::new(&wrapped, &clock)).await;
    Requests { calls: wrapped.calls(), writes: wrapped.writes() }
}

struct Explorer<'e, F> {
    scene: &'e Scene,
    ours: &'e Ours,
    fresh: F,
    explored: Explored,
    broken: Vec<String>,
}

impl<S: Store, F: Fn() -> S> Explorer<'_, F> {
    /// Lets ours in before each request of the stock operation, which goes on, or dies there.
    ///
    /// A process that dies after it has read something leaves what it left before, so it dies only next to its writes.
    async fn at_once(&mut self) {
        for begins in 1..=CALLS_MAX {
            let at = Script { begins: Some(begins), ..Script::default() };
            let (theirs, _) = self.run(at, 0).await;
            if begins == 1 || theirs.writes.contains(&(begins - 1)) {
                self.run(Script { crash: Some(Crash::Before(begins)), ..at }, 0).await;
            }
            if theirs.writes.contains(&begins) {
                self.run(Script { crash: Some(Crash::After(begins)), ..at }, 0).await;
            }
            if begins > theirs.calls {
                return;
            }
        }
    }

    /// Lets ours read before one request of the stock operation, and write before a later one.
    ///
    /// Where the stock operation writes nothing in between, ours might as well have been carried out in one go; and it
    /// reads the same wherever it does so between two writes.
    async fn split(&mut self, undisturbed: &Requests) {
        let after_writes = undisturbed.writes.iter().map(|write| write + 1);
        for begins in std::iter::once(1).chain(after_writes) {
            let at = Script { begins: Some(begins), ..Script::default() };
            let (_, own_calls) = self.run(at, 0).await;
            let Some(write) = undisturbed.writes.iter().find(|write| **write >= begins) else {
                continue;
            };
            for resumes in write + 1..=undisturbed.calls + 1 {
                let reads_anew = undisturbed.writes.contains(&(resumes - 1));
                let earliest = if reads_anew { 2 } else { own_calls.max(2) };
                for pauses_before in earliest..=own_calls {
                    self.run(Script { resumes: Some(resumes), ..at }, pauses_before).await;
                }
            }
        }
    }

    /// Carries out one run; returns which requests the stock operation made, and how many ours.
    async fn run(&mut self, script: Script, pauses_before: usize) -> (Requests, usize) {
        let (scene, ours) = (self.scene, self.ours);
        let store = Watched::new((self.fresh)());
        let clock = Clock::starting_at(NOW_NANOS);
        fill(store.beneath(), scene).await;
        let pause = if pauses_before > 0 { Pause::before(pauses_before) } else { Pause::never() };
        let reply: Arc<Mutex<Option<Reply>>> = Arc::default();
        let (seen, inner, timer) = (Arc::clone(&reply), &store, &clock);
        let own_store = Pausing::new(inner, Arc::clone(&pause));
        let intruder: Intruder<'_> = Box::pin(async move {
            let carried_out = ours.run(&own_store, timer, scene).await;
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(carried_out);
        });
        let wrapped = Interleaved::new(&store, script, Some(intruder), Arc::clone(&pause));
        let outcome = scene.operation.run(&Stock::new(&wrapped, &clock)).await;
        let requests = Requests { calls: wrapped.calls(), writes: wrapped.writes() };
        wrapped.finish().await;
        let reply = reply.lock().unwrap_or_else(PoisonError::into_inner).take();
        let reply = reply.expect("the intruder came to its end");
        self.explored.runs += 1;
        self.explored.replies[usize::from(reply.refused.is_some())] += 1;
        self.explored.stock[usize::from(outcome.failure.is_some())] += 1;
        let mut told = Told::before(scene);
        told.note_operation(&scene.operation, &outcome, &reply);
        let case = Case { scene, ours, outcome: &outcome, has_crashed: script.crash.is_some() };
        // The handle of the stock container is released by both kinds of nodes in turn.
        let by_stock = self.explored.runs.is_multiple_of(2);
        let mut complaints = judge::judge(&store, &clock, case, &told, by_stock).await;
        complaints.extend(store.broken());
        complaints.extend(reply.wrongly.as_ref().map(|why| format!("refused wrongly: {why}")));
        if !complaints.is_empty() {
            self.broken.push(format!(
                "{}, {ours:?}, {script:?} (own pause {pauses_before}): stock {outcome:?}, ours {reply:?}\n    {}",
                scene.name,
                complaints.join("\n    ")
            ));
        }
        (requests, pause.calls())
    }
}

/// Empties a store as far as this project keeps anything there, and stores a scene's world.
async fn fill<S: Store>(store: &S, scene: &Scene) {
    let everything = Txn::read(key::ROOTS.map(Range::prefix).map(Read::keys));
    let reply = store.txn(&everything, DEADLINE).await.expect("the store is read");
    let old = reply.reads.into_iter().flat_map(|read| read.kvs);
    let delete: Vec<Op> = old.map(|kv| Op::delete(kv.key)).collect();
    let put = |(key, value): (&Key, &Value)| Op::put(key.clone(), value.clone());
    let world: Vec<Op> = scene.world.iter().map(put).collect();
    for then in delete.chunks(Txn::OPS_MAX).chain([&world[..]]) {
        let txn = Txn { then: then.to_vec(), ..Txn::default() };
        store.txn(&txn, DEADLINE).await.expect("the store takes the world");
    }
}
