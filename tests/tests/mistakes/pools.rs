//! Rows 44 to 49: pools that are not permitted, or are used up. Nothing else takes their place.

use ipam_tests::plugin::{Call, annotated};
use serde_json::json;

use super::calls::{
    ANNOTATION_V4, ANNOTATION_V6, add, add_annotated, add_calico, add_calico_address, conf, hold,
};
use super::cluster::Cluster;
use super::row::{Case, Row};

const OF_CONFIGURATION: &str =
    "ipv4_pools of the network configuration: pool \"free\" is not permitted here";

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        44,
        "a pool outside of the namespace's binding",
        &[
            Case::refused(
                104,
                "annotation cni.projectcalico.org/ipv4pools of the pod: pool \"free\" is not permitted here",
                |cluster| {
                    let texts = [r#"["free"]"#, r#"["legacy", "free"]"#];
                    add_annotated(cluster, ANNOTATION_V4, &texts)
                },
            )
            .after(|cluster| cluster.require("fin"))
            .names(&["the required binding of namespace fin lists legacy"]),
            Case::refused(
                104,
                "annotation cni.projectcalico.org/ipv6pools of the pod: pool \"free6\" is not permitted here",
                |cluster| add_annotated(cluster, ANNOTATION_V6, &[r#"["free6"]"#]),
            )
            .after(|cluster| cluster.require("fin")),
            // Without Kubernetes the network stands in the place of the namespace.
            Case::refused(
                104,
                "IPV4_POOLS of CNI_ARGS: pool \"free\" is not permitted here",
                |cluster| {
                    let call = Call::new("ADD", "c1", &conf(cluster, &json!({})));
                    vec![call.with("CNI_ARGS", "IPV4_POOLS=free")]
                },
            )
            .after(|cluster| cluster.require("net"))
            .names(&["the required binding of network net lists legacy"]),
            Case::refused(104, OF_CONFIGURATION, |cluster| {
                let named = json!({"ipv4_pools": ["free"]});
                vec![add(&conf(cluster, &named)), add_calico(cluster, &named)]
            })
            .after(|cluster| cluster.require("fin"))
            .names(&["the required binding of namespace fin lists legacy"]),
            Case::refused(104, "IP of CNI_ARGS: pool \"free\" is not permitted here", |cluster| {
                vec![add_calico_address(cluster, "10.2.0.7")]
            })
            .after(|cluster| cluster.require("fin")),
        ],
    ),
    // As in stock Calico, a selector says who draws from a pool unasked; bindings and exclusive pools say who may.
    Row::new(
        45,
        "a pool whose selectors exclude the node or namespace",
        &[
            Case::given(&["10.7.", "fd00:"], |cluster| {
                add_annotated(cluster, ANNOTATION_V4, &[r#"["racked"]"#])
            })
            .after(racked),
            Case::given(&["10.7."], |cluster| {
                vec![add_calico(cluster, &json!({"ipv4_pools": ["racked"]}))]
            })
            .after(racked),
        ],
    ),
    Row::new(
        46,
        "a pool for tunnels",
        &[
            Case::refused(
                104,
                "annotation cni.projectcalico.org/ipv4pools of the pod: pool \"tunnels\" is not permitted here",
                |cluster| add_annotated(cluster, ANNOTATION_V4, &[r#"["tunnels"]"#]),
            ),
            Case::refused(
                104,
                "ipv4_pools of the network configuration: pool \"tunnels\" is not permitted here",
                |cluster| vec![add_calico(cluster, &json!({"ipv4_pools": ["tunnels"]}))],
            ),
        ],
    ),
    Row::new(
        47,
        "every listed pool full, others free",
        &[
            Case::refused(
                108,
                "annotation cni.projectcalico.org/ipv4pools of the pod: no free IPv4 address is left in tiny, tiny-too;",
                |cluster| add_annotated(cluster, ANNOTATION_V4, &[r#"["tiny", "tiny-too"]"#]),
            )
            .after(fill),
            Case::refused(
                108,
                "ipv4_pools of the network configuration: no free IPv4 address is left in tiny;",
                |cluster| vec![add_calico(cluster, &json!({"ipv4_pools": ["tiny"]}))],
            )
            .after(|cluster| {
                for number in 0..4 {
                    let call = add_calico(cluster, &json!({"ipv4_pools": ["tiny"]}));
                    let answer = call.with("CNI_CONTAINERID", format!("h{number}")).run();
                    assert!(answer.success, "{answer:?}");
                }
            })
            .names(&["No IPs available in pools"]),
        ],
    ),
    Row::new(
        48,
        "no automatic pool selects the workload",
        &[
            Case::refused(110, "no IPv4 pool selects this workload", |cluster| {
                vec![add(&conf(cluster, &json!({})))]
            })
            .after(|cluster| select_nobody(cluster, &["legacy", "free", "tiny"]))
            .names(&["free does not select the node", "off is disabled"]),
            Case::refused(110, "no IPv4 pool selects this workload", |cluster| {
                vec![add_calico(cluster, &json!({}))]
            })
            .after(|cluster| select_nobody(cluster, &["legacy", "free", "tiny"]))
            .names(&["(cannot find a qualified ippool)"]),
        ],
    ),
    Row::new(
        49,
        "addresses are left, but not for this node",
        &[
            Case::refused(109, "node \"n1\" has claimed 1 IPv4 blocks of at most 1", |cluster| {
                let conf = conf(cluster, &json!({}));
                let listed = json!({"ipv4_pools": ["tiny", "free"]});
                vec![
                    add(&annotated(conf, &json!({ANNOTATION_V4: r#"["tiny", "free"]"#}))),
                    add_calico(cluster, &listed),
                ]
            })
            .after(|cluster| {
                cluster.configure(|config| config.max_blocks_per_host = 1);
                let listed = json!({"ipv4_pools": ["tiny"], "exclude_edges": false});
                for container in ["c5", "c6", "c7", "c8"] {
                    hold(cluster, container, &listed, "");
                }
            }),
            Case::refused(
                109,
                "no free IPv4 block is left for node \"n1\" in tiny, and strict affinity forbids to borrow",
                |cluster| {
                    let mut calls = add_annotated(cluster, ANNOTATION_V4, &[r#"["tiny"]"#]);
                    calls.push(add_calico(cluster, &json!({"ipv4_pools": ["tiny"]})));
                    calls
                },
            )
            .after(|cluster| {
                cluster.configure(|config| config.strict_affinity = true);
                hold(cluster, "c8", &json!({"ipv4_pools": ["tiny"], "nodename": "n2"}), "");
            }),
        ],
    ),
];

fn racked(cluster: &Cluster) {
    let spec = json!({
        "cidr": "10.7.0.0/24", "allowedUses": ["Workload"],
        "nodeSelector": "rack == 'r1'", "namespaceSelector": "has(tenant)",
    });
    cluster.pool("racked", spec, None);
}

/// Uses up the addresses of two pools that are no edges.
fn fill(cluster: &Cluster) {
    cluster.pool("tiny-too", json!({"cidr": "10.3.0.4/32", "blockSize": 32}), None);
    let listed = json!({"ipv4_pools": ["tiny", "tiny-too"]});
    for container in ["c6", "c7", "c8"] {
        hold(cluster, container, &listed, "");
    }
}

fn select_nobody(cluster: &Cluster, names: &[&str]) {
    for (at, name) in names.iter().enumerate() {
        let (cidr, size) = [("10.1.0.0/24", 28), ("10.2.0.0/24", 28), ("10.3.0.0/30", 30)][at];
        let spec = json!({"cidr": cidr, "blockSize": size, "nodeSelector": "rack == 'r1'"});
        cluster.pool(name, spec, None);
    }
}
