//! Replays of what stock Calico's IPAM library was recorded to do, by our own plans.
//!
//! Each recorded call becomes a request that is planned and carried out here. After each step the answer and the whole
//! store are compared: what stock Calico writes in several steps is written at once here, so states are compared and not
//! writes. What differs on purpose is listed, and a listed difference that does not show is an error too.

mod answer;
mod carry_out;
mod form;
mod intended;
mod operation;
mod state;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use ipam_core::ip::Cidr;
use ipam_core::kv::{Op, Range, Read, Txn};
use ipam_core::model::{HandleId, Timestamp, key};
use ipam_core::plan::Request;
use ipam_etcd::{DriveError, Store, StoreError, drive};
use serde::Deserialize;
use serde_json::Value;

use super::compare::{Aspect, Difference, Keys};
use super::meaning::Failure;
use super::recording::{RecordingError, Step};
use super::run::{Mismatch, ReplayError};
use operation::{Numbers, Operation};
use state::{Phantoms, States};

use intended::Habit;
pub use intended::{INTENDED, Intended};

const DEADLINE: Duration = Duration::from_secs(10);
/// When a replay begins: any clock will do that runs forward, since times are not compared.
const START_NANOS: i128 = 1_795_219_200_123_456_789;
/// How far the clock moves from step to step; the recorded steps lie about as far apart.
const STEP_NANOS: i128 = 50_000_000;

/// A recording of calls of the library.
#[derive(Clone, Debug, Deserialize)]
pub struct LibraryRecording {
    /// Its name.
    pub scenario: String,
    /// What was called.
    pub steps: Vec<LibraryStep>,
}

/// One call, and all that came of it.
#[derive(Clone, Debug, Deserialize)]
pub struct LibraryStep {
    /// What it did to the store.
    #[serde(flatten)]
    pub step: Step,
    /// The arguments.
    #[serde(default)]
    pub args: Value,
    /// What it returned.
    #[serde(default)]
    pub result: Value,
}

/// What a replay of the library did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Calls that were carried out here and came out the same.
    pub same: usize,
    /// Calls that came out differently on purpose.
    pub intended: usize,
    /// Steps that are no calls: set-up and changes by hand.
    pub loaded: usize,
    /// Calls for which there is no request here, by their names.
    pub missing: Vec<String>,
}

impl LibraryRecording {
    /// Reads a recording from a file.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] with the path.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let path = path.to_owned();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(source) => return Err(RecordingError::Unreadable { path, source }),
        };
        let mut recording: Self = match serde_json::from_slice(&text) {
            Ok(recording) => recording,
            Err(source) => return Err(RecordingError::Malformed { path, source }),
        };
        // The file does not tell when time passed.
        for number in intended::pauses(&recording.scenario) {
            if let Some(step) = recording.steps.get_mut(*number) {
                step.step.pause_seconds = intended::PAUSE_SECONDS;
            }
        }
        Ok(recording)
    }

    /// Reads the recording of a name, such as `random-1`.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] with the path.
    pub fn read(name: &str) -> Result<Self, RecordingError> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/library");
        Self::open(&folder.join(name).with_extension("json"))
    }
}

/// Replays a recording of the library on an empty store.
///
/// # Errors
///
/// [`ReplayError`]: the first difference that is not listed, a listed one that does not show, or a store that fails.
pub async fn replay_library<S: Store>(
    recording: &LibraryRecording,
    store: &S,
) -> Result<Replayed, ReplayError> {
    let mut replay = Replay {
        store,
        states: States::default(),
        numbers: Numbers::default(),
        replayed: Replayed::default(),
    };
    let mut now = Timestamp::from_nanos(START_NANOS);
    for (number, step) in recording.steps.iter().enumerate() {
        let later = Timestamp::from_nanos(now.nanos() + STEP_NANOS);
        now = later.minus_seconds(-step.step.pause_seconds);
        let intended = intended::at(&recording.scenario, number);
        let differences = replay.step(step, now, intended).await?;
        Mismatch::check(&recording.scenario, number, &step.step, differences)?;
    }
    Ok(replay.replayed)
}

/// A replay on its way.
pub(super) struct Replay<'s, S> {
    store: &'s S,
    states: States,
    numbers: Numbers,
    replayed: Replayed,
}

impl<S: Store> Replay<'_, S> {
    async fn step(
        &mut self,
        recorded: &LibraryStep,
        now: Timestamp,
        intended: Option<&Intended>,
    ) -> Result<Vec<Difference>, ReplayError> {
        let step = &recorded.step;
        let habit = self.habit(recorded);
        let before = self.states.phantoms();
        let again = match habit {
            Some(Habit::RepeatedRelease) => self.states.freed_again(&recorded.args),
            Some(Habit::Phantom) | None => Vec::new(),
        };
        let faults = form::faults(recorded, self.states.recorded());
        self.states.note(step);
        let operation = match Operation::read(&step.title, &recorded.args, &self.numbers) {
            Ok(operation) => operation,
            Err(title) => {
                if form::is_set_up(recorded) {
                    self.replayed.loaded += 1;
                } else {
                    self.replayed.missing.push(title);
                }
                self.load(step).await?;
                return Ok(Vec::new());
            }
        };
        let phantoms = judge_phantoms(recorded, &before, &self.states.phantoms());
        let answer = self.carry_out(operation, now).await?;
        let mut after = self.keys().await?;
        let mut found = match habit {
            // What it says of such a handle is not what is true: that it is there, and holds nothing.
            Some(Habit::Phantom) if answer.denies() => answer::nothing_told(recorded),
            _ => answer.compare(recorded),
        };
        found.extend(faults);
        found.extend(phantoms);
        if !again.is_empty() {
            // Once its blocks are written again, everything must be equal.
            self.write(&operation::written_again(&again, &after)).await?;
            after = self.keys().await?;
        }
        found.extend(self.states.compare(&after));
        if let Some(intended) = intended {
            found = intended.others(found);
            let ops = self.states.mend(&after);
            self.write(&ops).await?;
            after = self.keys().await?;
        }
        let is_otherwise = intended.is_some() || habit.is_some();
        *(if is_otherwise { &mut self.replayed.intended } else { &mut self.replayed.same }) += 1;
        self.numbers.note(step, &after);
        Ok(found)
    }

    /// Returns what stock Calico does otherwise in a step, if it meets it there.
    fn habit(&self, recorded: &LibraryStep) -> Option<Habit> {
        match recorded.step.title.as_str() {
            "ReleaseByHandle" | "IPsByHandle" => {
                let id = HandleId::new(recorded.args["Handle"].as_str()?).ok()?;
                self.states.is_phantom(&key::handle(&id)).then_some(Habit::Phantom)
            }
            "ReleaseIPs" => {
                let again = self.states.freed_again(&recorded.args);
                (!again.is_empty()).then_some(Habit::RepeatedRelease)
            }
            _ => None,
        }
    }

    /// Takes over what a step changed.
    async fn load(&mut self, step: &Step) -> Result<(), StoreError> {
        let after = self.keys().await?;
        let ops = self.states.take_over(step, &after);
        self.write(&ops).await?;
        let after = self.keys().await?;
        self.numbers.note(step, &after);
        Ok(())
    }

    async fn write(&self, ops: &[Op]) -> Result<(), StoreError> {
        for then in ops.chunks(Txn::OPS_MAX) {
            let txn = Txn { then: then.to_vec(), ..Txn::default() };
            self.store.txn(&txn, DEADLINE).await?;
        }
        Ok(())
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

/// Compares what handles count beyond what they hold: only a request for any addresses changes that, which counts what it
/// asked a block for, and not what the block gave.
fn judge_phantoms(recorded: &LibraryStep, before: &Phantoms, after: &Phantoms) -> Vec<Difference> {
    let mut expected = before.clone();
    for (place, count) in asked_in_vain(recorded) {
        *expected.entry(place).or_default() += count;
    }
    expected.retain(|_, count| *count > 0);
    let places: BTreeSet<_> = expected.keys().chain(after.keys()).collect();
    let mut found = Vec::new();
    for place in places {
        let (recorded, here) = (after.get(place), expected.get(place));
        let told = |count: Option<&u64>| {
            let (key, block) = place;
            format!("{key} counts {} in {block} that it does not hold", count.unwrap_or(&0))
        };
        if recorded != here {
            let (recorded, here) = (told(recorded), told(here));
            found.push(Difference { aspect: Aspect::Value, recorded, here });
        }
    }
    found
}

/// Returns what a request for any addresses asked of blocks and did not get, by what was recorded to be given.
fn asked_in_vain(recorded: &LibraryStep) -> Phantoms {
    let request = &recorded.args["AutoAssign"];
    let mut phantoms = Phantoms::new();
    let Some(id) = request["HandleID"].as_str().and_then(|id| HandleId::new(id).ok()) else {
        return phantoms;
    };
    for (asked, share) in [("Num4", "v4"), ("Num6", "v6")] {
        let ips = recorded.result[share]["ips"].as_array().map(Vec::as_slice).unwrap_or_default();
        let blocks = ips.iter().filter_map(|ip| Cidr::parse_with_host_bits(ip.as_str()?).ok());
        // Under a cap a whole address is one that the handle had before.
        let is_capped = request["MaxAllocToHandlePerIPVersion"].as_u64().is_some_and(|cap| cap > 0);
        let is_new = |block: &Cidr| !is_capped || block.prefix() < block.family().bits();
        let blocks: Vec<Cidr> = blocks.map(|(block, _)| block).filter(is_new).collect();
        let mut left = request[asked].as_u64().unwrap_or(0);
        for given in blocks.chunk_by(|one, next| one == next) {
            let count = u64::try_from(given.len()).unwrap_or(u64::MAX);
            if let Some(block) = given.first() {
                *phantoms.entry((key::handle(&id), *block)).or_default() +=
                    left.saturating_sub(count);
            }
            left = left.saturating_sub(count);
        }
    }
    phantoms
}
