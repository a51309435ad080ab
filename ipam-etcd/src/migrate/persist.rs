//! Asking a store that may be busy with itself for a moment.

use std::time::{Duration, Instant};

use ipam_core::kv::{Txn, TxnReply};

use crate::backoff::Backoff;
use crate::store::{Store, StoreError};

/// What came of a transaction that was sent until it was answered, or the time was up.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The last answer.
    pub(super) reply: Result<TxnReply, StoreError>,
    /// Whether an earlier answer was lost, so that the transaction may have been applied before.
    pub(super) was_lost: bool,
}

/// Sends a transaction, and sends it again where it was not answered and `deadline` has not passed: a cluster may have to
/// find itself a leader, or a member may start anew.
///
/// A write must carry compares that tell whether it was applied before.
pub(super) async fn persist<S: Store>(store: &S, txn: &Txn, deadline: Duration) -> Outcome {
    let started = Instant::now();
    let mut backoff = Backoff::new();
    let mut was_lost = false;
    let mut sends = 0;
    loop {
        let left = deadline.saturating_sub(started.elapsed());
        let reply = store.txn(txn, left).await;
        sends += 1;
        let is_passing = match &reply {
            Err(StoreError::Indeterminate { .. }) => {
                was_lost = true;
                true
            }
            Err(StoreError::Unavailable { .. }) => true,
            Ok(_)
            | Err(
                StoreError::Denied { .. }
                | StoreError::Unusable { .. }
                | StoreError::TooLarge { .. }
                | StoreError::WrittenTwice { .. },
            ) => false,
        };
        let left = deadline.saturating_sub(started.elapsed());
        if !is_passing || left.is_zero() {
            return Outcome { reply, was_lost };
        }
        backoff.pause(sends, left).await;
        if started.elapsed() >= deadline {
            return Outcome { reply, was_lost };
        }
    }
}
