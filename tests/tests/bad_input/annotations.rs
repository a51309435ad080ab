//! Lists of pools that cannot be read. None of them may come to mean any pool.

use ipam_core::model::{Binding, BindingMode};
use ipam_tests::plugin::annotated;
use serde_json::json;

use super::{ANNOTATION_V4, ANNOTATION_V6, Row, add, add_annotated, conf};

const OF_POD: &str = "annotation cni.projectcalico.org/ipv4pools of the pod ";

pub(crate) const ROWS: &[Row] = &[
    Row::new("annotation-not-json", 100, OF_POD, |world| {
        let typographic = "[\u{201c}legacy\u{201d}]";
        add_annotated(world, ANNOTATION_V4, &[r#"["legacy""#, r#"["legacy",]"#, typographic])
    })
    .names(&["is not JSON", r#"write ["legacy"]"#, "line 1 column"]),
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
        "families-unreadable",
        100,
        "annotation cni.projectcalico.org/ipFamilies of the pod",
        |world| {
            let texts = ["[]", r#"["IPv5"]"#, r#"["ipv4"]"#, "IPv4", r#""IPv4""#, "[4]", "null"];
            add_annotated(world, "cni.projectcalico.org/ipFamilies", &texts)
        },
    )
    .names(&["must be a list of families such as"]),
    Row::new(
        "addresses-without-ipam",
        100,
        "annotation cni.projectcalico.org/ipAddrsNoIpam of the pod",
        |world| add_annotated(world, "cni.projectcalico.org/ipAddrsNoIpam", &[r#"["10.0.0.7"]"#]),
    )
    .names(&["cannot be honoured"]),
    Row::new("annotation-not-a-list", 100, OF_POD, |world| {
        add_annotated(world, ANNOTATION_V4, &["null", "7", "true", r#"{"legacy": 1}"#])
    })
    .names(&["and not a list", r#"write ["pool-1"]"#]),
    Row::new("annotation-non-strings", 100, OF_POD, |world| {
        let texts = [r#"["legacy", 1]"#, r#"["legacy", null]"#, r#"["legacy", ["free"]]"#];
        add_annotated(world, ANNOTATION_V4, &texts)
    })
    .names(&["in place of a pool's name at position 1"]),
    Row::new("annotation-blank-entry", 100, OF_POD, |world| {
        add_annotated(world, ANNOTATION_V4, &[r#"["legacy", ""]"#, r#"["legacy", " "]"#])
    })
    .names(&["has a blank entry at position 1"]),
    Row::new("annotation-empty-list", 100, OF_POD, |world| {
        add_annotated(world, ANNOTATION_V4, &["[]", " [ ] "])
    })
    .names(&["names no pool"]),
    Row::new("annotation-bare-brackets", 100, OF_POD, |world| {
        add_annotated(world, ANNOTATION_V4, &["[pool-1]"])
    })
    .names(&[r#"is not JSON; write ["pool-1"]"#]),
    Row::new("annotation-bare-word", 100, OF_POD, |world| {
        add_annotated(world, ANNOTATION_V4, &["pool-1"])
    })
    .names(&[r#"is not JSON; write ["pool-1"]"#]),
    Row::new("annotation-single-quotes", 100, OF_POD, |world| {
        add_annotated(world, ANNOTATION_V4, &["['legacy','free']"])
    })
    .names(&[r#"is not JSON; write ["legacy", "free"]"#]),
    Row::new("annotation-quoted-twice", 100, OF_POD, |world| {
        add_annotated(world, ANNOTATION_V4, &[r#""[\"p\"]""#])
    })
    .names(&[r#"is a text and not a list; write ["p"]"#]),
    Row::new("annotation-too-many-entries", 100, OF_POD, |world| {
        let entries = json!(vec!["legacy"; 65]).to_string();
        add_annotated(world, ANNOTATION_V4, &[&entries])
    })
    .names(&["has 65 entries, the most is 64"]),
    Row::new("annotation-too-long", 100, OF_POD, |world| {
        let text = format!("[\"{}\"]", "x".repeat(9000));
        add_annotated(world, ANNOTATION_V4, &[&text])
    })
    .names(&["the most is 8192"]),
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
    // What stands below a malformed annotation does not take its place.
    Row::new("annotation-above-a-binding", 100, OF_POD, |world| {
        add_annotated(world, ANNOTATION_V4, &["legacy", "[]"])
    })
    .after(|world| {
        let pools = Some(vec!["legacy".to_owned()]);
        world.bind("fin", Binding::new(BindingMode::Default, pools, None));
    }),
    Row::new(
        "annotations-not-an-object",
        7,
        "runtimeConfig \"io.kubernetes.cri.pod-annotations\" must be an object of texts",
        |world| {
            let conf = conf(world, &json!({}));
            let values = [json!("x"), json!(7), json!(["x"]), json!({ANNOTATION_V4: ["legacy"]})];
            values.iter().map(|value| add(&annotated(conf.clone(), value))).collect()
        },
    ),
];
