//! Rows 50 to 58: where annotations come from, and what they say about families.

use ipam_tests::kubernetes::Reply;
use ipam_tests::plugin::annotated;
use serde_json::{Value, json};

use super::calls::{ANNOTATION_V4, POD, add, add_annotated, add_with_args, conf};
use super::cluster::Cluster;
use super::row::{Case, Row};

const FAMILIES: &str = "cni.projectcalico.org/ipFamilies";

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        50,
        "a malformed annotation above a good one of the namespace",
        &[Case::refused(100, "annotation cni.projectcalico.org/ipv4pools of the pod", |cluster| {
            vec![add(&asking(cluster))]
        })
        .after(|cluster| {
            let good = json!({ANNOTATION_V4: r#"["free"]"#});
            let bad = json!({ANNOTATION_V4: "free"});
            cluster.api().namespace("fin", Reply::namespace("fin", &good, &json!({})));
            cluster.api().pod("fin", "web-0", Reply::pod("fin", "web-0", &bad));
        })],
    ),
    Row::new(
        51,
        "an API that fails or does not answer",
        &[
            Case::refused(11, "the Kubernetes API at ", |cluster| vec![add(&asking(cluster))])
                .after(|cluster| cluster.api().namespace("fin", Reply::Status(500)))
                .names(&["namespace fin", "try again", "500"]),
            Case::refused(11, "the Kubernetes API at ", |cluster| {
                let mut conf = asking(cluster);
                conf["ipam"]["timeout_ms"] = json!(2000);
                vec![add(&conf)]
            })
            .after(|cluster| cluster.api().namespace("fin", Reply::Silence))
            .names(&["namespace fin"]),
        ],
    ),
    Row::new(
        52,
        "an API that forbids to read the namespace",
        &[Case::refused(111, "the Kubernetes API at ", |cluster| vec![add(&asking(cluster))])
            .after(|cluster| cluster.api().namespace("fin", Reply::Status(403)))
            .names(&["a role that allows to get namespaces"])],
    ),
    Row::new(
        53,
        "a kubeconfig that is missing or runs a program",
        &[
            Case::refused(111, "kubeconfig /absent/kubeconfig cannot be read", |cluster| {
                let ipam = json!({"kubernetes": {"kubeconfig": "/absent/kubeconfig"}});
                vec![add(&conf(cluster, &ipam))]
            }),
            Case::refused(7, "kubeconfig ", |cluster| {
                let user = json!({"exec": {
                    "apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/true",
                }});
                let kubeconfig = cluster.api().kubeconfig_of("by-program", &user);
                let ipam = json!({"kubernetes": {"kubeconfig": kubeconfig}});
                vec![add(&conf(cluster, &ipam))]
            })
            .names(&["a program (exec)", "tokenFile"]),
        ],
    ),
    Row::new(
        54,
        "a pod that the API does not know",
        &[Case::refused(112, "pod fin/web-0 is absent", |cluster| vec![add(&asking(cluster))])
            .after(|cluster| cluster.api().pod("fin", "web-0", Reply::Status(404)))
            .names(&["mirror", "capability"])],
    ),
    Row::new(
        55,
        "another pod of the same name",
        &[Case::refused(112, "pod fin/web-0 has uid ", |cluster| {
            add_with_args(&asking(cluster), &[&format!("{POD};K8S_POD_UID=another")])
        })
        .names(&["another"])],
    ),
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

/// Returns a configuration by which the Kubernetes API is asked.
fn asking(cluster: &Cluster) -> Value {
    conf(cluster, &json!({"kubernetes": {"kubeconfig": cluster.api().kubeconfig()}}))
}
