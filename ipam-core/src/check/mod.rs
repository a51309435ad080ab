//! Judging a whole store: which rules its data keeps and breaks.
//!
//! One implementation for the command line, the tests and the simulation. It only reports; what can be mended is mended by
//! a [`Repair`], a transaction of its own for each finding.

mod finding;
mod index;
mod pools;
mod repair;

pub use finding::{Finding, Remedy, Rule, Severity};
pub use repair::Repair;

use std::collections::BTreeMap;

use crate::block;
use crate::ip::Cidr;
use crate::kv::Kv;
use crate::model::{
    Affinity, AffinityState, Binding, Block, Handle, IpPool, Owner, ResourceKind, Timestamp, key,
};
use crate::plan::Snapshot;

use index::Index;

/// Judges a snapshot: the rules of single blocks (K), those between keys (X) and those of pools (P) of `docs/stored-format.md`.
///
/// `now` tells releases that lie in the future; it may be off by the clocks of the nodes.
#[must_use]
pub fn check(snapshot: &Snapshot, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let index = Index::build(&snapshot.kvs, &mut findings);
    for block in index.blocks.values() {
        check_block(block, now, &mut findings);
    }
    check_overlaps(&index.blocks, &mut findings);
    check_affinities(&index, &mut findings);
    check_owners(&index, &mut findings);
    check_handles(&index, &mut findings);
    pools::check_pools(&index, &mut findings);
    pools::check_bindings(&index, &mut findings);
    findings.sort();
    findings
}

/// Judges one block by itself; K1 to K4 were judged when it was read.
fn check_block(block: &Block, now: Timestamp, findings: &mut Vec<Finding>) {
    let subject = key::block(&block.cidr);
    let mut report = |rule, evidence: String| findings.push(Finding::new(rule, &subject, evidence));
    let used: Vec<usize> = block.allocations.iter().flatten().copied().collect();
    for (at, record) in block.records().iter().enumerate() {
        if !used.contains(&at) {
            report(Rule::K5, format!("record {at} belongs to no address"));
        }
        if let Some(released_at) = record.released_at {
            if record.handle_id.is_some() || record.secondary.is_some() {
                report(Rule::K6, format!("record {at} is in cooldown and names an owner"));
            }
            if released_at > now {
                report(
                    Rule::K6,
                    format!("record {at} was released at {released_at}, which is to come"),
                );
            }
        }
    }
    for (ordinal, number) in block.sequence_number_for_allocation.iter().flatten() {
        let taken = block.record_of(*ordinal).is_some();
        if !taken || *number >= block.sequence_number {
            let current = block.sequence_number;
            report(
                Rule::K7,
                format!("ordinal {ordinal} has sequence number {number}, the block {current}"),
            );
        }
    }
    if let Some(affinity) = &block.affinity {
        match Owner::parse(affinity) {
            None => report(
                Rule::K8,
                format!("affinity {affinity:?} names neither a host nor a virtual owner"),
            ),
            Some(Owner::Virtual(_))
                if block.taken().any(|(_, record)| record.handle_id.is_none()) =>
            {
                report(Rule::K9, "an address of a virtual owner has no handle".to_owned());
            }
            Some(_) => {}
        }
    } else if block::is_empty(block) {
        report(Rule::EmptyUnowned, "nobody owns it and it holds no address".to_owned());
    }
    if block.deleted {
        report(Rule::K10, "it is marked as deleted".to_owned());
    }
}

fn check_overlaps(blocks: &BTreeMap<Cidr, Block>, findings: &mut Vec<Finding>) {
    // In this order a network comes right before those that it covers.
    let mut widest: Option<&Cidr> = None;
    for cidr in blocks.keys() {
        match widest {
            Some(before) if before.overlaps(cidr) => {
                findings.push(Finding::new(
                    Rule::K11,
                    &key::block(cidr),
                    format!("block {before} overlaps it"),
                ));
            }
            _ => widest = Some(cidr),
        }
    }
}

fn check_affinities(index: &Index, findings: &mut Vec<Finding>) {
    let mut confirmed: BTreeMap<Cidr, &Owner> = BTreeMap::new();
    for ((owner, cidr), row) in &index.affinities {
        let subject = key::affinity(owner, cidr);
        let block = index.blocks.get(cidr);
        if row.is_confirmed() {
            if let Some(other) = confirmed.insert(*cidr, owner) {
                findings.push(Finding::new(
                    Rule::X2,
                    &subject,
                    format!("{other} has confirmed it too"),
                ));
            }
            match block {
                None => findings.push(Finding::new(
                    Rule::X1,
                    &subject,
                    "the block does not exist".to_owned(),
                )),
                Some(block) if !block.is_affine_to(owner) => {
                    let found = block.affinity.as_deref().unwrap_or("nobody");
                    findings.push(Finding::new(
                        Rule::X1,
                        &subject,
                        format!("the block belongs to {found}"),
                    ));
                }
                Some(_) => {}
            }
        } else {
            let state: String = AffinityState::into(row.state.clone());
            findings.push(Finding::new(
                Rule::Unconfirmed,
                &subject,
                unconfirmed(&state, owner, block),
            ));
        }
    }
}

fn unconfirmed(state: &str, owner: &Owner, block: Option<&Block>) -> String {
    match block {
        None => format!("it is {state}, and the block does not exist"),
        Some(block) if block.is_affine_to(owner) => {
            format!("it is {state}, and the block is its own")
        }
        Some(block) => {
            format!(
                "it is {state}, and the block belongs to {}",
                block.affinity.as_deref().unwrap_or("nobody")
            )
        }
    }
}

fn check_owners(index: &Index, findings: &mut Vec<Finding>) {
    for (cidr, block) in &index.blocks {
        let Some(owner) = block.affinity.as_deref().and_then(Owner::parse) else {
            continue;
        };
        if !index.affinities.contains_key(&(owner.clone(), *cidr)) {
            let evidence = format!("{owner} owns it and has no claim on it");
            findings.push(Finding::new(Rule::X3, &key::block(cidr), evidence));
        }
    }
}

fn check_handles(index: &Index, findings: &mut Vec<Finding>) {
    let held = held_by_handle(&index.blocks);
    for ((handle, cidr), count) in &held {
        let counted =
            index.handles.get(handle).and_then(|h| h.blocks().get(cidr)).copied().unwrap_or(0);
        if counted < *count {
            let evidence = format!("{count} addresses of {cidr} carry it, {counted} are counted");
            findings.push(Finding::of_count(Rule::X4, &subject_of(handle), *cidr, evidence));
        }
    }
    for (handle, stored) in &index.handles {
        check_handle(handle, stored, &held, findings);
    }
}

fn check_handle(
    handle: &str,
    stored: &Handle,
    held: &BTreeMap<(String, Cidr), u64>,
    findings: &mut Vec<Finding>,
) {
    let subject = subject_of(handle);
    if stored.is_null() || stored.blocks().is_empty() {
        let evidence =
            if stored.is_null() { "it has no block map" } else { "its block map is empty" };
        findings.push(Finding::new(Rule::X5, &subject, evidence.to_owned()));
    }
    for (cidr, counted) in stored.blocks() {
        let found = held.get(&(handle.to_owned(), *cidr)).copied().unwrap_or(0);
        if *counted == 0 {
            let evidence = format!("it counts 0 addresses of {cidr}");
            findings.push(Finding::of_count(Rule::X5, &subject, *cidr, evidence));
        } else if *counted > found {
            let evidence = format!("it counts {counted} addresses of {cidr}, {found} carry it");
            findings.push(Finding::of_count(Rule::Phantom, &subject, *cidr, evidence));
        }
    }
}

fn held_by_handle(blocks: &BTreeMap<Cidr, Block>) -> BTreeMap<(String, Cidr), u64> {
    let mut held = BTreeMap::new();
    for (cidr, block) in blocks {
        for (_, record) in block.taken() {
            // Windows sets ordinals aside under a handle that does not exist as an object.
            if let Some(handle) = record.handle()
                && !block::is_set_aside(record)
            {
                *held.entry((handle.to_owned(), *cidr)).or_insert(0) += 1;
            }
        }
    }
    held
}

fn subject_of(handle: &str) -> String {
    match crate::model::HandleId::new(handle) {
        Ok(id) => key::handle(&id).to_string(),
        Err(_) => handle.to_owned(),
    }
}

/// Decodes what a key names, noting what cannot be understood.
fn decode(kv: &Kv, index: &mut Index) -> Result<(), crate::model::DecodeError> {
    match key::parse(&kv.key) {
        Some(key::Named::Block(cidr)) => {
            index.blocks.insert(cidr, Block::decode(&kv.key, &kv.value)?);
        }
        Some(key::Named::Affinity(owner, cidr)) => {
            index.affinities.insert((owner, cidr), Affinity::decode(&kv.key, &kv.value)?);
        }
        Some(key::Named::Handle(id)) => {
            index.handles.insert(id, Handle::decode(&kv.key, &kv.value)?);
        }
        Some(key::Named::Resource(ResourceKind::IpPool, name)) => {
            index.pools.insert(name, IpPool::decode(&kv.key, &kv.value)?);
        }
        Some(key::Named::Binding(tenant)) => {
            index.bindings.insert(tenant, Binding::decode(&kv.key, &kv.value)?);
        }
        Some(named) => index::judge_resource(&named, kv)?,
        None => {}
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
