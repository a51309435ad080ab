//! What every datastore promises.

use std::future::Future;
use std::time::Duration;

use ipam_core::kv::{Key, Op, Txn, TxnReply};

/// A store of keys with etcd's semantics.
///
/// Every backend keeps these promises, and `tests/tests/conformance/` holds each of them to it:
///
/// 1. A transaction happens entirely or not at all, and all its writes share one revision. A compare on an absent
///    key sees [`Revision::ABSENT`](ipam_core::kv::Revision::ABSENT). A transaction that writes nothing does not
///    advance the revision. A transaction that writes a key twice, or that holds more than
///    [`Txn::OPS_MAX`] entries in one list, is refused before anything happens.
/// 2. Reads are linearisable: they see every transaction whose reply was received before they began. All reads of
///    one transaction are answered at one revision.
/// 3. An error says whether the effect may have happened: [`StoreError::Indeterminate`] is the only variant
///    after which a write may have been applied.
/// 4. A call ends within `deadline`, counted from its start.
pub trait Store: Send + Sync {
    /// Carries out a transaction; reading several ranges is a transaction without compares.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; only [`StoreError::Indeterminate`] leaves open whether the writes happened.
    fn txn(
        &self,
        txn: &Txn,
        deadline: Duration,
    ) -> impl Future<Output = Result<TxnReply, StoreError>> + Send;

    /// Names the store for messages, such as `embedded store /var/lib/ringfence/store.db`.
    fn name(&self) -> String;
}

/// Why a store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store could not be reached in time, or was busy; nothing was changed.
    #[error("{store} did not answer in {waited_ms} ms")]
    Unavailable {
        /// The store's name.
        store: String,
        /// How long was waited, in milliseconds.
        waited_ms: u64,
        /// What it said.
        source: Cause,
    },
    /// The reply to a write was lost: nobody knows whether it happened.
    #[error("{store} did not confirm a write")]
    Indeterminate {
        /// The store's name.
        store: String,
        /// What it said.
        source: Cause,
    },
    /// The store does not let us in.
    #[error("{store} denies access")]
    Denied {
        /// The store's name.
        store: String,
        /// What it said.
        source: Cause,
    },
    /// The store cannot be used as it is: damaged, of another format, or not a store at all.
    #[error("{store} cannot be used")]
    Unusable {
        /// The store's name.
        store: String,
        /// What is wrong with it.
        source: Cause,
    },
    /// A transaction holds more entries than a store accepts.
    #[error("a transaction of {entries} entries is above the limit of {limit}")]
    TooLarge {
        /// The longest of its lists.
        entries: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// A transaction writes one key twice.
    #[error("a transaction writes {key} twice")]
    WrittenTwice {
        /// The key.
        key: Key,
    },
}

/// The error of whatever lies below a store.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Refuses what no backend accepts, so that every backend refuses it alike.
///
/// # Errors
///
/// [`StoreError::TooLarge`] and [`StoreError::WrittenTwice`].
pub fn check_shape(txn: &Txn) -> Result<(), StoreError> {
    let entries = txn.compares.len().max(txn.then.len()).max(txn.otherwise.len());
    if entries > Txn::OPS_MAX {
        return Err(StoreError::TooLarge { entries, limit: Txn::OPS_MAX });
    }
    let mut written: Vec<&Key> = txn.then.iter().filter_map(Op::written_key).collect();
    written.sort_unstable();
    for (key, next) in written.iter().zip(written.iter().skip(1)) {
        if key == next {
            return Err(StoreError::WrittenTwice { key: Key::clone(key) });
        }
    }
    Ok(())
}
