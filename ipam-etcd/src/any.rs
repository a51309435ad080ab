//! One type for every backend.

use std::time::Duration;

use ipam_core::kv::{Txn, TxnReply};

use crate::embedded::{Create, EmbeddedStore};
use crate::etcd::EtcdStore;
use crate::settings::{Secret, StoreSettings};
use crate::{NodeCache, Store, StoreError};

/// Whichever store the settings name.
#[derive(Debug)]
pub enum AnyStore {
    /// A file on this machine.
    Embedded(EmbeddedStore),
    /// A cluster.
    Etcd(EtcdStore),
}

impl AnyStore {
    /// Opens the store that settings name; a cluster is connected to by the first call, with the token that the node's cache
    /// knows.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where it cannot be used, or does not answer within `deadline`.
    pub fn open(
        settings: &StoreSettings,
        create: Create,
        deadline: Duration,
        cache: Option<&NodeCache>,
    ) -> Result<Self, StoreError> {
        match settings {
            StoreSettings::Embedded { path } => {
                EmbeddedStore::open(path, create, deadline).map(Self::Embedded)
            }
            StoreSettings::Etcd(etcd) => {
                let token = etcd.login.as_ref().and_then(|_| cache?.token());
                Ok(Self::Etcd(EtcdStore::new(etcd.clone(), token)))
            }
        }
    }

    /// Connects to a cluster, so that the first call need not.
    ///
    /// # Errors
    ///
    /// As of a call that changes nothing.
    pub async fn connect(&self, deadline: Duration) -> Result<(), StoreError> {
        match self {
            Self::Embedded(_) => Ok(()),
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
