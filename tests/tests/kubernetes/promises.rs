//! What the how-to of Calico promises of annotations, as an administrator would follow it.

use ipam_tests::kubernetes::{ApiServer, Reply};
use ipam_tests::plugin::{Call, netconf};
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{ANNOTATION_V4, Cluster, FIN, first};

const ANNOTATION_V6: &str = "cni.projectcalico.org/ipv6pools";

/// Gives addresses to the pod `fin/web` with these annotations in a store with these pools.
fn given(world: &World, container: &str, ipam: &Value, annotations: &Value) -> Vec<String> {
    let api = ApiServer::start();
    api.namespace("fin", Reply::namespace("fin", &json!({}), &json!({})));
    api.pod("fin", "web", Reply::pod("fin", "web", annotations));
    let mut ipam = ipam.clone();
    ipam["kubernetes"] = json!({"kubeconfig": api.kubeconfig()});
    let answer =
        Call::new("ADD", container, &netconf(&world.path(), &ipam)).pod("fin", "web").run();
    assert!(answer.success, "{answer:?}");
    answer.addresses()
}

/// The cluster's network is 10.244.0.0/16; one half of it is for everybody.
fn divided() -> World {
    World::with_pools(&[
        ("default", json!({"cidr": "10.244.0.0/17"})),
        ("legacy", json!({"cidr": "10.244.128.0/30", "blockSize": 30, "assignmentMode": "Manual"})),
        ("spare", json!({"cidr": "10.244.192.0/24", "assignmentMode": "Manual"})),
        ("six", json!({"cidr": "fd00:244::/112"})),
        ("legacy6", json!({"cidr": "fd00:245::/112", "assignmentMode": "Manual"})),
    ])
}

#[test]
fn both_families_are_chosen_by_themselves() {
    let (world, both) = (divided(), json!({"assign_ipv6": true}));
    let named = json!({ANNOTATION_V4: r#"["spare"]"#, ANNOTATION_V6: r#"["legacy6"]"#});
    let addresses = given(&world, "c1", &both, &named);
    assert!(addresses[0].starts_with("10.244.192.") && addresses[1].starts_with("fd00:245::"));
    let only_six = json!({ANNOTATION_V6: r#"["legacy6"]"#});
    let addresses = given(&world, "c2", &both, &only_six);
    assert!(addresses[0].starts_with("10.244.") && addresses[1].starts_with("fd00:245::"));
    assert!(!addresses[0].starts_with("10.244.192."), "{addresses:?}");
}

#[test]
fn a_list_of_pools_is_used_up_in_its_order() {
    let (world, ipam) = (divided(), json!({"exclude_edges": false}));
    let list = json!({ANNOTATION_V4: r#"["legacy", "spare"]"#});
    let mut pools = Vec::new();
    for container in ["c1", "c2", "c3", "c4", "c5", "c6"] {
        let ip = given(&world, container, &ipam, &list).remove(0);
        pools.push(if ip.starts_with("10.244.128.") { "legacy" } else { "spare" });
        assert!(ip.starts_with("10.244.128.") || ip.starts_with("10.244.192."), "{ip}");
    }
    assert_eq!(pools, ["legacy", "legacy", "legacy", "legacy", "spare", "spare"]);
}

/// `"[\"fin\"]"` in YAML or JSON is the text `["fin"]`, and so is `'["fin"]'` in YAML.
#[test]
fn quotes_may_be_escaped_as_the_how_to_has_them() {
    let cluster = Cluster::new();
    for (at, manifest) in [
        r#"{"metadata": {"name": "web", "namespace": "fin", "annotations": {"cni.projectcalico.org/ipv4pools": "[\"fin\"]"}}}"#,
        r#"{"metadata": {"name": "web", "namespace": "fin", "annotations": {"cni.projectcalico.org/ipv4pools": " [ \"fin\" ]\n"}}}"#,
    ]
    .into_iter()
    .enumerate()
    {
        cluster.api.pod("fin", "web", Reply::Text(200, manifest.to_owned()));
        assert!(first(&cluster.add(&format!("c{at}"))).starts_with(FIN), "{manifest}");
    }
    // Escaped once more it is no list, and says nothing but how to write it.
    let twice = json!({ANNOTATION_V4: r#"[\"fin\"]"#});
    cluster.api.pod("fin", "web", Reply::pod("fin", "web", &twice));
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    cluster.refused(&Call::new("ADD", "c9", &conf).pod("fin", "web"), 100, ANNOTATION_V4);
}

#[test]
fn a_default_pool_serves_pods_that_name_none() {
    let world = World::with_pools(&[("default", json!({"cidr": "10.244.0.0/16"}))]);
    for container in ["c1", "c2", "c3"] {
        let ip = given(&world, container, &json!({}), &json!({})).remove(0);
        assert!(ip.starts_with("10.244."), "{ip}");
    }
}

#[test]
fn several_pools_may_divide_the_pod_network() {
    let (world, ipam) = (divided(), json!({}));
    let plain = given(&world, "c1", &ipam, &json!({})).remove(0);
    let third: u8 = plain.split('.').nth(2).unwrap().parse().unwrap();
    assert!(plain.starts_with("10.244.") && third < 128, "{plain}");
    let named = given(&world, "c2", &ipam, &json!({ANNOTATION_V4: r#"["spare"]"#})).remove(0);
    assert!(named.starts_with("10.244.192."), "{named}");
}

#[test]
fn without_any_pool_there_is_no_address() {
    let world = World::with_pools(&[]);
    let answer =
        Call::new("ADD", "c1", &netconf(&world.path(), &json!({}))).pod("fin", "web").run();
    assert_eq!(answer.code(), Some(110), "{answer:?}");
    assert_eq!(world.taken().len(), 0);
}
