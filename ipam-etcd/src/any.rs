//! One type for every backend.

use std::time::Duration;

use ipam_core::kv::{Txn, TxnReply};

use crate::embedded::EmbeddedStore;
use crate::etcd::EtcdStore;
use crate::settings::Secret;
use crate::{Store, StoreError};

/// Whichever store the settings name.
#[derive(Debug)]
pub enum AnyStore {
    /// A file on this machine.
    Embedded(EmbeddedStore),
    /// A cluster.
    Etcd(EtcdStore),
}

impl AnyStore {
    /// Connects to a cluster, so that the first call need not. Where that fails, the first call will tell.
    pub async fn connect(&self, deadline: Duration) {
        match self {
            Self::Embedded(_) => {}
            Self::Etcd(store) => store.connect(deadline).await,
        }
    }

    /// Returns the token of a login that this store has made, `None` where it made none.
    #[must_use]
    pub fn new_token(&self) -> Option<Secret> {
        match self {
            Self::Embedded(_) => None,
            Self::Etcd(store) => store.new_token(),
        }
    }
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
