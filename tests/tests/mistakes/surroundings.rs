//! Rows 90 to 93: files beside the plugin, and stored values that cannot be understood.

use ipam_core::model::{ResourceKind, key};
use ipam_tests::plugin::{Call, annotated};
use serde_json::json;

use super::calls::{
    ANNOTATION_V4, add, add_annotated, add_calico, calico, conf, every_command, hold, with_top,
};
use super::cluster::Cluster;
use super::row::{Case, Row};

const BLOCK: &str = "/calico/ipam/v2/assignment/ipv4/block/10.3.0.0-30";
const POOL: &str = "/calico/resources/v3/projectcalico.org/ippools/legacy";

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        90,
        "a lock that cannot be made",
        &[
            Case::given(&["10.", "fd00:"], |cluster| {
                let lock = json!("/proc/no/such/folder/ipam.lock");
                vec![add(&conf(cluster, &json!({"ipam_lock_file": lock})))]
            })
            .names(&["without the lock"]),
            Case::given(&["10."], |cluster| {
                let lock = json!("/proc/no/such/folder/ipam.lock");
                vec![add(&with_top(calico(cluster, &json!({})), "ipam_lock_file", Some(&lock)))]
            })
            .names(&["without the lock"]),
        ],
    ),
    Row::new(
        91,
        "a log file that cannot be written",
        &[
            Case::given(&["10.", "fd00:"], |cluster| {
                vec![add(&conf(cluster, &json!({"log_file_path": "/proc/ipam.log"})))]
            })
            .names(&["log_file_path cannot be written"]),
            Case::given(&["10."], |cluster| {
                let path = json!("/proc/ipam.log");
                vec![add(&with_top(calico(cluster, &json!({})), "log_file_path", Some(&path)))]
            })
            .names(&["log_file_path cannot be written"]),
        ],
    ),
    // Whoever can write it decides from which store addresses come.
    Row::new(
        92,
        "a file beside the configuration that others can write",
        &[Case::refused(7, "config_file ", |cluster| {
            let modes = [("by-others.json", 0o606), ("by-its-group.json", 0o660)];
            let with = |(name, mode)| {
                let file = cluster.write_as(name, "{}", mode);
                every_command(&conf(cluster, &json!({"config_file": file})))
            };
            modes.into_iter().flat_map(with).collect()
        })
        .names(&["can be written by its group or by others"])],
    ),
    Row::new(
        93,
        "a stored block or pool that cannot be understood",
        &[
            Case::refused(999, "what is stored at /", |cluster| {
                let annotations = json!({ANNOTATION_V4: r#"["tiny", "free"]"#});
                vec![
                    add(&annotated(conf(cluster, &json!({})), &annotations)),
                    Call::new("DEL", "c8", &conf(cluster, &json!({}))),
                    add_calico(cluster, &json!({"ipv4_pools": ["tiny", "free"]})),
                ]
            })
            .after(|cluster| {
                hold(cluster, "c8", &json!({"ipv4_pools": ["tiny"]}), "");
                cluster.put(BLOCK, r#"{"cidr":"10.3.0.0/30"}"#);
            })
            .names(&[BLOCK]),
            Case::refused(999, "what is stored at /", |cluster| {
                let texts = [r#"["legacy"]"#, r#"["free", "legacy"]"#];
                let mut calls = add_annotated(cluster, ANNOTATION_V4, &texts);
                calls.push(add_calico(cluster, &json!({"ipv4_pools": ["legacy"]})));
                calls
            })
            .after(spoil_a_pool)
            .names(&[POOL]),
            Case::refused(999, "what is stored at /", |cluster| {
                vec![add(&conf(cluster, &json!({}))), add_calico(cluster, &json!({}))]
            })
            .after(spoil_a_pool)
            .names(&[POOL]),
        ],
    ),
];

fn spoil_a_pool(cluster: &Cluster) {
    cluster.put(&key::resource(ResourceKind::IpPool, "legacy"), "{\"spec\": 7");
}
