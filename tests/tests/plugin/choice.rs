//! Which pools an address comes from: the strongest source that names some, and never another pool.

use std::collections::BTreeMap;

use ipam_core::model::BindingMode;
use ipam_tests::plugin::{Call, annotated};
use ipam_tests::world::World;
use serde_json::json;

use super::{ANNOTATION_V4, ANNOTATION_V6, add, bind, conf, given, held, naming, pools, world};

/// Who says what, and the pools that the addresses then come from.
struct Case {
    rule: &'static str,
    /// The mode of the namespace's binding, and its pools of each family.
    binding: Option<(BindingMode, &'static [&'static str], &'static [&'static str])>,
    /// The pod's annotations for both families, `None` where it has none.
    annotations: [Option<&'static str>; 2],
    /// Whether the configuration names pool `a` for both.
    is_configured: bool,
    comes_from: [&'static str; 2],
    /// What is recorded with the addresses.
    source: [&'static str; 2],
}

const DEFAULT: Option<(BindingMode, &[&str], &[&str])> =
    Some((BindingMode::Default, &["b"], &["b6"]));
const REQUIRED: Option<(BindingMode, &[&str], &[&str])> =
    Some((BindingMode::Required, &["a", "b"], &["a6", "b6"]));

const CASES: [Case; 10] = [
    Case {
        rule: "the pod's annotation beats the default binding and the configuration",
        binding: DEFAULT,
        annotations: [Some(r#"["c"]"#), Some(r#"["c6"]"#)],
        is_configured: true,
        comes_from: ["c", "c6"],
        source: ["pod-annotation", "pod-annotation"],
    },
    Case {
        rule: "the default binding beats the configuration",
        binding: DEFAULT,
        annotations: [None, None],
        is_configured: true,
        comes_from: ["b", "b6"],
        source: ["binding", "binding"],
    },
    Case {
        rule: "the configuration decides where nobody else says anything",
        binding: None,
        annotations: [None, None],
        is_configured: true,
        comes_from: ["a", "a6"],
        source: ["netconf", "netconf"],
    },
    Case {
        rule: "each family is decided by itself",
        binding: Some((BindingMode::Default, &[], &["b6"])),
        annotations: [Some(r#"["c"]"#), None],
        is_configured: true,
        comes_from: ["c", "b6"],
        source: ["pod-annotation", "binding"],
    },
    Case {
        rule: "an annotation may narrow a required binding",
        binding: REQUIRED,
        annotations: [Some(r#"["b"]"#), Some(r#"["b6"]"#)],
        is_configured: false,
        comes_from: ["b", "b6"],
        source: ["pod-annotation", "pod-annotation"],
    },
    Case {
        rule: "the configuration may narrow a required binding",
        binding: Some((BindingMode::Required, &["b", "a"], &["b6", "a6"])),
        annotations: [None, None],
        is_configured: true,
        comes_from: ["a", "a6"],
        source: ["netconf", "netconf"],
    },
    Case {
        rule: "a required binding decides where nobody narrows it",
        binding: REQUIRED,
        annotations: [None, None],
        is_configured: false,
        comes_from: ["a", "a6"],
        source: ["binding", "binding"],
    },
    Case {
        rule: "an empty annotation says nothing",
        binding: DEFAULT,
        annotations: [Some(""), Some("")],
        is_configured: true,
        comes_from: ["b", "b6"],
        source: ["binding", "binding"],
    },
    Case {
        rule: "a pool may be named by its network, with blanks around it",
        binding: None,
        annotations: [Some(" [ \" 10.2.0.0/24 \" ] "), Some(r#"["FD00:2:0::/112"]"#)],
        is_configured: true,
        comes_from: ["b", "b6"],
        source: ["pod-annotation", "pod-annotation"],
    },
    Case {
        rule: "the first pool of a list comes first",
        binding: None,
        annotations: [Some(r#"["c", "a"]"#), Some(r#"["b6", "a6"]"#)],
        is_configured: false,
        comes_from: ["c", "b6"],
        source: ["pod-annotation", "pod-annotation"],
    },
];

impl Case {
    fn check(&self) {
        let world = world();
        if let Some((mode, v4, v6)) = self.binding {
            bind(&world, "fin", mode, v4, v6);
        }
        let configured = json!({"ipv4_pools": ["a"], "ipv6_pools": ["a6"]});
        let ipam = if self.is_configured { configured } else { json!({}) };
        let named = [ANNOTATION_V4, ANNOTATION_V6].into_iter().zip(self.annotations);
        let annotations: BTreeMap<&str, &str> =
            named.filter_map(|(key, text)| Some((key, text?))).collect();
        let answer = add("c1", &annotated(conf(&world, &ipam), &json!(annotations)));
        assert_eq!(pools(&answer), self.comes_from, "{}", self.rule);
        let sources: Vec<String> = held(&world, "net.c1.eth0")
            .into_values()
            .map(|mut attributes| attributes.remove("pool-source").unwrap())
            .collect();
        assert_eq!(sources, self.source, "{}", self.rule);
    }
}

#[test]
fn the_strongest_source_decides() {
    CASES.iter().for_each(Case::check);
}

#[test]
fn a_pod_without_annotations_says_nothing() {
    let world = world();
    bind(&world, "fin", BindingMode::Default, &["b"], &["b6"]);
    for (container, annotations) in [("c1", json!(null)), ("c2", json!({}))] {
        let answer = add(container, &annotated(conf(&world, &json!({})), &annotations));
        assert_eq!(pools(&answer), ["b", "b6"], "{annotations}");
    }
}

#[test]
fn other_annotations_are_passed_over() {
    let world = world();
    let annotations = json!({
        "cni.projectcalico.org/floatingIPs": "nonsense",
        "prometheus.io/scrape": "true",
        ANNOTATION_V4: r#"["b"]"#,
    });
    let answer = add("c1", &annotated(conf(&world, &json!({"assign_ipv6": false})), &annotations));
    assert_eq!(pools(&answer), ["b"]);
}

#[test]
fn a_list_is_used_up_in_its_order_and_never_left() {
    let world = World::with_pools(&[
        ("one", json!({"cidr": "10.1.0.0/30", "blockSize": 30})),
        ("two", json!({"cidr": "10.2.0.0/30", "blockSize": 30})),
        ("free", json!({"cidr": "10.3.0.0/24", "blockSize": 26})),
    ]);
    let listed = |world: &World| {
        let conf = conf(world, &json!({"assign_ipv6": false}));
        annotated(conf, &json!({ANNOTATION_V4: r#"["two", "one", "two"]"#}))
    };
    let order: Vec<String> =
        (0..4).flat_map(|n| pools(&add(&format!("c{n}"), &listed(&world)))).collect();
    assert_eq!(order, ["b", "b", "a", "a"], "pool two is 10.2, pool one 10.1");
    let refused = Call::new("ADD", "c4", &listed(&world)).run();
    assert_eq!(refused.code(), Some(108), "{refused:?}");
    assert!(refused.message().contains("two, one"), "{refused:?}");
    assert!(world.taken().iter().all(|ip| !ip.to_string().starts_with("10.3.")));
}

#[test]
fn an_annotation_counts_for_its_interface() {
    let annotations = json!({
        ANNOTATION_V4: r#"["a"]"#,
        format!("{ANNOTATION_V4}.net1"): r#"["b"]"#,
    });
    for (rule, interface, bare_for, comes_from) in [
        ("the bare one counts for the first interface", "eth0", json!(["eth0"]), "a"),
        ("one of its own is stronger", "net1", json!(["eth0", "net1"]), "b"),
        ("the bare one does not count for others", "net2", json!(["eth0"]), "c"),
        ("unless they are named for that", "net2", json!(["net2"]), "a"),
        ("which can leave out the first", "eth0", json!(["net2"]), "c"),
    ] {
        let world = world();
        let ipam = json!({
            "assign_ipv6": false, "ipv4_pools": ["c"], "annotation_interfaces": bare_for,
        });
        let conf = annotated(conf(&world, &ipam), &annotations);
        let call = Call::new("ADD", "c1", &conf).pod("fin", "web").with("CNI_IFNAME", interface);
        assert_eq!(pools(&given(&call)), [comes_from], "{rule}");
    }
}

#[test]
fn arguments_name_pools_outside_of_kubernetes_only() {
    let world = world();
    let conf = conf(&world, &json!({"ipv4_pools": ["a"], "ipv6_pools": ["a6"]}));
    let named = "IPV4_POOLS=c, b;IPV6_POOLS=c6";
    let job = Call::new("ADD", "job", &conf).with("CNI_ARGS", named);
    assert_eq!(pools(&given(&job)), ["c", "c6"]);
    let podman = format!("IgnoreUnknown=1;K8S_POD_NAME=web;{named}");
    let podman = Call::new("ADD", "podman", &conf).with("CNI_ARGS", podman);
    assert_eq!(pools(&given(&podman)), ["c", "c6"], "a name without a namespace is no identity");
    let pod = format!("K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web;{named}");
    let pod = Call::new("ADD", "pod", &conf).with("CNI_ARGS", pod);
    assert_eq!(pools(&given(&pod)), ["a", "a6"], "a pod's arguments are its author's");
}

#[test]
fn a_network_can_be_bound_like_a_namespace() {
    let world = world();
    bind(&world, "net", BindingMode::Required, &["b"], &["b6"]);
    let job = Call::new("ADD", "job", &conf(&world, &json!({})));
    assert_eq!(pools(&given(&job)), ["b", "b6"]);
    let pod = add("pod", &conf(&world, &json!({"ipv4_pools": ["a"], "ipv6_pools": ["a6"]})));
    assert_eq!(pools(&pod), ["a", "a6"], "a pod is held to its namespace");
}

#[test]
fn an_exclusive_pool_is_for_those_who_are_bound_to_it() {
    let world = World::with_pools(&[
        ("a", json!({"cidr": "10.1.0.0/24"})),
        ("a6", json!({"cidr": "fd00:1::/112"})),
    ]);
    world.pool("b", json!({"cidr": "10.2.0.0/24"}), Some(true));
    world.pool("b6", json!({"cidr": "fd00:2::/112"}), Some(true));
    let unbound = add("c1", &conf(&world, &json!({})));
    assert_eq!(pools(&unbound), ["a", "a6"], "nobody else draws from it unasked");
    bind(&world, "fin", BindingMode::Default, &["b"], &["b6"]);
    assert_eq!(pools(&add("c2", &conf(&world, &json!({})))), ["b", "b6"]);
    let named = naming(conf(&world, &json!({})), r#"["b"]"#, r#"["b6"]"#);
    assert_eq!(pools(&add("c3", &named)), ["b", "b6"]);
    let stranger = Call::new("ADD", "c4", &named).pod("shop", "web").run();
    assert_eq!(stranger.code(), Some(104), "{stranger:?}");
}

#[test]
fn a_node_draws_from_pools_that_select_it() {
    let world = world();
    world.pool(
        "a",
        json!({"cidr": "10.1.0.0/24", "blockSize": 28, "nodeSelector": "rack == 'r1'"}),
        None,
    );
    world.pool(
        "b",
        json!({"cidr": "10.2.0.0/24", "blockSize": 28, "assignmentMode": "Manual"}),
        None,
    );
    let conf = conf(&world, &json!({"assign_ipv6": false}));
    assert_eq!(pools(&add("c1", &conf)), ["c"]);
    let named = annotated(conf, &json!({ANNOTATION_V4: r#"["b"]"#}));
    assert_eq!(pools(&add("c2", &named)), ["b"], "a manual pool is there to be named");
}

#[test]
fn a_pod_says_which_families_it_wants() {
    let world = world();
    for (container, families, count, starts) in [
        ("c1", r#"["IPv6"]"#, 1, "fd00:"),
        ("c2", r#"["IPv4"]"#, 1, "10."),
        ("c3", r#"["IPv6", "IPv4", "IPv6"]"#, 2, "10."),
        ("c4", "", 1, "10."),
    ] {
        let conf = conf(&world, &json!({"assign_ipv6": false}));
        let annotations = json!({"cni.projectcalico.org/ipFamilies": families});
        let answer = add(container, &annotated(conf, &annotations));
        assert_eq!(answer.addresses().len(), count, "{families}: {:?}", answer.json);
        assert!(answer.addresses()[0].starts_with(starts), "{families}: {:?}", answer.json);
    }
}
