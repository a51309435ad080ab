//! How a decision came about, step by step.

use ipam_core::inventory::Inventory;
use ipam_core::ip::Family;
use ipam_core::model::{Binding, BindingMode};
use ipam_core::plan::{Assigned, How};
use ipam_core::pool::{Level, Levels, PoolList};
use ipam_core::refusal::{Dropped, Refusal};

use crate::render::{BlockChoice, Decision, Step, StepVerdict};

/// Traces a request that would be granted.
pub(super) fn granted(
    family: Family,
    assigned: &Assigned,
    levels: &Levels,
    binding: Option<&Binding>,
    inventory: &Inventory,
) -> Decision {
    let mut steps = Vec::new();
    let mut pools = Vec::new();
    for decision in &assigned.decisions {
        steps.push(kept("level", decision.level.word(), decision.named_by.clone()));
        steps.extend(overruled(family, decision.level, levels, binding));
        if decision.level != Level::RequiredBinding {
            let tenant = decision.held_to.as_ref();
            steps.extend(tenant.map(|tenant| held_to(family, tenant, binding)));
        }
        steps.extend(decision.pools.iter().map(|pool| kept_pool(pool, decision.level, inventory)));
        steps.extend(decision.dropped.iter().map(dropped_pool));
        pools.extend(decision.pools.iter().cloned());
    }
    let first = assigned.addresses.first();
    Decision {
        family: family.number(),
        steps,
        pools,
        block: first.map(|a| BlockChoice { cidr: a.block.to_string(), how: how(a.how) }),
        address: first.map(|a| a.ip.to_string()),
        succeeds: true,
        outcome: "would succeed".to_owned(),
    }
}

/// Traces a request that would be refused; `why` is the refusal in one line.
pub(super) fn refused(family: Family, refusal: &Refusal, why: String) -> Decision {
    let dropped =
        if let Refusal::NoPoolSelects { dropped, .. } = refusal { dropped.as_slice() } else { &[] };
    let steps = dropped.iter().map(dropped_pool).collect();
    Decision { steps, ..mistaken(family, why) }
}

/// Traces a request that would not even be made.
pub(super) fn mistaken(family: Family, why: String) -> Decision {
    Decision {
        family: family.number(),
        steps: Vec::new(),
        pools: Vec::new(),
        block: None,
        address: None,
        succeeds: false,
        outcome: why,
    }
}

fn kept(rule: &'static str, subject: &str, why: String) -> Step {
    Step { rule, subject: subject.to_owned(), verdict: StepVerdict::Kept, why }
}

/// Returns the levels that also name pools, and do not count because a stronger one does.
fn overruled(
    family: Family,
    winner: Level,
    levels: &Levels,
    binding: Option<&Binding>,
) -> Vec<Step> {
    let entries = |list: &Option<PoolList>| list.as_ref().map(|list| list.entries().join(", "));
    let by_default = binding.filter(|binding| binding.mode == BindingMode::Default);
    let by_default = by_default.and_then(|binding| binding.pools(family));
    [
        (Level::PodAnnotation, entries(&levels.pod)),
        (Level::HandedDown, entries(&levels.handed_down)),
        (Level::NamespaceAnnotation, entries(&levels.namespace)),
        (Level::DefaultBinding, by_default.map(|names| names.join(", "))),
        (Level::Configuration, entries(&levels.configuration)),
    ]
    .into_iter()
    .filter(|(level, _)| *level != winner)
    .filter_map(|(level, names)| {
        let why = format!("names {}, but a stronger level does too", names?);
        let subject = level.word().to_owned();
        Some(Step { rule: "level", subject, verdict: StepVerdict::Dropped, why })
    })
    .collect()
}

fn held_to(family: Family, tenant: &str, binding: Option<&Binding>) -> Step {
    let permitted = binding.and_then(|binding| binding.pools(family)).unwrap_or_default();
    kept(
        "binding",
        tenant,
        format!("requires {}, which permits every pool that was chosen", permitted.join(", ")),
    )
}

fn kept_pool(pool: &str, level: Level, inventory: &Inventory) -> Step {
    let network = inventory.pool(pool).map_or("", |entry| entry.stored.spec.cidr.as_str());
    let why = match level {
        Level::Automatic => "is enabled and automatic, and selects the workload",
        Level::RequiredBinding
        | Level::PodAnnotation
        | Level::HandedDown
        | Level::NamespaceAnnotation
        | Level::DefaultBinding
        | Level::Arguments
        | Level::Configuration => "is named, so its selectors are not consulted",
    };
    kept("pool", pool, format!("{network} {why}").trim().to_owned())
}

fn dropped_pool(dropped: &Dropped) -> Step {
    let (subject, why) = (dropped.pool.clone(), dropped.why.clone());
    Step { rule: "pool", subject, verdict: StepVerdict::Dropped, why }
}

fn how(how: Option<How>) -> &'static str {
    match how {
        Some(How::Affine) => "affine",
        Some(How::Claimed) => "claim",
        Some(How::Borrowed) => "borrow",
        None => "none",
    }
}
