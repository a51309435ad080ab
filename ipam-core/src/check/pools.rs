//! The rules of pools and bindings.

use crate::ip::{Cidr, Family};
use crate::model::{ResourceKind, key};

use super::index::Index;
use super::{Finding, Rule};

/// Judges whether pools share addresses, and are called like their keys.
pub(super) fn check_pools(index: &Index, findings: &mut Vec<Finding>) {
    let mut networks: Vec<(Cidr, &str)> = Vec::new();
    for (name, pool) in &index.pools {
        let subject = key::resource(ResourceKind::IpPool, name);
        if pool.metadata.name != *name {
            let evidence = format!("it calls itself {:?}", pool.metadata.name);
            findings.push(Finding::new(Rule::PoolName, &subject, evidence));
        }
        if let Ok(cidr) = Cidr::parse(&pool.spec.cidr) {
            networks.push((cidr, name));
        }
    }
    networks.sort_unstable();
    // In this order a network comes right before those that it covers.
    let mut widest: Option<(Cidr, &str)> = None;
    for (cidr, name) in networks {
        match widest {
            Some((before, other)) if before.overlaps(&cidr) => {
                let subject = key::resource(ResourceKind::IpPool, name);
                let evidence = format!("{cidr} overlaps {before} of pool {other}");
                findings.push(Finding::new(Rule::PoolOverlap, &subject, evidence));
            }
            _ => widest = Some((cidr, name)),
        }
    }
}

/// Judges whether bindings name pools that exist.
pub(super) fn check_bindings(index: &Index, findings: &mut Vec<Finding>) {
    for (tenant, binding) in &index.bindings {
        let named = Family::ALL.iter().filter_map(|family| binding.pools(*family)).flatten();
        for name in named.filter(|name| !index.pools.contains_key(*name)) {
            let evidence = format!("there is no pool {name:?}");
            findings.push(Finding::new(Rule::BoundPool, &key::binding(tenant), evidence));
        }
    }
}
