//! What is asked about a workload.

use std::collections::BTreeMap;

use ipam_core::inventory::Inventory;
use ipam_core::ip::Family;
use ipam_core::model::{Binding, HandleId};
use ipam_core::plan::{Assign, FamilyRequest, NodeRule, PoolOrder, Replay, Rules, Want};
use ipam_core::pool::{Levels, NamespaceLabels, PoolList, Tenant, annotation_key};

use crate::args;
use crate::cause::{Cause, UsageError};
use crate::netconf::NetConf;

/// A workload that does not exist yet.
pub(super) struct Question {
    /// The network configuration.
    pub(super) conf: NetConf,
    /// The annotations that say nothing about pools.
    pub(super) unread: Vec<String>,
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
        Ok(Self { tenant, conf, unread, node, handle, pod, namespace })
    }

    /// Returns what each level says about a family.
    ///
    /// # Errors
    ///
    /// The sentence with which the plugin would refuse.
    pub(super) fn levels(&self, family: Family) -> Result<Levels, String> {
        Ok(Levels {
            pod: annotation(&self.pod, family, "pod")?,
            namespace: annotation(&self.namespace, family, "namespace")?,
            arguments: None,
            configuration: self.conf.pools(family).cloned(),
        })
    }

    /// Makes the request that the plugin would make.
    pub(super) fn request(&self, family: Family, levels: Levels) -> Assign {
        Assign {
            handle: self.handle.clone(),
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
            },
        }
    }

    /// Finds the binding of whoever asks.
    pub(super) fn binding<'i>(&self, inventory: &'i Inventory) -> Option<&'i Binding> {
        inventory.bindings.get(self.tenant.as_ref()?.name())
    }
}

/// Returns the families in which an address is wanted: those that are named, or those that have an enabled pool.
pub(super) fn families(args: &args::Explain, conf: &NetConf, inventory: &Inventory) -> Vec<Family> {
    if args.ipv4 || args.ipv6 {
        return Family::ALL
            .into_iter()
            .filter(|f| if *f == Family::V4 { args.ipv4 } else { args.ipv6 })
            .collect();
    }
    let has_pool = |family: Family| {
        let mut pools = inventory.pools.iter().filter_map(|entry| entry.effective.as_ref());
        pools.any(|pool| pool.family() == family && pool.disabled.is_none())
    };
    let mut wanted: Vec<Family> = Family::ALL.to_vec();
    wanted.retain(|family| conf.assigns(*family).unwrap_or_else(|| has_pool(*family)));
    if wanted.is_empty() { vec![Family::V4] } else { wanted }
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
mod tests {
    use clap::Parser;
    use ipam_core::inventory::PoolEntry;
    use ipam_core::kv::Revision;
    use ipam_core::model::{IpPool, IpPoolSpec, ResourceKind};
    use ipam_core::pool::Pool;

    use super::*;
    use crate::args::{Arguments, Command};

    fn explain(words: &[&str]) -> args::Explain {
        let words = ["ringfence", "explain"].iter().chain(words);
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Explain(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn question(words: &[&str], conf: &str) -> Question {
        let conf = if conf.is_empty() { NetConf::default() } else { NetConf::read(conf).unwrap() };
        Question::read(&explain(words), conf, || Ok("this-machine".to_owned())).unwrap()
    }

    #[test]
    fn the_node_and_the_tenant_are_those_that_are_named() {
        const CONF: &str = r#"{"name":"net","ipam":{"nodename":"conf-node"}}"#;
        for (words, conf, node, tenant) in [
            (&[][..], "", "this-machine", None),
            (&[], CONF, "conf-node", Some("network net")),
            (&["--node", "n1", "--namespace", "fin"], CONF, "n1", Some("namespace fin")),
        ] {
            let question = question(words, conf);
            assert_eq!(question.node, node, "{words:?}");
            assert_eq!(
                question.tenant.as_ref().map(ToString::to_string).as_deref(),
                tenant,
                "{words:?}"
            );
        }
    }

    #[test]
    fn every_level_says_what_it_was_given() {
        let names = |list: &Option<PoolList>| {
            list.as_ref().map(|list| list.entries().join(",")).unwrap_or_default()
        };
        let key = "cni.projectcalico.org/ipv4pools";
        let pod = format!(r#"{key}=["a"]"#);
        let namespace = format!(r#"{key}=["b"]"#);
        let conf = r#"{"ipam":{"ipv4_pools":["c"],"ipv6_pools":["d"]}}"#;
        for (words, v4, v6) in [
            (vec![], ["", "", "c"], ["", "", "d"]),
            (vec!["--pod-annotation", &pod], ["a", "", "c"], ["", "", "d"]),
            (
                vec!["--namespace-annotation", &namespace, "--pod-annotation", "x=y"],
                ["", "b", "c"],
                ["", "", "d"],
            ),
            (
                vec!["--ipv4pools", r#"["e"]"#, "--ipv6pools", r#"["f"]"#],
                ["e", "", "c"],
                ["f", "", "d"],
            ),
            (vec!["--ipv4pools", ""], ["", "", "c"], ["", "", "d"]),
        ] {
            let question = question(&words, conf);
            for (family, expected) in [(Family::V4, v4), (Family::V6, v6)] {
                let levels = question.levels(family).unwrap();
                let found =
                    [names(&levels.pod), names(&levels.namespace), names(&levels.configuration)];
                assert_eq!(found, expected, "{words:?} {family}");
            }
            assert_eq!(question.unread.len(), usize::from(words.contains(&"x=y")), "{words:?}");
        }
    }

    #[test]
    fn mistakes_are_those_of_the_plugin_or_of_the_command_line() {
        let question = question(&["--ipv4pools", "[a]"], "");
        let mistake = question.levels(Family::V4).unwrap_err();
        assert_eq!(
            mistake,
            "annotation cni.projectcalico.org/ipv4pools of the pod is not JSON; write [\"a\"]"
        );
        assert!(question.levels(Family::V6).is_ok());
        let both = ["--ipv4pools", "", "--pod-annotation", "cni.projectcalico.org/ipv4pools=[]"];
        let read = Question::read(&explain(&both), NetConf::default(), || Ok(String::new()));
        assert!(matches!(read, Err(Cause::Usage(UsageError::Twice { .. }))));
    }

    #[test]
    fn families_are_those_that_are_named_or_have_an_enabled_pool() {
        let pool = |name: &str, cidr: &str, disabled: bool| {
            let value = serde_json::json!({"cidr": cidr, "disabled": disabled});
            let spec: IpPoolSpec = serde_json::from_value(value).unwrap();
            let stored = IpPool::new(ResourceKind::IpPool, name, spec);
            let (name, effective) = (name.to_owned(), Pool::read(&stored, false));
            PoolEntry { name, stored, effective, mod_revision: Revision(2) }
        };
        let (v4, v6) =
            (|off| pool("four", "10.0.0.0/24", off), |off| pool("six", "fd00::/64", off));
        let conf = |assigns: &str| format!(r#"{{"ipam":{{{assigns}}}}}"#);
        for (pools, words, assigns, expected) in [
            (vec![v4(false), v6(false)], &[][..], "", "IPv4 IPv6"),
            (vec![v4(false), v6(true)], &[], "", "IPv4"),
            (vec![v4(true), v6(false)], &[], "", "IPv6"),
            (vec![], &[], "", "IPv4"),
            (vec![v4(false)], &["--ipv6"], "", "IPv6"),
            (vec![], &["--ipv6", "--ipv4"], "", "IPv4 IPv6"),
            (vec![v4(false)], &[], r#""assign_ipv6":"true""#, "IPv4 IPv6"),
            (vec![v4(false), v6(false)], &[], r#""assign_ipv4":false"#, "IPv6"),
            (vec![v4(false), v6(false)], &["--ipv4"], r#""assign_ipv4":false"#, "IPv4"),
        ] {
            let inventory = Inventory { pools, ..Inventory::default() };
            let conf = NetConf::read(&conf(assigns)).unwrap();
            let found = families(&explain(words), &conf, &inventory);
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected, "{words:?} {assigns}");
        }
    }
}
