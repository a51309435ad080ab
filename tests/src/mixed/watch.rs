//! A store that watches every change of a block: some rules are about two states and not about one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ipam_core::ip::{Cidr, Ordinal};
use ipam_core::kv::{Op, Range, Read, Txn, TxnReply};
use ipam_core::model::key::{self, Named};
use ipam_core::model::{Affinity, AffinityState, Block, Owner};
use ipam_etcd::{Store, StoreError};

/// Where the keys of claims begin.
const CLAIMS: &str = "/calico/ipam/v2/host/";

/// Wraps a store and notes every change that no single step of Calico's protocol makes.
#[derive(Debug)]
pub(super) struct Watched<S> {
    store: S,
    broken: Mutex<Vec<String>>,
    /// How far each block counted, in this life or an earlier one.
    numbers: Mutex<BTreeMap<Cidr, u64>>,
}

/// Some blocks, and all claims, at one moment.
struct Moment {
    blocks: BTreeMap<Cidr, Block>,
    claims: BTreeMap<(Owner, Cidr), Affinity>,
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
        let mut moment = Moment { blocks: BTreeMap::new(), claims: BTreeMap::new() };
        for kv in reply.reads.into_iter().flat_map(|read| read.kvs) {
            match key::parse(&kv.key) {
                Some(Named::Block(cidr)) => {
                    let block = Block::decode(&kv.key, &kv.value).expect("a sound block");
                    moment.blocks.insert(cidr, block);
                }
                Some(Named::Affinity(owner, cidr)) => {
                    let claim = Affinity::decode(&kv.key, &kv.value).expect("a sound claim");
                    moment.claims.insert((owner, cidr), claim);
                }
                Some(
                    Named::Handle(_)
                    | Named::Config
                    | Named::Resource(..)
                    | Named::Binding(_)
                    | Named::PoolMark(_),
                )
                | None => {}
            }
        }
        Ok(moment)
    }

    fn note(&self, cidr: &Cidr, before: &Moment, after: &Moment) {
        let (old, new) = (before.blocks.get(cidr), after.blocks.get(cidr));
        let mut broken = owner_changes(cidr, before, after);
        broken.extend(handle_changes(old, new));
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = old {
            numbers.insert(*cidr, old.sequence_number);
        }
        if let Some(new) = new
            && let Some(last) = numbers.insert(*cidr, new.sequence_number)
            && new.sequence_number <= last
        {
            broken.push(format!("it counts {} after {last}", new.sequence_number));
        }
        let told = broken.into_iter().map(|what| format!("a change of {cidr}: {what}"));
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).extend(told);
    }
}

/// An owner gives a block up before another takes it; a block appears under a claim, and goes with its claim or after the
/// claim is marked.
fn owner_changes(cidr: &Cidr, before: &Moment, after: &Moment) -> Vec<String> {
    let owner =
        |moment: &Moment| moment.blocks.get(cidr)?.affinity.as_deref().and_then(Owner::parse);
    let claim = |moment: &Moment, owner: &Owner| {
        moment.claims.get(&(owner.clone(), *cidr)).map(|claim| claim.state.clone())
    };
    let mut broken = Vec::new();
    match (owner(before), owner(after)) {
        (Some(old), Some(new)) if old != new => {
            broken.push(format!("it passes from {old} to {new}"));
        }
        (None, Some(new)) if claim(after, &new).is_none() => {
            broken.push(format!("it appears without the claim of {new}"));
        }
        (Some(old), None) => {
            let is_marked = claim(before, &old) == Some(AffinityState::PendingDeletion);
            if !is_marked && claim(after, &old).is_some() {
                broken.push(format!("it leaves {old}, whose claim stays"));
            }
        }
        (Some(_) | None, Some(_)) | (None, None) => {}
    }
    broken
}

/// An address that somebody holds is released before somebody else is given it.
fn handle_changes(old: Option<&Block>, new: Option<&Block>) -> Vec<String> {
    let Some(old) = old else { return Vec::new() };
    let holder = |block: &Block, at: Ordinal| {
        block.record_of(at).and_then(|record| record.handle_id.clone())
    };
    let mut broken = Vec::new();
    for (at, _) in old.taken() {
        let (was, is) = (holder(old, at), new.and_then(|new| holder(new, at)));
        if is.is_some() && was != is {
            broken.push(format!("ordinal {at} passes from {was:?} to {is:?}"));
        }
    }
    broken
}

impl<S: Store> Store for Watched<S> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        let block = |key: &str| match key::parse(key) {
            Some(Named::Block(cidr)) => Some(cidr),
            Some(
                Named::Affinity(..)
                | Named::Handle(_)
                | Named::Config
                | Named::Resource(..)
                | Named::Binding(_)
                | Named::PoolMark(_),
            )
            | None => None,
        };
        let written: Vec<Cidr> =
            txn.then.iter().filter_map(Op::written_key).filter_map(block).collect();
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
