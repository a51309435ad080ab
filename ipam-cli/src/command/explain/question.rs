//! What is asked about a workload.

use std::collections::BTreeMap;

use ipam_core::inventory::Inventory;
use ipam_core::ip::Family;
use ipam_core::model::{Binding, HandleId};
use ipam_core::plan::{Assign, FamilyRequest, NodeRule, PoolOrder, Replay, Rules, Want};
use ipam_core::pool::{
    Levels, NAMESPACE_RULE, NamespaceLabels, PoolList, Tenant, annotation_key, is_namespace_name,
    near_miss,
};

use crate::args;
use crate::cause::{Cause, UsageError};
use crate::netconf::NetConf;

/// A workload that does not exist yet.
pub(super) struct Question {
    /// The network configuration.
    pub(super) conf: NetConf,
    /// The annotations that say nothing about pools.
    pub(super) unread: Vec<String>,
    /// Why the plugin would refuse it, whatever its annotations name.
    mistake: Option<String>,
    node: String,
    tenant: Option<Tenant>,
    handle: HandleId,
    pod: BTreeMap<Family, String>,
    namespace: BTreeMap<Family, String>,
}

impl Question {
    /// Takes over the arguments; `host_name` is asked where nothing else names the node.
    pub(super) fn read(
        args: &args::Explain,
        conf: NetConf,
        host_name: impl FnOnce() -> Result<String, Cause>,
    ) -> Result<Self, Cause> {
        let mut unread = Vec::new();
        let mut pod = by_family(&args.pod_annotation, &mut unread);
        let namespace = by_family(&args.namespace_annotation, &mut unread);
        for (family, short, first) in [
            (Family::V4, &args.ipv4pools, "--ipv4pools"),
            (Family::V6, &args.ipv6pools, "--ipv6pools"),
        ] {
            let Some(text) = short else { continue };
            if pod.insert(family, text.clone()).is_some() {
                return Err(UsageError::Twice { first, second: "--pod-annotation", family }.into());
            }
        }
        let node = match args.node.as_ref().or(conf.node.as_ref()) {
            Some(node) => node.clone(),
            None => host_name()?,
        };
        let network = || conf.name.clone().map(Tenant::Network);
        let tenant = args.namespace.clone().map(Tenant::Namespace).or_else(network);
        let handle = HandleId::new("ringfence-explain")
            .map_err(|error| Cause::Bug { what: error.to_string() })?;
        let mistake = impossible(args.namespace.as_deref()).or_else(|| misspelt(args));
        Ok(Self { conf, unread, mistake, node, tenant, handle, pod, namespace })
    }

    /// Returns what each level says about a family.
    ///
    /// # Errors
    ///
    /// The sentence with which the plugin would refuse.
    pub(super) fn levels(&self, family: Family) -> Result<Levels, String> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        Ok(Levels {
            pod: annotation(&self.pod, family, "pod")?,
            namespace: annotation(&self.namespace, family, "namespace")?,
            configuration: self.conf.pools(family).cloned(),
            ..Levels::default()
        })
    }

    /// Makes the request that the plugin would make.
    pub(super) fn request(&self, family: Family, levels: Levels) -> Assign {
        Assign {
            handle: Some(self.handle.clone()),
            host: self.node.clone(),
            tenant: self.tenant.clone(),
            attributes: BTreeMap::new(),
            families: vec![FamilyRequest { family, want: Want::Any(1), levels }],
            rules: Rules {
                pool_order: PoolOrder::Listed,
                node: NodeRule::Optional,
                replay: Replay::Again,
                addresses: self.conf.addresses,
                namespace_labels: NamespaceLabels::Unknown,
                blocks_max: 0,
                record_source: true,
                ..Rules::calico()
            },
        }
    }

    /// Finds the binding of whoever asks.
    pub(super) fn binding<'i>(&self, inventory: &'i Inventory) -> Option<&'i Binding> {
        inventory.bindings.get(self.tenant.as_ref()?.name())
    }
}

/// Returns the families in which an address is wanted: those that are named, else those that the plugin would ask for,
/// which is IPv4 alone unless the configuration, or a list of IPv6 pools, says more.
pub(super) fn families(args: &args::Explain, conf: &NetConf) -> Vec<Family> {
    let named = args.ipv4 || args.ipv6;
    let is_wanted = |family: &Family| match family {
        Family::V4 if named => args.ipv4,
        Family::V6 if named => args.ipv6,
        Family::V4 => conf.assigns(*family).unwrap_or(true),
        Family::V6 => conf.assigns(*family).unwrap_or(args.ipv6pools.is_some()),
    };
    Family::ALL.into_iter().filter(is_wanted).collect()
}

/// Says why there can be no such namespace.
fn impossible(namespace: Option<&str>) -> Option<String> {
    let namespace = namespace.filter(|name| !is_namespace_name(name))?;
    Some(format!("namespace {namespace:?} {NAMESPACE_RULE}"))
}

/// Finds the first annotation that was probably meant to name pools.
fn misspelt(args: &args::Explain) -> Option<String> {
    let known = Family::ALL.map(annotation_key);
    let of = |source: &'static str, pairs: &[(String, String)]| {
        pairs.iter().find_map(|(name, _)| {
            let right = near_miss(name, &known)?;
            Some(format!("annotation {name:?} of the {source} is misspelt; write {right:?}"))
        })
    };
    of("pod", &args.pod_annotation).or_else(|| of("namespace", &args.namespace_annotation))
}

/// Sorts annotations by the family whose pools they name.
fn by_family(pairs: &[(String, String)], unread: &mut Vec<String>) -> BTreeMap<Family, String> {
    let mut found = BTreeMap::new();
    for (key, value) in pairs {
        match Family::ALL.into_iter().find(|family| annotation_key(*family) == key) {
            Some(family) => drop(found.insert(family, value.clone())),
            None => unread.push(key.clone()),
        }
    }
    found
}

fn annotation(
    texts: &BTreeMap<Family, String>,
    family: Family,
    of: &str,
) -> Result<Option<PoolList>, String> {
    let Some(text) = texts.get(&family) else { return Ok(None) };
    let key = annotation_key(family);
    PoolList::parse_annotation(text)
        .map_err(|error| format!("annotation {key} of the {of} {error}"))
}

#[cfg(test)]
#[path = "question_tests.rs"]
mod tests;
