//! What an allocation depends on, and which pools it may draw from.

use std::collections::BTreeMap;

use ipam_core::ip::{BlockOrder, Cidr, Family, RangeSet, seed_of};
use ipam_core::model::{Config, IpPool, IpReservation, Node, Owner, ResourceKind, Timestamp, key};
use ipam_core::pool::{Pool, Use};
use ipam_core::selector::{Selector, SelectorError};
use ipam_etcd::Store;

use super::{Fault, Stock};

/// The pools of one allocation.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Every enabled pool of the family.
    pub(super) enabled: Vec<Pool>,
    /// Those that may be used, in the order in which they are tried.
    pub(super) allowed: Vec<Pool>,
    /// Those that would be allowed if they were meant for this use.
    pub(super) for_other_uses: Vec<Pool>,
}

/// Which pools of which family are wanted, and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) family: Family,
    pub(super) host: &'a str,
    /// Networks of pools; none leaves the choice to the selectors.
    pub(super) named: &'a [Cidr],
    pub(super) usage: Use,
}

impl<S: Store> Stock<'_, S> {
    /// Reads the configuration; nothing is stored where there is none.
    pub(super) async fn config(&self) -> Result<Config, Fault> {
        match self.verbs.get(key::CONFIG).await {
            Ok(stored) => Ok(stored.value),
            Err(fault) if fault.is_not_found() => Ok(Config::default()),
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn reserved(&self) -> Result<RangeSet, Fault> {
        let prefix = key::resources(ResourceKind::IpReservation);
        let mut reserved = RangeSet::new();
        for stored in self.verbs.list::<IpReservation>(&prefix).await? {
            stored.value.spec.networks().flatten().for_each(|cidr| reserved.insert(&cidr));
        }
        Ok(reserved)
    }

    pub(super) async fn node_labels(&self, host: &str) -> Result<BTreeMap<String, String>, Fault> {
        let node = self.verbs.get::<Node>(&key::resource(ResourceKind::Node, host)).await?;
        Ok(node.value.metadata.labels.unwrap_or_default())
    }

    /// Lists all pools in the order of their names, those that are off included.
    pub(super) async fn all_pools(&self) -> Result<Vec<Pool>, Fault> {
        let stored = self.verbs.list::<IpPool>(&key::resources(ResourceKind::IpPool)).await?;
        Ok(stored.iter().filter_map(|stored| Pool::read(&stored.value, false)).collect())
    }

    pub(super) async fn enabled_pools(&self) -> Result<Vec<Pool>, Fault> {
        let pools = self.all_pools().await?;
        Ok(pools.into_iter().filter(|pool| pool.disabled.is_none()).collect())
    }

    /// Decides which pools an allocation may draw from.
    pub(super) async fn choose_pools(
        &self,
        wanted: Wanted<'_>,
        labels: &BTreeMap<String, String>,
    ) -> Result<Chosen, Fault> {
        let mut enabled = self.enabled_pools().await?;
        enabled.retain(|pool| pool.family() == wanted.family);
        if enabled.is_empty() {
            return Err(Fault::other("cannot find a qualified ippool"));
        }
        let selected = if wanted.named.is_empty() {
            selected(&enabled, labels)?
        } else {
            named(&enabled, wanted.named)?
        };
        if selected.is_empty() {
            let host = wanted.host;
            return Err(Fault::other(format!("no configured Calico pools for node {host}")));
        }
        let (allowed, for_other_uses): (Vec<Pool>, Vec<Pool>) =
            selected.into_iter().partition(|pool| pool.allows(wanted.usage));
        if allowed.is_empty() {
            let usage = wanted.usage.name();
            return Err(Fault::other(format!(
                "cannot find a qualified ippool, no pools match the required use ({usage})"
            )));
        }
        Ok(Chosen { enabled, allowed, for_other_uses })
    }
}

/// Says whether a pool's selector picks a node.
pub(super) fn selects(pool: &Pool, labels: &BTreeMap<String, String>) -> Result<bool, Fault> {
    Ok(parsed(pool.node_selector())?.matches(labels))
}

/// Walks the blocks of a pool from the place where a host begins.
pub(super) fn walk(pool: &Pool, owner: &Owner, now: Timestamp) -> impl Iterator<Item = Cidr> {
    let seed = if pool.block_prefix == pool.family().bits() {
        i64::try_from(now.nanos()).expect("a time of this century")
    } else {
        seed_of(owner.name())
    };
    let (cidr, prefix) = (pool.cidr, pool.block_prefix);
    BlockOrder::new(seed, pool.block_count()).filter_map(move |index| cidr.block_at(prefix, index))
}

fn named(enabled: &[Pool], networks: &[Cidr]) -> Result<Vec<Pool>, Fault> {
    let find = |network: &Cidr| {
        let pool = enabled.iter().find(|pool| pool.cidr == *network).cloned();
        pool.ok_or_else(|| {
            Fault::other(format!("the given pool ({network}) does not exist, or is not enabled"))
        })
    };
    networks.iter().map(find).collect()
}

/// Without Kubernetes a namespace has no labels.
fn selected(enabled: &[Pool], labels: &BTreeMap<String, String>) -> Result<Vec<Pool>, Fault> {
    let mut selected = Vec::new();
    for pool in enabled.iter().filter(|pool| !pool.manual) {
        let namespace = parsed(pool.namespace_selector())?;
        if selects(pool, labels)? && namespace.matches(&BTreeMap::new()) {
            selected.push(pool.clone());
        }
    }
    Ok(selected)
}

fn parsed<'p>(selector: Result<&'p Selector, &SelectorError>) -> Result<&'p Selector, Fault> {
    selector.map_err(|error| Fault::other(error.to_string()))
}
