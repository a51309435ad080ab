//! What can go wrong in a run, and how often.

use std::collections::BTreeMap;
use std::fmt;

use fastrand::Rng;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A process dies before a request of it is carried out.
    CrashBefore,
    /// A process dies after a request was carried out, and before it hears of it.
    CrashAfter,
    /// A request is lost on its way; nobody knows.
    LostRequest,
    /// A reply is lost on its way; nobody knows.
    LostReply,
    /// A request is believed lost, and carried out later.
    LateRequest,
    /// A request is carried out a second time, later.
    RepeatedRequest,
    /// A reply takes so long that others go on meanwhile.
    SlowReply,
    /// The store says that it cannot be reached, and did nothing.
    Unavailable,
    /// What a node remembers is of an earlier time.
    StaleCache,
    /// What a node remembers is another node's.
    ForeignCache,
    /// What a node remembers is of another cluster.
    OtherCluster,
    /// What a node remembers is cut off.
    CutCache,
    /// What a node remembers is gone.
    NoCache,
    /// The clock of a node is set forward.
    ClockForward,
    /// The clock of a node is set back.
    ClockBack,
    /// A node is deleted, with its record.
    NodeDeleted,
    /// A node is given another name.
    NodeRenamed,
    /// A node is given other labels.
    NodeRelabelled,
    /// A pool is switched off, or on again.
    PoolDisabled,
    /// A pool is deleted, if it is not in use, or made again.
    PoolDeleted,
    /// A pool selects other nodes.
    PoolRelabelled,
    /// Addresses are reserved, or are not any more.
    Reserved,
    /// A namespace is bound to pools, or is not any more.
    Bound,
    /// The allocator is configured anew.
    Configured,
    /// A stock node leaves a claim behind as its races with itself do: on no block, on another's, none on its own, or marked.
    Damaged,
}

impl Fault {
    /// Every one.
    pub const ALL: [Self; 25] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::LostRequest,
        Self::LostReply,
        Self::LateRequest,
        Self::RepeatedRequest,
        Self::SlowReply,
        Self::Unavailable,
        Self::StaleCache,
        Self::ForeignCache,
        Self::OtherCluster,
        Self::CutCache,
        Self::NoCache,
        Self::ClockForward,
        Self::ClockBack,
        Self::NodeDeleted,
        Self::NodeRenamed,
        Self::NodeRelabelled,
        Self::PoolDisabled,
        Self::PoolDeleted,
        Self::PoolRelabelled,
        Self::Reserved,
        Self::Bound,
        Self::Configured,
        Self::Damaged,
    ];

    /// Those that befall what a node remembers.
    pub(super) const OF_CACHES: [Self; 5] =
        [Self::StaleCache, Self::ForeignCache, Self::OtherCluster, Self::CutCache, Self::NoCache];

    /// Those that an administrator brings about while others are at work.
    pub(super) const OF_ADMINS: [Self; 10] = [
        Self::NodeDeleted,
        Self::NodeRenamed,
        Self::NodeRelabelled,
        Self::PoolDisabled,
        Self::PoolDeleted,
        Self::PoolRelabelled,
        Self::Reserved,
        Self::Bound,
        Self::Configured,
        Self::Damaged,
    ];

    /// Reads the name that [`fmt::Display`] writes.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.to_string() == name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// How often each thing goes wrong: in how many of a thousand places where it can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    rates: BTreeMap<Fault, u16>,
}

impl Faults {
    /// Draws some of all, each at a rate of its own: a run in which everything goes wrong at once never gets far.
    #[must_use]
    pub fn drawn(rng: &mut Rng) -> Self {
        let mut rates = BTreeMap::new();
        for fault in Fault::ALL {
            let is_on = rng.u8(..100) < 55;
            let rate = rng.u16(4..60);
            if is_on {
                rates.insert(fault, rate);
            }
        }
        Self { rates }
    }

    /// Returns these without one.
    #[must_use]
    pub fn without(&self, fault: Fault) -> Self {
        let mut rates = self.rates.clone();
        rates.remove(&fault);
        Self { rates }
    }

    /// Decides whether it goes wrong here. It draws in either case, so that what follows stays the same.
    pub(super) fn strikes(&self, fault: Fault, rng: &mut Rng) -> bool {
        let drawn = rng.u16(..1000);
        self.rates.get(&fault).is_some_and(|rate| drawn < *rate)
    }
}
