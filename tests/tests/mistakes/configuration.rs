//! Rows 21 to 27: fields that say what cannot be done. Below Calico's main plugin they mean what `calico-ipam` takes them for.

use ipam_tests::plugin::Call;
use serde_json::json;

use super::calls::{
    add, add_and_del, add_calico, add_each, calico, calico_without, conf, conf_without,
    every_command, with_top,
};
use super::row::{Case, Row};

const NOT_A_LIST: &str = "ipv4_pools of the network configuration is ";

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        21,
        "a family switched on by a flag, not a text",
        &[
            Case::given(&["10.", "fd00:"], |cluster| {
                vec![add(&conf(cluster, &json!({"assign_ipv4": true})))]
            }),
            Case::refused(7, "assign_ipv4 must be a string", |cluster| {
                vec![add_calico(cluster, &json!({"assign_ipv4": true}))]
            })
            .names(&["(failed to load netconf)"]),
        ],
    ),
    Row::new(
        22,
        "a family switched by what is neither true nor false",
        &[
            Case::refused(7, "assign_ipv4 must be true or false", |cluster| {
                let values = [json!("False"), json!("yes"), json!(1), json!(null)];
                add_each(cluster, "assign_ipv4", &values)
            }),
            Case::given(&["10."], |cluster| {
                vec![add_calico(cluster, &json!({"assign_ipv4": "False"}))]
            })
            .names(&["neither \"true\" nor \"false\""]),
        ],
    ),
    Row::new(
        23,
        "both families off",
        &[
            Case::refused(7, "assign_ipv4 and assign_ipv6 are both off", |cluster| {
                let off = |value| json!({"assign_ipv4": value, "assign_ipv6": value});
                let values = [json!(false), json!("false")];
                values.map(|value| add(&conf(cluster, &off(value)))).to_vec()
            }),
            // Calico's main plugin says itself that an address is missing.
            Case::given(&[], |cluster| vec![add_calico(cluster, &json!({"assign_ipv4": "false"}))]),
        ],
    ),
    Row::new(
        24,
        "pools that are no list",
        &[Case::refused(7, NOT_A_LIST, |cluster| {
            let values = [json!("legacy"), json!({"legacy": true}), json!(7)];
            let mut calls = add_each(cluster, "ipv4_pools", &values);
            calls.extend(values.map(|value| add_calico(cluster, &json!({"ipv4_pools": value}))));
            // To `calico-ipam` null says nothing.
            calls.extend(add_each(cluster, "ipv4_pools", &[json!(null)]));
            calls
        })
        .names(&["and not a list"])],
    ),
    // Ignored in silence it would mean any pool.
    Row::new(
        25,
        "a field in another case",
        &[
            Case::refused(7, "field \"", |cluster| {
                let fields = [
                    json!({"Ipv4_Pools": ["legacy"]}),
                    json!({"IPV6_POOLS": ["legacy6"]}),
                    json!({"Datastore_Type": "embedded"}),
                ];
                let top = conf(cluster, &json!({}));
                let top = with_top(top, "Datastore_Type", Some(&json!("embedded")));
                let confs = fields.iter().map(|ipam| conf(cluster, ipam)).chain([top]);
                confs.flat_map(|conf| every_command(&conf)).collect()
            })
            .names(&["is misspelt; write \""]),
            Case::given(&["10.2."], |cluster| {
                vec![add_calico(cluster, &json!({"Ipv4_Pools": ["free"]}))]
            }),
        ],
    ),
    Row::new(
        26,
        "an etcd without endpoints",
        &[
            Case::refused(7, "field ", |cluster| {
                let blank = conf(cluster, &json!({"etcd_endpoints": " "}));
                let mut alone = conf_without(cluster, &["datastore_type", "etcd_endpoints"]);
                alone["ipam"]["etcd_ca_cert_file"] = json!("/ca.pem");
                let mut calls = every_command(&conf_without(cluster, &["etcd_endpoints"]));
                calls.extend(every_command(&blank));
                calls.extend(every_command(&alone));
                calls.extend(add_and_del(&calico_without(cluster, "etcd_endpoints")));
                calls
            })
            .names(&["there are no endpoints of etcd; set etcd_endpoints"]),
            Case::refused(7, "no datastore is named", |cluster| {
                every_command(&conf_without(cluster, &["datastore_type", "etcd_endpoints"]))
            })
            .names(&["set datastore_type to \"embedded\" or \"etcdv3\""]),
        ],
    ),
    Row::new(
        27,
        "a cluster that keeps its state in Kubernetes",
        &[Case::refused(2, "field datastore_type", |cluster| {
            let mut calls: Vec<Call> =
                every_command(&conf(cluster, &json!({"datastore_type": "kubernetes"})));
            let top = calico(cluster, &json!({}));
            calls.extend(add_and_del(&with_top(top, "datastore_type", Some(&json!("kubernetes")))));
            calls
        })
        .names(&["is \"kubernetes\"; this system keeps its state in etcd"])],
    ),
];
