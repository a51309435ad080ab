//! Single addresses that cannot be given. Nobody gets another one instead.

use ipam_tests::plugin::{Call, annotated};
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{ANNOTATION_V4, Row, add, conf, hold};

const ANNOTATION: &str = "cni.projectcalico.org/ipAddrs";

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        "requested-address-of-a-family-that-is-off",
        103,
        "IP of CNI_ARGS: fd00:1::7",
        |world| {
            let conf = conf(world, &json!({"assign_ipv6": false}));
            vec![add(&conf).with("CNI_ARGS", "IP=fd00:1::7")]
        },
    ),
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

fn with_runtime_ips(world: &World, ips: &Value) -> Call {
    let mut conf = conf(world, &json!({}));
    conf["runtimeConfig"] = json!({"ips": ips});
    add(&conf)
}
