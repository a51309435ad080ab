//! What one pass leaves to the next.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::ip::Cidr;
use crate::model::Timestamp;

/// What was seen and is not old enough to act on. It begins empty; each pass takes the last one's and makes a new one.
///
/// It may be lost at any time: then everything has to be seen for as long as the grace once more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Addresses that nobody seems to use, each with the handle that holds it.
    pub suspects: BTreeMap<(IpAddr, String), Sighting>,
    /// Empty blocks of nodes that have others.
    pub idle: BTreeMap<Cidr, Sighting>,
}

/// Since when something looks as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The sequence number of the allocation, or of the block: another one means that it was used in between.
    pub sequence: u64,
    /// When it was seen first.
    pub since: Timestamp,
}

impl Sighting {
    /// Goes on from an earlier sighting where it was of the same; begins now otherwise.
    pub(super) fn resume(earlier: Option<&Self>, sequence: u64, now: Timestamp) -> Self {
        match earlier {
            Some(earlier) if earlier.sequence == sequence => *earlier,
            Some(_) | None => Self { sequence, since: now },
        }
    }

    /// Says whether it is older than a grace, in seconds; 0 and less mean that nothing ever is.
    pub(super) fn is_older_than(&self, grace_seconds: i64, now: Timestamp) -> bool {
        grace_seconds > 0 && self.since.plus_seconds(grace_seconds) < now
    }
}
