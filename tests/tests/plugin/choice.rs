//! Which pools an address comes from: the strongest source that names some, and never another pool.

use ipam_core::model::BindingMode;
use ipam_tests::plugin::{Call, annotated};
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{ANNOTATION_V4, ANNOTATION_V6, add, bind, conf, given, held, naming, pools, world};

/// Who says what, and the pools that the addresses then come from.
struct Case {
    rule: &'static str,
    binding: Option<(BindingMode, &'static [&'static str], &'static [&'static str])>,
    annotations: Value,
    ipam: Value,
    comes_from: [&'static str; 2],
    /// What is recorded with the addresses.
    source: [&'static str; 2],
}

impl Case {
    fn check(&self) {
        let world = world();
        if let Some((mode, v4, v6)) = self.binding {
            bind(&world, "fin", mode, v4, v6);
        }
        let answer = add("c1", &annotated(conf(&world, &self.ipam), &self.annotations));
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
    let default = Some((BindingMode::Default, ["b"].as_slice(), ["b6"].as_slice()));
    let required = Some((BindingMode::Required, ["a", "b"].as_slice(), ["a6", "b6"].as_slice()));
    let none = json!({});
    let annotations = json!({ANNOTATION_V4: r#"["c"]"#, ANNOTATION_V6: r#"["c6"]"#});
    let configured = json!({"ipv4_pools": ["a"], "ipv6_pools": ["a6"]});
    let case = |rule, binding, annotations: &Value, ipam: &Value, comes_from, source| {
        let (annotations, ipam) = (annotations.clone(), ipam.clone());
        Case { rule, binding, annotations, ipam, comes_from, source }.check();
    };
    case(
        "the pod's annotation beats the default binding and the configuration",
        default,
        &annotations,
        &configured,
        ["c", "c6"],
        ["pod-annotation", "pod-annotation"],
    );
    case(
        "the default binding beats the configuration",
        default,
        &none,
        &configured,
        ["b", "b6"],
        ["binding", "binding"],
    );
    case(
        "the configuration decides where nobody else says anything",
        None,
        &none,
        &configured,
        ["a", "a6"],
        ["netconf", "netconf"],
    );
    case(
        "each family is decided by itself",
        Some((BindingMode::Default, &[], &["b6"])),
        &json!({ANNOTATION_V4: r#"["c"]"#}),
        &configured,
        ["c", "b6"],
        ["pod-annotation", "binding"],
    );
    case(
        "an annotation may narrow a required binding",
        required,
        &json!({ANNOTATION_V4: r#"["b"]"#, ANNOTATION_V6: r#"["b6"]"#}),
        &none,
        ["b", "b6"],
        ["pod-annotation", "pod-annotation"],
    );
    case(
        "a required binding decides where nobody narrows it",
        required,
        &none,
        &none,
        ["a", "a6"],
        ["binding", "binding"],
    );
    case(
        "an empty annotation says nothing",
        default,
        &json!({ANNOTATION_V4: "", ANNOTATION_V6: ""}),
        &configured,
        ["b", "b6"],
        ["binding", "binding"],
    );
    case(
        "a pod without annotations says nothing",
        default,
        &json!(null),
        &configured,
        ["b", "b6"],
        ["binding", "binding"],
    );
    case(
        "a pool may be named by its network, with blanks around it",
        None,
        &json!({ANNOTATION_V4: " [ \" 10.2.0.0/24 \" ] ", ANNOTATION_V6: r#"["FD00:2:0::/112"]"#}),
        &configured,
        ["b", "b6"],
        ["pod-annotation", "pod-annotation"],
    );
    case(
        "the first pool of a list comes first",
        None,
        &json!({ANNOTATION_V4: r#"["c", "a"]"#, ANNOTATION_V6: r#"["b6", "a6"]"#}),
        &none,
        ["c", "b6"],
        ["pod-annotation", "pod-annotation"],
    );
}

#[test]
fn other_annotations_are_passed_over() {
    let world = world();
    let annotations = json!({
        "cni.projectcalico.org/ipv4Pools": "nonsense",
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
