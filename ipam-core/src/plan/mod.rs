//! Planning: a request and what has been read so far go in, the next step comes out.
//!
//! A plan is a pure function that is run again from the start each time more has been read. It never changes
//! anything: it returns a transaction whose compares say what it depended on. One file per family of requests.

mod assign;
mod bind;
mod claim;
mod collect_cold;
mod configure;
mod delete_pool;
pub(crate) mod downgrade;
mod ensure_blocks;
mod facts;
mod held;
mod holder;
mod leftovers;
mod owners;
mod promote;
pub(crate) mod release;
mod release_address;
mod release_claims;
mod resources;
mod row;
mod rules;
mod seek;
mod snapshot;
mod unselected;
mod verify;

pub use assign::{AddressRule, Assign, Assigned, Assignment, Decision, FamilyRequest, Short, Want};
pub use bind::{Bind, Unbind};
pub use claim::ClaimBlocks;
pub use collect_cold::CollectCold;
pub use configure::Configure;
pub use delete_pool::DeletePool;
pub use ensure_blocks::EnsureBlocks;
pub use held::{Held, HeldAddress};
pub use holder::Holder;
pub use leftovers::{Attachment, HANDLES_MAX, Leftovers};
pub use owners::{AssignmentOf, Owners, SetOwners};
pub use promote::PromoteOwner;
pub use release::{HandleTarget, Release};
pub use release_address::{AddressTarget, ReleaseAddresses, Released};
pub use release_claims::{Claims, GivenUp, ReleaseClaims};
pub use resources::{Applied, ApplyResources, Manifest, Outcome as ApplyOutcome};
pub use rules::{NodeRule, PoolOrder, Replay, Rules, Shortfall};
pub use seek::{How, Shortage};
pub use snapshot::{ReadAll, Snapshot};
pub use verify::{Mismatch, Verify};

use std::borrow::Cow;

use crate::kv::{Key, Lookup, Missing, Op, Read, Revision, Txn, Value, View, Waypoint};
use crate::model::Timestamp;
use crate::refusal::Refusal;

/// Something that is asked of the store.
pub trait Request {
    /// The answer.
    type Reply: Clone;

    /// Says what to do, given what has been read.
    ///
    /// The same request is planned several times with more to look at each time; `now` stays the same.
    ///
    /// # Errors
    ///
    /// [`Halt::Read`] where something must be read first, [`Halt::Refuse`] where it must not be done.
    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Self::Reply>>;

    /// Returns keys whose values follow from what is remembered, and the values: they are compared like all that is.
    fn presumed(&self, _view: &View) -> Vec<(Key, Value)> {
        Vec::new()
    }

    /// Says whether what has been read shows that a planned reply came true.
    ///
    /// It is asked where a transaction was sent again because the first reply was lost, failed, and somebody may have
    /// changed the same keys in between. Only what nobody but this very request can have written counts.
    fn came_true(&self, _lookup: &Lookup<'_>, _reply: &Self::Reply) -> bool {
        false
    }
}

/// The result of a part of a plan.
pub type Planned<T> = Result<T, Halt>;

/// Why a plan stops before its end.
#[derive(Debug)]
pub enum Halt {
    /// These must be read first.
    Read(Vec<Read>),
    /// It must not be done.
    Refuse(Box<Refusal>),
    /// A walk came this far: what it has read can be forgotten, and the plan goes on from here.
    Note(Note),
    /// These changes come first, under compares on all that was looked at; when they are made, it is planned again.
    Prepare(Vec<Op>),
}

/// A step of a walk over more keys than memory should hold.
#[derive(Clone, Debug)]
pub struct Note {
    /// Which walk.
    pub walk: String,
    /// How far it came.
    pub waypoint: Waypoint,
    /// The keys that are not needed any more.
    pub forget: Vec<Key>,
}

impl From<Missing> for Halt {
    fn from(missing: Missing) -> Self {
        Self::Read(missing.0)
    }
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(Box::new(refusal))
    }
}

impl From<crate::model::DecodeError> for Halt {
    fn from(error: crate::model::DecodeError) -> Self {
        Refusal::Corrupt(error).into()
    }
}

/// What a plan comes to.
#[derive(Clone, Debug)]
pub enum Outcome<R> {
    /// These changes, under the compares that follow from what was looked at; then the reply is true.
    Write {
        /// The changes.
        ops: Vec<Op>,
        /// The answer once they are made.
        reply: R,
    },
    /// Nothing needs to change.
    Done(R),
}

/// What to do next about a request.
#[derive(Debug)]
pub enum Step<R> {
    /// Read these at once, then plan again.
    Read(Vec<Read>),
    /// Commit this; if its compares fail, take over what it read instead and plan again.
    Commit {
        /// The transaction.
        txn: Txn,
        /// The answer once it is applied; `None` where the request must be planned again then.
        reply: Option<R>,
    },
    /// Note how far a walk came, then plan again.
    Note(Note),
    /// The answer; nothing needs to change.
    Done {
        /// The answer.
        reply: R,
        /// Whether it was planned from what is only remembered, so that it may be wrong.
        relies_on_memory: bool,
    },
    /// It must not be done.
    Refused {
        /// Why not.
        refusal: Box<Refusal>,
        /// Whether it was planned from what is only remembered, so that it may be wrong.
        relies_on_memory: bool,
    },
}

/// The most entries of a list of one transaction; etcd's limit leaves room for what a driver may add.
pub const TXN_OPS_MAX: usize = 100;

/// Plans the next step of a request.
pub fn step<R: Request>(request: &R, view: &View, now: Timestamp) -> Step<R::Reply> {
    let mut lookup = Lookup::new(view);
    let planned = request.plan(&mut lookup, now);
    let relies_on_memory = lookup.relies_on_memory();
    let (ops, reply) = match planned {
        Err(Halt::Read(reads)) => return Step::Read(reads),
        Err(Halt::Refuse(refusal)) => return Step::Refused { refusal, relies_on_memory },
        Err(Halt::Note(note)) => return Step::Note(note),
        Err(Halt::Prepare(ops)) => (ops, None),
        Ok(Outcome::Done(reply)) => return Step::Done { reply, relies_on_memory },
        Ok(Outcome::Write { ops, reply }) => (ops, Some(reply)),
    };
    match lookup.into_txn(ops) {
        Err(Missing(reads)) => Step::Read(reads),
        Ok(txn) => match txn.then.len().max(txn.compares.len()) {
            ops if ops > TXN_OPS_MAX => {
                let refusal = Box::new(Refusal::TooLarge { ops, max: TXN_OPS_MAX });
                Step::Refused { refusal, relies_on_memory }
            }
            _ => Step::Commit { txn, reply },
        },
    }
}

/// Asks whether a request could be fulfilled, without searching for long. Nothing changes.
#[derive(Clone, Debug)]
pub struct Probe<R> {
    /// The request.
    pub request: R,
    /// After how many blocks of a pool without a free block the search for room ends.
    pub blocks_max: u128,
}

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It could be fulfilled.
    Found,
    /// Everything that was looked at is full; there is more.
    Unknown,
}

impl<R: Request> Request for Probe<R> {
    type Reply = Room;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Room>> {
        match DryRun(&self.request).plan(lookup, now) {
            Ok(_) => Ok(Outcome::Done(Room::Found)),
            Err(Halt::Note(note)) if note.waypoint.walked >= self.blocks_max => {
                Ok(Outcome::Done(Room::Unknown))
            }
            Err(halt) => Err(halt),
        }
    }
}

/// Plans a request to the end and changes nothing: the reply says what would be true.
#[derive(Clone, Debug)]
pub struct DryRun<R>(pub R);

impl<R: Request> Request for &R {
    type Reply = R::Reply;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        (**self).plan(lookup, now)
    }
}

impl<R: Request> Request for DryRun<R> {
    type Reply = R::Reply;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        let mut view = Cow::Borrowed(lookup.view());
        loop {
            let planned = match &view {
                Cow::Borrowed(_) => self.0.plan(lookup, now),
                Cow::Owned(view) => self.0.plan(&mut Lookup::new(view), now),
            };
            match planned {
                Ok(Outcome::Write { reply, .. } | Outcome::Done(reply)) => {
                    return Ok(Outcome::Done(reply));
                }
                // As if the changes were made, so that it shows what would follow.
                Err(Halt::Prepare(ops)) => {
                    let made = Txn { then: ops, ..Txn::default() };
                    view.to_mut().apply(made, Revision::INITIAL);
                }
                Err(halt) => return Err(halt),
            }
        }
    }
}
