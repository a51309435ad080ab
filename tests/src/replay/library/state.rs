//! The two stores that are compared: the recorded one and the one here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipam_core::ip::Cidr;
use ipam_core::kv::{Key, Op};
use ipam_core::model::key::{self, Named};
use ipam_core::model::{Block, Handle};
use serde_json::Value;

use super::super::compare::{Aspect, Difference, Keys, equal};
use super::super::normal::Normaliser;
use super::super::recording::Step;

/// What each store holds, and what is needed to compare them.
#[derive(Debug, Default)]
pub(super) struct States {
    /// The recorded store, as stock Calico left it.
    recorded: BTreeMap<Key, String>,
    theirs: Normaliser,
    ours: Normaliser,
    /// The blocks that either store has held since they were last created.
    known: BTreeSet<Key>,
}

impl States {
    /// Takes a recorded step over.
    pub(super) fn note(&mut self, step: &Step) {
        for key in &step.deleted {
            self.recorded.remove(key);
            self.theirs.forget(key);
        }
        for put in &step.put {
            if put.version == 1 {
                // The step before may have held another block of this network.
                self.theirs.forget(&put.key);
            }
            self.recorded.insert(put.key.clone(), put.value.clone());
        }
    }

    /// Returns what the recorded store holds.
    pub(super) fn recorded(&self) -> &BTreeMap<Key, String> {
        &self.recorded
    }

    /// Returns the free addresses of the recorded store that a call releases more than once.
    pub(super) fn freed_again(&self, args: &Value) -> Vec<IpAddr> {
        let released = args["Release"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ips: Vec<IpAddr> =
            released.iter().filter_map(|one| one["Address"].as_str()?.parse().ok()).collect();
        let is_again = |ip: &IpAddr| ips.iter().filter(|other| *other == ip).count() > 1;
        let again: BTreeSet<IpAddr> = ips.iter().copied().filter(is_again).collect();
        again.into_iter().filter(|ip| self.is_free(*ip)).collect()
    }

    fn is_free(&self, ip: IpAddr) -> bool {
        self.recorded.iter().any(|(key, value)| {
            let block = Block::decode(key, value.as_bytes()).ok();
            let ordinal = block.as_ref().and_then(|block| block.cidr.ordinal_of(ip));
            block.zip(ordinal).is_some_and(|(block, at)| block.record_of(at).is_none())
        })
    }

    /// Returns how much more each handle of the recorded store counts in a block than it holds there.
    pub(super) fn phantoms(&self) -> Phantoms {
        let held = held(&self.recorded);
        let mut phantoms = Phantoms::new();
        for (key, value) in &self.recorded {
            let Ok(handle) = Handle::decode(key, value.as_bytes()) else { continue };
            let Some(Named::Handle(id)) = key::parse(key) else { continue };
            for (&cidr, &count) in handle.blocks() {
                let real = held.get(&id).and_then(|held| held.get(&cidr)).copied().unwrap_or(0);
                if count > real {
                    phantoms.insert((key.clone(), cidr), count - real);
                }
            }
        }
        phantoms
    }

    /// Says whether stock Calico keeps a handle that holds nothing.
    pub(super) fn is_phantom(&self, handle_key: &str) -> bool {
        self.recorded.contains_key(handle_key) && !self.expected().contains_key(handle_key)
    }

    /// Returns what the store here should hold: stock Calico's, without what its handles count and do not hold.
    fn expected(&self) -> BTreeMap<Key, String> {
        let held = held(&self.recorded);
        let expected = self.recorded.iter().filter_map(|(key, value)| {
            let Some(Named::Handle(id)) = key::parse(key) else {
                return Some((key.clone(), value.clone()));
            };
            let value = without_phantoms(key, value, held.get(&id))?;
            Some((key.clone(), value))
        });
        expected.collect()
    }

    /// Compares the store here with the recorded one.
    pub(super) fn compare(&mut self, here: &Keys) -> Vec<Difference> {
        self.forget_gone(here);
        let expected = self.expected();
        let is_gone = |key: &&Key| !here.contains_key(*key);
        let is_new = |key: &&Key| !expected.contains_key(*key);
        let gone: Vec<&Key> = expected.keys().filter(is_gone).collect();
        let new: Vec<&Key> = here.keys().filter(is_new).collect();
        let mut found = Vec::from_iter(equal(Aspect::Put, &gone, &new).err());
        for (key, value) in &expected {
            let recorded = self.theirs.value(key, value.as_bytes());
            let Some(ours) = here.get(key) else { continue };
            let ours = self.ours.value(key, &ours.value);
            found.extend(equal(Aspect::Value, &(key, recorded), &(key, ours)).err());
        }
        found
    }

    /// A block that was deleted here begins anew when it is created again.
    fn forget_gone(&mut self, here: &Keys) {
        let gone: Vec<Key> =
            self.known.iter().filter(|key| !here.contains_key(*key)).cloned().collect();
        for key in gone {
            self.ours.forget(&key);
            self.known.remove(&key);
        }
        let is_block = |key: &&Key| matches!(key::parse(key), Some(Named::Block(_)));
        self.known.extend(here.keys().filter(is_block).cloned());
    }

    /// Returns what makes the store here like the recorded one in the keys that a step changed.
    pub(super) fn take_over(&mut self, step: &Step, here: &Keys) -> Vec<Op> {
        let keys: BTreeSet<Key> =
            step.put.iter().map(|put| put.key.clone()).chain(step.deleted.clone()).collect();
        self.replace(&keys, here)
    }

    /// Returns what makes the store here like the recorded one wherever they differ.
    pub(super) fn mend(&mut self, here: &Keys) -> Vec<Op> {
        self.forget_gone(here);
        let expected = self.expected();
        let mut differing = BTreeSet::new();
        for key in expected.keys().chain(here.keys()) {
            let recorded = expected.get(key).map(|value| self.theirs.value(key, value.as_bytes()));
            let ours = here.get(key).map(|kv| self.ours.value(key, &kv.value));
            if recorded != ours {
                differing.insert(key.clone());
            }
        }
        self.replace(&differing, here)
    }

    fn replace(&mut self, keys: &BTreeSet<Key>, here: &Keys) -> Vec<Op> {
        let expected = self.expected();
        let mut ops = Vec::new();
        for key in keys {
            self.ours.forget(key);
            if let Some(value) = expected.get(key) {
                self.theirs.value(key, value.as_bytes());
                self.ours.adopt(&self.theirs, key);
                ops.push(Op::put(key.clone(), value.clone()));
            } else if here.contains_key(key) {
                ops.push(Op::delete(key.clone()));
            }
        }
        ops
    }
}

/// What handles count beyond what they hold, by their keys and the blocks.
pub(super) type Phantoms = BTreeMap<(Key, Cidr), u64>;

/// Counts what the blocks hold for each handle.
fn held(store: &BTreeMap<Key, String>) -> BTreeMap<String, BTreeMap<Cidr, u64>> {
    let mut held: BTreeMap<String, BTreeMap<Cidr, u64>> = BTreeMap::new();
    for (key, value) in store {
        let Ok(block) = Block::decode(key, value.as_bytes()) else { continue };
        for (_, record) in block.taken() {
            if let Some(id) = record.handle() {
                *held.entry(id.to_owned()).or_default().entry(block.cidr).or_default() += 1;
            }
        }
    }
    held
}

/// Returns a handle with no count higher than what is held; `None` where nothing is left.
fn without_phantoms(key: &str, value: &str, held: Option<&BTreeMap<Cidr, u64>>) -> Option<String> {
    let Ok(mut handle) = Handle::decode(key, value.as_bytes()) else {
        return Some(value.to_owned());
    };
    if handle.is_null() {
        return Some(value.to_owned());
    }
    for (cidr, count) in handle.clone().blocks() {
        let real = held.and_then(|held| held.get(cidr)).copied().unwrap_or(0);
        handle = handle.minus(cidr, count.saturating_sub(real));
    }
    String::from_utf8(handle.encode()?).ok()
}
