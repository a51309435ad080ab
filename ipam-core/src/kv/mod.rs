//! Keys, reads and transactions as plain data, with etcd's semantics.
//!
//! Nothing here talks to a store. A plan looks at a [`View`] and returns a [`Txn`]; a driver in another crate
//! carries both to whatever keeps the data.

mod lookup;
mod range;
mod txn;
mod view;

#[cfg(any(test, feature = "testing"))]
pub mod model;

pub use lookup::{Lookup, Missing};
pub use range::{Projection, Range, Read, ReadReply};
pub use txn::{Compare, Op, Txn, TxnReply};
pub use view::{Recollection, View, Waypoint};

use std::fmt;

/// The name of a stored value.
pub type Key = String;

/// Counts the changes of a whole store.
///
/// The first change makes revision 2, as in etcd. As a `mod_revision`, 0 means that the key is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The modification revision of a key that does not exist.
    pub const ABSENT: Self = Self(0);
    /// The revision of a store that was never written.
    pub const INITIAL: Self = Self(1);

    /// Returns the revision that follows this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One stored value and its history in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kv {
    /// Its name.
    pub key: Key,
    /// Its bytes; empty where only the key was asked for.
    pub value: Vec<u8>,
    /// The revision that created it.
    pub create_revision: Revision,
    /// The revision that changed it last.
    pub mod_revision: Revision,
    /// How often it was written since its creation, 1 for a new one.
    pub version: u64,
}
