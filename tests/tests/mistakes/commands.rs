//! Rows 78 to 89: what comes after ADD.

use ipam_tests::plugin::{Call, annotated, with_prev_result};
use serde_json::{Value, json};

use super::calls::{ANNOTATION_V4, add, add_calico, calico, calico_without, conf, hold, with_top};
use super::cluster::Cluster;
use super::row::{Case, Row};

const CLOSED: &str = "http://127.0.0.1:1";
pub(crate) const ROWS: &[Row] = &[
    Row::new(
        78,
        "DEL of a container that nobody knows",
        &[Case::nothing(|cluster| {
            let confs = [conf(cluster, &json!({})), calico(cluster, &json!({}))];
            confs.iter().map(|conf| Call::new("DEL", "never-seen", conf)).collect()
        })],
    ),
    // Multus may keep no more of a configuration than this.
    Row::new(
        79,
        "DEL with what is left of a configuration",
        &[
            Case::released(|cluster| {
                let whole = conf(cluster, &json!({}));
                assert!(Call::new("ADD", "c1", &whole).run().success);
                let names = ["datastore_type", "etcd_endpoints", "cache_folder", "ipam_lock_file"];
                let fields: serde_json::Map<String, Value> = names
                    .iter()
                    .map(|name| ((*name).to_owned(), whole["ipam"][*name].clone()))
                    .collect();
                let file = cluster.write_as("config.json", &json!(fields).to_string(), 0o600);
                vec![Call::new("DEL", "c1", &stripped(&json!({"config_file": file})))]
            }),
            Case::refused(7, "no datastore is named", |_| {
                vec![Call::new("DEL", "c1", &stripped(&json!({})))]
            }),
        ],
    ),
    Row::new(
        80,
        "DEL while etcd is away",
        &[Case::refused(11, "etcd store ", |cluster| {
            let away = json!({"etcd_endpoints": CLOSED, "timeout_ms": 300});
            let mut stock = calico_without(cluster, "etcd_endpoints");
            stock.as_object_mut().unwrap().extend(away.as_object().unwrap().clone());
            [conf(cluster, &away), stock].map(|conf| Call::new("DEL", "c8", &conf)).to_vec()
        })
        .after(|cluster| hold(cluster, "c8", &json!({}), ""))
        .names(&[CLOSED])],
    ),
    Row::new(
        81,
        "DEL of what could not be asked for any more",
        &[
            Case::released(|cluster| {
                let nonsense = json!({
                    "ipv4_pools": ["nosuch"], "ipv6_pools": "a", "assign_ipv4": "nonsense",
                    "gateway": 7, "routes": [{"dst": "10.0.0.1/8"}], "nodename": " ",
                });
                let conf = conf(cluster, &nonsense);
                let conf = annotated(conf, &json!({ANNOTATION_V4: "[]"}));
                vec![Call::new("DEL", "c1", &conf).with("CNI_ARGS", "a=b=c")]
            })
            .after(|cluster| {
                hold(cluster, "c1", &json!({"ipv4_pools": ["legacy"]}), "");
                let spec = json!({"cidr": "10.1.0.0/24", "blockSize": 28, "disabled": true});
                cluster.pool("legacy", spec, None);
            }),
            Case::released(|cluster| {
                let nonsense = json!({"ipv4_pools": ["nosuch"], "assign_ipv4": true});
                let conf = with_top(calico(cluster, &nonsense), "nodename", Some(&json!(" ")));
                vec![Call::new("DEL", "c1", &conf).with("CNI_ARGS", "a=b=c")]
            })
            .after(|cluster| {
                assert!(add_calico(cluster, &json!({"ipv4_pools": ["legacy"]})).run().success);
                let spec = json!({"cidr": "10.1.0.0/24", "blockSize": 28, "disabled": true});
                cluster.pool("legacy", spec, None);
            }),
        ],
    ),
    Row::new(
        82,
        "CHECK without a result to compare with",
        &[Case::refused(7, "prevResult is missing", |cluster| {
            let conf = conf(cluster, &json!({}));
            let null = with_prev_result(conf.clone(), &json!(null));
            vec![Call::new("CHECK", "c1", &conf), Call::new("CHECK", "c1", &null)]
        })],
    ),
    Row::new(
        83,
        "CHECK of an address that is gone, or another's",
        &[
            Case::refused(120, "address 10.1.0.7 is not ", |cluster| vec![check(cluster)]).after(
                |cluster| {
                    hold(cluster, "c1", &json!({"assign_ipv6": false}), "IP=10.1.0.7");
                    assert!(Call::new("DEL", "c1", &conf(cluster, &json!({}))).run().success);
                },
            ),
            Case::refused(121, "address 10.1.0.7 is held by ", |cluster| vec![check(cluster)])
                .after(|cluster| {
                    hold(cluster, "c8", &json!({"assign_ipv6": false}), "IP=10.1.0.7");
                })
                .names(&["pod fin/c8"]),
        ],
    ),
    Row::new(
        84,
        "GC without a list of attachments",
        &[Case::nothing(|cluster| vec![gc(cluster, "net", None)])
            .after(|cluster| hold(cluster, "c8", &json!({}), ""))
            .names(&["nothing is collected"])],
    ),
    Row::new(
        85,
        "GC with an empty list",
        &[
            Case::released(|cluster| vec![gc(cluster, "net", Some(json!([])))])
                .after(|cluster| hold(cluster, "c8", &json!({}), "")),
            Case::nothing(|cluster| vec![gc(cluster, "net", Some(json!([])))])
                .after(|cluster| hold(cluster, "c8", &json!({"nodename": "n2"}), "")),
            Case::nothing(|cluster| vec![gc(cluster, "other", Some(json!([])))])
                .after(|cluster| hold(cluster, "c8", &json!({}), "")),
            Case::nothing(|cluster| {
                let call = gc(cluster, "net", Some(json!([])));
                let mut conf: Value = serde_json::from_slice(&call.stdin).unwrap();
                conf["ipam"]["gc_grace_seconds"] = json!(60);
                vec![call.raw(conf.to_string())]
            })
            .after(|cluster| hold(cluster, "c8", &json!({}), "")),
        ],
    ),
    Row::new(
        86,
        "GC with an attachment without a container",
        &[Case::refused(7, "cni.dev/valid-attachments must be a list", |cluster| {
            let lists = [json!([{"ifname": "eth0"}]), json!([{"containerID": "c1"}]), json!({})];
            lists.into_iter().map(|list| gc(cluster, "net", Some(list))).collect()
        })
        .after(|cluster| hold(cluster, "c8", &json!({}), ""))
        .names(&["nothing was released"])],
    ),
    Row::new(
        87,
        "GC of a network whose name begins another's",
        &[Case::nothing(|cluster| vec![gc(cluster, "net", Some(json!([])))]).after(|cluster| {
            let mut conf = conf(cluster, &json!({}));
            conf["name"] = json!("net.b");
            assert!(Call::new("ADD", "c8", &conf).pod("fin", "c8").run().success);
        })],
    ),
    Row::new(
        88,
        "STATUS without a store, or without addresses",
        &[
            Case::nothing(|cluster| vec![status(&conf(cluster, &json!({})))]),
            Case::refused(50, "etcd store http://127.0.0.1:1", |cluster| {
                vec![status(&conf(cluster, &json!({"etcd_endpoints": "http://127.0.0.1:1"})))]
            }),
            Case::refused(50, "ipv4_pools of the network configuration", |cluster| {
                vec![status(&conf(cluster, &json!({"ipv4_pools": ["tiny"]})))]
            })
            .after(|cluster| {
                let ipam =
                    json!({"ipv4_pools": ["tiny"], "assign_ipv6": false, "exclude_edges": false});
                for container in ["c5", "c6", "c7", "c8"] {
                    hold(cluster, container, &ipam, "");
                }
            })
            .names(&["no free IPv4 address"]),
        ],
    ),
    Row::new(
        89,
        "VERSION with anything on stdin",
        &[Case::told(|cluster| {
            let before = cluster.state();
            for stdin in [b"".as_slice(), b"\xff{", b"[]", br#"{"cniVersion": 7}"#] {
                let answer = add(&json!({})).with("CNI_COMMAND", "VERSION").raw(stdin).run();
                assert_eq!(answer.exit, Some(0), "{answer:?}");
                let supported = answer.json["supportedVersions"].as_array().unwrap();
                assert!(supported.contains(&json!("1.0.0")), "{answer:?}");
            }
            assert_eq!(cluster.state(), before);
        })],
    ),
];

fn stripped(ipam: &Value) -> Value {
    let mut conf = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "bridge", "ipam": {"type": "ringfence-ipam"},
    });
    conf["ipam"].as_object_mut().unwrap().extend(ipam.as_object().unwrap().clone());
    conf
}

/// Compares with a result that names 10.1.0.7.
fn check(cluster: &Cluster) -> Call {
    let result = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.7/24"}]});
    Call::new("CHECK", "c1", &with_prev_result(conf(cluster, &json!({})), &result))
}

/// Makes a call about a network, as a runtime does: without the variables of an attachment.
fn of_network(command: &str, conf: &Value) -> Call {
    let mut conf = conf.clone();
    conf["cniVersion"] = json!("1.1.0");
    let call = Call::new(command, "unused", &conf);
    ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"].into_iter().fold(call, Call::without)
}

fn status(conf: &Value) -> Call {
    of_network("STATUS", conf)
}

/// Collects at once what a network holds for none of the attachments.
fn gc(cluster: &Cluster, network: &str, attachments: Option<Value>) -> Call {
    let mut conf = conf(cluster, &json!({"gc_grace_seconds": 0}));
    conf["name"] = json!(network);
    if let Some(attachments) = attachments {
        conf["cni.dev/valid-attachments"] = attachments;
    }
    of_network("GC", &conf)
}
