//! Rows 59 to 68: single addresses that cannot be given. Nobody gets another one instead.

use ipam_tests::plugin::{Call, annotated};
use serde_json::{Value, json};

use super::calls::{
    ADDRESSES, ANNOTATION_V4, POD, add, add_address, add_annotated, add_calico_address,
    add_with_args, conf, hold, with_runtime_ips,
};
use super::row::{Case, Row};

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        59,
        "two addresses of a family",
        &[
            Case::refused(
                100,
                "annotation cni.projectcalico.org/ipAddrs of the pod: 10.1.0.7 and 10.1.0.8 are both IPv4",
                |cluster| {
                    let texts = [r#"["10.1.0.7", "fd00:1::7", "10.1.0.8"]"#];
                    add_annotated(cluster, ADDRESSES, &texts)
                },
            )
            .names(&["at most one"]),
            Case::refused(
                100,
                "runtimeConfig.ips: 10.1.0.7 and 10.1.0.8 are both IPv4; at most one",
                |cluster| {
                    vec![add(&with_runtime_ips(cluster, &json!(["10.1.0.7", "10.1.0.8"])))]
                },
            ),
        ],
    ),
    Row::new(
        60,
        "an address that is none",
        &[
            Case::refused(
                105,
                "annotation cni.projectcalico.org/ipAddrs of the pod: \"",
                |cluster| {
                    add_annotated(cluster, ADDRESSES, &[r#"["10.0.0.999"]"#, r#"["web-0"]"#, "[7]"])
                },
            )
            .names(&["is no address"]),
            Case::refused(105, "runtimeConfig.ips: ", |cluster| {
                [json!(["10.1.0.999"]), json!([7]), json!(["::ffff:10.1.0.7"])]
                    .iter()
                    .map(|value| add(&with_runtime_ips(cluster, value)))
                    .collect()
            })
            .names(&["is no address"]),
            Case::refused(105, "IP of CNI_ARGS: \"", |cluster| {
                let texts = ["IP=10.1.0.999", "IP=web-0", "IP=10.1.0.2/xyz"];
                let mut calls = add_with_args(&conf(cluster, &json!({})), &texts);
                calls.push(add_calico_address(cluster, "10.1.0.999"));
                calls
            })
            .names(&["is no address"]),
        ],
    ),
    Row::new(
        61,
        "an address with another prefix than its network's",
        &[
            Case::refused(105, "address 10.1.0.7/25 is asked for", |cluster| {
                let mut calls = add_with_args(&conf(cluster, &json!({})), &["IP=10.1.0.7/25"]);
                calls.push(add(&with_runtime_ips(cluster, &json!(["10.1.0.7/25"]))));
                calls
            })
            .names(&["a prefix of 24"]),
            // `calico-ipam` reads no prefix at all.
            Case::refused(105, "IP of CNI_ARGS: \"10.1.0.7/24\" is no address", |cluster| {
                vec![add_calico_address(cluster, "10.1.0.7/24")]
            })
            .names(&["invalid IP address: 10.1.0.7/24)"]),
        ],
    ),
    Row::new(
        62,
        "an address outside of every pool",
        &[
            Case::refused(105, "address 10.99.0.7 lies in no enabled pool", |cluster| {
                add_address(cluster, "10.99.0.7")
            }),
            Case::refused(105, "address 10.99.0.7 lies in no enabled pool", |cluster| {
                vec![add_calico_address(cluster, "10.99.0.7")]
            })
            .names(&["(The provided IP address is not in a configured pool)"]),
        ],
    ),
    Row::new(
        63,
        "an address of a pool that is not permitted",
        &[
            Case::refused(104, "address 10.2.0.7 lies in pool \"free\"", |cluster| {
                let mut calls = add_address(cluster, "10.2.0.7");
                for call in &mut calls {
                    let mut conf: Value = serde_json::from_slice(&call.stdin).unwrap();
                    let annotations =
                        &mut conf["runtimeConfig"]["io.kubernetes.cri.pod-annotations"];
                    annotations[ANNOTATION_V4] = json!(r#"["legacy"]"#);
                    call.stdin = conf.to_string().into_bytes();
                }
                calls
            })
            .names(&["permitted here: legacy"]),
            Case::refused(104, "address 10.5.0.7 lies in pool \"bank\"", |cluster| {
                add_address(cluster, "10.5.0.7")
            }),
            // `calico-ipam` gives any address of any pool, and cannot know this.
            Case::refused(104, "IP of CNI_ARGS: pool \"bank\" is not permitted here", |cluster| {
                vec![add_calico_address(cluster, "10.5.0.7")]
            })
            .names(&["it is exclusive, and no binding of namespace fin names it"]),
        ],
    ),
    Row::new(
        64,
        "an address that somebody else holds",
        &[
            Case::refused(106, "address 10.1.0.7 is in use by", |cluster| {
                let mut calls = add_address(cluster, "10.1.0.7");
                calls.push(add_calico_address(cluster, "10.1.0.7"));
                calls
            })
            .after(|cluster| hold(cluster, "c8", &json!({}), "IP=10.1.0.7"))
            .names(&["pod fin/c8"]),
        ],
    ),
    // Below Calico's main plugin it is refused, as by `calico-ipam`.
    Row::new(
        65,
        "an address that the interface holds already",
        &[
            Case::given(&["10.1.0.7", "fd00:"], |cluster| {
                let conf = conf(cluster, &json!({}));
                let call = add(&conf).with("CNI_ARGS", format!("{POD};IP=10.1.0.7"));
                assert!(call.run().success);
                let any = add(&conf);
                vec![call, any]
            }),
            Case::refused(106, "address 10.1.0.7 is in use by", |cluster| {
                let call = add_calico_address(cluster, "10.1.0.7");
                if cluster.taken().is_empty() {
                    assert!(call.run().success);
                }
                vec![call]
            })
            .names(&["(Address already assigned in block)"]),
        ],
    ),
    Row::new(
        66,
        "an address that is set aside",
        &[
            Case::refused(107, "address 10.1.0.7 cannot be given", |cluster| {
                add_address(cluster, "10.1.0.7")
            })
            .after(|cluster| cluster.reserve("printers", &["10.1.0.4/30"]))
            .names(&["reserved"]),
            Case::refused(107, "address 10.1.0.1 cannot be given", |cluster| {
                add_with_args(&conf(cluster, &json!({"gateway": "first"})), &["IP=10.1.0.1"])
            })
            .names(&["the gateway of its pool"]),
            Case::refused(107, "address 10.1.0.", |cluster| {
                ["10.1.0.0", "10.1.0.255"].iter().flat_map(|ip| add_address(cluster, ip)).collect()
            })
            .names(&["network, broadcast or anycast"]),
        ],
    ),
    Row::new(
        67,
        "an address that cools down",
        &[
            Case::refused(107, "address 10.1.0.7 is in cooldown for another 3", |cluster| {
                add_address(cluster, "10.1.0.7")
            })
            .after(|cluster| {
                cluster.configure(|config| config.ip_cooldown_seconds = 3600);
                hold(cluster, "c8", &json!({}), "IP=10.1.0.7");
                assert!(Call::new("DEL", "c8", &conf(cluster, &json!({}))).run().success);
            })
            .names(&[" s; wait, or ask for another"]),
        ],
    ),
    Row::new(
        68,
        "two wishes that differ: the runtime's configuration counts",
        &[Case::given(&["10.1.0.7", "fd00:"], |cluster| {
            let conf = annotated(conf(cluster, &json!({})), &json!({ADDRESSES: r#"["10.2.0.8"]"#}));
            let mut conf = conf;
            conf["ipam"]["log_level"] = json!("info");
            conf["runtimeConfig"]["ips"] = json!(["10.1.0.7"]);
            vec![add(&conf).with("CNI_ARGS", format!("{POD};IP=10.2.0.9"))]
        })
        .names(&["IP of CNI_ARGS does not count beside runtimeConfig.ips", "10.2.0.9"])],
    ),
];
