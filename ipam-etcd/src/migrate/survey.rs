//! A first look at a store, and whether it still is as it was then.

use std::time::Duration;

use ipam_core::kv::{Compare, Key, Projection, Range, Read, ReadReply, Revision, Txn, TxnReply};
use ipam_core::model::{ClusterInformation, ResourceKind, key};

use super::persist::persist;
use super::walk::Walk;
use crate::store::{Store, StoreError};

/// What else may lie beside the roots: everything of Calico's, and of ours.
const BESIDE: [&str; 2] = ["/calico/", "/ringfence/"];

/// What a store holds below the roots, in numbers, at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The store.
    pub store: String,
    /// When this was true.
    pub revision: Revision,
    /// How many keys there are.
    pub keys: u64,
    /// The first of them.
    pub first: Option<Key>,
    /// Whether an administrator has locked the store, so that nobody gets an address.
    pub is_locked: bool,
    /// How many keys there are below each root.
    counts: Vec<u64>,
}

/// How a store is not any more what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// A key that was made or changed; `None` where some have gone.
    pub(super) key: Option<Key>,
    /// How far the store is now.
    pub(super) revision: Revision,
}

impl Survey {
    /// Looks at a store.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn of<S: Store>(store: &S, deadline: Duration) -> Result<Self, StoreError> {
        let first =
            |root| Read { range: Range::prefix(root), projection: Projection::Keys, limit: 1 };
        let cluster = key::resource(ResourceKind::ClusterInformation, ClusterInformation::NAME);
        let roots = key::ROOTS.into_iter().map(first);
        let txn = Txn::read(roots.chain([Read::values(Range::key(cluster.clone()))]));
        let reply = persist(store, &txn, deadline).await.reply?;
        let (roots, facts) = reply.reads.split_at(key::ROOTS.len().min(reply.reads.len()));
        let counts = counts(roots);
        Ok(Self {
            store: store.name(),
            revision: reply.revision,
            keys: counts.iter().sum(),
            first: roots.iter().flat_map(|read| &read.kvs).map(|kv| kv.key.clone()).next(),
            is_locked: facts.iter().flat_map(|read| &read.kvs).any(|kv| is_lock(&kv.value)),
            counts,
        })
    }

    /// Finds out how the store differs from what it was at this look, `None` where nothing below the roots was changed
    /// since.
    ///
    /// Whoever writes leaves a newer key; whoever deletes, one key less. Keys elsewhere do not count: others may use the
    /// same cluster.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub(super) async fn change<S: Store>(
        &self,
        store: &S,
        deadline: Duration,
    ) -> Result<Option<Change>, StoreError> {
        // Mostly nothing was written at all, and then the store need not look through everything.
        let revision = persist(store, &Txn::default(), deadline).await.reply?.revision;
        if revision == self.revision {
            return Ok(None);
        }
        let reply = persist(store, &self.stood_still(), deadline).await.reply?;
        if reply.succeeded && counts(&reply.reads) == self.counts {
            return Ok(None);
        }
        let mut walk = Walk::of(store, Projection::Keys, deadline);
        while let Some(kv) = walk.next().await? {
            if kv.mod_revision > self.revision {
                return Ok(Some(Change { key: Some(kv.key), revision: reply.revision }));
            }
        }
        Ok(Some(Change { key: None, revision: reply.revision }))
    }

    /// Counts what lies beside the roots and is not copied; `None` where we may not look there.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub(super) async fn beside<S: Store>(
        store: &S,
        deadline: Duration,
    ) -> Result<Option<u64>, StoreError> {
        let ranges = BESIDE.into_iter().chain(key::ROOTS);
        let txn = Txn::read(ranges.map(|start| Read::count(Range::prefix(start))));
        match persist(store, &txn, deadline).await.reply {
            Ok(TxnReply { reads, .. }) => {
                let (all, below) = reads.split_at(BESIDE.len().min(reads.len()));
                let sum = |reads: &[ReadReply]| counts(reads).iter().sum::<u64>();
                Ok(Some(sum(all).saturating_sub(sum(below))))
            }
            Err(StoreError::Denied { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the transaction that counts again if no key is newer than this look.
    fn stood_still(&self) -> Txn {
        let old = |root| Compare::Range { range: Range::prefix(root), newest: self.revision };
        let count = |root| Read::count(Range::prefix(root));
        let compares = key::ROOTS.into_iter().map(old).collect();
        Txn { compares, ..Txn::read(key::ROOTS.into_iter().map(count)) }
    }
}

fn counts(reads: &[ReadReply]) -> Vec<u64> {
    reads.iter().map(|read| read.count).collect()
}

/// Says whether the facts about a cluster say that it is locked. What cannot be understood locks nothing.
fn is_lock(value: &[u8]) -> bool {
    let key = key::resource(ResourceKind::ClusterInformation, ClusterInformation::NAME);
    ClusterInformation::decode(&key, value)
        .is_ok_and(|cluster| cluster.spec.datastore_ready == Some(false))
}
