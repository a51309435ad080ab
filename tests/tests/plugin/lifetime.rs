//! What is stored with an address, and that no address is stored which nobody got.

use std::fs::File;
use std::process::Stdio;

use ipam_tests::plugin::{Call, annotated};
use serde_json::json;

use super::{ANNOTATION_V4, ANNOTATION_V6, add, conf, held, ips, world};

#[test]
fn an_address_tells_whose_it_is() {
    let world = world();
    let conf = annotated(conf(&world, &json!({})), &json!({ANNOTATION_V4: r#"["b"]"#}));
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web-0;K8S_POD_UID=u1;\
                K8S_POD_INFRA_CONTAINER_ID=c1;COLOUR=red";
    let answer = super::given(&Call::new("ADD", "c1", &conf).with("CNI_ARGS", args));
    let held = held(&world, "net.c1.eth0");
    assert_eq!(held.keys().cloned().collect::<Vec<_>>(), ips(&answer));
    for (attributes, source) in held.values().zip(["pod-annotation", "automatic"]) {
        let (writer, timestamp) = (&attributes["writer"], &attributes["timestamp"]);
        let expected = [
            ("container-id", "c1"),
            ("interface", "eth0"),
            ("namespace", "fin"),
            ("network", "net"),
            ("node", "n1"),
            ("pod", "web-0"),
            ("pod-uid", "u1"),
            ("pool-source", source),
            ("timestamp", timestamp),
            ("writer", writer),
        ];
        let attributes: Vec<(&str, &str)> =
            attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(attributes, expected);
        assert!(writer.starts_with("ringfence "), "{writer}");
        // As Go prints a time, which Calico's tools read back.
        let is_time = timestamp.starts_with("20") && timestamp.ends_with(" +0000 UTC");
        assert!(is_time && timestamp.as_bytes()[10] == b' ', "{timestamp}");
    }
}

#[test]
fn without_kubernetes_no_pod_is_recorded() {
    let world = world();
    let podman = Call::new("ADD", "c1", &conf(&world, &json!({})))
        .with("CNI_IFNAME", "e@1")
        .with("CNI_ARGS", "K8S_POD_NAME=web;K8S_POD_UID=u1");
    super::given(&podman);
    let held = held(&world, "net.c1.e%401");
    assert_eq!(held.len(), 2, "a name that a key should not have is encoded");
    for attributes in held.values() {
        for name in ["namespace", "pod", "pod-uid"] {
            assert_eq!(attributes.get(name), None, "{name}");
        }
        assert_eq!(attributes["interface"], "e@1");
    }
}

#[test]
fn both_families_or_neither() {
    let world = world();
    let before = world.contents();
    for (v4, v6) in [(r#"["a"]"#, r#"["nosuch"]"#), (r#"["nosuch"]"#, r#"["a6"]"#)] {
        let annotations = json!({ANNOTATION_V4: v4, ANNOTATION_V6: v6});
        let conf = annotated(conf(&world, &json!({})), &annotations);
        let answer = Call::new("ADD", "c1", &conf).run();
        assert_eq!(answer.code(), Some(101), "{answer:?}");
        assert_eq!(world.contents(), before, "revisions included");
    }
    let answer = add("c1", &conf(&world, &json!({})));
    assert_eq!(answer.addresses().len(), 2);
    assert_eq!(world.taken().len(), 2);
}

/// A runtime that has gone away never heard of the address, and may never ask for it to be given back.
#[test]
fn an_address_that_nobody_heard_of_is_given_back() {
    let world = world();
    let conf = conf(&world, &json!({}));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = File::options().write(true).open("/dev/full").unwrap();
    for (what, stdout) in [("closed", Stdio::from(writer)), ("full", Stdio::from(full))] {
        let call = Call::new("ADD", "c1", &conf).pod("fin", "web-0");
        let output = call.start(stdout).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(world.taken().is_empty(), "{what}");
        assert!(held(&world, "net.c1.eth0").is_empty(), "{what}");
        assert_eq!(world.findings(), [], "{what}");
    }
}

/// What a container held before is not taken from it because an answer got lost.
#[test]
fn a_lost_answer_takes_nothing_back_that_was_given_before() {
    let world = world();
    let conf = conf(&world, &json!({}));
    let given = ips(&add("c1", &conf));
    let before = world.contents();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let call = Call::new("ADD", "c1", &conf).pod("fin", "c1");
    let output = call.start(Stdio::from(full)).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(world.contents(), before);
    let held: Vec<String> = held(&world, "net.c1.eth0").into_keys().collect();
    assert_eq!(held, given);
}
