//! A store that watches every change of a block: some rules are about two states and not about one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipam_core::ip::Cidr;
use ipam_core::kv::{Op, Range, Read, Txn, TxnReply};
use ipam_core::model::key;
use ipam_etcd::{Store, StoreError};

use crate::transition::{self, Moment, Numbers};

/// Where the keys of claims begin.
const CLAIMS: &str = "/calico/ipam/v2/host/";

/// Wraps a store and notes every change that no single step of Calico's protocol makes.
#[derive(Debug)]
pub(super) struct Watched<S> {
    store: S,
    broken: Mutex<Vec<String>>,
    numbers: Mutex<Numbers>,
}

impl<S: Store> Watched<S> {
    pub(super) fn new(store: S) -> Self {
        Self { store, broken: Mutex::default(), numbers: Mutex::default() }
    }

    /// Returns the store that nobody watches.
    pub(super) fn beneath(&self) -> &S {
        &self.store
    }

    /// Returns what was noted.
    pub(super) fn broken(&self) -> Vec<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn moment(&self, blocks: &[Cidr], deadline: Duration) -> Result<Moment, StoreError> {
        let blocks = blocks.iter().map(|cidr| Range::key(key::block(cidr)));
        let ranges = blocks.chain([Range::prefix(CLAIMS)]);
        let reply = self.store.txn(&Txn::read(ranges.map(Read::values)), deadline).await?;
        Ok(Moment::of(reply.reads.iter().flat_map(|read| &read.kvs)))
    }

    fn note(&self, cidr: &Cidr, before: &Moment, after: &Moment) {
        let mut broken = transition::broken(cidr, before, after);
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        broken.extend(numbers.note(cidr, before, after));
        let told = broken.into_iter().map(|what| format!("a change of {cidr}: {what}"));
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).extend(told);
    }
}

impl<S: Store> Store for Watched<S> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        let written: Vec<Cidr> = txn
            .then
            .iter()
            .filter_map(Op::written_key)
            .filter_map(|key| transition::block_of(key))
            .collect();
        if written.is_empty() {
            return self.store.txn(txn, deadline).await;
        }
        let before = self.moment(&written, deadline).await?;
        let reply = self.store.txn(txn, deadline).await?;
        if reply.succeeded {
            let after = self.moment(&written, deadline).await?;
            for cidr in &written {
                self.note(cidr, &before, &after);
            }
        }
        Ok(reply)
    }

    fn name(&self) -> String {
        self.store.name()
    }
}
