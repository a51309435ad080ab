//! What `calico-ipam` accepts is accepted, and what it cannot know holds all the same.

use std::fs::OpenOptions;

use ipam_core::model::Binding;
use ipam_core::plan::Bind;
use ipam_tests::kubernetes::{ApiServer, Reply};
use ipam_tests::plugin::Call;
use ipam_tests::world::pool;
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

/// Its labels are not asked for, and nothing of it is stored, as stock has it; but what an admin bound, holds.
#[test]
fn a_binding_holds_for_a_pod_without_a_name() {
    let node = Node::with_pools(&[("p", json!({"cidr": "10.10.0.0/24"})), legacy()]);
    bind(&node, "required");
    for (container, args) in [
        ("c1", "IgnoreUnknown=1;K8S_POD_NAMESPACE=fin"),
        ("c2", "IgnoreUnknown=1;K8S_POD_NAMESPACE=fin;K8S_POD_NAME="),
    ] {
        let call = Call::new("ADD", container, &node.calico(&json!({}))).with("CNI_ARGS", args);
        let answer = call.run();
        assert!(answer.addresses()[0].starts_with("10.20.0."), "{args}: {:?}", answer.json);
    }
    let other = Call::new("ADD", "c3", &node.calico(&json!({"ipv4_pools": ["p"]})));
    let answer = other.with("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=fin").run();
    assert_eq!(answer.code(), Some(104), "{:?}", answer.json);
}

/// The main plugin hands down what the pod's annotation says, and that beats a default.
#[test]
fn pools_that_are_handed_down_beat_a_default_binding() {
    let node = Node::with_pools(&[("p", json!({"cidr": "10.10.0.0/24"})), legacy()]);
    bind(&node, "default");
    for (container, ipam, network) in [
        ("c1", json!({"ipv4_pools": ["p"]}), "10.10.0."),
        ("c2", json!({}), "10.20.0."),
        ("c3", json!({"ipv4_pools": []}), "10.20.0."),
    ] {
        let answer = add(&node, container, &ipam).run();
        assert!(answer.addresses()[0].starts_with(network), "{ipam}: {:?}", answer.json);
    }
}

fn legacy() -> (&'static str, Value) {
    ("legacy", json!({"cidr": "10.20.0.0/24"}))
}

fn bind(node: &Node, mode: &str) {
    let binding = json!({"mode": mode, "ipv4Pools": ["legacy"]});
    let binding: Binding = serde_json::from_value(binding).unwrap();
    node.world.drive(&Bind { tenant: "fin".to_owned(), binding }).unwrap();
}

/// An exclusive pool is for bound namespaces, whoever asks and however.
#[test]
fn an_exclusive_pool_is_closed_below_the_main_plugin() {
    let node = Node::new();
    node.world.apply(pool(
        "legacy-fin",
        json!({"cidr": "10.20.0.0/24", "blockSize": 28}),
        Some(true),
    ));
    let before = node.world.contents();
    let named = add(&node, "c1", &json!({"ipv4_pools": ["legacy-fin"]})).run();
    assert_eq!(named.code(), Some(104), "{:?}", named.json);
    for pod in ["K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web;", ""] {
        let args = format!("IgnoreUnknown=1;{pod}IP=10.20.0.77");
        let by_address = add(&node, "c2", &json!({})).with("CNI_ARGS", args).run();
        assert_eq!(by_address.code(), Some(104), "{:?}", by_address.json);
    }
    assert_eq!(node.world.contents(), before);
    let binding: Binding =
        serde_json::from_value(json!({"mode": "required", "ipv4Pools": ["legacy-fin"]})).unwrap();
    node.world.drive(&Bind { tenant: "fin".to_owned(), binding }).unwrap();
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web;IP=10.20.0.77";
    let bound = add(&node, "c3", &json!({})).with("CNI_ARGS", args).run();
    assert!(bound.success, "{:?}", bound.json);
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

/// As stock Calico does, the labels of the namespace are asked for where a kubeconfig is configured, or `policy` says so.
#[test]
fn a_namespace_selector_sees_the_labels_that_the_api_shows() {
    let selective = json!({
        "cidr": "10.20.0.0/24",
        "allowedUses": ["Workload"],
        "namespaceSelector": "!has(tenant)",
    });
    let (node, api) = (Node::with_pools(&[("selective", selective)]), ApiServer::start());
    let plain = node.calico(&json!({}));
    let mut by_kubeconfig = plain.clone();
    by_kubeconfig["kubernetes"] = json!({"kubeconfig": api.kubeconfig()});
    let mut by_policy = plain.clone();
    by_policy["policy"] = json!({
        "type": "k8s", "k8s_api_root": api.url(), "k8s_auth_token": api.token(),
        "k8s_certificate_authority": api.authority(),
    });
    let mut nowhere = plain.clone();
    nowhere["policy"] = json!({"type": "k8s"});
    let add =
        |container: &str, conf: &Value| Call::new("ADD", container, conf).pod("fin", "web").run();

    assert!(add("c1", &plain).success, "a namespace without labels");
    for (at, conf) in [&by_kubeconfig, &by_policy].into_iter().enumerate() {
        api.namespace("fin", Reply::namespace("fin", &json!({}), &json!({"tenant": "x"})));
        let other = add("c2", conf);
        assert_eq!(other.code(), Some(110), "{:?}", other.json);
        assert!(other.message().contains("cannot find a qualified ippool"), "{:?}", other.json);
        api.namespace("fin", Reply::namespace("fin", &json!({}), &json!({})));
        assert!(add(&format!("d{at}"), conf).success, "the labels are gone");
        api.namespace("fin", Reply::Status(403));
        assert_eq!(add("c2", conf).code(), Some(111), "no answer, no address");
        let by_name = Call::new("ADD", &format!("e{at}"), conf).with(
            "CNI_ARGS",
            format!(
                "IgnoreUnknown=1;IP=10.20.0.{};K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web",
                200 + at
            ),
        );
        assert!(by_name.run().success, "an address by name asks nobody");
    }
    assert_eq!(add("c3", &nowhere).code(), Some(7), "nobody says where the API is");
}
