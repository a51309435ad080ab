//! What of a step is compared, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use ipam_core::kv::{Key, Kv};
use serde::Deserialize;

use super::meaning::{Failure, is_same};
use super::normal::Normaliser;
use super::recording::Step;

/// What of a step is compared, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// Whether it succeeds.
    Exit,
    /// Why it fails.
    Reason,
    /// Which addresses are given, with which prefix.
    Addresses,
    /// Whether a failed step leaves every key as it was.
    Untouched,
    /// Which keys are written.
    Put,
    /// Which keys are deleted.
    Deleted,
    /// The value of a key.
    Value,
    /// What is printed, to the letter.
    Printed,
    /// How often a key was written.
    Version,
    /// In which order keys were written, and how many writes lie between them.
    Revision,
}

/// In what a step came out differently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{aspect:?} differs\nrecorded: {recorded}\n    here: {here}")]
pub struct Difference {
    /// In what it differs.
    pub aspect: Aspect,
    /// What was recorded.
    pub recorded: String,
    /// What came of it here.
    pub here: String,
}

/// The addresses that were given, or why there are none.
pub(super) type Answer = Result<Vec<String>, Failure>;
/// Every key of a store.
pub(crate) type Keys = BTreeMap<Key, Kv>;

/// The two runs that are compared: the recorded one and the one here.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    theirs: Normaliser,
    ours: Normaliser,
}

impl Runs {
    /// Notes a step whose changes were taken over as they are.
    pub(crate) fn note(&mut self, step: &Step) {
        for put in &step.put {
            self.theirs.value(&put.key, put.value.as_bytes());
            self.ours.adopt(&self.theirs, &put.key);
        }
        self.forget(step);
    }

    /// Compares every change that a step made to the store.
    pub(crate) fn changes(&mut self, step: &Step, before: &Keys, after: &Keys) -> Vec<Difference> {
        let revision = |kv: &Kv| kv.mod_revision;
        let is_written = |kv: &&Kv| before.get(&kv.key).map(revision) != Some(kv.mod_revision);
        let written: BTreeSet<&Key> = after.values().filter(is_written).map(|kv| &kv.key).collect();
        let gone: BTreeSet<&Key> = before.keys().filter(|key| !after.contains_key(*key)).collect();
        let mut found = Vec::new();
        let recorded = step.put.iter().map(|put| &put.key).collect();
        found.extend(equal(Aspect::Put, &recorded, &written).err());
        found.extend(equal(Aspect::Deleted, &step.deleted.iter().collect(), &gone).err());
        for put in &step.put {
            let value = after.get(&put.key).map(|kv| kv.value.as_ref()).unwrap_or_default();
            let recorded = self.theirs.value(&put.key, put.value.as_bytes());
            let here = self.ours.value(&put.key, value);
            found.extend(equal(Aspect::Value, &(&put.key, recorded), &(&put.key, here)).err());
        }
        self.forget(step);
        found
    }

    fn forget(&mut self, step: &Step) {
        for key in &step.deleted {
            self.theirs.forget(key);
            self.ours.forget(key);
        }
    }
}

/// What a CNI plugin prints, as far as it is compared.
#[derive(Debug, Default, Deserialize)]
struct Printed {
    #[serde(default)]
    ips: Vec<PrintedAddress>,
    #[serde(default)]
    msg: String,
}

#[derive(Debug, Deserialize)]
struct PrintedAddress {
    address: String,
}

/// Compares how a step ends and what it prints.
pub(super) fn answer(step: &Step, answer: &Answer) -> Result<(), Difference> {
    if step.exit != Some(i32::from(answer.is_err())) {
        let recorded = format!("{:?} {}", step.exit, step.stdout);
        let here = match answer {
            Ok(addresses) => format!("success with {addresses:?}"),
            Err(failure) => format!("failure: {failure}"),
        };
        return Err(Difference { aspect: Aspect::Exit, recorded, here });
    }
    let printed: Printed = serde_json::from_str(&step.stdout).unwrap_or_default();
    match answer {
        Ok(addresses) => {
            let recorded: Vec<String> = printed.ips.into_iter().map(|ip| ip.address).collect();
            equal(Aspect::Addresses, &recorded, addresses)
        }
        Err(failure) if is_same(&printed.msg, failure) => Ok(()),
        Err(failure) => {
            let here = failure.to_string();
            Err(Difference { aspect: Aspect::Reason, recorded: printed.msg, here })
        }
    }
}

/// Compares the store before and after a step that failed, revisions included.
pub(super) fn untouched(before: &Keys, after: &Keys) -> Result<(), Difference> {
    equal(Aspect::Untouched, before, after)
}

/// Compares what was recorded with what came of it here.
pub(crate) fn equal<T: PartialEq + Debug>(
    aspect: Aspect,
    recorded: &T,
    here: &T,
) -> Result<(), Difference> {
    if recorded == here {
        return Ok(());
    }
    Err(Difference { aspect, recorded: format!("{recorded:?}"), here: format!("{here:?}") })
}
