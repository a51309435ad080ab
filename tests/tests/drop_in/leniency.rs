//! What `calico-ipam` accepts is accepted, and what it cannot know holds all the same.

use std::fs::OpenOptions;

use ipam_tests::plugin::Call;
use serde_json::{Value, json};

use super::Node;

fn add(node: &Node, container: &str, ipam: &Value) -> Call {
    Call::new("ADD", container, &node.calico(ipam)).pod("fin", "web")
}

#[test]
fn what_calico_ipam_passes_over_says_nothing() {
    let node = Node::new();
    let answer = add(&node, "c1", &json!({"ipv4_pools": null, "colour": "red"})).run();
    assert!(answer.success, "{:?}", answer.json);
    assert!(answer.addresses()[0].starts_with("10."), "{:?}", answer.json);
}

#[test]
fn half_an_identity_is_none() {
    let node = Node::new();
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=fin;Ipv4_Pools=x";
    let call = Call::new("ADD", "c1", &node.calico(&json!({}))).with("CNI_ARGS", args);
    let answer = call.run();
    assert!(answer.success, "{:?}", answer.json);
    let hostile = "K8S_POD_NAMESPACE=../x;K8S_POD_NAME=web";
    let call = Call::new("ADD", "c2", &node.calico(&json!({}))).with("CNI_ARGS", hostile);
    assert_eq!(call.run().code(), Some(4));
}

#[test]
fn a_variable_with_calicos_prefix_beats_the_configuration() {
    let node = Node::new();
    let call = add(&node, "c1", &json!({})).with("CALICO_ETCD_ENDPOINTS", "http://127.0.0.1:1");
    let mut conf = node.calico(&json!({}));
    conf["timeout_ms"] = json!(300);
    let answer = call.raw(conf.to_string()).run();
    assert_eq!(answer.code(), Some(11), "{:?}", answer.json);
    let weaker = add(&node, "c1", &json!({})).with("ETCD_ENDPOINTS", "http://127.0.0.1:1").run();
    assert!(weaker.success, "{:?}", weaker.json);
}

#[test]
fn what_is_undone_is_what_this_call_has_taken() {
    let node = Node::new();
    let first = add(&node, "c1", &json!({})).run();
    assert!(first.success, "{:?}", first.json);
    let taken = node.world.taken();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = add(&node, "c1", &json!({})).start(full.into());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(node.world.taken(), taken, "the first address is still held");
}

/// `calico-ipam` would ask the Kubernetes API for the labels of the namespace; what it would learn is not known here.
#[test]
fn a_namespace_selector_matches_nobody_whose_labels_are_not_known() {
    let selective = json!({
        "cidr": "10.20.0.0/24",
        "allowedUses": ["Workload"],
        "namespaceSelector": "!has(tenant)",
    });
    let node = Node::with_pools(&[("selective", selective)]);
    let mut conf = node.calico(&json!({}));
    let without = Call::new("ADD", "c1", &conf).pod("fin", "web").run();
    assert!(without.success, "a namespace without labels: {:?}", without.json);
    conf["kubernetes"] = json!({"kubeconfig": "/etc/cni/net.d/calico-kubeconfig"});
    let with = Call::new("ADD", "c2", &conf).pod("fin", "web").run();
    assert_eq!(with.code(), Some(110), "{:?}", with.json);
    assert!(with.message().contains("cannot find a qualified ippool"), "{:?}", with.json);
}
