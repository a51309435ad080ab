//! What a call returned, here and in the recording.

use ipam_core::inventory::{BlockUtilization, Counts, Utilization};
use ipam_core::ip::Family;
use ipam_core::model::Config;
use ipam_core::plan::Owners;
use serde_json::{Map, Value, json};

use super::super::compare::{Aspect, Difference, equal};
use super::super::meaning::{Failure, go_type, is_same};
use super::LibraryStep;

/// What a call returned here.
#[derive(Debug)]
pub(super) struct Answer {
    /// The members of the recorded result that are compared, in an order that does not depend on the run.
    pub(super) value: Value,
    /// What went wrong.
    pub(super) error: Option<Fault>,
}

/// What went wrong here.
#[derive(Debug)]
pub(super) enum Fault {
    /// It was refused.
    Failure(Failure),
    /// The reply says so; in stock Calico's words.
    Said(String),
}

impl Answer {
    pub(super) fn of(value: Value) -> Self {
        Self { value, error: None }
    }

    pub(super) fn refused(failure: Failure) -> Self {
        Self { value: Value::Null, error: Some(Fault::Failure(failure)) }
    }

    pub(super) fn said(value: Value, text: impl Into<String>) -> Self {
        Self { value, error: Some(Fault::Said(text.into())) }
    }

    /// Says whether what was asked about does not exist here.
    pub(super) fn denies(&self) -> bool {
        matches!(&self.error, Some(Fault::Said(text)) if text.starts_with("resource does not exist"))
    }

    /// Compares the answer with the recorded one.
    pub(super) fn compare(&self, step: &LibraryStep) -> Vec<Difference> {
        let recorded = &step.result;
        let message = recorded["error"].as_str();
        let mut found = Vec::from_iter(self.error_as(message).err());
        // An error has its type by its message, whoever meets it.
        let named = &recorded["errorType"];
        found.extend(equal(Aspect::Reason, named, &json!(message.map(go_type))).err());
        found.extend(self.nothing_else(recorded).err());
        found.extend(other_conditions(recorded, &step.args));
        for (member, here) in self.value.as_object().into_iter().flatten() {
            let there = &recorded[member];
            let is_empty = there.is_null() && here.is_array();
            let there = if is_empty { Value::Array(Vec::new()) } else { sorted(there) };
            let [there, here] =
                [there, sorted(here)].map(|list| told_once(member, list, &step.args));
            found.extend(equal(Aspect::Addresses, &(member, &there), &(member, &here)).err());
        }
        found
    }

    /// Refuses a recorded answer that tells more than this one.
    fn nothing_else(&self, recorded: &Value) -> Result<(), Difference> {
        let is_empty = |value: &Value| match value {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => false,
        };
        let is_here =
            |name: &str| matches!(name, "error" | "errorType") || self.value.get(name).is_some();
        let members = recorded.as_object().into_iter().flatten();
        let others = members.filter(|(name, value)| !is_here(name) && !is_empty(value));
        equal(Aspect::Addresses, &others.collect::<Vec<_>>(), &Vec::new())
    }

    /// Compares what went wrong, given the recorded message.
    fn error_as(&self, message: Option<&str>) -> Result<(), Difference> {
        match (&self.error, message) {
            (None, None) => Ok(()),
            (Some(Fault::Said(here)), Some(there)) => {
                equal(Aspect::Reason, &there.trim(), &here.as_str())
            }
            (Some(Fault::Failure(failure)), Some(there)) if is_same(there, failure) => Ok(()),
            (Some(Fault::Failure(failure)), Some(there)) => {
                let (recorded, here) = (there.to_owned(), failure.to_string());
                Err(Difference { aspect: Aspect::Reason, recorded, here })
            }
            (error, there) => {
                let (recorded, here) = (format!("{there:?}"), format!("{error:?}"));
                Err(Difference { aspect: Aspect::Exit, recorded, here })
            }
        }
    }
}

/// Compares a recorded answer with success that tells nothing.
pub(super) fn nothing_told(recorded: &LibraryStep) -> Vec<Difference> {
    Answer::of(json!({})).compare(recorded)
}

/// Of an address that is named twice and is free stock Calico says so once or twice, as chance has it.
fn told_once(member: &str, mut list: Value, args: &Value) -> Value {
    if let ("unallocated", Value::Array(addresses)) = (member, &mut list) {
        let asked = args["Release"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_again = |ip: &Value| asked.iter().filter(|one| one["Address"] == *ip).count() > 1;
        addresses.dedup_by(|next, one| next == one && is_again(one));
    }
    list
}

/// Finds released addresses that are told with other conditions than those that they were asked for with.
fn other_conditions(recorded: &Value, args: &Value) -> Option<Difference> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let asked = list(&args["Release"]).into_iter().map(|one| {
        let handle = one["Handle"].as_str().unwrap_or_default().to_owned();
        let (address, sequence) = (&one["Address"], &one["SequenceNumber"]);
        json!({ "Address": address, "Handle": handle, "SequenceNumber": sequence })
    });
    let asked: Vec<Value> = asked.collect();
    let mut told = list(&recorded["released"]);
    told.retain(|one| !asked.contains(one));
    equal(Aspect::Addresses, &told, &Vec::new()).err()
}

/// Puts lists whose order says nothing in one order, and leaves out what is compared elsewhere.
fn sorted(recorded: &Value) -> Value {
    match recorded {
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(sorted).collect();
            // Members may stand in another order.
            list.sort_by_key(|one| {
                one["cidr"].as_str().map_or_else(|| one.to_string(), str::to_owned)
            });
            Value::Array(list)
        }
        // A release is told by its address: the conditions are those of the call.
        Value::Object(release) if release.contains_key("Address") => release["Address"].clone(),
        // What is given is listed in the order in which it was taken.
        Value::Object(share) if share.contains_key("requested") => {
            let mut share = share.clone();
            if share["ips"].is_null() {
                share["ips"] = Value::Array(Vec::new());
            }
            Value::Object(share)
        }
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => recorded.clone(),
    }
}

/// Puts the configuration as it was recorded.
pub(super) fn configuration(config: &Config) -> Answer {
    let persistence = config.kube_virt_vm_address_persistence.as_deref();
    Answer::of(json!({ "config": {
        "StrictAffinity": config.strict_affinity,
        "AutoAllocateBlocks": config.auto_allocate_blocks,
        "MaxBlocksPerHost": config.max_blocks_per_host,
        "KubeVirtVMAddressPersistence": persistence,
    }}))
}

/// Puts who an address is assigned to as it was recorded.
pub(super) fn owners(owners: &Owners) -> Answer {
    let mut attribute = Map::new();
    attribute.extend(owners.handle.as_ref().map(|id| ("handle_id".to_owned(), json!(id))));
    for (name, pairs) in [("secondary", &owners.active), ("alternateOwnerAttrs", &owners.alternate)]
    {
        if !pairs.is_empty() {
            attribute.insert(name.to_owned(), json!(pairs));
        }
    }
    Answer::of(json!({ "attribute": attribute }))
}

/// Puts how full pools are as it was recorded, with the blocks outside of pools where all were asked for.
pub(super) fn utilization(utilization: &Utilization, has_outside: bool) -> Answer {
    let block = |block: &BlockUtilization| {
        let mut value = counts(&block.counts);
        value["cidr"] = json!(block.cidr.to_string());
        value
    };
    let list = |blocks: Vec<Value>| if blocks.is_empty() { Value::Null } else { blocks.into() };
    let mut pools: Vec<Value> = Vec::new();
    for pool in &utilization.pools {
        let mut value = counts(&pool.counts);
        if pool.counts.capacity > i64::MAX.unsigned_abs().into() {
            // Stock Calico counts in 63 bits: what no block holds is the most that it can count, and what blocks have free
            // runs over.
            let free: u128 = pool.blocks.iter().map(|block| block.counts.available).sum();
            let free = i64::try_from(free).unwrap_or(i64::MAX);
            value["available"] = json!(i64::MAX.wrapping_add(free));
        }
        value["name"] = json!(pool.name);
        value["cidr"] = json!(pool.cidr.to_string());
        value["blocks"] = list(pool.blocks.iter().map(block).collect());
        pools.push(value);
    }
    if has_outside {
        // Stock Calico leaves IPv6 out, and counts no capacity.
        let of_v4 = utilization.outside.iter().filter(|b| b.cidr.family() == Family::V4);
        let of_v4: Vec<&BlockUtilization> = of_v4.collect();
        let sum = |number: fn(&Counts) -> u128| of_v4.iter().map(|b| number(&b.counts)).sum();
        let mut value = counts(&Counts {
            capacity: 0,
            in_use: sum(|counts| counts.in_use),
            reserved: 0,
            available: sum(|counts| counts.available),
        });
        value["name"] = json!("orphaned allocation blocks");
        value["cidr"] = json!("0.0.0.0/0");
        value["blocks"] = list(of_v4.into_iter().map(block).collect());
        pools.push(value);
    }
    Answer::of(json!({ "utilization": list(pools) }))
}

fn counts(counts: &Counts) -> Value {
    let number = |number: u128| i64::try_from(number).unwrap_or(i64::MAX);
    json!({
        "capacity": number(counts.capacity),
        "inUse": number(counts.in_use),
        "reserved": number(counts.reserved),
        "available": number(counts.available),
    })
}
