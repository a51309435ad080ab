//! Whether the pod in the API is the pod that the runtime speaks of.

use ipam_tests::kubernetes::Reply;
use ipam_tests::plugin::{Call, annotated};
use serde_json::{Value, json};

use super::{ANNOTATION_V4, ANY, Cluster, HR, first};

fn call(conf: &Value, arguments: &str) -> Call {
    Call::new("ADD", "c1", conf).with("CNI_ARGS", format!("IgnoreUnknown=1;{arguments}"))
}

const WEB: &str = "K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web";

#[test]
fn another_pod_of_the_same_name_does_not_count() {
    let cluster = Cluster::new();
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    cluster.refused(&call(&conf, &format!("{WEB};K8S_POD_UID=uid-old")), 112, "uid-old");
    assert!(first(&call(&conf, &format!("{WEB};K8S_POD_UID=uid-web")).run()).starts_with(ANY));
}

/// A static pod is known to the runtime by the hash of its configuration, which its mirror carries.
#[test]
fn a_static_pod_is_known_by_its_hash() {
    let cluster = Cluster::new();
    let annotations = json!({"kubernetes.io/config.hash": "hash", ANNOTATION_V4: r#"["hr"]"#});
    cluster.api.pod("fin", "web", Reply::pod("fin", "web", &annotations));
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    cluster.refused(&call(&conf, &format!("{WEB};K8S_POD_UID=other")), 112, "other");
    assert!(first(&call(&conf, &format!("{WEB};K8S_POD_UID=hash")).run()).starts_with(HR));
}

/// Its mirror may not exist yet; what the runtime passes is enough then.
#[test]
fn a_static_pod_without_its_mirror_needs_the_runtimes_word() {
    let cluster = Cluster::new();
    cluster.api.pod("fin", "web", Reply::Status(404));
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    let static_pod = format!("{WEB};K8S_POD_UID=hash");
    cluster.refused(&call(&conf, &static_pod), 112, "capability io.kubernetes.cri.pod-annotations");
    let told = annotated(conf.clone(), &json!({ANNOTATION_V4: r#"["hr"]"#}));
    assert!(first(&call(&told, &static_pod).run()).starts_with(HR));
}

#[test]
fn half_an_identity_is_refused_and_none_is_not_asked_about() {
    let cluster = Cluster::new();
    let with_api = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    let required = cluster.conf(&cluster.api.kubeconfig(), &json!({"annotations": "required"}));
    let alone = ipam_tests::plugin::netconf(&cluster.world.path(), &json!({}));
    let required_alone =
        ipam_tests::plugin::netconf(&cluster.world.path(), &json!({"annotations": "required"}));
    cluster.refused(&call(&with_api, "K8S_POD_NAME=web"), 4, "K8S_POD_NAMESPACE");
    cluster.refused(&call(&required_alone, "K8S_POD_NAME=web"), 4, "K8S_POD_NAMESPACE");
    cluster.refused(&call(&with_api, "K8S_POD_NAMESPACE=fin;K8S_POD_NAME=../x"), 4, "../x");
    cluster.refused(&call(&required_alone, WEB), 7, "annotations is \"required\"");
    assert!(cluster.api.seen().is_empty(), "{:?}", cluster.api.seen());
    // What podman and Nomad run is none of Kubernetes'.
    for (at, (conf, arguments)) in
        [(&alone, "K8S_POD_NAME=web"), (&with_api, ""), (&required, "")].into_iter().enumerate()
    {
        let call = call(conf, arguments).with("CNI_CONTAINERID", format!("c{at}"));
        assert!(first(&call.run()).starts_with(ANY), "{arguments}");
    }
    assert!(cluster.api.seen().is_empty());
}
