use serde_json::json;

use super::*;
use crate::model::{IpPool, IpPoolSpec, ResourceKind};

fn pool(name: &str, spec: serde_json::Value, exclusive: bool) -> Pool {
    let spec: IpPoolSpec = serde_json::from_value(spec).unwrap();
    Pool::read(&IpPool::new(ResourceKind::IpPool, name, spec), exclusive).unwrap()
}

fn pools() -> Vec<Pool> {
    vec![
        pool("fin", json!({"cidr": "10.20.0.0/24", "nodeSelector": "zone == 'finance'"}), false),
        pool("man", json!({"cidr": "10.22.0.0/24", "assignmentMode": "Manual"}), false),
        pool("ns", json!({"cidr": "10.24.0.0/24", "namespaceSelector": "!has(guest)"}), false),
        pool("off", json!({"cidr": "10.21.0.0/24", "disabled": true}), false),
        pool("own", json!({"cidr": "10.25.0.0/24"}), true),
        pool("plain", json!({"cidr": "10.26.0.0/24"}), false),
        pool("six", json!({"cidr": "fd00:20::/64"}), false),
        pool("tun", json!({"cidr": "10.23.0.0/24", "allowedUses": ["Tunnel"]}), false),
    ]
}

/// A workload in namespace `fin`, or in network `net` where there is no Kubernetes.
struct Case {
    levels: Levels,
    binding: Option<Binding>,
    tenant: Tenant,
    zone: &'static str,
    labels: NamespaceLabels,
}

impl Case {
    fn new() -> Self {
        Self {
            levels: Levels::default(),
            binding: None,
            tenant: Tenant::Namespace("fin".to_owned()),
            zone: "retail",
            labels: NamespaceLabels::Unknown,
        }
    }

    fn pod(mut self, names: &[&str]) -> Self {
        self.levels.pod = Some(list(names));
        self
    }

    fn namespace(mut self, names: &[&str]) -> Self {
        self.levels.namespace = Some(list(names));
        self
    }

    fn arguments(mut self, names: &[&str]) -> Self {
        self.levels.arguments = Some(list(names));
        self
    }

    fn configuration(mut self, names: &[&str]) -> Self {
        self.levels.configuration = Some(list(names));
        self
    }

    fn bound(mut self, mode: BindingMode, names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        self.binding = Some(Binding::new(mode, Some(names), None));
        self
    }

    fn outside_kubernetes(mut self) -> Self {
        self.tenant = Tenant::Network("net".to_owned());
        self
    }

    fn choose(&self, family: Family) -> Result<(Level, Vec<String>), Refusal> {
        let node_labels = BTreeMap::from([("zone".to_owned(), self.zone.to_owned())]);
        let request = ChoiceRequest {
            host_reserved: None,
            family,
            tenant: Some(&self.tenant),
            levels: &self.levels,
            binding: self.binding.as_ref(),
            node_labels: &node_labels,
            namespace_labels: &self.labels,
            wanted: Use::Workload,
            skips_other_uses: false,
        };
        let choice = choose(&request, &pools())?;
        Ok((choice.level, choice.pools.into_iter().map(|pool| pool.name).collect()))
    }

    fn chosen(&self) -> (Level, Vec<String>) {
        self.choose(Family::V4).unwrap()
    }
}

fn list(names: &[&str]) -> PoolList {
    PoolList::from_names(names.iter().map(|name| (*name).to_owned()).collect()).unwrap()
}

#[test]
fn the_strongest_level_replaces_the_weaker() {
    let all = || {
        Case::new()
            .configuration(&["plain"])
            .arguments(&["man"])
            .namespace(&["fin"])
            .pod(&["man", "fin"])
    };
    let default = BindingMode::Default;
    for (case, level, pools) in [
        (all(), Level::PodAnnotation, vec!["man", "fin"]),
        (
            Case::new().configuration(&["plain"]).namespace(&["fin"]),
            Level::NamespaceAnnotation,
            vec!["fin"],
        ),
        (
            Case::new().namespace(&["fin"]).bound(default, &["man"]),
            Level::NamespaceAnnotation,
            vec!["fin"],
        ),
        (
            Case::new().configuration(&["plain"]).bound(default, &["man"]),
            Level::DefaultBinding,
            vec!["man"],
        ),
        (Case::new().pod(&["fin"]).bound(default, &["man"]), Level::PodAnnotation, vec!["fin"]),
        (
            Case::new().configuration(&["plain"]).arguments(&["man"]),
            Level::Configuration,
            vec!["plain"],
        ),
        (
            Case::new().configuration(&["plain"]).arguments(&["man"]).outside_kubernetes(),
            Level::Arguments,
            vec!["man"],
        ),
        (Case::new(), Level::Automatic, vec!["plain"]),
        (Case::new().pod(&["10.22.0.0/24"]), Level::PodAnnotation, vec!["man"]),
        (Case::new().pod(&["man", "10.22.0.0/24"]), Level::PodAnnotation, vec!["man"]),
    ] {
        let names: Vec<String> = pools.into_iter().map(str::to_owned).collect();
        assert_eq!(case.chosen(), (level, names));
    }
}

#[test]
fn a_required_binding_can_only_be_narrowed() {
    let bound = |pools: &[&str]| Case::new().bound(BindingMode::Required, pools);
    assert_eq!(bound(&["fin", "man"]).chosen().0, Level::RequiredBinding);
    assert_eq!(bound(&["fin", "man"]).chosen().1, ["fin", "man"]);
    assert_eq!(bound(&["fin", "man"]).pod(&["man"]).chosen().1, ["man"]);
    for outside in [
        bound(&["fin"]).pod(&["plain"]),
        bound(&["fin"]).pod(&["fin", "plain"]),
        bound(&["fin"]).namespace(&["plain"]),
        bound(&["fin"]).configuration(&["plain"]),
        bound(&["fin"]).arguments(&["plain"]).outside_kubernetes(),
    ] {
        let refusal = outside.choose(Family::V4).unwrap_err();
        assert!(
            matches!(refusal, Refusal::PoolNotPermitted { why: Forbidden::Binding { .. }, .. }),
            "{refusal}"
        );
    }
    let nothing = bound(&[]).choose(Family::V4).unwrap_err();
    assert!(matches!(nothing, Refusal::NothingPermitted { .. }), "an empty list is not any pool");
    assert_eq!(bound(&["fin"]).choose(Family::V6).unwrap().1, ["six"], "families are independent");
}

#[test]
fn an_exclusive_pool_needs_a_binding() {
    assert_eq!(Case::new().bound(BindingMode::Default, &["own"]).chosen().1, ["own"]);
    assert_eq!(Case::new().bound(BindingMode::Default, &["own"]).pod(&["own"]).chosen().1, ["own"]);
    let refusal = Case::new().pod(&["own"]).choose(Family::V4).unwrap_err();
    assert!(matches!(refusal, Refusal::PoolNotPermitted { why: Forbidden::Exclusive { .. }, .. }));
    assert_eq!(Case::new().chosen().1, ["plain"], "nor is it automatic");
}

#[test]
fn selectors_decide_among_automatic_pools_only() {
    let finance = || Case { zone: "finance", ..Case::new() };
    assert_eq!(finance().chosen().1, ["fin", "plain"]);
    assert_eq!(
        Case::new().pod(&["fin"]).chosen().1,
        ["fin"],
        "a named pool bypasses its selectors"
    );
    let known = |labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Case { labels: NamespaceLabels::Known(labels), ..Case::new() }
    };
    assert_eq!(known(&[]).chosen().1, ["ns", "plain"]);
    assert_eq!(known(&[("guest", "")]).chosen().1, ["plain"]);
    assert_eq!(
        Case::new().chosen().1,
        ["plain"],
        "unknown labels match no selector, not even a negative one"
    );
}

#[test]
fn what_cannot_be_used_is_an_error_that_names_it() {
    for (name, says) in [
        (
            "nosuch",
            "annotation cni.projectcalico.org/ipv4pools of the pod: there is no pool \"nosuch\"",
        ),
        ("plian", "there is no pool \"plian\"; similar: plain"),
        ("10.26.0.0/25", "a part of a pool cannot be named, the whole is plain (10.26.0.0/24)"),
        ("off", "pool \"off\" is disabled; enable it or name another"),
        ("six", "pool \"six\" holds IPv6 addresses"),
        ("tun", "pool \"tun\" is not permitted here: it is not allowed for the use Workload"),
    ] {
        for names in [vec![name], vec!["plain", name]] {
            let refusal = Case::new().pod(&names).choose(Family::V4).unwrap_err().to_string();
            assert!(refusal.contains(says), "{names:?}: {refusal}");
        }
    }
    let refusal = Case::new().pod(&["plain"]).choose(Family::V6).unwrap_err().to_string();
    assert!(refusal.contains("pool \"plain\" holds IPv4 addresses"), "{refusal}");
}

#[test]
fn distances_count_edits() {
    for (from, to, edits) in
        [("", "", 0), ("abc", "", 3), ("plain", "plian", 2), ("kitten", "sitting", 3)]
    {
        assert_eq!(distance(from, to), edits, "{from} {to}");
    }
}
