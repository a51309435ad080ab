//! The copy itself: look, write, read back, look again.

use std::time::Duration;

use ipam_core::kv::{Key, Kv, Projection};

use super::batch::Batch;
use super::digest::{Digest, Digester};
use super::error::{Held, MigrateError, Stop};
use super::persist::persist;
use super::survey::{Change, Survey};
use super::tally::Tally;
use super::walk::Walk;
use crate::store::{Store, StoreError};

/// A copy of everything below the roots of one store into another.
#[derive(Clone, Copy, Debug)]
pub struct Migration<'a, S, T> {
    /// What is copied; it is only read.
    pub source: &'a S,
    /// Where to.
    pub target: &'a T,
    /// Whether the target may hold the beginning of this very copy, which is then continued.
    pub resume: bool,
    /// How long one transaction may take.
    pub deadline: Duration,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many keys are there.
    Copied {
        /// How many.
        keys: u64,
        /// How many there will be.
        of: u64,
    },
    /// So many keys were read back.
    ReadBack {
        /// How many.
        keys: u64,
        /// How many there are.
        of: u64,
    },
}

/// A copy that is complete, and proven.
#[derive(Clone, Debug)]
pub struct Copied {
    /// The source when the copy began, and as it still was when the copy had ended.
    pub source: Survey,
    /// How the target is called.
    pub target: String,
    /// How many keys were there already.
    pub found: u64,
    /// How much both hold of each kind.
    pub tally: Tally,
    /// What both come to.
    pub digest: Digest,
    /// How many keys of Calico's and ours lie beside the roots of the source, and were not copied; `None` where we may
    /// not look there.
    pub beside: Option<u64>,
}

/// What was gone through so far.
#[derive(Debug, Default)]
struct Contents {
    tally: Tally,
    digester: Digester,
}

impl Contents {
    fn add(&mut self, key: &str, value: &[u8]) {
        self.tally.add(key, value);
        self.digester.add(key, value);
    }
}

impl<S: Store, T: Store> Migration<'_, S, T> {
    /// Copies, reads back and compares. `watch` is told how far it is, after each transaction or so.
    ///
    /// # Errors
    ///
    /// [`MigrateError`]; only after [`MigrateError::Stopped`] the target is not as it was before.
    pub async fn run(&self, mut watch: impl FnMut(Progress)) -> Result<Copied, MigrateError> {
        let source = Survey::of(self.source, self.deadline).await?;
        if source.keys == 0 {
            return Err(MigrateError::Nothing { store: source.store });
        }
        let target = Survey::of(self.target, self.deadline).await?;
        if let (false, Some(first)) = (self.resume, target.first) {
            return Err(MigrateError::Occupied { store: target.store, keys: target.keys, first });
        }
        let mut contents = Contents::default();
        let mut walk = Walk::of(self.source, Projection::Values, self.deadline);
        let found = self.find_beginning(&mut walk, &mut contents).await?;
        let mut held = Held { keys: found, unsure: 0, of: source.keys };
        match self.finish(&source, walk, &mut contents, &mut held, &mut watch).await {
            Ok(digest) => {
                let beside = Survey::beside(self.source, self.deadline).await?;
                let (target, tally) = (target.store, contents.tally);
                Ok(Copied { source, target, found, tally, digest, beside })
            }
            Err(Stop::Store(error)) if held.is_nothing() => Err(MigrateError::Store(error)),
            Err(why) => Err(MigrateError::Stopped { store: target.store, held, why }),
        }
    }

    /// Goes through what the target holds, which must be as in the source from its first key on, and returns how much
    /// that is.
    async fn find_beginning(
        &self,
        walk: &mut Walk<'_, S>,
        contents: &mut Contents,
    ) -> Result<u64, MigrateError> {
        let mut target = Walk::of(self.target, Projection::Values, self.deadline);
        let mut found = 0;
        while let Some(there) = target.next().await? {
            let here = walk.next().await?;
            if let Some(key) = first_difference(here.as_ref(), Some(&there)) {
                return Err(MigrateError::NotABeginning { store: self.target.name(), key });
            }
            contents.add(&there.key, &there.value);
            found += 1;
        }
        Ok(found)
    }

    async fn finish(
        &self,
        source: &Survey,
        mut walk: Walk<'_, S>,
        contents: &mut Contents,
        held: &mut Held,
        watch: &mut impl FnMut(Progress),
    ) -> Result<Digest, Stop> {
        let mut batch = Batch::default();
        while let Some(kv) = walk.next().await? {
            if kv.mod_revision > source.revision {
                let (key, revision) = (Some(kv.key), kv.mod_revision);
                return Err(changed(source, Change { key, revision }));
            }
            if !batch.has_room_for(&kv) {
                self.write(&batch, held).await?;
                watch(Progress::Copied { keys: held.keys, of: held.of });
                batch = Batch::default();
            }
            contents.add(&kv.key, &kv.value);
            batch.push(kv);
        }
        if batch.len() > 0 {
            self.write(&batch, held).await?;
        }
        watch(Progress::Copied { keys: held.keys, of: held.of });
        let digest = std::mem::take(&mut contents.digester).finish();
        let is_same = self.read_back(held.of, watch).await? == digest;
        // Both are looked at before one is blamed: the source may have changed, and not what was made of it.
        if let Some(change) = source.change(self.source, self.deadline).await? {
            return Err(changed(source, change));
        }
        if is_same {
            return Ok(digest);
        }
        Err(Stop::Differs { store: self.target.name(), key: self.difference().await? })
    }

    /// Writes a batch, if none of its keys is there.
    async fn write(&self, batch: &Batch, held: &mut Held) -> Result<(), Stop> {
        held.unsure = batch.len();
        let outcome = persist(self.target, &batch.txn(), self.deadline).await;
        let is_unsure = outcome.was_lost;
        match outcome.reply {
            Ok(reply) => {
                held.unsure = 0;
                let store = || self.target.name();
                batch
                    .judge(&reply, is_unsure)
                    .map_err(|key| Stop::Taken { store: store(), key })?;
                held.keys += batch.len();
                Ok(())
            }
            Err(error) => {
                if !is_unsure {
                    held.unsure = 0;
                }
                Err(Stop::Store(error))
            }
        }
    }

    async fn read_back(
        &self,
        of: u64,
        watch: &mut impl FnMut(Progress),
    ) -> Result<Digest, StoreError> {
        const STEP: u64 = 256;
        let mut digester = Digester::default();
        let mut keys = 0;
        let mut walk = Walk::of(self.target, Projection::Values, self.deadline);
        while let Some(kv) = walk.next().await? {
            digester.add(&kv.key, &kv.value);
            keys += 1;
            if keys % STEP == 0 {
                watch(Progress::ReadBack { keys, of });
            }
        }
        Ok(digester.finish())
    }

    /// Goes through both stores side by side up to the first key that differs.
    async fn difference(&self) -> Result<Option<Key>, StoreError> {
        let mut source = Walk::of(self.source, Projection::Values, self.deadline);
        let mut target = Walk::of(self.target, Projection::Values, self.deadline);
        loop {
            let (here, there) = (source.next().await?, target.next().await?);
            if here.is_none() && there.is_none() {
                return Ok(None);
            }
            if let Some(key) = first_difference(here.as_ref(), there.as_ref()) {
                return Ok(Some(key));
            }
        }
    }
}

/// Returns the first key in which two stores differ that are the same before these keys.
fn first_difference(here: Option<&Kv>, there: Option<&Kv>) -> Option<Key> {
    match (here, there) {
        (Some(here), Some(there)) if here.key == there.key && here.value == there.value => None,
        (Some(here), Some(there)) => Some(here.key.clone().min(there.key.clone())),
        (Some(one), None) | (None, Some(one)) => Some(one.key.clone()),
        (None, None) => None,
    }
}

fn changed(source: &Survey, Change { key, revision }: Change) -> Stop {
    Stop::Changed { store: source.store.clone(), key, from: source.revision, to: revision }
}
