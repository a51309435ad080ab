//! Replays what stock Calico was recorded to do through the stand-in.
//!
//! Our own planner is held to the meaning of a recording, see [`crate::replay`]; the stand-in is held to every write: the
//! same keys with the same bytes, written as often, in the same order, and the same output.

use std::time::Duration;

use ipam_core::kv::{Kv, Op, Range, Read, Txn};
use ipam_etcd::{Store, StoreError};

use crate::replay::{
    Aspect, Difference, Keys, Mismatch, Put, Recording, ReplayError, Runs, Step, equal,
};

use super::cni::{Command, Printed};
use super::{Clock, Stock};

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// When a replay begins: any clock will do that runs forward, since times are not compared.
pub(super) const START_NANOS: i64 = 1_795_219_200_123_456_789;
/// How far the clock moves from step to step; the recorded steps lie about as far apart.
pub(super) const STEP_NANOS: i64 = 50_000_000;
pub(super) const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Steps that the stand-in carried out and that succeeded.
    pub succeeded: usize,
    /// Steps that the stand-in carried out and that failed.
    pub failed: usize,
    /// Steps of other programs, whose changes were taken over.
    pub loaded: usize,
}

/// Replays a recording on an empty store.
///
/// Calls of the plugin, and deletions of pools and nodes, are carried out by the stand-in; what any other program
/// changed is taken over as it was recorded.
///
/// # Errors
///
/// [`ReplayError`]: the first difference, or a store that fails.
pub async fn replay<S: Store>(recording: &Recording, store: &S) -> Result<Summary, ReplayError> {
    let clock = Clock::starting_at(START_NANOS);
    let mut replay = Replay { tape: Tape::new(store), clock: &clock, summary: Summary::default() };
    for (number, step) in recording.steps.iter().enumerate() {
        clock.advance_nanos(STEP_NANOS + step.pause_seconds * NANOS_PER_SECOND);
        let compared = replay.step(step).await?;
        compared.map_err(|difference| mismatch(&recording.scenario, number, step, difference))?;
    }
    Ok(replay.summary)
}

pub(super) fn mismatch(
    scenario: &str,
    number: usize,
    step: &Step,
    difference: Difference,
) -> ReplayError {
    let (scenario, title) = (scenario.to_owned(), step.title.clone());
    ReplayError::Mismatch(Box::new(Mismatch {
        scenario,
        number,
        title,
        differences: vec![difference],
    }))
}

/// What a step comes to.
enum Action {
    Add(Command),
    Del(Command),
    DeletePool(String),
    DeleteNode(String),
    /// Another program's step.
    Load,
}

impl Action {
    fn of(step: &Step) -> Self {
        let words: Vec<&str> = step.title.split(' ').collect();
        let command = |container| {
            let conf = step.netconf.clone().expect("a call of a plugin has a configuration");
            Command::read(conf, container, &step.cni_args).expect("the configuration is one")
        };
        match words[..] {
            ["calico-ipam", "ADD", container, ..] => Self::Add(command(container)),
            ["calico-ipam", "DEL", container, ..] => Self::Del(command(container)),
            ["calicoctl", "delete", "ippool", name] => Self::DeletePool(name.to_owned()),
            ["calicoctl", "delete", "node", name] => Self::DeleteNode(name.to_owned()),
            _ => Self::Load,
        }
    }
}

struct Replay<'s, S> {
    tape: Tape<'s, S>,
    clock: &'s Clock,
    summary: Summary,
}

impl<S: Store> Replay<'_, S> {
    async fn step(&mut self, step: &Step) -> Result<Result<(), Difference>, ReplayError> {
        let before = self.tape.keys().await?;
        let stock = Stock::new(self.tape.store, self.clock);
        let deleted = |kind: &str| Printed {
            exit: 0,
            stdout: format!("Successfully deleted 1 '{kind}' resource(s)\n"),
            addresses: Vec::new(),
        };
        let printed = match Action::of(step) {
            Action::Add(command) => stock.add(&command).await,
            Action::Del(command) => stock.del(&command).await,
            Action::DeletePool(name) => {
                stock.delete_pool(&name).await.expect("a pool is deleted");
                deleted("IPPool")
            }
            Action::DeleteNode(name) => {
                stock.delete_node(&name).await.expect("a node is deleted");
                deleted("Node")
            }
            Action::Load => {
                self.tape.load(step).await?;
                self.summary.loaded += 1;
                return Ok(Ok(()));
            }
        };
        let after = self.tape.keys().await?;
        if printed.exit == 0 {
            self.summary.succeeded += 1;
        } else {
            self.summary.failed += 1;
        }
        Ok(same_output(step, &printed).and_then(|()| self.tape.compare(step, &before, &after)))
    }
}

fn same_output(step: &Step, printed: &Printed) -> Result<(), Difference> {
    equal(Aspect::Exit, &step.exit, &Some(printed.exit))?;
    equal(Aspect::Printed, &step.stdout, &printed.stdout)
}

/// A recording next to the store on which it is replayed.
#[derive(Debug)]
pub(super) struct Tape<'s, S> {
    pub(super) store: &'s S,
    runs: Runs,
    /// How far the recorded revisions are ahead of those here; unknown where another program was at work.
    ahead: Option<i128>,
}

impl<'s, S: Store> Tape<'s, S> {
    pub(super) fn new(store: &'s S) -> Self {
        Self { store, runs: Runs::default(), ahead: None }
    }

    pub(super) async fn keys(&self) -> Result<Keys, StoreError> {
        let everything = Txn::read([Read::values(Range::prefix("/"))]);
        let reply = self.store.txn(&everything, DEADLINE).await?;
        let kvs = reply.reads.into_iter().flat_map(|read| read.kvs);
        Ok(kvs.map(|kv| (kv.key.clone(), kv)).collect())
    }

    /// Takes over what a step of another program changed, each key written as often as it was.
    pub(super) async fn load(&mut self, step: &Step) -> Result<(), StoreError> {
        let keys = self.keys().await?;
        for put in &step.put {
            let mut version = keys.get(&put.key).map_or(0, |kv| kv.version);
            if version >= put.version {
                self.write(Op::delete(put.key.clone())).await?;
                version = 0;
            }
            for _ in version..put.version {
                let value = put.value.clone();
                self.write(Op::put(put.key.clone(), value)).await?;
            }
        }
        for key in &step.deleted {
            self.write(Op::delete(key.clone())).await?;
        }
        self.runs.note(step);
        self.ahead = None;
        Ok(())
    }

    async fn write(&self, op: Op) -> Result<(), StoreError> {
        let txn = Txn { then: vec![op], ..Txn::default() };
        self.store.txn(&txn, DEADLINE).await.map(drop)
    }

    /// Compares every change of a step, and every number that a store keeps with it.
    fn compare(&mut self, step: &Step, before: &Keys, after: &Keys) -> Result<(), Difference> {
        self.changes(step, before, after)?;
        for put in &step.put {
            let here = &after[&put.key];
            self.revision(put, put.mod_revision, here.mod_revision.0)?;
            let is_new = |old: &Kv| old.create_revision != here.create_revision;
            if before.get(&put.key).is_none_or(is_new) {
                self.revision(put, put.create_revision, here.create_revision.0)?;
            }
        }
        Ok(())
    }

    /// Compares every change of a step, and how often each key was written.
    pub(super) fn changes(
        &mut self,
        step: &Step,
        before: &Keys,
        after: &Keys,
    ) -> Result<(), Difference> {
        if let Some(difference) = self.runs.changes(step, before, after).into_iter().next() {
            return Err(difference);
        }
        for put in &step.put {
            let here: &Kv = &after[&put.key];
            equal(Aspect::Version, &(&put.key, put.version), &(&put.key, here.version))?;
        }
        Ok(())
    }

    fn revision(&mut self, put: &Put, recorded: u64, here: u64) -> Result<(), Difference> {
        let ahead = i128::from(recorded) - i128::from(here);
        let expected = *self.ahead.get_or_insert(ahead);
        equal(Aspect::Revision, &(&put.key, expected), &(&put.key, ahead))
    }
}
