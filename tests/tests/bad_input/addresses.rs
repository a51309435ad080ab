//! Single addresses that cannot be given. Nobody gets another one instead.

use ipam_tests::plugin::{Call, annotated};
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{ANNOTATION_V4, Row, add, conf, configure, hold};

const ANNOTATION: &str = "cni.projectcalico.org/ipAddrs";

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        "requested-address-outside",
        105,
        "address 10.99.0.7 lies in no enabled pool",
        |world| every_source(world, "10.99.0.7"),
    ),
    Row::new(
        "requested-address-not-permitted",
        104,
        "address 10.2.0.7 lies in pool \"free\"",
        |world| {
            let mut calls = every_source(world, "10.2.0.7");
            for call in &mut calls {
                let mut conf: Value = serde_json::from_slice(&call.stdin).unwrap();
                let annotations = &mut conf["runtimeConfig"]["io.kubernetes.cri.pod-annotations"];
                annotations[ANNOTATION_V4] = json!(r#"["legacy"]"#);
                call.stdin = conf.to_string().into_bytes();
            }
            calls
        },
    )
    .names(&["permitted here: legacy"]),
    Row::new(
        "requested-address-of-exclusive-pool",
        104,
        "address 10.5.0.7 lies in pool \"bank\"",
        |world| every_source(world, "10.5.0.7"),
    ),
    Row::new("requested-address-in-use", 106, "address 10.1.0.7 is in use by", |world| {
        every_source(world, "10.1.0.7")
    })
    .after(|world| hold(world, "c8", &json!({}), "IP=10.1.0.7"))
    .names(&["pod fin/c8"]),
    Row::new("requested-address-in-cooldown", 107, "address 10.1.0.7 cannot be given", |world| {
        every_source(world, "10.1.0.7")
    })
    .after(|world| {
        configure(world, |config| config.ip_cooldown_seconds = 3600);
        hold(world, "c8", &json!({}), "IP=10.1.0.7");
        assert!(Call::new("DEL", "c8", &conf(world, &json!({}))).run().success);
    })
    .names(&["in cooldown"]),
    Row::new("requested-address-reserved", 107, "address 10.1.0.7 cannot be given", |world| {
        every_source(world, "10.1.0.7")
    })
    .after(|world| world.reserve("printers", &["10.1.0.4/30"]))
    .names(&["reserved"]),
    Row::new("requested-address-gateway", 107, "address 10.1.0.1 cannot be given", |world| {
        let conf = conf(world, &json!({"gateway": "first"}));
        vec![add(&conf).with("CNI_ARGS", "IP=10.1.0.1")]
    })
    .names(&["the gateway of its pool"]),
    Row::new("requested-address-edge", 107, "address 10.1.0.", |world| {
        ["10.1.0.0", "10.1.0.255"].iter().flat_map(|ip| every_source(world, ip)).collect()
    })
    .names(&["network, broadcast or anycast"]),
    Row::new(
        "requested-address-of-a-family-that-is-off",
        103,
        "IP of CNI_ARGS: fd00:1::7",
        |world| {
            let conf = conf(world, &json!({"assign_ipv6": false}));
            vec![add(&conf).with("CNI_ARGS", "IP=fd00:1::7")]
        },
    ),
    Row::new("requested-address-unreadable", 105, "runtimeConfig.ips: ", |world| {
        let source = |value: &Value| with_runtime_ips(world, value);
        [json!(["10.1.0.999"]), json!([7]), json!(["::ffff:10.1.0.7"])].iter().map(source).collect()
    })
    .names(&["is no address"]),
    Row::new(
        "requested-address-with-other-prefix",
        105,
        "address 10.1.0.7/25 is asked for",
        |world| vec![with_runtime_ips(world, &json!(["10.1.0.7/25"]))],
    )
    .names(&["a prefix of 24"]),
    Row::new("requested-addresses-not-a-list", 100, "runtimeConfig.ips must be a list", |world| {
        vec![with_runtime_ips(world, &json!("10.1.0.7"))]
    }),
    Row::new(
        "requested-addresses-not-json",
        100,
        "annotation cni.projectcalico.org/ipAddrs of the pod is not JSON",
        |world| {
            let conf = conf(world, &json!({}));
            ["10.1.0.7", "[10.1.0.7]", ""]
                .iter()
                .map(|text| add(&annotated(conf.clone(), &json!({ANNOTATION: text}))))
                .collect()
        },
    ),
    Row::new(
        "two-addresses-of-one-family",
        100,
        "runtimeConfig.ips: 10.1.0.7 and 10.1.0.8 are both IPv4; at most one",
        |world| vec![with_runtime_ips(world, &json!(["10.1.0.7", "10.1.0.8"]))],
    ),
    Row::new(
        "two-addresses-in-the-annotation",
        100,
        "annotation cni.projectcalico.org/ipAddrs of the pod: 10.1.0.7 and 10.1.0.8 are both IPv4",
        |world| {
            let annotations = json!({ANNOTATION: r#"["10.1.0.7", "fd00:1::7", "10.1.0.8"]"#});
            vec![add(&annotated(conf(world, &json!({})), &annotations))]
        },
    ),
    Row::new("replay-with-other-pod-uid", 113, "handle \"net.c1.eth0\" is in use", |world| {
        let args = "K8S_POD_NAMESPACE=fin;K8S_POD_NAME=c1;K8S_POD_UID=u2";
        vec![add(&conf(world, &json!({}))).with("CNI_ARGS", args)]
    })
    .after(|world| hold(world, "c1", &json!({}), "K8S_POD_UID=u1"))
    .names(&["its pod-uid is u1, not u2"]),
    Row::new("handles-spelt-alike", 113, "handle \"net.a.b.eth0\" is in use", |world| {
        let mut other = conf(world, &json!({}));
        other["name"] = json!("net.a");
        vec![Call::new("ADD", "b", &other).pod("fin", "b")]
    })
    .after(|world| hold(world, "a.b", &json!({}), ""))
    .names(&["its network is net, not net.a"]),
    Row::new("replay-no-longer-permitted", 113, "handle \"net.c1.eth0\" is in use", |world| {
        let annotations = json!({ANNOTATION_V4: r#"["legacy"]"#});
        vec![add(&annotated(conf(world, &json!({})), &annotations))]
    })
    .after(|world| hold(world, "c1", &json!({"ipv4_pools": ["free"]}), ""))
    .names(&["annotation cni.projectcalico.org/ipv4pools of the pod does not permit"]),
    Row::new("replay-with-fewer-families", 113, "handle \"net.c1.eth0\" is in use", |world| {
        vec![add(&conf(world, &json!({"assign_ipv6": false})))]
    })
    .after(|world| hold(world, "c1", &json!({}), ""))
    .names(&["a family that is not asked for"]),
];

/// Asks for an address in each way there is.
fn every_source(world: &World, ip: &str) -> Vec<Call> {
    let conf = conf(world, &json!({}));
    let pod = "K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web-0";
    let mut in_args = conf.clone();
    in_args["args"] = json!({"cni": {"ips": [ip]}});
    vec![
        add(&conf).with("CNI_ARGS", format!("{pod};IP={ip}")),
        with_runtime_ips(world, &json!([ip])),
        add(&in_args),
        add(&annotated(conf, &json!({ANNOTATION: json!([ip]).to_string()}))),
    ]
}

fn with_runtime_ips(world: &World, ips: &Value) -> Call {
    let mut conf = conf(world, &json!({}));
    conf["runtimeConfig"] = json!({"ips": ips});
    add(&conf)
}
