//! The verbs of Calico's backend, each one transaction over one key or one list.

use std::time::Duration;

use ipam_core::kv::{Compare, Key, Op, Range, Read, Revision, Txn, TxnReply};
use ipam_core::model::{
    Affinity, Block, Config, DecodeError, Handle, IpPool, IpReservation, Node, key,
};
use ipam_etcd::Store;

use super::Fault;

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// A value as it was read or written, with the revision that a later change compares.
#[derive(Clone, Debug)]
pub(super) struct Stored<T> {
    pub(super) key: Key,
    pub(super) value: T,
    pub(super) revision: Revision,
}

/// What can be stored.
pub(super) trait Value: Sized {
    fn read(key: &str, bytes: &[u8]) -> Result<Self, DecodeError>;
    fn bytes(&self) -> Vec<u8>;
}

macro_rules! value {
    ($($kind:ty),*) => {$(
        impl Value for $kind {
            fn read(key: &str, bytes: &[u8]) -> Result<Self, DecodeError> {
                Self::decode(key, bytes)
            }

            fn bytes(&self) -> Vec<u8> {
                self.encode()
            }
        }
    )*};
}

value!(Affinity, Block, Config, IpPool, IpReservation, Node);

impl Value for Handle {
    fn read(key: &str, bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(key, bytes)
    }

    fn bytes(&self) -> Vec<u8> {
        self.encode().expect("a handle that counts nothing is deleted, not stored")
    }
}

/// Calico's backend for etcd.
#[derive(Debug)]
pub(super) struct Verbs<'s, S> {
    store: &'s S,
}

impl<'s, S: Store> Verbs<'s, S> {
    pub(super) fn new(store: &'s S) -> Self {
        Self { store }
    }

    /// Reads a key that must exist.
    pub(super) async fn get<T: Value>(&self, key: &str) -> Result<Stored<T>, Fault> {
        let reply = self.send(&Txn::read([Read::values(Range::key(key))])).await?;
        let kv = reply.reads.into_iter().flat_map(|read| read.kvs).next();
        let kv = kv.ok_or_else(|| Fault::not_found(key))?;
        let value =
            T::read(key, &kv.value).map_err(|error| Fault::unparsable(key, &kv.value, &error))?;
        Ok(Stored { key: kv.key, value, revision: kv.mod_revision })
    }

    /// Reads every key with a prefix; values that cannot be understood are dropped without a word.
    pub(super) async fn list<T: Value>(&self, prefix: &str) -> Result<Vec<Stored<T>>, Fault> {
        let reply = self.send(&Txn::read([Read::values(Range::prefix(prefix))])).await?;
        let kvs = reply.reads.into_iter().flat_map(|read| read.kvs);
        let understood = kvs.filter_map(|kv| {
            let is_named = key::parse(&kv.key).is_some();
            let value = T::read(&kv.key, &kv.value).ok().filter(|_| is_named)?;
            Some(Stored { key: kv.key, value, revision: kv.mod_revision })
        });
        Ok(understood.collect())
    }

    /// Stores a key that must not exist yet.
    pub(super) async fn create<T: Value>(&self, key: Key, value: T) -> Result<Stored<T>, Fault> {
        let fresh = Stored { key, value, revision: Revision::ABSENT };
        let reply = self.put(&fresh).await?;
        if reply.succeeded {
            return Ok(Stored { revision: reply.revision, ..fresh });
        }
        Err(Fault::Exists(fresh.key.to_string(), "it exists"))
    }

    /// Stores a new value of a key that must not have changed since it was read.
    pub(super) async fn update<T: Value>(&self, stored: Stored<T>) -> Result<Stored<T>, Fault> {
        let reply = self.put(&stored).await?;
        if reply.succeeded {
            return Ok(Stored { revision: reply.revision, ..stored });
        }
        Err(lost(&stored.key, &reply))
    }

    /// Removes a key that must not have changed since it was read.
    pub(super) async fn delete<T: Value>(&self, stored: &Stored<T>) -> Result<(), Fault> {
        let then = Op::delete(stored.key.clone());
        let reply = self.send(&guarded(&stored.key, stored.revision, then)).await?;
        if reply.succeeded { Ok(()) } else { Err(lost(&stored.key, &reply)) }
    }

    async fn put<T: Value>(&self, stored: &Stored<T>) -> Result<TxnReply, Fault> {
        let then = Op::put(stored.key.clone(), stored.value.bytes());
        self.send(&guarded(&stored.key, stored.revision, then)).await
    }

    async fn send(&self, txn: &Txn) -> Result<TxnReply, Fault> {
        self.store.txn(txn, DEADLINE).await.map_err(Fault::Store)
    }
}

fn guarded(key: &str, mod_revision: Revision, then: Op) -> Txn {
    Txn {
        compares: vec![Compare::Key { key: key.into(), mod_revision }],
        then: vec![then],
        otherwise: vec![Read::values(Range::key(key))],
    }
}

/// Says what stood in the way of a change: that the key is gone, or that it differs.
fn lost(key: &str, reply: &TxnReply) -> Fault {
    if reply.reads.iter().all(|read| read.kvs.is_empty()) {
        return Fault::not_found(key);
    }
    Fault::conflict(key)
}
