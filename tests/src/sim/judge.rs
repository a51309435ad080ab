//! Whether a change of the store may be, and whether what is stored at the end is what everybody was told.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipam_core::block::Role;
use ipam_core::check::{Finding, Rule, check};
use ipam_core::ip::Cidr;
use ipam_core::kv::Kv;
use ipam_core::model::key::{self, Named};
use ipam_core::model::{Block, Owner, Timestamp};
use ipam_core::plan::Snapshot;

use super::allowed::{forbidden, homeless};
use super::layout::Layout;
use super::operation::{By, Pod};
use super::world::World;
use crate::transition::{self, Moment, Numbers};

/// Whose change it is.
pub(super) struct Author<'a> {
    pub(super) by: By,
    pub(super) host: &'a str,
    /// The handle that it is about, if it is about one.
    pub(super) handle: Option<&'a str>,
    /// Whether it is an ADD of ours, for which addresses are held against what the pod may have.
    pub(super) adds_for: Option<&'a Pod>,
    /// The earliest time that its clock has shown it, by which blocks that it makes may count.
    pub(super) earliest: Timestamp,
    /// The latest time that its clock has shown it.
    pub(super) latest: Timestamp,
    /// The shortest cooldown that it may have read.
    pub(super) cooldown: i64,
}

/// Judges changes, one after the other.
#[derive(Debug, Default)]
pub(super) struct Judge {
    numbers: Numbers,
}

/// A change of the store, before it was made and after.
pub(super) struct Change {
    before: Snapshot,
    pub(super) moment_before: Moment,
    pub(super) moment_after: Moment,
    after: Snapshot,
    written: BTreeSet<Cidr>,
}

impl Change {
    /// Finds the blocks that differ.
    pub(super) fn between(before: Snapshot, after: Snapshot) -> Self {
        let all = before.kvs.iter().chain(&after.kvs);
        let is_in = |kv: &Kv, snapshot: &Snapshot| {
            let at = snapshot.kvs.binary_search_by(|other| other.key.cmp(&kv.key));
            at.is_ok_and(|at| snapshot.kvs[at] == *kv)
        };
        let changed = all.filter(|kv| !is_in(kv, &before) || !is_in(kv, &after));
        let written: BTreeSet<Cidr> =
            changed.filter_map(|kv| transition::block_of(&kv.key)).collect();
        let matters = |kv: &&Kv| match key::parse(&kv.key) {
            Some(Named::Block(cidr) | Named::Affinity(_, cidr)) => written.contains(&cidr),
            _ => false,
        };
        let moment = |snapshot: &Snapshot| Moment::of(snapshot.kvs.iter().filter(matters));
        let (moment_before, moment_after) = (moment(&before), moment(&after));
        Self { before, moment_before, moment_after, after, written }
    }
}

impl Judge {
    /// Returns what is wrong with a change.
    pub(super) fn judge(
        &mut self,
        change: &Change,
        author: &Author<'_>,
        layout: &Layout,
        world: &World,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        for cidr in &change.written {
            let (before, after) = (&change.moment_before, &change.moment_after);
            let (old, new) = (before.blocks.get(cidr), after.blocks.get(cidr));
            let mut here: Vec<String> =
                transition::owner_changes(cidr, before, after).into_iter().collect();
            here.extend(transition::handle_changes(old, new));
            // Stock Calico confirms a claim, and deletes its block, without looking at the other one.
            if author.by == By::Ours {
                here.extend(transition::claim_changes(cidr, before, after));
            }
            // Whose clock shows a time before the end of an earlier life counts from that time.
            let is_behind = self.numbers.last(cidr) >= Some(author.earliest.sequence_base());
            if is_behind && old.is_none() {
                self.numbers.forget(cidr);
            }
            here.extend(self.numbers.note(cidr, before, after));
            here.extend(transition::hurried(old, new, author.latest, author.cooldown));
            here.extend(strangers(old, new, author, world));
            here.extend(meddled(old, new, author));
            if author.by == By::Ours && old.is_none() && new.is_some() {
                here.extend(homeless(&change.before, cidr));
            }
            for ip in newly_taken(old, new) {
                let Some(pod) = author.adds_for else { continue };
                let why = forbidden(&change.before, layout, pod, author.host, ip);
                here.extend(why.map(|why| format!("{ip} is handed out, and {why}")));
            }
            wrong.extend(here.into_iter().map(|what| format!("a change of {cidr}: {what}")));
        }
        let findings = check(&change.after, world.latest());
        let grave = findings.iter().filter(|finding| !is_tolerated(finding, world));
        wrong.extend(grave.map(ToString::to_string));
        wrong
    }
}

/// Returns addresses that were taken from, or given to, somebody whom the change is not about.
fn strangers(
    old: Option<&Block>,
    new: Option<&Block>,
    author: &Author<'_>,
    world: &World,
) -> Vec<String> {
    let held = |block: Option<&Block>| -> BTreeSet<(IpAddr, String)> {
        let taken = block.into_iter().flat_map(|block| {
            let live = block.taken().filter(|(_, record)| record.released_at.is_none());
            live.map(|(at, record)| {
                (block.cidr.address_at(at), record.handle().unwrap_or_default().to_owned())
            })
        });
        taken.collect()
    };
    let (old, new) = (held(old), held(new));
    let given = new.difference(&old).filter(|(_, handle)| Some(handle.as_str()) != author.handle);
    let given = given.map(|(ip, handle)| format!("{ip} is given to {handle}, a stranger"));
    let gone = old.difference(&new);
    let gone = gone.filter(|(ip, handle)| world.told.holder(*ip) == Some(handle));
    let gone = gone.map(|(ip, handle)| format!("{ip} is taken from {handle}"));
    given.chain(gone).collect()
}

/// Returns addresses of others whose owners were changed.
fn meddled(old: Option<&Block>, new: Option<&Block>, author: &Author<'_>) -> Vec<String> {
    let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
    let others = old.taken().filter(|(_, record)| record.handle() != author.handle);
    let changed = others.filter(|(at, was)| {
        let is = new.record_of(*at).filter(|is| is.handle_id == was.handle_id);
        is.is_some_and(|is| {
            [Role::Active, Role::Alternate].into_iter().any(|role| role.of(is) != role.of(was))
        })
    });
    changed.map(|(at, _)| format!("the owners of ordinal {at} are a stranger's business")).collect()
}

fn newly_taken(old: Option<&Block>, new: Option<&Block>) -> Vec<IpAddr> {
    let is_live =
        |block: &Block, at| block.record_of(at).is_some_and(|record| record.released_at.is_none());
    let Some(new) = new else { return Vec::new() };
    let taken = new.taken().map(|(at, _)| at).filter(|at| is_live(new, *at));
    let fresh = taken.filter(|at| !old.is_some_and(|old| is_live(old, *at)));
    fresh.map(|at| new.cidr.address_at(at)).collect()
}

/// Says whether stock Calico leaves such a thing behind while it is at work, or when it dies.
fn is_tolerated(finding: &Finding, world: &World) -> bool {
    let has_stock = !world.stock_hosts.is_empty();
    let named = key::parse(&finding.subject);
    match (finding.rule, named) {
        // It counts before it takes, and takes before it counts down.
        (Rule::Phantom, Some(Named::Handle(id))) => world.stock_handles.contains(&id),
        // It announces, and marks, any node's claims; and it lets blocks go one key at a time. A second confirmed claim is
        // reported at either of the two, and the wrong one is one without its block too. And it lets addresses of virtual owners
        // cool down, without a handle.
        (Rule::Unconfirmed | Rule::EmptyUnowned | Rule::X2 | Rule::K9, _) => has_stock,
        // It confirms a claim without looking whether the block is still there.
        (Rule::X1, Some(Named::Affinity(owner, _))) => is_stock(&owner, world),
        (Rule::X3, Some(Named::Block(cidr))) => {
            let block = world.get(&key::block(&cidr));
            let block = block.and_then(|kv| Block::decode(&kv.key, &kv.value).ok());
            let owner = block.and_then(|block| Owner::parse(block.affinity.as_deref()?));
            owner.is_some_and(|owner| is_stock(&owner, world))
        }
        _ => false,
    }
}

fn is_stock(owner: &Owner, world: &World) -> bool {
    world.stock_hosts.contains(owner.name())
}

/// Returns what somebody was told and the store does not say.
pub(super) fn lost(world: &World) -> Vec<String> {
    let snapshot = world.snapshot();
    let moment = Moment::of(&snapshot.kvs);
    let mut lost = Vec::new();
    for (ip, handle) in world.told.iter() {
        let block = moment.blocks.values().find(|block| block.cidr.contains(*ip));
        let stored = block.and_then(|block| {
            let record = block.record_of(block.cidr.ordinal_of(*ip)?)?;
            record.handle().map(ToOwned::to_owned)
        });
        if stored.as_ref() != Some(handle) {
            lost.push(format!("{ip} of {handle} is lost: it is {stored:?}'s"));
        }
    }
    lost
}
