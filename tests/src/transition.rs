//! The rules that are about two states and not about one.

use std::collections::BTreeMap;

use ipam_core::ip::{Cidr, Ordinal};
use ipam_core::kv::Kv;
use ipam_core::model::key::{self, Named};
use ipam_core::model::{Affinity, AffinityState, Block, Owner, Timestamp};

/// Some blocks, and all claims, at one moment.
#[derive(Debug, Default)]
pub struct Moment {
    /// The blocks.
    pub blocks: BTreeMap<Cidr, Block>,
    /// The claims.
    pub claims: BTreeMap<(Owner, Cidr), Affinity>,
}

impl Moment {
    /// Understands what was read.
    ///
    /// # Panics
    ///
    /// If a block or a claim cannot be understood.
    #[must_use]
    pub fn of<'k>(kvs: impl IntoIterator<Item = &'k Kv>) -> Self {
        let mut moment = Self::default();
        for kv in kvs {
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
        moment
    }
}

/// Returns the block that a key names.
#[must_use]
pub fn block_of(key: &str) -> Option<Cidr> {
    match key::parse(key) {
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
    }
}

/// Returns what no single step of Calico's protocol does to a block, and was done.
#[must_use]
pub fn broken(cidr: &Cidr, before: &Moment, after: &Moment) -> Vec<String> {
    let mut broken: Vec<String> = owner_changes(cidr, before, after).into_iter().collect();
    broken.extend(claim_changes(cidr, before, after));
    broken.extend(handle_changes(before.blocks.get(cidr), after.blocks.get(cidr)));
    broken
}

/// How far each block counted, in this life or an earlier one.
#[derive(Debug, Default)]
pub struct Numbers(BTreeMap<Cidr, u64>);

impl Numbers {
    /// Takes a change of a block into account; says if it does not count on.
    pub fn note(&mut self, cidr: &Cidr, before: &Moment, after: &Moment) -> Option<String> {
        if let Some(old) = before.blocks.get(cidr) {
            self.0.insert(*cidr, old.sequence_number);
        }
        let new = after.blocks.get(cidr)?.sequence_number;
        let last = self.0.insert(*cidr, new).filter(|last| new <= *last)?;
        Some(format!("it counts {new} after {last}"))
    }

    /// Returns how far a block counted.
    #[must_use]
    pub fn last(&self, cidr: &Cidr) -> Option<u64> {
        self.0.get(cidr).copied()
    }

    /// Forgets the earlier life of a block: clocks that disagree may let the next one count from less.
    pub fn forget(&mut self, cidr: &Cidr) {
        self.0.remove(cidr);
    }
}

/// Returns which addresses left their cooldown too early, or never entered it, by a clock and a cooldown. Those of virtual owners
/// need not enter it.
#[must_use]
pub fn hurried(
    old: Option<&Block>,
    new: Option<&Block>,
    now: Timestamp,
    cooldown_seconds: i64,
) -> Vec<String> {
    let Some(old) = old else { return Vec::new() };
    let released_at = |block: &Block, at: Ordinal| block.record_of(at)?.released_at;
    let owner = old.affinity.as_deref().and_then(Owner::parse);
    let is_virtual = matches!(owner, Some(Owner::Virtual(_)));
    let mut hurried = Vec::new();
    for (at, record) in old.taken() {
        let Some(since) = record.released_at else {
            let is_taken = new.is_some_and(|new| new.record_of(at).is_some());
            if cooldown_seconds > 0 && !is_taken && !is_virtual {
                hurried.push(format!("ordinal {at} is free at once"));
            }
            continue;
        };
        if new.is_some_and(|new| released_at(new, at) == Some(since)) {
            continue;
        }
        let waited = now.nanos() - since.nanos();
        if waited < i128::from(cooldown_seconds) * 1_000_000_000 {
            hurried.push(format!("ordinal {at} cooled down for {waited} ns only"));
        }
    }
    hurried
}

fn owner_of(moment: &Moment, cidr: &Cidr) -> Option<Owner> {
    moment.blocks.get(cidr)?.affinity.as_deref().and_then(Owner::parse)
}

/// An owner gives a block up before another takes it.
#[must_use]
pub fn owner_changes(cidr: &Cidr, before: &Moment, after: &Moment) -> Option<String> {
    let (old, new) = (owner_of(before, cidr)?, owner_of(after, cidr)?);
    (old != new).then(|| format!("it passes from {old} to {new}"))
}

/// A block appears under a claim, and goes with its claim or after the claim is marked.
#[must_use]
pub fn claim_changes(cidr: &Cidr, before: &Moment, after: &Moment) -> Option<String> {
    let claim = |moment: &Moment, owner: &Owner| {
        moment.claims.get(&(owner.clone(), *cidr)).map(|claim| claim.state.clone())
    };
    match (owner_of(before, cidr), owner_of(after, cidr)) {
        (None, Some(new)) if claim(after, &new).is_none() => {
            Some(format!("it appears without the claim of {new}"))
        }
        (Some(old), None) => {
            let is_marked = claim(before, &old) == Some(AffinityState::PendingDeletion);
            let is_left = !is_marked && claim(after, &old).is_some();
            is_left.then(|| format!("it leaves {old}, whose claim stays"))
        }
        (Some(_) | None, Some(_)) | (None, None) => None,
    }
}

/// An address that somebody holds is released before somebody else is given it.
#[must_use]
pub fn handle_changes(old: Option<&Block>, new: Option<&Block>) -> Vec<String> {
    let Some(old) = old else { return Vec::new() };
    let holder = |block: &Block, at: Ordinal| {
        block.record_of(at).and_then(|record| record.handle_id.clone())
    };
    let mut broken = Vec::new();
    for (at, _) in old.taken().filter(|(_, record)| record.released_at.is_none()) {
        let (was, is) = (holder(old, at), new.and_then(|new| holder(new, at)));
        if is.is_some() && was != is {
            broken.push(format!("ordinal {at} passes from {was:?} to {is:?}"));
        }
    }
    broken
}
