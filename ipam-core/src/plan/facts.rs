//! The rows that every allocation depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::ip::RangeSet;
use crate::kv::{Key, Kv, Lookup, Range, Read};
use crate::model::{
    Binding, ClusterInformation, Config, DecodeError, IpPool, IpReservation, Node, PoolMark,
    ResourceKind, key,
};
use crate::pool::{Choice, ChoiceRequest, Level, Pool, choose};
use crate::refusal::Refusal;

use super::Planned;

// Every allocation reads them, and their keys never change.
static POOLS: LazyLock<Range> =
    LazyLock::new(|| Range::prefix(key::resources(ResourceKind::IpPool)));
static POOL_MARKS: LazyLock<Range> = LazyLock::new(|| Range::prefix(key::pool_marks()));
static RESERVATIONS: LazyLock<Range> =
    LazyLock::new(|| Range::prefix(key::resources(ResourceKind::IpReservation)));

/// The rows, read and understood.
#[derive(Debug)]
pub(super) struct Facts {
    /// The configuration, or what holds without one.
    pub(super) config: Config,
    /// Every address that is never handed out by itself.
    pub(super) reserved: RangeSet,
    /// All pools, by name.
    pub(super) pools: Vec<Pool>,
    /// Pools whose stored value cannot be understood.
    damaged_pools: Vec<Kv>,
}

impl Facts {
    /// Returns what must be read.
    pub(super) fn reads() -> &'static [Read] {
        static READS: LazyLock<[Read; 5]> = LazyLock::new(|| {
            let ranges = [&*POOLS, &*POOL_MARKS, &*RESERVATIONS].map(Range::clone);
            let [pools, marks, reservations] = ranges.map(Read::values);
            let keys = [key::CONFIG.into(), cluster_key()];
            let [config, cluster] = keys.map(|key| Read::values(Range::key(key)));
            [config, cluster, pools, marks, reservations]
        });
        &*READS
    }

    /// Reads the rows as guards: a change to any of them is a conflict.
    pub(super) fn read(lookup: &mut Lookup<'_>) -> Planned<Self> {
        refuse_if_locked(lookup)?;
        let config = read_config(lookup)?;
        let mut reserved = RangeSet::new();
        for kv in lookup.scan(&RESERVATIONS)? {
            let reservation = IpReservation::of(kv)?;
            // Entries that are no networks are passed over, as Calico does; `check` reports them.
            reservation.spec.networks().flatten().for_each(|cidr| reserved.insert(&cidr));
        }
        let (pools, damaged_pools) = read_pools(lookup)?;
        Ok(Self { config, reserved, pools, damaged_pools })
    }

    /// Chooses pools. The one that is drawn from in the end must not vanish unnoticed, which is for the caller to guard.
    pub(super) fn choose(&self, request: &ChoiceRequest<'_>) -> Planned<Choice> {
        let choice = choose(request, &self.pools).map_err(|refusal| self.or_damage(refusal))?;
        if choice.level == Level::Automatic
            && let Some(refusal) = self.damage(None)
        {
            return Err(refusal.into());
        }
        for pool in &choice.pools {
            self.refuse_overlapping(pool)?;
        }
        Ok(choice)
    }

    /// Refuses a pool that shares addresses with another: each has blocks of its own, so both would give them away.
    fn refuse_overlapping(&self, pool: &Pool) -> Result<(), Refusal> {
        let mut others = self.pools.iter().filter(|other| other.name != pool.name);
        match others.find(|other| other.cidr.overlaps(&pool.cidr)) {
            None => Ok(()),
            Some(other) => Err(Refusal::PoolOverlap {
                pool: pool.name.clone(),
                cidr: pool.cidr,
                other: other.name.clone(),
                other_cidr: other.cidr,
            }),
        }
    }

    /// Puts the damage of a stored pool in the place of a refusal that it explains.
    fn or_damage(&self, refusal: Refusal) -> Refusal {
        let damage = if let Refusal::UnknownPool { name, .. } = &refusal {
            self.damage(Some(name))
        } else if matches!(refusal, Refusal::NoPoolSelects { .. }) {
            self.damage(None)
        } else {
            None
        };
        damage.unwrap_or(refusal)
    }

    /// Returns what is wrong with the stored pool of a name, or with any pool.
    fn damage(&self, name: Option<&str>) -> Option<Refusal> {
        let is_it = |kv: &&Kv| name.is_none_or(|name| kv.key.ends_with(&format!("/{name}")));
        let kv = self.damaged_pools.iter().find(is_it)?;
        IpPool::of(kv).err().map(Refusal::Corrupt)
    }
}

/// Refuses while an administrator has locked the datastore.
pub(super) fn refuse_if_locked(lookup: &mut Lookup<'_>) -> Planned<()> {
    let key = cluster_key();
    let Some(kv) = lookup.get(&key)? else {
        return Ok(());
    };
    let is_locked = ClusterInformation::of(kv)?.is_locked();
    if is_locked { Err(Refusal::Locked.into()) } else { Ok(()) }
}

/// Returns the key of the facts about the cluster.
pub(super) fn cluster_key() -> Key {
    key::resource(ResourceKind::ClusterInformation, ClusterInformation::NAME)
}

/// Reads the configuration as a guard.
pub(super) fn read_config(lookup: &mut Lookup<'_>) -> Planned<Config> {
    match lookup.get(key::CONFIG)? {
        Some(kv) => Ok(Config::decode(key::CONFIG, &kv.value)?),
        None => Ok(Config::default()),
    }
}

/// Reads a tenant's binding as a guard.
pub(super) fn read_binding(lookup: &mut Lookup<'_>, tenant: &str) -> Planned<Option<Binding>> {
    let key = key::binding(tenant);
    let kv = lookup.get(&key)?;
    Ok(kv.map(|kv| Binding::decode(&key, &kv.value)).transpose()?)
}

/// Reads the labels of a node as a guard, `None` where it has no record.
pub(super) fn read_node_labels(
    lookup: &mut Lookup<'_>,
    host: &str,
) -> Planned<Option<BTreeMap<String, String>>> {
    let key = key::resource(ResourceKind::Node, host);
    let Some(kv) = lookup.get(&key)? else {
        return Ok(None);
    };
    let node = Node::of(kv)?;
    Ok(Some(node.metadata.labels.clone().unwrap_or_default()))
}

fn read_pools(lookup: &mut Lookup<'_>) -> Planned<(Vec<Pool>, Vec<Kv>)> {
    let marks = lookup.scan(&POOL_MARKS)?;
    let exclusive = exclusive_pools(&marks)?;
    let mut pools = Vec::new();
    let mut damaged = Vec::new();
    for kv in lookup.scan(&POOLS)? {
        match Pool::of(kv) {
            Ok(Some(mut pool)) => {
                pool.exclusive = exclusive.contains(&pool.name);
                pools.push(pool);
            }
            Ok(None) => {}
            Err(_) => damaged.push(kv.clone()),
        }
    }
    Ok((pools, damaged))
}

fn exclusive_pools(marks: &[&Kv]) -> Result<BTreeSet<String>, DecodeError> {
    let mut exclusive = BTreeSet::new();
    for kv in marks {
        if let Some(key::Named::PoolMark(name)) = key::parse(&kv.key)
            && PoolMark::decode(&kv.key, &kv.value)?.exclusive
        {
            exclusive.insert(name);
        }
    }
    Ok(exclusive)
}
