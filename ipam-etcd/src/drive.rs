//! The one loop that carries plans to a store.

use std::time::{Duration, Instant};

use ipam_core::kv::{Op, Read, Txn, TxnReply, View};
use ipam_core::model::Timestamp;
use ipam_core::plan::{Request, Step, step};
use ipam_core::refusal::Refusal;
use tracing::debug;

use crate::backoff::Backoff;
use crate::{Store, StoreError};

/// The most rounds of reads in one call; a plan needs four at the most unless others are at work.
pub const READ_ROUNDS_MAX: u32 = 200;
/// The most conflicts in one call, Calico's own limit.
pub const CONFLICTS_MAX: u32 = 100;
/// The most times that a transaction is sent whose outcome stays unknown.
pub const SENDS_MAX: u32 = 10;

/// The answer to a request, and what it took.
#[derive(Clone, Debug)]
pub struct Driven<R> {
    /// The answer.
    pub reply: R,
    /// How often the store was asked.
    pub round_trips: u32,
    /// How often somebody else was faster.
    pub conflicts: u32,
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
/// The request is planned against what has been read, step by step, until it is answered or refused:
///
/// - A conflict (somebody else was faster) is not an error: the failed transaction has read the changed values, and the
///   request is planned again with them.
/// - A refusal counts only when it was planned from reads of which none is older than the last conflict.
/// - When nobody knows whether a transaction was applied, the *same* transaction is sent again. It is atomic and
///   compares everything that it depends on, so if the first one was applied, the second fails and shows our own
///   values. A different transaction is sent only after looking at them.
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
    let mut call = Call::new(store, deadline);
    loop {
        match step(request, &call.view, now) {
            Step::Done(reply) => return Ok(call.driven(reply)),
            Step::Refused(refusal) if call.is_fresh => {
                return Err(DriveError::Refused(refusal));
            }
            Step::Refused(refusal) => {
                debug!(%refusal, "refused by old reads, reading again");
                call.start_over()?;
            }
            Step::Read(reads) => call.read(reads).await?,
            Step::Commit { txn, reply } => {
                if call.commit(&txn).await? {
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
    round_trips: u32,
    read_rounds: u32,
    conflicts: u32,
    backoff: Backoff,
}

impl<'s, S: Store> Call<'s, S> {
    fn new(store: &'s S, deadline: Duration) -> Self {
        Self {
            store,
            started: Instant::now(),
            deadline,
            view: View::default(),
            is_fresh: true,
            round_trips: 0,
            read_rounds: 0,
            conflicts: 0,
            backoff: Backoff::new(),
        }
    }

    fn driven<R>(&self, reply: R) -> Driven<R> {
        Driven { reply, round_trips: self.round_trips, conflicts: self.conflicts }
    }

    fn start_over(&mut self) -> Result<(), DriveError> {
        self.view = View::default();
        self.is_fresh = true;
        self.check_limit(self.left().is_zero(), "the deadline was", "")
    }

    async fn read(&mut self, reads: Vec<Read>) -> Result<(), DriveError> {
        self.read_rounds += 1;
        let key = reads.first().map_or("", |read| read.range.start()).to_owned();
        self.check_limit(
            self.read_rounds > READ_ROUNDS_MAX,
            "the limit of rounds of reads was",
            &key,
        )?;
        for chunk in reads.chunks(Txn::OPS_MAX) {
            let txn = Txn::read(chunk.iter().cloned());
            let reply = self.send(&txn).await.map_err(DriveError::Store)?;
            self.view.absorb_txn(&txn, &reply);
        }
        Ok(())
    }

    /// Says whether the transaction was applied; otherwise the view shows what was in its way.
    async fn commit(&mut self, txn: &Txn) -> Result<bool, DriveError> {
        let (reply, was_unknown) = self.send_until_known(txn).await?;
        if reply.succeeded {
            return Ok(true);
        }
        self.view.absorb_txn(txn, &reply);
        if was_unknown && shows_own_writes(txn, &self.view) {
            debug!("the first sending was applied");
            return Ok(true);
        }
        self.conflicts += 1;
        self.is_fresh = false;
        let key = txn.then.iter().find_map(Op::written_key).unwrap_or_default();
        debug!(conflicts = self.conflicts, key, "conflict, planning again");
        self.check_limit(self.conflicts > CONFLICTS_MAX, "the limit of conflicts was", key)?;
        self.check_limit(self.left().is_zero(), "the deadline was", key)?;
        if self.backoff.wait(self.conflicts, self.left()).await {
            // What the failed transaction read has grown old meanwhile, and would lose the next race too.
            self.start_over()?;
        }
        Ok(false)
    }

    /// Sends a transaction until its outcome is known; says whether it was unknown at first.
    async fn send_until_known(&mut self, txn: &Txn) -> Result<(TxnReply, bool), DriveError> {
        let mut sends = 0;
        loop {
            sends += 1;
            match self.send(txn).await {
                Ok(reply) => return Ok((reply, sends > 1)),
                Err(StoreError::Indeterminate { store, source }) => {
                    debug!(store, %source, sends, "nobody knows whether the transaction was applied");
                    if sends >= SENDS_MAX || self.left().is_zero() {
                        return Err(DriveError::Store(StoreError::Indeterminate { store, source }));
                    }
                    let _ = self.backoff.wait(sends, self.left()).await;
                }
                // The first sending may have been applied although this one was not.
                Err(StoreError::Unavailable { store, source, .. }) if sends > 1 => {
                    return Err(DriveError::Store(StoreError::Indeterminate { store, source }));
                }
                Err(error) => return Err(DriveError::Store(error)),
            }
        }
    }

    async fn send(&mut self, txn: &Txn) -> Result<TxnReply, StoreError> {
        self.round_trips += 1;
        self.store.txn(txn, self.left()).await
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_sub(self.started.elapsed())
    }

    fn check_limit(&self, reached: bool, limit: &'static str, key: &str) -> Result<(), DriveError> {
        if !reached {
            return Ok(());
        }
        Err(DriveError::Exhausted {
            limit,
            round_trips: self.round_trips,
            elapsed_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            key: key.to_owned(),
        })
    }
}

/// Says whether every key that a transaction writes is as it would leave it.
fn shows_own_writes(txn: &Txn, view: &View) -> bool {
    let stored = |wanted: &str| view.iter().find(|kv| kv.key == wanted).map(|kv| &kv.value);
    let mut writes = txn.then.iter().filter(|op| op.written_key().is_some()).peekable();
    writes.peek().is_some()
        && writes.all(|op| match op {
            Op::Put { key, value } => stored(key) == Some(value),
            Op::Delete { key } => stored(key).is_none(),
            Op::Read(_) => true,
        })
}
