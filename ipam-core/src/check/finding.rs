//! One broken rule.

use std::fmt;

use crate::ip::Cidr;

/// A rule that stored data breaks, where, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The key at fault.
    pub subject: String,
    /// The block that a handle miscounts; `None` where the subject says it all.
    pub block: Option<Cidr>,
    /// What was found there.
    pub evidence: String,
}

impl Finding {
    /// Makes a finding.
    #[must_use]
    pub fn new(rule: Rule, subject: &str, evidence: String) -> Self {
        Self { rule, subject: subject.to_owned(), block: None, evidence }
    }

    /// Makes a finding about what a handle counts for a block.
    #[must_use]
    pub fn of_count(rule: Rule, handle_key: &str, block: Cidr, evidence: String) -> Self {
        Self { block: Some(block), ..Self::new(rule, handle_key, evidence) }
    }
}

/// The rules, by the names that `docs/stored-format.md` gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A value is not what its key promises.
    Undecodable,
    /// A block's network is the one in its key.
    K1,
    /// A block lists each of its addresses.
    K2,
    /// An address is either taken or in the queue once.
    K3,
    /// A taken address points at metadata that exists.
    K4,
    /// Metadata belongs to an address.
    K5,
    /// An address in cooldown has no owner, and was released in the past.
    K6,
    /// Sequence numbers exist for taken addresses and lie below the block's.
    K7,
    /// An affinity names a host or a virtual owner.
    K8,
    /// An address of a virtual owner has a handle.
    K9,
    /// Nothing is marked as deleted.
    K10,
    /// Blocks do not overlap.
    K11,
    /// A confirmed claim has its block.
    X1,
    /// A block has one confirmed claim at most.
    X2,
    /// A block's owner has a claim on it.
    X3,
    /// A handle counts all of its addresses.
    X4,
    /// A handle that exists holds something.
    X5,
    /// A handle counts no more than its addresses.
    Phantom,
    /// A claim is confirmed.
    Unconfirmed,
    /// A block without owner holds something.
    EmptyUnowned,
    /// Pools share no address.
    PoolOverlap,
    /// A pool is called like its key.
    PoolName,
    /// A binding names pools that exist.
    BoundPool,
}

/// How bad a broken rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Somebody's components crash, or an address may be given twice.
    Error,
    /// Addresses are lost, or a later step may fail.
    Warning,
    /// Left over by a crash or by stock Calico's ways; repaired in passing.
    Note,
}

/// What can be done about a broken rule without asking people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing: whoever broke the rule knows something that the data does not say.
    None,
    /// A repair that is safe at any time: `what` it does.
    AtOnce(&'static str),
    /// A repair that may foil somebody who is at work: `what` it does, once nothing has changed for a while.
    Aged(&'static str),
}

impl Remedy {
    /// Returns what the repair does, `None` where there is none.
    #[must_use]
    pub const fn what(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::AtOnce(what) | Self::Aged(what) => Some(what),
        }
    }
}

impl Rule {
    /// Returns what can be done about it.
    #[must_use]
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::X1 => Remedy::AtOnce("withdraw the claim"),
            Self::X3 => {
                Remedy::AtOnce("restore the claim, or give the block up if its node is gone")
            }
            Self::X4 => Remedy::AtOnce("count the addresses that are held"),
            Self::EmptyUnowned => Remedy::AtOnce("delete the block"),
            Self::X5 | Self::Phantom => Remedy::Aged("count only the addresses that are held"),
            Self::Unconfirmed => Remedy::Aged(
                "confirm the claim if the block is its owner's, and delete it otherwise",
            ),
            Self::Undecodable
            | Self::K1
            | Self::K2
            | Self::K3
            | Self::K4
            | Self::K5
            | Self::K6
            | Self::K7
            | Self::K8
            | Self::K9
            | Self::K10
            | Self::K11
            | Self::X2
            | Self::PoolOverlap
            | Self::PoolName
            | Self::BoundPool => Remedy::None,
        }
    }

    /// Returns the name in reports.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Undecodable => "K0",
            Self::K1 => "K1",
            Self::K2 => "K2",
            Self::K3 => "K3",
            Self::K4 => "K4",
            Self::K5 => "K5",
            Self::K6 => "K6",
            Self::K7 => "K7",
            Self::K8 => "K8",
            Self::K9 => "K9",
            Self::K10 => "K10",
            Self::K11 => "K11",
            Self::X1 => "X1",
            Self::X2 => "X2",
            Self::X3 => "X3",
            Self::X4 => "X4",
            Self::X5 => "X5",
            Self::Phantom => "X6",
            Self::Unconfirmed => "X7",
            Self::EmptyUnowned => "X8",
            Self::PoolOverlap => "P1",
            Self::PoolName => "P2",
            Self::BoundPool => "P3",
        }
    }

    /// Returns what the rule asks for, in a few words.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Undecodable => "value is not what its key promises",
            Self::K1 => "block and key name different networks",
            Self::K2 => "block does not list each address",
            Self::K3 => "address is taken and free, or neither",
            Self::K4 => "address points at missing metadata",
            Self::K5 => "metadata belongs to no address",
            Self::K6 => "cooldown is inconsistent",
            Self::K7 => "sequence number is inconsistent",
            Self::K8 => "affinity names nobody known",
            Self::K9 => "virtual block has an address without handle",
            Self::K10 => "marked as deleted",
            Self::K11 => "blocks overlap",
            Self::X1 => "confirmed claim without its block",
            Self::X2 => "two confirmed claims on one block",
            Self::X3 => "block's owner has no claim",
            Self::X4 => "handle misses an address",
            Self::X5 => "handle holds nothing",
            Self::Phantom => "handle counts too much",
            Self::Unconfirmed => "claim is not confirmed",
            Self::EmptyUnowned => "empty block without owner",
            Self::PoolOverlap => "pools overlap",
            Self::PoolName => "pool and key have different names",
            Self::BoundPool => "binding names a pool that does not exist",
        }
    }

    /// Returns how bad it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::Undecodable
            | Self::K1
            | Self::K2
            | Self::K3
            | Self::K4
            | Self::K8
            | Self::K9
            | Self::K10
            | Self::K11
            | Self::X2
            | Self::PoolOverlap => Severity::Error,
            Self::K7
            | Self::X1
            | Self::X3
            | Self::X4
            | Self::X5
            | Self::PoolName
            | Self::BoundPool => Severity::Warning,
            Self::K5 | Self::K6 | Self::Phantom | Self::Unconfirmed | Self::EmptyUnowned => {
                Severity::Note
            }
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {} ({})",
            self.rule.code(),
            self.subject,
            self.rule.title(),
            self.evidence
        )
    }
}
