//! The one loop that carries plans to a store.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use ipam_core::kv::{
    Compare, Key, Kv, Lookup, Op, Read, Recollection, Revision, Txn, TxnReply, View,
};
use ipam_core::model::{Timestamp, key};
use ipam_core::plan::{Request, Step, step};
use ipam_core::refusal::Refusal;
use tracing::debug;

use crate::backoff::Backoff;
use crate::{Store, StoreError};

/// The most rounds of reads in one call; a plan needs seven at the most unless others are at work, or blocks are borrowed.
pub const READ_ROUNDS_MAX: u32 = 10_000;
/// The most conflicts in one call, Calico's own limit.
pub const CONFLICTS_MAX: u32 = 100;
/// The most times that a transaction is sent whose outcome stays unknown.
pub const SENDS_MAX: u32 = 20;

/// The answer to a request, and what it took.
#[derive(Clone, Debug)]
pub struct Driven<R> {
    /// The answer.
    pub reply: R,
    /// How often the store was waited for; reads that went out side by side are one.
    pub round_trips: u32,
    /// How often somebody else was faster.
    pub conflicts: u32,
    /// About how many bytes the store answered.
    pub bytes_read: u64,
    /// What a later call of this node may begin with.
    pub memory: Memory,
}

/// What a call leaves for a later one to begin with.
#[derive(Clone, Debug)]
pub enum Memory {
    /// Nothing was written: what was remembered before is as good as it was.
    Unchanged,
    /// What was remembered before is not true any more, and there is nothing better.
    Lost,
    /// This.
    New(Recollection),
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// It must not be done; nothing was changed.
    #[error("refused")]
    Refused(#[source] Box<Refusal>),
    /// The store did not answer.
    #[error("the datastore failed")]
    Store(#[source] StoreError),
    /// A limit was reached; nothing was changed.
    #[error(
        "gave up after {round_trips} round trips in {elapsed_ms} ms: {limit} reached, last at {key}"
    )]
    Exhausted {
        /// Which limit.
        limit: &'static str,
        /// How often the store was asked.
        round_trips: u32,
        /// How long it took, in milliseconds.
        elapsed_ms: u64,
        /// The first key that the last step wanted.
        key: String,
    },
}

/// Carries a request out against a store within `deadline`.
///
/// As [`drive_from`], beginning with nothing.
///
/// # Errors
///
/// [`DriveError`], by cause. Only [`StoreError::Indeterminate`] leaves open whether something was changed.
pub async fn drive<S: Store, R: Request>(
    store: &S,
    request: &R,
    now: Timestamp,
    deadline: Duration,
) -> Result<Driven<R::Reply>, DriveError> {
    drive_from(store, request, None, now, deadline).await
}

/// Carries a request out against a store within `deadline`, beginning with what an earlier call remembered.
///
/// The request is planned against what has been read, step by step, until it is answered or refused:
///
/// - A conflict (somebody else was faster) is not an error: the failed transaction has read the changed values, and the
///   request is planned again with them.
/// - What was remembered only ever leads to a transaction, which proves all of it or fails and reads it anew. An answer or a
///   refusal that relies on it does not count.
/// - A refusal counts only when it was planned from reads of one moment, none older than the last conflict; after pages of
///   a long survey, which cannot be read at once, from those.
/// - When nobody knows whether a transaction was applied, the *same* transaction is sent again. It is atomic and
///   compares everything that it depends on, so if the first one was applied, the second fails and shows our own
///   values. A different transaction is sent only after looking at them.
///
/// # Errors
///
/// [`DriveError`], by cause. Only [`StoreError::Indeterminate`] leaves open whether something was changed.
pub async fn drive_from<S: Store, R: Request>(
    store: &S,
    request: &R,
    recollection: Option<Recollection>,
    now: Timestamp,
    deadline: Duration,
) -> Result<Driven<R::Reply>, DriveError> {
    let mut call = Call::new(store, recollection, deadline);
    if call.view.is_recalled() {
        for (key, value) in request.presumed(&call.view) {
            call.view.presume(key, value);
        }
    }
    loop {
        match step(request, &call.view, now) {
            Step::Done { reply, relies_on_memory: false } => return Ok(call.driven(reply)),
            Step::Done { .. } => call.start_over()?,
            Step::Refused { refusal, relies_on_memory } if relies_on_memory || !call.is_fresh => {
                debug!(%refusal, "refused by old reads, reading again");
                call.start_over()?;
            }
            Step::Refused { refusal, .. } if call.is_of_many_moments() => {
                debug!(%refusal, "refused by reads of several moments, reading all at once");
                call.read_at_once().await?;
            }
            Step::Refused { refusal, .. } => return Err(DriveError::Refused(refusal)),
            Step::Read(reads) => call.read(reads).await?,
            Step::Note(note) => call.view.note(note.walk, note.waypoint, &note.forget),
            Step::Commit { txn, reply } => {
                let came_true = |view: &View| {
                    let lookup = Lookup::new(view);
                    reply.as_ref().is_some_and(|reply| request.came_true(&lookup, reply))
                };
                if call.commit(txn, came_true).await?
                    && let Some(reply) = reply
                {
                    return Ok(call.driven(reply));
                }
            }
        }
    }
}

/// One request on its way.
struct Call<'s, S> {
    store: &'s S,
    started: Instant,
    deadline: Duration,
    view: View,
    /// Whether everything in the view was read after the last conflict.
    is_fresh: bool,
    /// What was read since then, and in how many rounds.
    reads: Vec<Read>,
    rounds: u32,
    /// The key whose value in the view proves what a later call may begin with.
    witness: Option<Key>,
    has_written: bool,
    round_trips: u32,
    read_rounds: u32,
    conflicts: u32,
    /// Conflicts over a block.
    losses: u32,
    bytes_read: u64,
    backoff: Backoff,
}

impl<'s, S: Store> Call<'s, S> {
    fn new(store: &'s S, recollection: Option<Recollection>, deadline: Duration) -> Self {
        let view = recollection.map(View::recall).unwrap_or_default();
        Self {
            store,
            started: Instant::now(),
            deadline,
            is_fresh: true,
            view,
            reads: Vec::new(),
            rounds: 0,
            witness: None,
            has_written: false,
            round_trips: 0,
            read_rounds: 0,
            conflicts: 0,
            losses: 0,
            bytes_read: 0,
            backoff: Backoff::new(),
        }
    }

    fn driven<R>(self, reply: R) -> Driven<R> {
        let memory = match self.witness {
            _ if !self.has_written => Memory::Unchanged,
            None => Memory::Lost,
            Some(witness) => {
                let recollection = self.view.into_recollection(&witness, is_worth_it);
                recollection.map_or(Memory::Lost, Memory::New)
            }
        };
        Driven {
            reply,
            round_trips: self.round_trips,
            conflicts: self.conflicts,
            bytes_read: self.bytes_read,
            memory,
        }
    }

    fn empty_view(&self) -> View {
        let mut view = View::default();
        view.note_losses(self.losses);
        view
    }

    fn start_over(&mut self) -> Result<(), DriveError> {
        self.view = self.empty_view();
        self.is_fresh = true;
        self.reads.clear();
        self.rounds = 0;
        self.check_limit(self.left().is_zero(), "the deadline was", "")
    }

    /// Says whether the view holds reads of several moments that can be read again at one.
    fn is_of_many_moments(&self) -> bool {
        self.rounds > 1 && self.reads.len() <= Txn::OPS_MAX
    }

    async fn read_at_once(&mut self) -> Result<(), DriveError> {
        let reads = std::mem::take(&mut self.reads);
        self.start_over()?;
        self.read(reads).await
    }

    async fn read(&mut self, reads: Vec<Read>) -> Result<(), DriveError> {
        self.read_rounds += 1;
        let key = reads.first().map_or("", |read| read.range.start()).to_owned();
        self.check_limit(
            self.read_rounds > READ_ROUNDS_MAX,
            "the limit of rounds of reads was",
            &key,
        )?;
        self.check_limit(self.left().is_zero(), "the deadline was", &key)?;
        self.rounds += 1;
        self.reads.extend_from_slice(&reads);
        let txns: Vec<Txn> =
            reads.chunks(Txn::OPS_MAX).map(|chunk| Txn::read(chunk.iter().cloned())).collect();
        self.round_trips += 1;
        let left = self.left();
        let replies = join_all(txns.iter().map(|txn| self.store.txn(txn, left))).await;
        for (txn, reply) in txns.iter().zip(replies) {
            let reply = reply.map_err(DriveError::Store)?;
            self.bytes_read += reply.bytes();
            self.view.absorb_txn(txn, &reply);
        }
        Ok(())
    }

    /// Says whether the transaction was applied; otherwise the view shows what was in its way.
    async fn commit(
        &mut self,
        txn: Txn,
        came_true: impl Fn(&View) -> bool,
    ) -> Result<bool, DriveError> {
        let (reply, was_unknown) = self.send_until_known(&txn).await?;
        self.bytes_read += reply.bytes();
        if reply.succeeded {
            self.witness = witness(&txn).filter(|_| self.view.counts_agree(&txn, &reply));
            self.view.apply(txn, reply.revision);
            self.has_written = true;
            return Ok(true);
        }
        // The failed transaction has read all that was remembered and mattered; the rest is not to be trusted.
        let was_recalled = self.view.is_recalled();
        if was_recalled {
            self.view = self.empty_view();
            self.reads.clone_from(&txn.otherwise);
            self.rounds = 1;
        }
        self.view.absorb_txn(&txn, &reply);
        if was_unknown && (shows_own_writes(&txn, &self.view) || came_true(&self.view)) {
            debug!("the first sending was applied");
            self.has_written = true;
            return Ok(true);
        }
        self.conflicts += 1;
        // What was remembered must not change a result, so only what was looked at can be lost.
        if !was_recalled && lost_a_block(&txn, &self.view) {
            self.losses += 1;
            self.view.note_losses(self.losses);
        }
        self.is_fresh = was_recalled;
        let key = txn.then.iter().find_map(Op::written_key).map_or("", |key| &**key);
        debug!(conflicts = self.conflicts, key, "conflict, planning again");
        self.check_limit(self.conflicts > CONFLICTS_MAX, "the limit of conflicts was", key)?;
        self.check_limit(self.left().is_zero(), "the deadline was", key)?;
        if self.backoff.wait(self.conflicts, self.left()).await {
            // What the failed transaction read has grown old meanwhile, and would lose the next race too. All of it is read
            // again: a plan that knew less would guess again what it has guessed wrong.
            self.start_over()?;
            self.read(txn.otherwise).await?;
        }
        Ok(false)
    }

    /// Sends a transaction until its outcome is known; says whether it was unknown at first.
    async fn send_until_known(&mut self, txn: &Txn) -> Result<(TxnReply, bool), DriveError> {
        let mut unknown: Option<StoreError> = None;
        for sends in 1.. {
            let error = match self.send(txn).await {
                Ok(reply) => return Ok((reply, unknown.is_some())),
                Err(error) => error,
            };
            match (&error, &unknown) {
                (StoreError::Indeterminate { .. }, _) => unknown = Some(error),
                // The first sending may have been applied although this one was not.
                (StoreError::Unavailable { .. }, Some(_)) => {}
                (_, Some(_)) => break,
                (_, None) => return Err(DriveError::Store(error)),
            }
            debug!(sends, "nobody knows whether the transaction was applied");
            if sends >= SENDS_MAX || self.left().is_zero() {
                break;
            }
            self.backoff.pause(sends, self.left()).await;
        }
        Err(match unknown {
            Some(error) => DriveError::Store(error),
            None => self.exhausted("the limit of sendings was", ""),
        })
    }

    async fn send(&mut self, txn: &Txn) -> Result<TxnReply, StoreError> {
        self.round_trips += 1;
        self.store.txn(txn, self.left()).await
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.started.elapsed())
    }

    fn check_limit(&self, reached: bool, limit: &'static str, key: &str) -> Result<(), DriveError> {
        if reached { Err(self.exhausted(limit, key)) } else { Ok(()) }
    }

    fn exhausted(&self, limit: &'static str, key: &str) -> DriveError {
        DriveError::Exhausted {
            limit,
            round_trips: self.round_trips,
            elapsed_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            key: key.to_owned(),
        }
    }
}

/// Says whether a key is worth remembering. Handles follow from blocks, and that a block or a claim is absent does not help.
fn is_worth_it(key: &str, kv: Option<&Kv>) -> bool {
    match kv {
        Some(_) => !key.starts_with(key::HANDLES),
        None => key == key::CONFIG || !key.starts_with(key::IPAM_ROOT),
    }
}

/// Finds a key whose new value was never written before: a block's, which holds times and counters.
fn witness(txn: &Txn) -> Option<Key> {
    txn.then.iter().find_map(|op| match op {
        Op::Put { key, .. } if key.starts_with(key::BLOCKS) => Some(Key::clone(key)),
        Op::Put { .. } | Op::Delete { .. } | Op::Read(_) => None,
    })
}

/// Says whether a failed transaction wanted to write a block that is not as it was compared any more.
fn lost_a_block(txn: &Txn, view: &View) -> bool {
    let is_block = |key: &str| matches!(key::parse(key), Some(key::Named::Block(_)));
    let stored = |wanted: &str| view.iter().find(|kv| *kv.key == *wanted).map(|kv| kv.mod_revision);
    let written = txn.then.iter().filter_map(Op::written_key).filter(|key| is_block(key));
    written.into_iter().any(|written| {
        txn.compares.iter().any(|compare| match compare {
            Compare::Key { key, mod_revision } => {
                key == written && stored(key).unwrap_or(Revision::ABSENT) != *mod_revision
            }
            Compare::Value { .. } | Compare::Range { .. } => false,
        })
    })
}

/// Says whether every key that a transaction writes is as it would leave it.
fn shows_own_writes(txn: &Txn, view: &View) -> bool {
    let stored = |wanted: &str| view.iter().find(|kv| *kv.key == *wanted).map(|kv| &kv.value);
    let mut writes = txn.then.iter().filter(|op| op.written_key().is_some()).peekable();
    writes.peek().is_some()
        && writes.all(|op| match op {
            Op::Put { key, value } => stored(key) == Some(value),
            Op::Delete { key } => stored(key).is_none(),
            Op::Read(_) => true,
        })
}
