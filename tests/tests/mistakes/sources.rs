//! Rows 50 to 58: where annotations come from, and what they say about families.

use ipam_tests::plugin::annotated;
use serde_json::json;

use super::calls::{ANNOTATION_V4, add, add_annotated, conf};
use super::row::{Case, Row};

/// Why rows about the Kubernetes API have no case.
const NO_API: &str = "needs annotations of the Kubernetes API, which is not asked yet";
const FAMILIES: &str = "cni.projectcalico.org/ipFamilies";

pub(crate) const ROWS: &[Row] = &[
    Row::without(50, "a malformed annotation above a good one of the namespace", NO_API),
    Row::without(51, "an API that fails or does not answer", NO_API),
    Row::without(52, "an API that forbids to read the namespace", NO_API),
    Row::without(53, "a kubeconfig that is missing or runs a program", NO_API),
    Row::without(54, "a pod that the API does not know", NO_API),
    Row::without(55, "another pod of the same name", NO_API),
    Row::new(
        56,
        "annotations that are no object of texts",
        &[Case::refused(
            7,
            "runtimeConfig \"io.kubernetes.cri.pod-annotations\" must be an object of texts",
            |cluster| {
                let conf = conf(cluster, &json!({}));
                let values =
                    [json!("x"), json!(7), json!(["x"]), json!({ANNOTATION_V4: ["legacy"]})];
                values.iter().map(|value| add(&annotated(conf.clone(), value))).collect()
            },
        )],
    ),
    Row::new(
        57,
        "annotations that are null",
        &[Case::given(&["10.2.", "fd00:"], |cluster| {
            let conf = conf(cluster, &json!({"ipv4_pools": ["free"]}));
            vec![add(&annotated(conf, &json!(null)))]
        })],
    ),
    Row::new(
        58,
        "families that are none",
        &[Case::refused(
            100,
            "annotation cni.projectcalico.org/ipFamilies of the pod must be a list of families",
            |cluster| {
                let texts =
                    ["[]", r#"["IPv5"]"#, r#"["ipv4"]"#, "IPv4", r#""IPv4""#, "[4]", "null"];
                add_annotated(cluster, FAMILIES, &texts)
            },
        )
        .names(&["such as [\"IPv4\", \"IPv6\"]"])],
    ),
];
