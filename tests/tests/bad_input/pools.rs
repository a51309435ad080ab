//! Pools that cannot be used, are not permitted, or are used up. Nothing else takes their place.

use ipam_core::model::{Binding, BindingMode};
use ipam_tests::plugin::{Call, annotated};
use ipam_tests::world::World;
use serde_json::json;

use super::{ANNOTATION_V4, ANNOTATION_V6, Row, add, add_annotated, conf, configure, hold, pools};

const UNKNOWN: &str = "annotation cni.projectcalico.org/ipv4pools of the pod: there is no pool ";

pub(crate) const ROWS: &[Row] = &[
    Row::new("unknown-pool", 101, UNKNOWN, |world| {
        add_annotated(world, ANNOTATION_V4, &[r#"["legcy"]"#, r#"["legacies", "free"]"#])
    })
    .names(&["similar: legacy"]),
    Row::new("unknown-pool-beside-a-good-one", 101, UNKNOWN, |world| {
        add_annotated(world, ANNOTATION_V4, &[r#"["legacy", "nosuch"]"#, r#"["nosuch", "legacy"]"#])
    })
    .names(&["\"nosuch\""]),
    Row::new("unknown-pool-in-other-case", 101, UNKNOWN, |world| {
        add_annotated(world, ANNOTATION_V4, &[r#"["Legacy"]"#])
    })
    .names(&["similar: legacy"]),
    // What a pod's author writes must not reach an operator's terminal, nor make a message without end.
    Row::new("unknown-pool-with-hostile-name", 101, UNKNOWN, |world| {
        let long = json!(["x".repeat(5000)]).to_string();
        add_annotated(world, ANNOTATION_V4, &[r#"["\u001b[2J\nlegacy"]"#, r#"["../legacy"]"#, &long])
    }),
    Row::new("part-of-a-pool", 101, UNKNOWN, |world| {
        add_annotated(world, ANNOTATION_V4, &[r#"["10.1.0.0/25"]"#])
    })
    .names(&["the whole is legacy (10.1.0.0/24)"]),
    Row::new(
        "unknown-pool-of-second-family",
        101,
        "annotation cni.projectcalico.org/ipv6pools of the pod: there is no pool \"legcy6\"",
        |world| add_annotated(world, ANNOTATION_V6, &[r#"["legcy6"]"#]),
    ),
    Row::new(
        "ipv6-pool-in-ipv4-list",
        103,
        "annotation cni.projectcalico.org/ipv4pools of the pod: pool \"legacy6\" holds IPv6 addresses",
        |world| add_annotated(world, ANNOTATION_V4, &[r#"["legacy6"]"#, r#"["fd00:1::/112"]"#]),
    ),
    Row::new(
        "disabled-pool",
        102,
        "annotation cni.projectcalico.org/ipv4pools of the pod: pool \"off\" is disabled",
        |world| add_annotated(world, ANNOTATION_V4, &[r#"["off"]"#, r#"["legacy", "off"]"#]),
    ),
    Row::new(
        "pool-for-tunnels",
        104,
        "annotation cni.projectcalico.org/ipv4pools of the pod: pool \"tunnels\" is not permitted here",
        |world| add_annotated(world, ANNOTATION_V4, &[r#"["tunnels"]"#]),
    ),
    Row::new(
        "all-listed-pools-full",
        108,
        "annotation cni.projectcalico.org/ipv4pools of the pod: no free IPv4 address is left in tiny, tiny-too;",
        |world| add_annotated(world, ANNOTATION_V4, &[r#"["tiny", "tiny-too"]"#]),
    )
    .after(|world| {
        world.pool("tiny-too", json!({"cidr": "10.3.0.4/32", "blockSize": 32}), None);
        let listed = json!({"ipv4_pools": ["tiny", "tiny-too"]});
        for container in ["c6", "c7", "c8"] {
            hold(world, container, &listed, "");
        }
    }),
    Row::new(
        "listed-pool-of-second-family-full",
        108,
        "annotation cni.projectcalico.org/ipv6pools of the pod: no free IPv6 address is left in tiny6;",
        |world| add_annotated(world, ANNOTATION_V6, &[r#"["tiny6"]"#]),
    )
    .after(|world| {
        let listed = json!({"ipv6_pools": ["tiny6"]});
        for container in ["c7", "c8"] {
            hold(world, container, &listed, "");
        }
    }),
    Row::new(
        "binding-annotation",
        104,
        "annotation cni.projectcalico.org/ipv4pools of the pod: pool \"free\" is not permitted here",
        |world| add_annotated(world, ANNOTATION_V4, &[r#"["free"]"#, r#"["legacy", "free"]"#]),
    )
    .after(|world| require(world, "fin"))
    .names(&["the required binding of namespace fin lists legacy"]),
    Row::new(
        "binding-annotation-of-second-family",
        104,
        "annotation cni.projectcalico.org/ipv6pools of the pod: pool \"free6\" is not permitted here",
        |world| add_annotated(world, ANNOTATION_V6, &[r#"["free6"]"#]),
    )
    .after(|world| require(world, "fin")),
    // Without Kubernetes the network stands in the place of the namespace.
    Row::new(
        "binding-cni-args",
        104,
        "IPV4_POOLS of CNI_ARGS: pool \"free\" is not permitted here",
        |world| {
            let call = Call::new("ADD", "c1", &conf(world, &json!({})));
            vec![call.with("CNI_ARGS", "IPV4_POOLS=free")]
        },
    )
    .after(|world| require(world, "net"))
    .names(&["the required binding of network net lists legacy"]),
    Row::new(
        "binding-configuration",
        104,
        "ipv4_pools of the network configuration: pool \"free\" is not permitted here",
        |world| vec![add(&conf(world, &json!({"ipv4_pools": ["free"]})))],
    )
    .after(|world| require(world, "fin"))
    .names(&["the required binding of namespace fin lists legacy"]),
    Row::new(
        "binding-permits-nothing",
        104,
        "required binding of namespace fin: no IPv6 pool is permitted",
        |world| vec![add(&conf(world, &json!({})))],
    )
    .after(|world| {
        let pools = Some(vec!["legacy".to_owned()]);
        world.bind("fin", Binding::new(BindingMode::Required, pools, Some(Vec::new())));
    }),
    Row::new(
        "exclusive-pool-unbound",
        104,
        "annotation cni.projectcalico.org/ipv4pools of the pod: pool \"bank\" is not permitted here",
        |world| {
            let texts = [r#"["bank"]"#, r#"["10.5.0.0/24"]"#, r#"["legacy", "bank"]"#];
            add_annotated(world, ANNOTATION_V4, &texts)
        },
    )
    .after(|world| {
        let pools = Some(vec!["bank".to_owned()]);
        world.bind("treasury", Binding::new(BindingMode::Default, pools, None));
    })
    .names(&["it is exclusive, and no binding of namespace fin names it"]),
    Row::new("no-pool-selects", 110, "no IPv4 pool selects this workload", |world| {
        vec![add(&conf(world, &json!({})))]
    })
    .after(|world| {
        for (name, mut spec) in pools() {
            spec["nodeSelector"] = json!("rack == 'r1'");
            world.pool(name, spec, None);
        }
    })
    .names(&["free does not select the node", "off is disabled"]),
    Row::new("block-limit", 109, "node \"n1\" has claimed 1 IPv4 blocks of at most 1", |world| {
        add_annotated(world, ANNOTATION_V4, &[r#"["tiny", "free"]"#])
    })
    .after(|world| {
        configure(world, |config| config.max_blocks_per_host = 1);
        let listed = json!({"ipv4_pools": ["tiny"]});
        for container in ["c7", "c8"] {
            hold(world, container, &listed, "");
        }
    }),
    Row::new(
        "strict-affinity",
        109,
        "no free IPv4 block is left for node \"n1\" in tiny, and strict affinity forbids to borrow",
        |world| add_annotated(world, ANNOTATION_V4, &[r#"["tiny"]"#]),
    )
    .after(|world| {
        configure(world, |config| config.strict_affinity = true);
        hold(world, "c8", &json!({"ipv4_pools": ["tiny"], "nodename": "n2"}), "");
    }),
    Row::new("gateway-in-use", 114, "gateway 10.1.0.1 of pool \"legacy\" is in use by", |world| {
        let conf = conf(world, &json!({"gateway": "first"}));
        vec![add(&annotated(conf, &json!({ANNOTATION_V4: r#"["legacy"]"#})))]
    })
    .after(|world| hold(world, "c8", &json!({}), "IP=10.1.0.1"))
    .names(&["pod fin/c8"]),
    // A given gateway belongs to the pool that holds it; where no chosen pool does, it is a slip of the pen.
    Row::new("gateway-outside-pool", 114, "gateway ", |world| {
        [json!("10.99.0.1"), json!(["10.99.0.1", "fd00:1::1"]), json!(["10.1.0.1", "fd99::1"]), json!("10.2.0.1")]
            .iter()
            .map(|gateway| {
                let pools = json!({ANNOTATION_V4: r#"["legacy"]"#, ANNOTATION_V6: r#"["legacy6"]"#});
                add(&annotated(conf(world, &json!({"gateway": gateway})), &pools))
            })
            .collect()
    })
    .names(&["lies outside"]),
];

/// Binds a tenant to the legacy pools, whatever else is said.
fn require(world: &World, tenant: &str) {
    let only = |name: &str| Some(vec![name.to_owned()]);
    world.bind(tenant, Binding::new(BindingMode::Required, only("legacy"), only("legacy6")));
}
