//! Everything that is stored, read at one revision.

use crate::kv::{Kv, Lookup, Range, Read};
use crate::model::{Timestamp, key};

use super::{Outcome, Planned, Request};

/// Asks for everything that is stored.
#[derive(Clone, Copy, Debug)]
pub struct ReadAll;

/// Everything that is stored.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every key of the roots that are looked at, in order.
    pub kvs: Vec<Kv>,
}

impl Request for ReadAll {
    type Reply = Snapshot;

    fn plan(&self, lookup: &mut Lookup<'_>, _now: Timestamp) -> Planned<Outcome<Snapshot>> {
        let roots = key::ROOTS.map(Range::prefix);
        lookup.require(roots.iter().cloned().map(Read::values))?;
        let mut kvs = Vec::new();
        for root in &roots {
            kvs.extend(lookup.peek_scan(root)?.into_iter().cloned());
        }
        Ok(Outcome::Done(Snapshot { kvs }))
    }
}
