//! Rows 32 to 43: lists of pools that cannot be read, or name what is not there. None of them may come to mean any pool.

use ipam_core::model::{Binding, BindingMode};
use ipam_tests::plugin::annotated;
use serde_json::json;

use super::calls::{ANNOTATION_V4, ANNOTATION_V6, add, add_annotated, add_calico, conf};
use super::row::{Case, Row};

const OF_POD: &str = "annotation cni.projectcalico.org/ipv4pools of the pod ";
const UNKNOWN: &str = "annotation cni.projectcalico.org/ipv4pools of the pod: there is no pool ";
const UNKNOWN_TO_CALICO: &str = "ipv4_pools of the network configuration: there is no pool ";

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        32,
        "a pool's name in place of a list",
        &[
            Case::refused(100, OF_POD, |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &["legacy", "[legacy]"])
            })
            .names(&[r#"is not JSON; write ["legacy"]"#]),
            Case::refused(100, OF_POD, |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &[r#""legacy""#, r#""[\"legacy\"]""#])
            })
            .names(&[r#"is a text and not a list; write ["legacy"]"#]),
        ],
    ),
    Row::new(
        33,
        "a list that is no JSON",
        &[
            Case::refused(100, OF_POD, |cluster| {
                let typographic = "[\u{201c}legacy\u{201d}]";
                let texts = [r#"["legacy""#, r#"["legacy",]"#, typographic];
                add_annotated(cluster, ANNOTATION_V4, &texts)
            })
            .names(&["is not JSON", r#"write ["legacy"]"#, "line 1 column"]),
            Case::refused(100, OF_POD, |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &["['legacy','free']"])
            })
            .names(&[r#"is not JSON; write ["legacy", "free"]"#, "line 1 column"]),
        ],
    ),
    // To stock Calico an empty list means any pool; where the namespace is bound it comes to mean those.
    Row::new(
        34,
        "a list of nothing",
        &[
            Case::refused(100, OF_POD, |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &["[]", " [ ] "])
            })
            .names(&["names no pool"]),
            Case::refused(100, OF_POD, |cluster| add_annotated(cluster, ANNOTATION_V4, &["null"]))
                .names(&["and not a list"]),
            // What stands below does not take its place.
            Case::refused(100, OF_POD, |cluster| add_annotated(cluster, ANNOTATION_V4, &["[]"]))
                .after(|cluster| {
                    let pools = Some(vec!["legacy".to_owned()]);
                    cluster.bind("fin", Binding::new(BindingMode::Default, pools, None));
                }),
            Case::given(&["10."], |cluster| vec![add_calico(cluster, &json!({"ipv4_pools": []}))])
                .names(&["the list is empty, so any automatic pool will do"]),
            Case::given(&["10.1."], |cluster| {
                vec![add_calico(cluster, &json!({"ipv4_pools": []}))]
            })
            .after(|cluster| cluster.require("fin"))
            .names(&["the list is empty"]),
        ],
    ),
    Row::new(
        35,
        "an empty text says nothing",
        &[Case::given(&["10.2.", "fd00:"], |cluster| {
            let conf = conf(cluster, &json!({"ipv4_pools": ["free"]}));
            vec![add(&annotated(conf, &json!({ANNOTATION_V4: ""})))]
        })
        .names(&["cni.projectcalico.org/ipv4pools", "is empty"])],
    ),
    Row::new(
        36,
        "entries that are no names",
        &[
            Case::refused(100, OF_POD, |cluster| {
                let texts = [r#"["legacy", 1]"#, r#"["legacy", null]"#, r#"["legacy", ["free"]]"#];
                add_annotated(cluster, ANNOTATION_V4, &texts)
            })
            .names(&["in place of a pool's name at position 1"]),
            Case::refused(100, OF_POD, |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &["[1]", "[null]"])
            })
            .names(&["in place of a pool's name at position 0"]),
            Case::refused(100, OF_POD, |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &[r#"["legacy", ""]"#, r#"["legacy", " "]"#])
            })
            .names(&["has a blank entry at position 1"]),
            Case::refused(100, OF_POD, |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &[r#"[""]"#])
            })
            .names(&["has a blank entry at position 0"]),
            Case::refused(100, OF_POD, |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &[r#"{"legacy": 1}"#, "7", "true"])
            })
            .names(&["and not a list", r#"write ["pool-1"]"#]),
        ],
    ),
    Row::new(
        37,
        "a list without end",
        &[
            Case::refused(100, OF_POD, |cluster| {
                let entries = json!(vec!["legacy"; 65]).to_string();
                add_annotated(cluster, ANNOTATION_V4, &[&entries])
            })
            .names(&["has 65 entries, the most is 64"]),
            Case::refused(100, OF_POD, |cluster| {
                let text = format!("[\"{}\"]", "x".repeat(9000));
                add_annotated(cluster, ANNOTATION_V4, &[&text])
            })
            .names(&["the most is 8192"]),
        ],
    ),
    Row::new(
        38,
        "an unknown pool",
        &[
            Case::refused(101, UNKNOWN, |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &[r#"["legcy"]"#, r#"["Legacy"]"#])
            })
            .names(&["similar: legacy"]),
            Case::refused(101, UNKNOWN, |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &[r#"["nosuch"]"#])
            })
            .names(&["\"nosuch\""]),
            Case::refused(101, UNKNOWN_TO_CALICO, |cluster| {
                vec![add_calico(cluster, &json!({"ipv4_pools": ["nosuch"]}))]
            })
            .names(&["(error parsing pool \"nosuch\": invalid CIDR address: nosuch)"]),
        ],
    ),
    Row::new(
        39,
        "an unknown pool beside a good one",
        &[
            Case::refused(101, UNKNOWN, |cluster| {
                let texts = [r#"["legacy", "nosuch"]"#, r#"["nosuch", "legacy"]"#];
                add_annotated(cluster, ANNOTATION_V4, &texts)
            })
            .names(&["\"nosuch\""]),
            Case::refused(101, UNKNOWN_TO_CALICO, |cluster| {
                vec![add_calico(cluster, &json!({"ipv4_pools": ["legacy", "nosuch"]}))]
            }),
        ],
    ),
    Row::new(
        40,
        "a part of a pool",
        &[
            Case::refused(101, UNKNOWN, |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &[r#"["10.1.0.0/25"]"#])
            })
            .names(&["the whole is legacy (10.1.0.0/24)"]),
            Case::refused(101, UNKNOWN_TO_CALICO, |cluster| {
                vec![add_calico(cluster, &json!({"ipv4_pools": ["10.1.0.0/25"]}))]
            })
            .names(&["(the given pool (10.1.0.0/25) does not exist, or is not enabled)"]),
        ],
    ),
    Row::new(
        41,
        "a pool that is switched off",
        &[
            Case::refused(
                102,
                "annotation cni.projectcalico.org/ipv4pools of the pod: pool \"off\" is disabled",
                |cluster| {
                    let texts = [r#"["off"]"#, r#"["legacy", "off"]"#, r#"["10.4.0.0/24"]"#];
                    add_annotated(cluster, ANNOTATION_V4, &texts)
                },
            ),
            Case::refused(
                102,
                "ipv4_pools of the network configuration: pool \"off\" is disabled",
                |cluster| vec![add_calico(cluster, &json!({"ipv4_pools": ["off"]}))],
            )
            .names(&["does not exist, or is not enabled)"]),
        ],
    ),
    Row::new(
        42,
        "a pool of the other family",
        &[
            Case::refused(
                103,
                "annotation cni.projectcalico.org/ipv4pools of the pod: pool \"legacy6\" holds IPv6 addresses",
                |cluster| {
                    let texts = [r#"["legacy6"]"#, r#"["fd00:1::/112"]"#];
                    add_annotated(cluster, ANNOTATION_V4, &texts)
                },
            ),
            Case::refused(
                103,
                "ipv4_pools of the network configuration: pool \"legacy6\" holds IPv6 addresses",
                |cluster| vec![add_calico(cluster, &json!({"ipv4_pools": ["legacy6"]}))],
            )
            .names(&["isn't a IPv4 address)"]),
        ],
    ),
    // No address of the pod can come from a wrong pool, as it gets none.
    Row::new(
        43,
        "pools of a family that is off",
        &[Case::given(&["10."], |cluster| {
            let conf = conf(cluster, &json!({"assign_ipv6": false}));
            vec![add(&annotated(conf, &json!({ANNOTATION_V6: r#"["legacy6"]"#})))]
        })
        .names(&["cni.projectcalico.org/ipv6pools", "IPv6 is off"])],
    ),
];
