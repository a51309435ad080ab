//! Doing again what a recording says, step by step.

use std::time::Duration;

use ipam_core::kv::{Key, Op, Range, Read, Txn};
use ipam_core::model::Timestamp;
use ipam_core::plan::Request;
use ipam_etcd::{DriveError, Store, StoreError, drive};

use super::calico::{Call, printed};
use super::compare::{Answer, Difference, Keys, Runs, answer, untouched};
use super::meaning::Failure;
use super::recording::{Put, Recording, Step};

/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// When a replay begins: any clock will do that runs forward, since times are not compared.
const START_NANOS: i128 = 1_795_219_200_123_456_789;
/// How far the clock moves from step to step; the recorded steps lie about as far apart.
const STEP_NANOS: i128 = 50_000_000;

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Calls of the plugin that succeeded.
    pub succeeded: usize,
    /// Calls of the plugin that failed, and left the store as it was.
    pub failed: usize,
    /// Steps of other programs, whose changes were taken over.
    pub loaded: usize,
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A step came out differently.
    #[error(transparent)]
    Mismatch(Box<Mismatch>),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A request had no answer.
    #[error("a request had no answer")]
    Drive(#[source] DriveError),
}

/// A step that came out differently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{scenario}, step {number} ({title}): {}", told(differences))]
pub struct Mismatch {
    /// The recording.
    pub scenario: String,
    /// Which step, from 0.
    pub number: usize,
    /// What the step did.
    pub title: String,
    /// Everything in which it differs, in the order in which it is compared.
    pub differences: Vec<Difference>,
}

fn told(differences: &[Difference]) -> String {
    let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

impl Mismatch {
    /// Says what differs at a step; nothing where nothing does.
    pub(crate) fn check(
        scenario: &str,
        number: usize,
        step: &Step,
        differences: Vec<Difference>,
    ) -> Result<(), ReplayError> {
        if differences.is_empty() {
            return Ok(());
        }
        let (scenario, title) = (scenario.to_owned(), step.title.clone());
        Err(ReplayError::Mismatch(Box::new(Self { scenario, number, title, differences })))
    }
}

/// Replays a recording on an empty store.
///
/// Calls of the plugin are planned and carried out here; what any other program changed is taken over as it was
/// recorded. After each call the outcome and every change to the store are compared.
///
/// # Errors
///
/// [`ReplayError`]: the first difference, or a store that fails.
pub async fn replay<S: Store>(recording: &Recording, store: &S) -> Result<Summary, ReplayError> {
    replay_moving(recording, async |_| store).await
}

/// Replays a recording as [`replay`] does, in the store that is named before each step, which holds what the one before
/// held.
///
/// # Errors
///
/// As [`replay`].
pub async fn replay_moving<'s, S: Store + 's>(
    recording: &Recording,
    mut store_before: impl AsyncFnMut(usize) -> &'s S,
) -> Result<Summary, ReplayError> {
    let mut replay =
        Replay { store: store_before(0).await, runs: Runs::default(), summary: Summary::default() };
    let mut now = Timestamp::from_nanos(START_NANOS);
    for (number, step) in recording.steps.iter().enumerate() {
        replay.store = store_before(number).await;
        now = Timestamp::from_nanos(now.nanos() + STEP_NANOS).minus_seconds(-step.pause_seconds);
        let differences = replay.step(step, now).await?;
        Mismatch::check(&recording.scenario, number, step, differences)?;
    }
    Ok(replay.summary)
}

/// A replay on its way.
struct Replay<'s, S> {
    store: &'s S,
    runs: Runs,
    summary: Summary,
}

impl<S: Store> Replay<'_, S> {
    async fn step(&mut self, step: &Step, now: Timestamp) -> Result<Vec<Difference>, ReplayError> {
        let call = match Call::read(step, now) {
            Ok(None) => {
                load(self.store, step).await?;
                self.runs.note(step);
                self.summary.loaded += 1;
                return Ok(Vec::new());
            }
            Ok(Some(call)) => Ok(call),
            Err(error) => Err(Failure::BadInput(error)),
        };
        let before = self.keys().await?;
        let found = match call {
            Ok(call) => self.carry_out(call, now).await?,
            Err(failure) => Err(failure),
        };
        let after = self.keys().await?;
        Ok(self.compare(step, &found, &before, &after))
    }

    fn compare(
        &mut self,
        step: &Step,
        found: &Answer,
        before: &Keys,
        after: &Keys,
    ) -> Vec<Difference> {
        let mut differences = Vec::from_iter(answer(step, found).err());
        if found.is_err() {
            differences.extend(untouched(before, after).err());
            self.summary.failed += 1;
        } else {
            self.summary.succeeded += 1;
        }
        differences.extend(self.runs.changes(step, before, after));
        differences
    }

    async fn carry_out(&self, call: Call, now: Timestamp) -> Result<Answer, ReplayError> {
        match call {
            Call::AddNothing => Ok(Ok(Vec::new())),
            Call::Add(request) => {
                let reply = self.drive(&request, now).await?;
                Ok(reply.map(|reply| printed(&request, &reply)))
            }
            Call::Del(request) => Ok(self.drive(&request, now).await?.map(|_| Vec::new())),
        }
    }

    async fn drive<R: Request>(
        &self,
        request: &R,
        now: Timestamp,
    ) -> Result<Result<R::Reply, Failure>, ReplayError> {
        match drive(self.store, request, now, DEADLINE).await {
            Ok(driven) => Ok(Ok(driven.reply)),
            Err(DriveError::Refused(refusal)) => Ok(Err(Failure::Refused(refusal))),
            Err(error) => Err(ReplayError::Drive(error)),
        }
    }

    async fn keys(&self) -> Result<Keys, StoreError> {
        let everything = Txn::read([Read::values(Range::prefix("/"))]);
        let reply = self.store.txn(&everything, DEADLINE).await?;
        let kvs = reply.reads.into_iter().flat_map(|read| read.kvs);
        Ok(kvs.map(|kv| (kv.key.clone(), kv)).collect())
    }
}

/// Takes over what a step of another program changed.
pub(super) async fn load<S: Store>(store: &S, step: &Step) -> Result<(), StoreError> {
    let put = |Put { key, value, .. }: &Put| {
        let value = value.clone();
        Op::put(key.clone(), value)
    };
    let delete = |key: &Key| Op::delete(key.clone());
    let puts = step.put.iter().map(put);
    let ops: Vec<Op> = puts.chain(step.deleted.iter().map(delete)).collect();
    for then in ops.chunks(Txn::OPS_MAX) {
        let txn = Txn { then: then.to_vec(), ..Txn::default() };
        store.txn(&txn, DEADLINE).await?;
    }
    Ok(())
}
