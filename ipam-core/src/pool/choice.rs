//! Which pools a workload may draw from.

use std::collections::BTreeMap;
use std::fmt;

use crate::block::HostReserved;
use crate::ip::{Cidr, Family};
use crate::model::{Binding, BindingMode};
use crate::refusal::{Dropped, Forbidden, Refusal};

use super::{Pool, PoolList, Use};

/// Who can say which pools a workload draws from; the strongest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The tenant's required binding; whatever else is said may only narrow it.
    RequiredBinding,
    /// The pod's annotation.
    PodAnnotation,
    /// What a calling plugin hands down; it does not say whether an annotation or its configuration named the pools.
    HandedDown,
    /// The namespace's annotation.
    NamespaceAnnotation,
    /// The tenant's default binding, in the place of the namespace's annotation.
    DefaultBinding,
    /// The arguments of the call, for workloads without a Kubernetes identity.
    Arguments,
    /// The network configuration.
    Configuration,
    /// Nobody: every automatic pool whose selectors match.
    Automatic,
}

impl Level {
    /// Returns the word that is recorded with an address, and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::RequiredBinding | Self::DefaultBinding => "binding",
            Self::PodAnnotation => "pod-annotation",
            Self::NamespaceAnnotation => "namespace-annotation",
            Self::Arguments => "args",
            Self::HandedDown | Self::Configuration => "netconf",
            Self::Automatic => "automatic",
        }
    }
}

/// What each level says about one family; `None` where a level says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// The pod's annotation.
    pub pod: Option<PoolList>,
    /// What a plugin hands down that has read the annotations itself.
    pub handed_down: Option<PoolList>,
    /// The namespace's annotation.
    pub namespace: Option<PoolList>,
    /// The arguments of the call.
    pub arguments: Option<PoolList>,
    /// The network configuration.
    pub configuration: Option<PoolList>,
}

/// In whose name addresses are asked for, and under which name bindings are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// A Kubernetes namespace.
    Namespace(String),
    /// A CNI network, for workloads that Kubernetes does not know.
    Network(String),
}

impl Tenant {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Namespace(name) | Self::Network(name) => name,
        }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::Network(name) => write!(f, "network {name}"),
        }
    }
}

/// What is known of the labels of the workload's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceLabels {
    /// These.
    Known(BTreeMap<String, String>),
    /// Nothing: no namespace selector matches, not even a negative one. Otherwise `!has(x)` would let anybody in.
    Unknown,
}

/// What decides the choice for one family.
#[derive(Clone, Copy, Debug)]
pub struct ChoiceRequest<'a> {
    /// The family.
    pub family: Family,
    /// In whose name.
    pub tenant: Option<&'a Tenant>,
    /// What each level says.
    pub levels: &'a Levels,
    /// The tenant's binding.
    pub binding: Option<&'a Binding>,
    /// The labels of the node; a node without a record has none.
    pub node_labels: &'a BTreeMap<String, String>,
    /// The labels of the namespace.
    pub namespace_labels: &'a NamespaceLabels,
    /// What the address is for.
    pub wanted: Use,
    /// What the host sets aside in each block that it claims.
    pub host_reserved: Option<&'a HostReserved>,
    /// Whether a list may name pools for other uses, which are passed over then.
    pub skips_other_uses: bool,
}

/// The pools that were chosen, and how.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The level that won.
    pub level: Level,
    /// Who that is, in words, such as `annotation cni.projectcalico.org/ipv4pools of the pod`.
    pub named_by: String,
    /// The chosen pools; in order of preference where a list named them, by name otherwise.
    pub pools: Vec<Pool>,
    /// The pools that were passed over.
    pub dropped: Vec<Dropped>,
    /// The required binding that the choice was held against, such as `namespace fin`.
    pub held_to: Option<String>,
}

/// Chooses the pools that a workload may draw from in one family.
///
/// # Errors
///
/// A [`Refusal`] as soon as a level names something that cannot be used: nothing weaker takes its place, and never a
/// default.
pub fn choose(request: &ChoiceRequest<'_>, pools: &[Pool]) -> Result<Choice, Refusal> {
    let required = request.binding.filter(|binding| binding.mode == BindingMode::Required);
    let fixed = required.and_then(|binding| binding.pools(request.family));
    let (level, list) = strongest(request, fixed);
    let named_by = describe(level, request.family, request.tenant);
    let (chosen, dropped) = match list {
        Some([]) => {
            return Err(Refusal::NothingPermitted { named_by, family: request.family });
        }
        Some(names) => named(request, pools, names, &named_by)?,
        None => automatic(request, pools)?,
    };
    if let Some(permitted) = fixed {
        hold_to(&chosen, permitted, request, &named_by)?;
    }
    if chosen.is_empty() {
        return Err(Refusal::NoPoolSelects { family: request.family, dropped });
    }
    let held_to = fixed.and(request.tenant).map(ToString::to_string);
    Ok(Choice { level, named_by, pools: chosen, dropped, held_to })
}

/// Refuses a pool that exclusiveness or a required binding keeps from a workload, however it came to be named.
///
/// # Errors
///
/// [`Refusal::PoolNotPermitted`].
pub fn refuse_kept_back(
    request: &ChoiceRequest<'_>,
    pool: &Pool,
    named_by: &str,
) -> Result<(), Refusal> {
    if closed_to(request, pool) {
        let why = Forbidden::Exclusive { tenant: request.tenant.map(ToString::to_string) };
        let (named_by, pool) = (named_by.to_owned(), pool.name.clone());
        return Err(Refusal::PoolNotPermitted { named_by, pool, why });
    }
    let required = request.binding.filter(|binding| binding.mode == BindingMode::Required);
    match required.and_then(|binding| binding.pools(request.family)) {
        Some(permitted) => hold_to(std::slice::from_ref(pool), permitted, request, named_by),
        None => Ok(()),
    }
}

/// Finds the strongest level that names pools; `None` in place of a list means the automatic ones.
fn strongest<'a>(
    request: &ChoiceRequest<'a>,
    fixed: Option<&'a [String]>,
) -> (Level, Option<&'a [String]>) {
    let by_default = request.binding.filter(|binding| binding.mode == BindingMode::Default);
    let levels = request.levels;
    let entries = |list: &'a Option<PoolList>| list.as_ref().map(PoolList::entries);
    let in_kubernetes = matches!(request.tenant, Some(Tenant::Namespace(_)));
    let arguments = if in_kubernetes { None } else { entries(&levels.arguments) };
    [
        (Level::PodAnnotation, entries(&levels.pod)),
        (Level::HandedDown, entries(&levels.handed_down)),
        (Level::NamespaceAnnotation, entries(&levels.namespace)),
        (Level::DefaultBinding, by_default.and_then(|binding| binding.pools(request.family))),
        (Level::Arguments, arguments),
        (Level::Configuration, entries(&levels.configuration)),
        (Level::RequiredBinding, fixed),
    ]
    .into_iter()
    .find(|(_, list)| list.is_some())
    .unwrap_or((Level::Automatic, None))
}

fn describe(level: Level, family: Family, tenant: Option<&Tenant>) -> String {
    let number = family.number();
    let tenant = tenant.map_or_else(|| "nobody".to_owned(), ToString::to_string);
    match level {
        Level::RequiredBinding => format!("required binding of {tenant}"),
        Level::DefaultBinding => format!("default binding of {tenant}"),
        Level::PodAnnotation => format!("annotation {} of the pod", annotation_key(family)),
        Level::NamespaceAnnotation => {
            format!("annotation {} of the namespace", annotation_key(family))
        }
        Level::Arguments => format!("IPV{number}_POOLS of CNI_ARGS"),
        Level::HandedDown | Level::Configuration => {
            format!("ipv{number}_pools of the network configuration")
        }
        Level::Automatic => format!("automatic {family} pools"),
    }
}

/// Returns the annotation that names pools of a family.
#[must_use]
pub const fn annotation_key(family: Family) -> &'static str {
    match family {
        Family::V4 => "cni.projectcalico.org/ipv4pools",
        Family::V6 => "cni.projectcalico.org/ipv6pools",
    }
}

/// Finds the pools that a list names. One that cannot be used refuses the whole list: a slip of the pen must neither
/// widen nor shrink the range. Stock Calico passes over those that are meant for another use, as long as one is left.
fn named(
    request: &ChoiceRequest<'_>,
    pools: &[Pool],
    names: &[String],
    named_by: &str,
) -> Result<(Vec<Pool>, Vec<Dropped>), Refusal> {
    let mut chosen: Vec<Pool> = Vec::with_capacity(names.len());
    let (mut dropped, mut first_refusal) = (Vec::new(), None);
    for name in names {
        let pool = find(pools, name).ok_or_else(|| unknown(pools, name, named_by))?;
        match usable(request, pool, named_by) {
            Ok(()) => {}
            Err(refusal) if request.skips_other_uses && is_of_use(&refusal) => {
                let why = format!("is not allowed for the use {}", request.wanted.name());
                dropped.push(Dropped { pool: pool.name.clone(), why });
                first_refusal.get_or_insert(refusal);
                continue;
            }
            Err(refusal) => return Err(refusal),
        }
        if !chosen.iter().any(|other| other.name == pool.name) {
            chosen.push(pool.clone());
        }
    }
    match first_refusal {
        Some(refusal) if chosen.is_empty() => Err(refusal),
        _ => Ok((chosen, dropped)),
    }
}

fn is_of_use(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::PoolNotPermitted { why: Forbidden::Use { .. }, .. })
}

/// Finds a pool by its network or its name. Text with a slash is always a network: no name has one.
fn find<'p>(pools: &'p [Pool], name: &str) -> Option<&'p Pool> {
    match Cidr::parse(name) {
        Ok(cidr) => pools.iter().find(|pool| pool.cidr == cidr),
        Err(_) => pools.iter().find(|pool| pool.name == name),
    }
}

fn usable(request: &ChoiceRequest<'_>, pool: &Pool, named_by: &str) -> Result<(), Refusal> {
    let (named_by, name) = (named_by.to_owned(), pool.name.clone());
    if pool.family() != request.family {
        return Err(Refusal::WrongFamily { named_by, pool: name, found: pool.family() });
    }
    if let Some(why) = pool.disabled {
        return Err(Refusal::PoolDisabled { named_by, pool: name, why });
    }
    let why = if !pool.allows(request.wanted) {
        Forbidden::Use { wanted: request.wanted.name() }
    } else if closed_to(request, pool) {
        Forbidden::Exclusive { tenant: request.tenant.map(ToString::to_string) }
    } else if let Some(reserved) = too_large(request, pool) {
        Forbidden::SmallBlocks { prefix: pool.block_prefix, set_aside: reserved.count() }
    } else {
        return Ok(());
    };
    Err(Refusal::PoolNotPermitted { named_by, pool: name, why })
}

/// Returns what the host sets aside in a block, where the blocks of the pool have no room for it.
fn too_large<'a>(request: &ChoiceRequest<'a>, pool: &Pool) -> Option<&'a HostReserved> {
    request
        .host_reserved
        .filter(|reserved| pool.block_prefix > reserved.longest_prefix(pool.family()))
}

fn closed_to(request: &ChoiceRequest<'_>, pool: &Pool) -> bool {
    pool.exclusive && !request.binding.is_some_and(|binding| binding.names(&pool.name))
}

fn unknown(pools: &[Pool], name: &str, named_by: &str) -> Refusal {
    let enclosing = Cidr::parse(name).ok().and_then(|cidr| {
        let whole = pools.iter().find(|pool| pool.cidr.covers(&cidr))?;
        Some(format!("{} ({})", whole.name, whole.cidr))
    });
    let named_by = named_by.to_owned();
    let name: String = name.chars().take(253).collect();
    Refusal::UnknownPool { nearest: nearest(pools, &name), named_by, name, enclosing }
}

/// Drops every pool that does not select the workload.
fn automatic(
    request: &ChoiceRequest<'_>,
    pools: &[Pool],
) -> Result<(Vec<Pool>, Vec<Dropped>), Refusal> {
    let mut chosen = Vec::new();
    let mut dropped = Vec::new();
    for pool in pools.iter().filter(|pool| pool.family() == request.family) {
        match passed_over(request, pool)? {
            Some(why) => dropped.push(Dropped { pool: pool.name.clone(), why }),
            None => chosen.push(pool.clone()),
        }
    }
    Ok((chosen, dropped))
}

fn passed_over(request: &ChoiceRequest<'_>, pool: &Pool) -> Result<Option<String>, Refusal> {
    if let Some(why) = pool.disabled {
        return Ok(Some(format!("is {why}")));
    }
    if pool.manual {
        return Ok(Some("is used only where it is named (assignmentMode Manual)".to_owned()));
    }
    let unreadable = |field, error: &crate::selector::SelectorError| Refusal::Selector {
        pool: pool.name.clone(),
        field,
        source: error.clone(),
    };
    let nodes = pool.node_selector().map_err(|error| unreadable("nodeSelector", error))?;
    if !nodes.matches(request.node_labels) {
        return Ok(Some(format!("does not select the node ({nodes})")));
    }
    let namespaces =
        pool.namespace_selector().map_err(|error| unreadable("namespaceSelector", error))?;
    let selects = match request.namespace_labels {
        NamespaceLabels::Known(labels) => namespaces.matches(labels),
        NamespaceLabels::Unknown => namespaces.is_all(),
    };
    if !selects {
        return Ok(Some(match request.namespace_labels {
            NamespaceLabels::Known(_) => format!("does not select the namespace ({namespaces})"),
            NamespaceLabels::Unknown => {
                format!("selects namespaces by labels ({namespaces}), which are not known here")
            }
        }));
    }
    if let Some(reserved) = too_large(request, pool) {
        let (prefix, count) = (pool.block_prefix, reserved.count());
        return Ok(Some(format!(
            "has blocks of /{prefix}, too small for the {count} addresses that the host sets aside in each"
        )));
    }
    if !pool.allows(request.wanted) {
        return Ok(Some(format!("is not allowed for the use {}", request.wanted.name())));
    }
    if closed_to(request, pool) {
        return Ok(Some("is exclusive, and no binding names it".to_owned()));
    }
    Ok(None)
}

/// Refuses pools that a required binding does not list.
fn hold_to(
    chosen: &[Pool],
    permitted: &[String],
    request: &ChoiceRequest<'_>,
    named_by: &str,
) -> Result<(), Refusal> {
    let outside = chosen.iter().find(|pool| {
        !permitted.iter().any(|name| *name == pool.name || *name == pool.cidr.to_string())
    });
    match outside {
        None => Ok(()),
        Some(pool) => Err(Refusal::PoolNotPermitted {
            named_by: named_by.to_owned(),
            pool: pool.name.clone(),
            why: Forbidden::Binding {
                tenant: request.tenant.map(ToString::to_string).unwrap_or_default(),
                permitted: permitted.to_vec(),
            },
        }),
    }
}

/// Returns up to three pools whose names differ least from a name, and by no more than a third of it.
fn nearest(pools: &[Pool], name: &str) -> Vec<String> {
    const SHOWN_MAX: usize = 3;
    let far = name.chars().count().div_ceil(3).max(2);
    let mut by_distance: Vec<(usize, &String)> = pools
        .iter()
        .map(|pool| (distance(&pool.name, name), &pool.name))
        .filter(|(distance, _)| *distance <= far)
        .collect();
    by_distance.sort();
    by_distance.into_iter().take(SHOWN_MAX).map(|(_, name)| name.clone()).collect()
}

/// Counts the characters that must be added, dropped or replaced to turn one text into the other (Levenshtein).
#[must_use]
pub fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, from) in from.chars().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (above, to) in row.iter().skip(1).zip(&to) {
            left = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
