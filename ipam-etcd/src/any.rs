//! One type for every backend.

use std::time::Duration;

use ipam_core::kv::{Txn, TxnReply};

use crate::embedded::EmbeddedStore;
use crate::etcd::EtcdStore;
use crate::{Store, StoreError};

/// Whichever store the settings name.
#[derive(Debug)]
pub enum AnyStore {
    /// A file on this machine.
    Embedded(EmbeddedStore),
    /// A cluster.
    Etcd(EtcdStore),
}

impl Store for AnyStore {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        match self {
            Self::Embedded(store) => store.txn(txn, deadline).await,
            Self::Etcd(store) => store.txn(txn, deadline).await,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Embedded(store) => store.name(),
            Self::Etcd(store) => store.name(),
        }
    }
}
