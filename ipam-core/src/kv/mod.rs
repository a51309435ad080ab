//! Keys, reads and transactions as plain data, with etcd's semantics.
//!
//! Nothing here talks to a store. A plan looks at a [`View`] and returns a [`Txn`]; a driver in another crate
//! carries both to whatever keeps the data.

mod entry;
mod lookup;
mod range;
mod recollection;
mod txn;
mod value;
mod view;

#[cfg(any(test, feature = "testing"))]
pub mod model;

pub use lookup::{Lookup, Missing};
pub use range::{Projection, Range, Read, ReadReply};
pub use recollection::Recollection;
pub use txn::{Compare, Op, Txn, TxnReply};
pub use value::Value;
pub use view::{View, Waypoint};

use std::fmt;
use std::sync::Arc;

/// The name of a stored value. Views, compares and reads share it: a transaction has dozens, each in several places.
pub type Key = Arc<str>;

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
    pub value: Value,
    /// The revision that created it.
    pub create_revision: Revision,
    /// The revision that changed it last.
    pub mod_revision: Revision,
    /// How often it was written since its creation, 1 for a new one.
    pub version: u64,
}
