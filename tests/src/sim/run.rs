//! One run: a seed decides what happens, when, and what goes wrong.
//!
//! Each process draws from numbers of its own how long its requests take and what befalls them. So leaving one operation out
//! does not change what the others draw, and a run that fails can be made small.

use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fastrand::Rng;
use ipam_core::ip::Family;
use ipam_core::kv::{Txn, TxnReply};
use ipam_core::model::Timestamp;
use ipam_etcd::{Memory, Store, StoreError};

use super::fault::{Fault, Faults};
use super::judge::{Author, Change, Judge, lost};
use super::layout::Layout;
use super::log::Log;
use super::operation::{By, Operation, Plot};
use super::process::{Answer, Ask, Ended, Process};
use super::tally::{Deed, Tally};
use super::world::{World, handle_of};
use super::{Options, Violation, answer, rest, start};
use crate::network::{Link, Network, STORE};

/// Longer than any pause between two attempts.
const NAP: Duration = Duration::from_secs(1);

/// How long a request takes.
const LATENCY_NANOS: std::ops::Range<i64> = 200_000..6_000_000;
/// How much longer a slow reply takes.
const SLOW_NANOS: i64 = 40_000_000;
/// How long a request that is believed lost may be on its way.
const LATE_NANOS_MAX: i64 = 150_000_000;

type Reply = Result<TxnReply, StoreError>;

/// Something that is under way.
pub(super) struct Actor {
    pub(super) number: usize,
    pub(super) what: What,
    process: Process,
    rng: Rng,
    /// When it takes its next step.
    due: i64,
    pace: Pace,
}

/// What a process is about.
#[derive(Clone, Debug)]
pub(super) struct What {
    pub(super) family: &'static str,
    pub(super) by: By,
    pub(super) host: String,
    /// The node whose memory and clock it uses.
    pub(super) node: Option<usize>,
    pub(super) pod: Option<usize>,
    /// Whether it gives addresses to the pod, and not takes them.
    pub(super) is_add: bool,
    /// Whether a pod that holds something must be told the same again.
    pub(super) is_replay: bool,
    /// What the pod held when it began, as far as it was told, and nobody has touched since.
    pub(super) held: Vec<IpAddr>,
    /// What is asked of us for the pod, if it is addresses, and of which families.
    pub(super) ask: Option<(Ask, Vec<Family>)>,
    /// What was stored for the pod when it began.
    pub(super) stored: BTreeSet<IpAddr>,
    /// The pods for which their runtime calls nobody else meanwhile.
    pub(super) kept_waiting: Vec<usize>,
}

/// A request that somebody believes lost.
struct Late {
    due: i64,
    what: What,
    txn: Txn,
    pace: Pace,
}

/// What a process may have seen of the time.
#[derive(Clone, Copy)]
struct Pace {
    /// The earliest time that its clock has shown it.
    earliest: Timestamp,
    /// The latest time that its clock has shown it.
    latest: Timestamp,
    /// The shortest cooldown that it may have read.
    cooldown: i64,
}

/// A run under way.
pub(super) struct Run {
    pub(super) layout: Layout,
    pub(super) plot: Plot,
    pub(super) world: World,
    pub(super) faults: Faults,
    pub(super) tally: Tally,
    pub(super) log: Log,
    seed: u64,
    network: Arc<Network>,
    pub(super) judge: Judge,
    actors: Vec<Actor>,
    late: Vec<Late>,
    started: usize,
    /// What the next process draws its numbers from.
    source: u64,
    /// How long it has been going on, in nanoseconds.
    now: i64,
}

/// What happens next.
enum Next {
    /// An operation begins: its place among those that are left.
    Start(usize),
    /// A process goes on.
    Step(usize),
    /// A request that was believed lost arrives.
    Late(usize),
}

/// Carries a run out; returns what happened, or what must not.
pub(super) async fn run(options: &Options, log: Log) -> (Tally, Log, Option<Violation>) {
    let mut rng = Rng::with_seed(options.seed);
    let layout = Layout::drawn(&mut rng);
    let drawn = Faults::drawn(&mut rng.fork());
    let plot = Plot::drawn(&mut rng.fork(), &layout, &drawn, options.length);
    let faults = options.spared.iter().fold(drawn, |faults, fault| faults.without(*fault));
    let world = World::new(&layout);
    let mut run = Run {
        layout,
        plot,
        world,
        faults,
        tally: Tally::default(),
        log,
        seed: options.seed,
        network: Arc::default(),
        judge: Judge::default(),
        actors: Vec::new(),
        late: Vec::new(),
        started: 0,
        source: 0,
        now: 0,
    };
    let violation = run.play(options).await.err();
    (run.tally, run.log, violation)
}

impl Run {
    async fn play(&mut self, options: &Options) -> Result<(), Violation> {
        self.begin_world().await?;
        let kept = (0..self.plot.operations.len()).filter(|at| options.keeps(*at));
        let mut left: VecDeque<usize> = kept.collect();
        while let Some((due, next)) = self.next(&left) {
            self.tally.steps += 1;
            self.pass_until(due);
            match next {
                Next::Start(place) => self.start(&mut left, place)?,
                Next::Step(at) => self.step(at).await?,
                Next::Late(at) => {
                    let late = self.late.swap_remove(at);
                    self.carry_out_late(&late)?;
                }
            }
        }
        self.tell_lost("at rest")?;
        rest::judge(self).await
    }

    /// Makes nodes and pools, with nothing going wrong.
    async fn begin_world(&mut self) -> Result<(), Violation> {
        let faults = std::mem::take(&mut self.faults);
        let site = self.site(None, "admin");
        let (family, process) = super::admin::set_up(site, &self.layout, &self.world);
        self.push(What::admin(family), process);
        while !self.actors.is_empty() {
            self.step(0).await?;
        }
        self.faults = faults;
        Ok(())
    }

    /// Returns what happens next, and when.
    fn next(&self, left: &VecDeque<usize>) -> Option<(i64, Next)> {
        let step = self.actors.iter().enumerate().map(|(at, actor)| (actor.due, Next::Step(at)));
        let late = self.late.iter().enumerate().map(|(at, late)| (late.due, Next::Late(at)));
        let start = self.next_start(left).into_iter();
        step.chain(late).chain(start).min_by_key(|(due, _)| *due)
    }

    /// Returns the next operation that can begin: runtimes call one plugin after the other for the same pod.
    fn next_start(&self, left: &VecDeque<usize>) -> Option<(i64, Next)> {
        let waiting = self.actors.iter().flat_map(|actor| &actor.what.kept_waiting);
        let mut busy: Vec<usize> = waiting.copied().collect();
        for (place, at) in left.iter().enumerate() {
            let pods = self.plot.operations[*at].pods(&self.plot);
            if !pods.iter().any(|pod| busy.contains(pod)) {
                return Some((self.plot.starts[*at], Next::Start(place)));
            }
            busy.extend(pods);
        }
        None
    }

    fn pass_until(&mut self, due: i64) {
        // What a clock shows before it is set back must not be forgotten.
        self.world.latest();
        self.world.pass((due - self.now).max(0));
        self.now = self.now.max(due);
    }

    /// Returns where the next process of a node, or of an administrator, runs.
    pub(super) fn site(&self, node: Option<usize>, host: &str) -> super::process::Site {
        let link = Link::new(&self.network, self.started);
        let (clock, memory) = match node.map(|at| &self.world.nodes[at]) {
            Some(node) => (Arc::clone(&node.clock), node.memory.clone()),
            None => (Arc::clone(&self.world.clock), None),
        };
        super::process::Site { link, clock, host: host.to_owned(), memory }
    }

    /// Lets a process begin.
    pub(super) fn push(&mut self, what: What, process: Process) {
        let (now, cooldown) = (self.now_of(&what), self.world.cooldown());
        let pace = Pace { earliest: now, latest: now, cooldown };
        let number = self.started;
        self.log.note(number, || {
            format!("{} by {:?} on {} begins, pod {:?}", what.family, what.by, what.host, what.pod)
        });
        let rng = Rng::with_seed(self.seed ^ (self.source << 32));
        self.actors.push(Actor { number, what, process, rng, due: self.now, pace });
        self.started += 1;
    }

    fn now_of(&self, what: &What) -> Timestamp {
        what.node.map_or_else(|| self.world.clock.now(), |at| self.world.nodes[at].clock.now())
    }

    fn start(&mut self, left: &mut VecDeque<usize>, place: usize) -> Result<(), Violation> {
        let Some(at) = left.remove(place) else { return Ok(()) };
        for pod in self.plot.operations[at].pods(&self.plot) {
            self.settle_late(pod)?;
        }
        self.source = u64::try_from(at).unwrap_or_default() + 1;
        start::start(self, at);
        Ok(())
    }

    /// A runtime that lost a plugin waits before it calls another for the same pod: what is under way comes to rest.
    fn settle_late(&mut self, pod: usize) -> Result<(), Violation> {
        while let Some(at) = self.late.iter().position(|late| late.what.pod == Some(pod)) {
            let late = self.late.swap_remove(at);
            if late.due % 2 == 0 {
                self.carry_out_late(&late)?;
            }
        }
        Ok(())
    }

    fn carry_out_late(&mut self, late: &Late) -> Result<(), Violation> {
        self.log.note(usize::MAX, || format!("a late request of {} arrives", late.what.family));
        let pace = Pace {
            earliest: late.pace.earliest,
            latest: late.pace.latest.max(self.now_of(&late.what)),
            cooldown: late.pace.cooldown.min(self.world.cooldown()),
        };
        self.apply(&late.txn, &late.what, pace).map(drop)
    }

    /// Lets one process go one step further.
    async fn step(&mut self, at: usize) -> Result<(), Violation> {
        let now = self.now_of(&self.actors[at].what);
        let cooldown = self.world.cooldown();
        let actor = &mut self.actors[at];
        actor.pace.earliest = actor.pace.earliest.min(now);
        actor.pace.latest = actor.pace.latest.max(now);
        actor.pace.cooldown = actor.pace.cooldown.min(cooldown);
        actor.due = self.now + actor.rng.i64(LATENCY_NANOS);
        let number = actor.number;
        match self.network.turn(number) {
            Some(turn) => {
                if let Some(txn) = turn.txn {
                    let Some(reply) = self.carry_out(at, &txn)? else {
                        self.crash(at);
                        return Ok(());
                    };
                    self.network.answer(number, turn.call, reply);
                    if self.strikes(Fault::SlowReply, at) {
                        self.actors[at].due += SLOW_NANOS;
                        return Ok(());
                    }
                }
                self.network.deliver(number, turn.call);
            }
            None => tokio::time::advance(NAP).await,
        }
        let process = &mut self.actors[at].process;
        let ended = poll_fn(|context| match process.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Some(ended)),
            Poll::Pending => Poll::Ready(None),
        });
        match ended.await {
            Some(ended) => self.end(at, ended),
            None => Ok(()),
        }
    }

    /// Carries a request out, or not, as fate has it; `None` kills whoever made it.
    fn carry_out(&mut self, at: usize, txn: &Txn) -> Result<Option<Reply>, Violation> {
        if self.strikes(Fault::CrashBefore, at) {
            return Ok(None);
        }
        if self.strikes(Fault::Unavailable, at) {
            let (store, source) = (STORE.to_owned(), "it is simulated to be away".into());
            return Ok(Some(Err(StoreError::Unavailable { store, waited_ms: 0, source })));
        }
        // Stock Calico takes a lost reply for a failure and leaves counts behind that nobody can foresee.
        let may_be_lost = txn.is_write() && self.actors[at].what.by == By::Ours;
        if may_be_lost && self.strikes(Fault::LostRequest, at) {
            return Ok(Some(Err(unknown())));
        }
        if may_be_lost && self.strikes(Fault::LateRequest, at) {
            self.delay(at, txn);
            return Ok(Some(Err(unknown())));
        }
        let actor = &self.actors[at];
        let (what, pace) = (actor.what.clone(), actor.pace);
        let reply = self.apply(txn, &what, pace)?;
        if may_be_lost && self.strikes(Fault::RepeatedRequest, at) {
            self.delay(at, txn);
        }
        if self.strikes(Fault::CrashAfter, at) {
            return Ok(None);
        }
        if may_be_lost && self.strikes(Fault::LostReply, at) {
            return Ok(Some(Err(unknown())));
        }
        Ok(Some(reply))
    }

    /// Lets a request arrive later.
    fn delay(&mut self, at: usize, txn: &Txn) {
        let actor = &mut self.actors[at];
        let due = self.now + actor.rng.i64(0..LATE_NANOS_MAX);
        let (what, pace) = (actor.what.clone(), actor.pace);
        self.late.push(Late { due, what, txn: txn.clone(), pace });
    }

    fn apply(&mut self, txn: &Txn, what: &What, pace: Pace) -> Result<Reply, Violation> {
        if !txn.is_write() {
            return Ok(apply(&self.world, txn));
        }
        let (revision, before) = (self.world.revision(), self.world.snapshot());
        let reply = apply(&self.world, txn);
        if self.world.revision() == revision {
            self.log.note(self.started, || {
                format!("    {} {}: nothing changes", what.family, what.host)
            });
            return Ok(reply);
        }
        self.tally.commits += 1;
        self.log.commit(what, txn);
        let change = Change::between(before, self.world.snapshot());
        if what.by == By::Ours {
            let deed = Deed { host: &what.host, family: what.family };
            self.tally.transaction(txn, &change.moment_before, &change.moment_after, &deed);
        }
        let handle = what.pod.map(|pod| handle_of(pod).as_str().to_owned());
        let is_ours = what.is_add && what.by == By::Ours;
        let author = Author {
            by: what.by,
            host: &what.host,
            handle: handle.as_deref(),
            adds_for: what.pod.filter(|_| is_ours).map(|pod| &self.plot.pods[pod]),
            earliest: pace.earliest,
            latest: pace.latest,
            cooldown: pace.cooldown,
        };
        let wrong = self.judge.judge(&change, &author, &self.layout, &self.world);
        if wrong.is_empty() { Ok(reply) } else { Err(Violation { what: wrong }) }
    }

    fn strikes(&mut self, fault: Fault, at: usize) -> bool {
        let actor = &mut self.actors[at];
        let strikes = self.faults.strikes(fault, &mut actor.rng);
        if strikes {
            self.tally.fault(fault);
            self.log.note(actor.number, || format!("{fault}"));
        }
        strikes
    }

    fn crash(&mut self, at: usize) {
        let actor = self.actors.swap_remove(at);
        self.network.forget(actor.number);
        self.log.note(actor.number, || format!("{} dies", actor.what.family));
        self.tally.ending("died");
    }

    fn end(&mut self, at: usize, ended: Ended) -> Result<(), Violation> {
        let actor = self.actors.swap_remove(at);
        self.network.forget(actor.number);
        self.log.note(actor.number, || format!("{} ends: {:?}", actor.what.family, ended.answer));
        if let Some(node) = actor.what.node.filter(|_| actor.what.by == By::Ours) {
            let node = &mut self.world.nodes[node];
            match ended.memory {
                Memory::Unchanged => {}
                Memory::Lost => node.memory = None,
                Memory::New(memory) => node.earlier = node.memory.replace(memory),
            }
        }
        self.tally.ending(match &ended.answer {
            Answer::Given(_) => "given",
            Answer::Done => "done",
            Answer::Refused(_) => "refused",
            Answer::Failed(_) => "failed",
            Answer::Wrong(_) => "wrong",
        });
        self.note_answer(&actor.what, &ended.answer)
    }

    fn note_answer(&mut self, what: &What, answer: &Answer) -> Result<(), Violation> {
        let wrong = answer::judge(&mut self.world, what, answer);
        if !wrong.is_empty() {
            return Err(Violation { what: wrong });
        }
        self.tell_lost("when it was told")
    }

    pub(super) fn tell_lost(&self, when: &str) -> Result<(), Violation> {
        let lost = lost(&self.world);
        let what: Vec<String> = lost.into_iter().map(|what| format!("{when}: {what}")).collect();
        if what.is_empty() { Ok(()) } else { Err(Violation { what }) }
    }
}

impl What {
    /// What an administrator does.
    pub(super) fn admin(family: &'static str) -> Self {
        Self {
            family,
            by: By::Ours,
            host: "admin".to_owned(),
            node: None,
            pod: None,
            is_add: false,
            is_replay: false,
            held: Vec::new(),
            ask: None,
            stored: BTreeSet::new(),
            kept_waiting: Vec::new(),
        }
    }
}

impl Operation {
    /// Returns the pods for which their runtime calls nobody else meanwhile.
    fn pods(&self, plot: &Plot) -> Vec<usize> {
        match self {
            Self::Add(pod, _)
            | Self::AddAddress(pod, ..)
            | Self::AddSeveral(pod, ..)
            | Self::Check(pod)
            | Self::Look(pod)
            | Self::AskOwners(pod)
            | Self::SetOwners(pod, _)
            | Self::Promote(pod)
            | Self::Del(pod, _)
            | Self::ReleaseAddresses(pod, _) => vec![*pod],
            Self::CollectLeftovers(node) => plot.pods_of(*node),
            Self::ClaimBlock(..)
            | Self::ReleaseBlock(..)
            | Self::ReleaseClaims(..)
            | Self::EnsureBlocks(_)
            | Self::ClaimForNobody(_)
            | Self::CollectCold(_)
            | Self::ReadAll
            | Self::Admin(..)
            | Self::Cache(..)
            | Self::Clock(..)
            | Self::Mend => Vec::new(),
        }
    }
}

fn unknown() -> StoreError {
    StoreError::Indeterminate {
        store: STORE.to_owned(),
        source: "it is simulated to be lost".into(),
    }
}

fn apply(world: &World, txn: &Txn) -> Reply {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut call = std::pin::pin!(world.store.txn(txn, NAP));
    match call.as_mut().poll(&mut context) {
        Poll::Ready(reply) => reply,
        Poll::Pending => Err(unknown()),
    }
}
