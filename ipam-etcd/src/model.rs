//! The model store behind the trait, for tests and simulation.
#![cfg(any(test, feature = "testing"))]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipam_core::kv::model::{Model, ModelError};
use ipam_core::kv::{Txn, TxnReply};

use crate::store::{Store, StoreError};

/// Keeps everything in memory and loses it with the process.
#[derive(Debug, Default)]
pub struct ModelStore {
    model: Mutex<Model>,
}

impl ModelStore {
    /// Hands the model to `f`, while every other user waits.
    pub fn with<R>(&self, f: impl FnOnce(&mut Model) -> R) -> R {
        // A test that panicked inside `f` has failed already; those that clean up may still look.
        f(&mut self.model.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Store for ModelStore {
    async fn txn(&self, txn: &Txn, _deadline: Duration) -> Result<TxnReply, StoreError> {
        self.with(|model| model.apply(txn)).map_err(|refusal| match refusal {
            ModelError::TooLarge { entries, limit } => StoreError::TooLarge { entries, limit },
            ModelError::WrittenTwice { key } => StoreError::WrittenTwice { key },
        })
    }

    fn name(&self) -> String {
        "model store in memory".to_owned()
    }
}
