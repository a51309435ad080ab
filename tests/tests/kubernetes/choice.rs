//! Which pool the annotations choose, and when they are read.

use std::time::{Duration, Instant};

use ipam_core::model::BindingMode;
use ipam_tests::kubernetes::Reply;
use ipam_tests::plugin::{Call, annotated};
use serde_json::json;

use super::{ANNOTATION_V4, ANY, Cluster, FIN, HR, first};

#[test]
fn the_pods_annotation_beats_its_namespaces() {
    let cluster = Cluster::new();
    assert!(first(&cluster.add("c1")).starts_with(ANY), "nobody names a pool");

    let fin = json!({ANNOTATION_V4: r#"["fin"]"#});
    cluster.api.namespace("fin", Reply::namespace("fin", &fin, &json!({})));
    assert!(first(&cluster.add("c2")).starts_with(FIN), "the namespace names one");

    cluster.api.pod("fin", "web", Reply::pod("fin", "web", &json!({ANNOTATION_V4: "[\"hr\"]"})));
    assert!(first(&cluster.add("c3")).starts_with(HR), "the pod names another");

    let empty = json!({ANNOTATION_V4: ""});
    cluster.api.pod("fin", "web", Reply::pod("fin", "web", &empty));
    assert!(first(&cluster.add("c4")).starts_with(FIN), "an empty annotation says nothing");
}

#[test]
fn both_are_asked_for_once_and_at_the_same_time() {
    let cluster = Cluster::new();
    let pause = Duration::from_millis(700);
    let (pod, namespace) =
        (Reply::pod("fin", "web", &json!({})), Reply::namespace("fin", &json!({}), &json!({})));
    cluster.api.pod("fin", "web", pod.late(pause));
    cluster.api.namespace("fin", namespace.late(pause));
    let began = Instant::now();
    first(&cluster.add("c1"));
    let took = began.elapsed().as_millis();
    assert!((700..1400).contains(&took), "one after the other: {took} ms");
    let mut seen: Vec<String> = cluster.api.seen().into_iter().map(|seen| seen.path).collect();
    seen.sort();
    assert_eq!(seen, ["/api/v1/namespaces/fin", "/api/v1/namespaces/fin/pods/web"]);
}

/// What the runtime passes is the pod's own, at no cost; only the namespace is asked for.
#[test]
fn what_the_runtime_passes_is_not_asked_for() {
    let cluster = Cluster::new();
    cluster.api.pod("fin", "web", Reply::Status(500));
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    for (container, annotations, expected) in [
        ("c1", json!({ANNOTATION_V4: r#"["hr"]"#}), HR),
        ("c2", json!({}), ANY),
        ("c3", json!(null), ANY),
    ] {
        let call =
            Call::new("ADD", container, &annotated(conf.clone(), &annotations)).pod("fin", "web");
        assert!(first(&call.run()).starts_with(expected), "{container}");
    }
    assert_eq!(cluster.api.seen().len(), 3, "{:?}", cluster.api.seen());
}

#[test]
fn an_annotation_counts_at_creation_only() {
    let cluster = Cluster::new();
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    let call = |command| Call::new(command, "c1", &conf).pod("fin", "web");
    let added = call("ADD").run();
    let ip = first(&added);
    assert!(ip.starts_with(ANY));

    cluster.api.pod("fin", "web", Reply::pod("fin", "web", &json!({ANNOTATION_V4: r#"["fin"]"#})));
    let checked = ipam_tests::plugin::with_prev_result(conf.clone(), &added.json);
    let check = Call::new("CHECK", "c1", &checked).pod("fin", "web").run();
    assert!(check.success, "{:?}", check.json);
    assert_eq!(cluster.world.taken().len(), 1, "what it has, it keeps");

    cluster.api.namespace("fin", Reply::Silence);
    let del = call("DEL").run();
    assert!(del.success, "DEL asks nobody: {:?}", del.json);
    assert_eq!(cluster.world.taken().len(), 0);
}

#[test]
fn families_may_be_named_by_the_namespace() {
    let cluster = Cluster::new();
    cluster.world.pool("six", json!({"cidr": "fd00:30::/120"}), None);
    let six = json!({"cni.projectcalico.org/ipFamilies": r#"["IPv6"]"#});
    cluster.api.namespace("fin", Reply::namespace("fin", &six, &json!({})));
    assert!(first(&cluster.add("c1")).starts_with("fd00:30::"));
    let four = json!({"cni.projectcalico.org/ipFamilies": r#"["IPv4"]"#});
    cluster.api.pod("fin", "web", Reply::pod("fin", "web", &four));
    assert!(first(&cluster.add("c2")).starts_with(ANY), "the pod's beats its namespace's");
    let none = json!({"cni.projectcalico.org/ipFamilies": r#"["IPv5"]"#});
    cluster.api.namespace("fin", Reply::namespace("fin", &none, &json!({})));
    assert!(first(&cluster.add("c3")).starts_with(ANY), "what is replaced is not judged");
    cluster.api.pod("fin", "web", Reply::pod("fin", "web", &json!({})));
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    let call = Call::new("ADD", "c4", &conf).pod("fin", "web");
    cluster.refused(&call, 100, "ipFamilies of the namespace");
}

/// A binding that is required holds whatever the annotations say; one that is a default gives way.
#[test]
fn a_binding_is_stronger_than_annotations_where_it_is_required() {
    let cluster = Cluster::new();
    let hr = json!({ANNOTATION_V4: r#"["hr"]"#});
    cluster.api.namespace("fin", Reply::namespace("fin", &hr, &json!({})));
    cluster.bind("fin", BindingMode::Default);
    assert!(first(&cluster.add("c1")).starts_with(HR), "the annotation wins against a default");
    cluster.bind("fin", BindingMode::Required);
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    cluster.refused(&Call::new("ADD", "c2", &conf).pod("fin", "web"), 104, "hr");
}

#[test]
fn annotations_can_be_switched_off() {
    let cluster = Cluster::new();
    cluster.api.namespace("fin", Reply::Silence);
    let off = cluster.conf(&cluster.api.kubeconfig(), &json!({"annotations": "off"}));
    let off = annotated(off, &json!({ANNOTATION_V4: r#"["hr"]"#}));
    assert!(first(&Call::new("ADD", "c1", &off).pod("fin", "web").run()).starts_with(ANY));
    assert!(cluster.api.seen().is_empty());
}
