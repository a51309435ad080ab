//! Lists of pools that cannot be read. None of them may come to mean any pool.

use ipam_tests::plugin::annotated;
use serde_json::json;

use super::{ANNOTATION_V6, Row, add, add_annotated, conf};

pub(crate) const ROWS: &[Row] = &[
    Row::new("annotation-misspelt", 100, "annotation \"cni.projectcalico.org/", |world| {
        let names = [
            "ipv4Pools",
            "IPv4Pools",
            "ipv4pool",
            "ipv4_pools",
            "ipv4-pools",
            "ipv4pools.ETH0",
            "ipv4pools.",
            "ipv4pools ",
            "ipaddrs",
            "ipAddr",
            "ipfamilies",
        ];
        let call = |name: &&str| {
            let name = format!("cni.projectcalico.org/{name}");
            add(&annotated(conf(world, &json!({})), &json!({name: r#"["legacy"]"#})))
        };
        names.iter().map(call).collect()
    })
    .names(&["of the pod is misspelt; write "]),
    Row::new(
        "addresses-without-ipam",
        100,
        "annotation cni.projectcalico.org/ipAddrsNoIpam of the pod",
        |world| add_annotated(world, "cni.projectcalico.org/ipAddrsNoIpam", &[r#"["10.0.0.7"]"#]),
    )
    .names(&["cannot be honoured"]),
    Row::new(
        "annotation-of-second-family",
        100,
        "annotation cni.projectcalico.org/ipv6pools of the pod ",
        |world| add_annotated(world, ANNOTATION_V6, &["[]", "legacy6"]),
    ),
    Row::new(
        "annotation-of-one-interface",
        100,
        "annotation cni.projectcalico.org/ipv4pools.eth0 of the pod ",
        |world| {
            let annotations = json!({
                "cni.projectcalico.org/ipv4pools": r#"["legacy"]"#,
                "cni.projectcalico.org/ipv4pools.eth0": "legacy",
            });
            vec![add(&annotated(conf(world, &json!({})), &annotations))]
        },
    ),
];
