//! Which addresses a pod may be given, decided as simply as can be and by nothing that the product is made of.

use std::net::IpAddr;

use ipam_core::ip::Cidr;
use ipam_core::plan::Snapshot;
use serde_json::Value;

use super::layout::{Layout, NAMESPACES};
use super::operation::Pod;

/// Says why a pod must not be given an address, by what is stored when it is.
pub(super) fn forbidden(
    snapshot: &Snapshot,
    layout: &Layout,
    pod: &Pod,
    host: &str,
    ip: IpAddr,
) -> Option<String> {
    let stored = Stored(snapshot);
    let Some(pool) = stored.pool_of(ip) else { return Some("it lies in no pool".to_owned()) };
    let name = pool["metadata"]["name"].as_str().unwrap_or_default();
    if pool["spec"]["disabled"] == true {
        return Some(format!("{name} is disabled"));
    }
    let uses = pool["spec"]["allowedUses"].as_array().cloned().unwrap_or_default();
    let wanted = if pod.is_service { "LoadBalancer" } else { "Workload" };
    if !uses.iter().any(|used| used == wanted) {
        return Some(format!("{name} is for {uses:?}, not for {wanted}"));
    }
    if let Some(network) = stored.reservations().find(|network| network.contains(ip)) {
        return Some(format!("it is reserved by {network}"));
    }
    let namespace = NAMESPACES[pod.namespace];
    let binding = stored.get(&format!("/ringfence/v1/bindings/{namespace}"));
    let field = if ip.is_ipv4() { "ipv4Pools" } else { "ipv6Pools" };
    let bound = binding.as_ref().map(|binding| &binding[field]).filter(|list| list.is_array());
    let names = |list: &Value| list.as_array().is_some_and(|list| list.iter().any(|n| n == name));
    let is_required = binding.as_ref().is_some_and(|binding| binding["mode"] == "required");
    if is_required && bound.is_some_and(|list| !names(list)) {
        return Some(format!("{namespace} is bound to {bound:?}"));
    }
    let mark = stored.get(&format!("/ringfence/v1/pools/{name}"));
    if mark.is_some_and(|mark| mark["exclusive"] == true) && !bound.is_some_and(names) {
        return Some(format!("{name} is exclusive"));
    }
    let annotated: Vec<&str> = pod
        .pools
        .iter()
        .flatten()
        .map(|at| &layout.pools[*at])
        .filter(|plan| plan.cidr.contains(ip) || plan.family() == ipam_core::ip::Family::of(ip))
        .map(|plan| plan.name)
        .collect();
    if !annotated.is_empty() {
        let is_named = annotated.contains(&name);
        return (!is_named).then(|| format!("{name} is not one of {annotated:?}"));
    }
    if let Some(list) = bound {
        return (!names(list)).then(|| format!("{name} is not one of {list}"));
    }
    if pool["spec"]["assignmentMode"] == "Manual" {
        return Some(format!("{name} is only for those who name it"));
    }
    let selector = pool["spec"]["nodeSelector"].as_str().unwrap_or_default();
    let node = stored.get(&format!("/calico/resources/v3/projectcalico.org/nodes/{host}"));
    let zone = node.as_ref().and_then(|node| node["metadata"]["labels"]["zone"].as_str());
    let selects =
        selector == "all()" || zone.is_some_and(|z| selector == format!("zone == \"{z}\""));
    (!selects).then(|| format!("{name} selects {selector}, and {host} is in {zone:?}"))
}

/// Says why a block must not be made, by what is stored when it is.
pub(super) fn homeless(snapshot: &Snapshot, block: &Cidr) -> Option<String> {
    let Some(pool) = Stored(snapshot).pool_of(block.first_address()) else {
        return Some("it is made, and lies in no pool".to_owned());
    };
    (pool["spec"]["disabled"] == true).then(|| "it is made in a pool that is disabled".to_owned())
}

struct Stored<'s>(&'s Snapshot);

impl Stored<'_> {
    fn get(&self, key: &str) -> Option<Value> {
        let kv = self.0.kvs.iter().find(|kv| *kv.key == *key)?;
        serde_json::from_slice(&kv.value).ok()
    }

    fn under(&self, prefix: &str) -> impl Iterator<Item = Value> {
        let kvs = self.0.kvs.iter().filter(move |kv| kv.key.starts_with(prefix));
        kvs.filter_map(|kv| serde_json::from_slice(&kv.value).ok())
    }

    fn pool_of(&self, ip: IpAddr) -> Option<Value> {
        let contains =
            |pool: &Value| network(&pool["spec"]["cidr"]).is_some_and(|n| n.contains(ip));
        self.under("/calico/resources/v3/projectcalico.org/ippools/").find(contains)
    }

    fn reservations(&self) -> impl Iterator<Item = Cidr> {
        let all = self.under("/calico/resources/v3/projectcalico.org/ipreservations/");
        all.flat_map(|value| {
            let list = value["spec"]["reservedCIDRs"].as_array().cloned().unwrap_or_default();
            list.iter().filter_map(network).collect::<Vec<_>>()
        })
    }
}

fn network(value: &Value) -> Option<Cidr> {
    Cidr::parse_or_address(value.as_str()?).ok()
}
