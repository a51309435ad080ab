//! Rows 69 to 74: who calls, and who is told.

use std::fs::File;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipam_tests::etcd::{Fault, Moment, Proxy};
use ipam_tests::plugin::{Call, annotated};
use serde_json::{Value, json};

use super::calls::{
    ANNOTATION_V4, ANNOTATION_V6, add, add_calico, add_with_args, calico, calico_without, conf,
    conf_without, hold,
};
use super::cluster::Cluster;
use super::row::{Case, Row};

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        69,
        "a file with the node's name that cannot be read, or is blank",
        &[
            Case::refused(115, "nodename_file ", |cluster| {
                files(cluster).iter().map(|file| add(&named_by(cluster, file))).collect()
            })
            .names(&["set nodename"]),
            Case::given(&["10."], |cluster| vec![add(&calico_named_by(cluster, &files(cluster)[0]))])
                .names(&["asking the next source"]),
            Case::given(&["10."], |cluster| vec![add(&calico_named_by(cluster, &files(cluster)[1]))])
                .names(&["asking the next source"]),
        ],
    ),
    Row::new(
        70,
        "a file with the node's name and the end of a line",
        &[Case::told(|cluster| {
            let file = json!(cluster.write("nodename", "n1\n"));
            for conf in [named_by(cluster, &file), calico_named_by(cluster, &file)] {
                assert!(add(&conf).run().success);
            }
            let named = |text: &str| {
                let contents = cluster.world.contents();
                let texts = contents.iter().map(|kv| String::from_utf8_lossy(&kv.value));
                texts.map(|value| value.matches(text).count()).sum::<usize>()
            };
            // Two addresses from here, and one below Calico's main plugin.
            assert_eq!(named(r#""node":"n1""#), 3);
            assert_eq!(named(r#""node":"#), 3);
        })],
    ),
    Row::new(
        71,
        "another pod with a container's name",
        &[
            Case::refused(113, "handle \"net.c1.eth0\" is in use", |cluster| {
                let text = "K8S_POD_NAMESPACE=fin;K8S_POD_NAME=c1;K8S_POD_UID=u2";
                add_with_args(&conf(cluster, &json!({})), &[text])
            })
            .after(|cluster| hold(cluster, "c1", &json!({}), "K8S_POD_UID=u1"))
            .names(&["its pod-uid is u1, not u2"]),
        ],
    ),
    Row::new(
        72,
        "one family can be given, the other cannot",
        &[
            Case::refused(
                108,
                "annotation cni.projectcalico.org/ipv6pools of the pod: no free IPv6 address is left in tiny6;",
                |cluster| {
                    let pools =
                        json!({ANNOTATION_V4: r#"["legacy"]"#, ANNOTATION_V6: r#"["tiny6"]"#});
                    vec![add(&annotated(conf(cluster, &json!({})), &pools))]
                },
            )
            .after(fill_tiny6),
            Case::refused(
                101,
                "annotation cni.projectcalico.org/ipv6pools of the pod: there is no pool \"legcy6\"",
                |cluster| {
                    let pools =
                        json!({ANNOTATION_V4: r#"["legacy"]"#, ANNOTATION_V6: r#"["legcy6"]"#});
                    vec![add(&annotated(conf(cluster, &json!({})), &pools))]
                },
            ),
            // Stock Calico gives IPv4 back where IPv6 falls short, and leaks it where IPv6 fails.
            Case::refused(
                108,
                "ipv6_pools of the network configuration: no free IPv6 address is left in tiny6;",
                |cluster| {
                    vec![add_calico(cluster, &json!({"assign_ipv6": "true", "ipv6_pools": ["tiny6"]}))]
                },
            )
            .after(fill_tiny6),
            Case::refused(
                109,
                "node \"n1\" has claimed 1 IPv6 blocks of at most 1",
                |cluster| {
                    let listed = json!({"assign_ipv6": "true", "ipv6_pools": ["tiny6", "free6"]});
                    vec![add_calico(cluster, &listed)]
                },
            )
            .after(|cluster| {
                cluster.configure(|config| config.max_blocks_per_host = 1);
                fill_tiny6(cluster);
            }),
        ],
    ),
    Row::new(73, "death behind the commit", &[Case::told(death_behind_the_commit)]),
    Row::new(
        74,
        "nobody reads the answer",
        &[Case::told(|cluster| {
            for conf in [conf(cluster, &json!({})), calico(cluster, &json!({}))] {
                let (reader, writer) = std::io::pipe().unwrap();
                drop(reader);
                let full = File::options().write(true).open("/dev/full").unwrap();
                for stdout in [Stdio::from(writer), Stdio::from(full)] {
                    let before = cluster.state().revision;
                    let output = add(&conf).start(stdout).wait_with_output().unwrap();
                    assert_eq!(output.status.code(), Some(1));
                    assert!(cluster.state().revision > before, "nothing was undone");
                    assert!(cluster.taken().is_empty());
                    assert_eq!(cluster.world.findings(), []);
                }
            }
        })],
    ),
];

/// Makes files that are no node's name: a blank one, and one that cannot be read even by root.
fn files(cluster: &Cluster) -> [Value; 2] {
    [json!(cluster.write("blank", " \n")), json!(cluster.folder())]
}

fn named_by(cluster: &Cluster, file: &Value) -> Value {
    let mut conf = conf_without(cluster, &["nodename"]);
    conf["ipam"]["nodename_file"] = file.clone();
    conf
}

fn calico_named_by(cluster: &Cluster, file: &Value) -> Value {
    let mut conf = calico_without(cluster, "nodename");
    conf["nodename_file"] = file.clone();
    conf["hostname"] = json!("n1");
    conf
}

fn fill_tiny6(cluster: &Cluster) {
    let listed = json!({"assign_ipv4": false, "ipv6_pools": ["tiny6"]});
    for container in ["c7", "c8"] {
        hold(cluster, container, &listed, "");
    }
}

/// The plugin is killed when etcd has committed its transaction and it has heard nothing of that.
fn death_behind_the_commit(cluster: &Cluster) {
    for stock in [false, true] {
        let proxy = Proxy::to(&cluster.world.server().endpoint());
        let netconf = if stock {
            let mut conf = calico(cluster, &json!({}));
            conf["etcd_endpoints"] = json!(proxy.endpoint());
            conf
        } else {
            conf(cluster, &json!({"etcd_endpoints": proxy.endpoint()}))
        };
        let mut came_to_a_commit = false;
        for call in 1..=4 {
            proxy.set_then(Fault::Cut { call, at: Moment::BeforeReply }, Fault::Silence);
            let cuts = proxy.counts().cuts;
            let mut child = add(&netconf).start(Stdio::piped());
            let started = Instant::now();
            while proxy.counts().cuts == cuts && child.try_wait().unwrap().is_none() {
                assert!(started.elapsed() < PATIENCE, "neither cut nor ended");
                sleep(Duration::from_millis(1));
            }
            child.kill().unwrap();
            let _ = child.wait().unwrap();
            proxy.set(Fault::None);
            proxy.cut_connections();
            came_to_a_commit |= !cluster.taken().is_empty();
            let del = Call::new("DEL", "c1", &netconf).run();
            assert!(del.success, "{del:?}");
            assert!(cluster.taken().is_empty(), "after call {call}");
            assert_eq!(cluster.world.findings(), []);
        }
        assert!(came_to_a_commit, "no call died behind its commit");
    }
}
