//! The real API server: what the stand-in is held to, and that the role which `deploy/` installs is exactly enough.
//!
//! Where its program is not here that is told, and nothing is shown: `make kube-test` builds it.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use ipam_tests::etcd::{EtcdWorld, Proxy};
use ipam_tests::kubernetes::{RealServer, kubeconfig};
use ipam_tests::plugin::{Answer, Call, annotated, with_prev_result};
use ipam_tests::replay::Recording;
use ipam_tests::source::root;
use ipam_tests::world::{self, Put};
use serde_json::{Value, json};

use super::{ANNOTATION_V4, ANY, FIN, HR, first};

const ANNOTATION_V6: &str = "cni.projectcalico.org/ipv6pools";
const ROLE: &str = "ClusterRole";
/// Where the account of `deploy/` lives, which is also its name.
const SYSTEM: &str = "kube-system";
const ACCOUNT: &str = "ringfence-node";
/// What anybody with the role may get, whether it exists or not.
const ANY_POD: &str = "/api/v1/namespaces/default/pods/any";
const ANY_NAMESPACE: &str = "/api/v1/namespaces/default";

/// A node of a real cluster: three pools, of which one is automatic, and a namespace of the test's own.
struct Node {
    api: &'static RealServer,
    world: EtcdWorld,
    namespace: &'static str,
}

impl Node {
    /// Makes a node where there is a server.
    fn with(namespace: &'static str, metadata: &Value) -> Option<Self> {
        let api = RealServer::here()?;
        let world = EtcdWorld::with_pools(&[
            ("any", json!({"cidr": "10.30.0.0/24"})),
            ("fin", json!({"cidr": "10.20.0.0/24", "assignmentMode": "Manual"})),
            ("hr", json!({"cidr": "10.20.1.0/24", "assignmentMode": "Manual"})),
        ]);
        let mut object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        object["metadata"]["name"] = json!(namespace);
        api.create(&object);
        Some(Self { api, world, namespace })
    }

    /// Makes a pod with annotations, and returns it.
    fn pod(&self, name: &str, annotations: &Value) -> Value {
        self.api.create(&json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace, "annotations": annotations},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
        }))
    }

    fn path_of(&self, pod: &str) -> String {
        format!("/api/v1/namespaces/{}/pods/{pod}", self.namespace)
    }

    /// Changes annotations or labels of an object.
    fn patch(&self, path: &str, metadata: &Value) {
        self.api.admin("PATCH", path, Some(&json!({ "metadata": metadata })));
    }

    /// Writes a kubeconfig for a server with a token.
    fn kubeconfig(&self, server: &str, token: &str) -> PathBuf {
        let path = self.world.folder().join("kubeconfig");
        let user = json!({ "token": token });
        fs::write(&path, kubeconfig(server, self.api.authority(), &user).to_string()).unwrap();
        path
    }

    /// Returns a configuration for whoever has a token.
    fn conf_of(&self, token: &str) -> Value {
        let kubeconfig = self.kubeconfig(&self.api.url(), token);
        self.world.netconf(&json!({"kubernetes": {"kubeconfig": kubeconfig}}))
    }

    /// Returns a configuration for the account of `deploy/`.
    fn conf(&self) -> Value {
        self.conf_of(&ACCOUNTS_TOKEN)
    }

    /// Prepares an ADD for a pod, whose container has its name.
    fn call(&self, conf: &Value, pod: &str) -> Call {
        Call::new("ADD", pod, conf).pod(self.namespace, pod)
    }

    /// Makes a pod, and gives it an address.
    fn given(&self, name: &str, annotations: &Value) -> String {
        self.pod(name, annotations);
        first(&self.call(&self.conf(), name).run())
    }

    /// Makes a call that must be refused, and sees that nothing was stored.
    fn refused(&self, call: &Call, code: u64, says: &str) -> Answer {
        let before = self.world.contents();
        let answer = call.run();
        assert_eq!(answer.code(), Some(code), "{says}: {:?} {}", answer.json, answer.stderr);
        let told = format!("{} {}", answer.message(), answer.json["details"]);
        assert!(told.contains(says), "{says}: {told}");
        assert_eq!(self.world.contents(), before, "{says}: the store has changed");
        answer
    }
}

/// The objects of `deploy/`.
fn manifest() -> Vec<Value> {
    let text = fs::read_to_string(root().join("deploy/ringfence-node.yaml")).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

fn resource(kind: &str) -> Value {
    manifest().into_iter().find(|object| object["kind"] == kind).unwrap()
}

/// Installs the account and the role of `deploy/` as they stand there, and returns a token of that account.
static ACCOUNTS_TOKEN: LazyLock<String> = LazyLock::new(|| {
    let api = RealServer::here().unwrap();
    for object in manifest().iter().filter(|object| object["kind"] != "DaemonSet") {
        api.create(object);
    }
    api.token_of(SYSTEM, ACCOUNT, ANY_POD)
});

/// Makes an account with a role of these rules, and returns its token once it may get something.
fn account_with(api: &RealServer, name: &str, rules: &Value, may_get: &str) -> String {
    let mut objects =
        ["ServiceAccount", ROLE, "ClusterRoleBinding"].map(|kind| (kind, resource(kind)));
    for (kind, object) in &mut objects {
        object["metadata"]["name"] = json!(name);
        match *kind {
            ROLE => object["rules"] = rules.clone(),
            "ClusterRoleBinding" => {
                object["roleRef"]["name"] = json!(name);
                object["subjects"][0]["name"] = json!(name);
            }
            _ => {}
        }
        api.create(object);
    }
    api.token_of(SYSTEM, name, may_get)
}

#[test]
fn the_pods_annotation_beats_its_namespaces() {
    let Some(node) = Node::with("choice", &json!({})) else { return };
    assert!(node.given("nobody", &json!({})).starts_with(ANY), "nobody names a pool");
    let pool = json!({ANNOTATION_V4: r#"["hr"]"#});
    assert!(node.given("pod", &pool).starts_with(HR), "the pod names one");

    let fin = json!({"annotations": {ANNOTATION_V4: r#"["fin"]"#}});
    node.patch("/api/v1/namespaces/choice", &fin);
    assert!(node.given("namespace", &json!({})).starts_with(FIN), "the namespace names one");
    assert!(node.given("both", &pool).starts_with(HR), "the pod's beats it");
    let empty = json!({ANNOTATION_V4: ""});
    assert!(node.given("empty", &empty).starts_with(FIN), "an empty annotation says nothing");
}

/// On its way every quote has a backslash before it, and Go writes `<`, `>` and `&` as `\u003c` and so on.
#[test]
fn what_is_escaped_on_its_way_means_what_was_written() {
    let Some(node) = Node::with("escapes", &json!({})) else { return };
    let beside = "\"\\\" <&> \u{fc} \u{1f980}\n\t\u{2028}";
    let list = json!({ANNOTATION_V4: "[\n \"fin\" ]", "note": beside});
    assert!(node.given("list", &list).starts_with(FIN));
    let address = json!({"cni.projectcalico.org/ipAddrs": r#"["10.30.0.77"]"#});
    assert!(node.given("address", &address).starts_with("10.30.0.77/"));

    node.pod("twice", &json!({ANNOTATION_V4: r#"[\"fin\"]"#}));
    node.refused(&node.call(&node.conf(), "twice"), 100, ANNOTATION_V4);
    node.pod("unknown", &json!({ANNOTATION_V4: r#"["<hr>"]"#}));
    node.refused(&node.call(&node.conf(), "unknown"), 101, "<hr>");
}

#[test]
fn both_families_are_chosen_each_by_its_annotation() {
    let annotations = json!({ANNOTATION_V4: r#"["fin"]"#, ANNOTATION_V6: r#"["six"]"#});
    let Some(node) = Node::with("families", &json!({ "annotations": annotations })) else { return };
    for (name, cidr) in [("six", "fd00:20::/120"), ("seven", "fd00:30::/120")] {
        let spec = json!({"cidr": cidr, "assignmentMode": "Manual"});
        node.world.apply(world::pool(name, spec, None));
    }
    let mut conf = node.conf();
    conf["ipam"]["assign_ipv6"] = json!(true);
    for (pod, annotations, expected) in [
        ("both", json!({}), [FIN, "fd00:20::"]),
        ("one", json!({ANNOTATION_V6: r#"["seven"]"#}), [FIN, "fd00:30::"]),
    ] {
        node.pod(pod, &annotations);
        let answer = node.call(&conf, pod).run();
        assert!(answer.success, "{:?}", answer.json);
        let addresses = answer.addresses();
        assert_eq!(addresses.len(), 2, "{addresses:?}");
        for (address, network) in addresses.iter().zip(expected) {
            assert!(address.starts_with(network), "{pod}: {addresses:?}");
        }
    }
}

#[test]
fn another_pod_of_the_same_name_does_not_count() {
    let Some(node) = Node::with("identity", &json!({})) else { return };
    let conf = node.conf();
    let call = |uid: &Value| {
        let arguments = "IgnoreUnknown=1;K8S_POD_NAMESPACE=identity;K8S_POD_NAME=web;K8S_POD_UID=";
        let uid = uid.as_str().unwrap();
        Call::new("ADD", "c1", &conf).with("CNI_ARGS", format!("{arguments}{uid}"))
    };
    let old = node.pod("web", &json!({}))["metadata"]["uid"].clone();
    node.refused(&call(&json!("0b8b1ad4-0000-4000-8000-000000000000")), 112, "made again");
    let at_once = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0});
    node.api.admin("DELETE", &node.path_of("web"), Some(&at_once));
    node.refused(&call(&old), 112, "pod identity/web is absent");
    let new = node.pod("web", &json!({}))["metadata"]["uid"].clone();
    node.refused(&call(&old), 112, new.as_str().unwrap());
    assert!(first(&call(&new).run()).starts_with(ANY));
}

#[test]
fn what_is_absent_is_told() {
    let Some(node) = Node::with("absent", &json!({})) else { return };
    let conf = node.conf();
    node.refused(&node.call(&conf, "web"), 112, "pod absent/web is absent");
    // What the runtime passes is the pod's own, so the namespace alone is asked for.
    let told = annotated(conf, &json!({}));
    let elsewhere = Call::new("ADD", "c1", &told).pod("no-such-namespace", "web");
    node.refused(&elsewhere, 111, "namespace no-such-namespace is absent");
}

/// Without any of what the role allows the pod is refused, and told what is missing.
#[test]
fn the_role_allows_nothing_that_is_not_needed() {
    let Some(node) = Node::with("role", &json!({})) else { return };
    assert!(node.given("web", &json!({})).starts_with(ANY), "the role is enough");
    let rules = resource(ROLE)["rules"].clone();
    let resources = rules[0]["resources"].as_array().unwrap();
    assert_eq!((rules.as_array().unwrap().len(), resources.len()), (1, 2), "{rules}");
    for (missing, may_get) in [("pods", ANY_NAMESPACE), ("namespaces", ANY_POD)] {
        let mut fewer = rules.clone();
        fewer[0]["resources"] =
            resources.iter().filter(|name| **name != missing).cloned().collect();
        let token = account_with(node.api, &format!("without-{missing}"), &fewer, may_get);
        let call = node.call(&node.conf_of(&token), "web").with("CNI_CONTAINERID", "c2");
        node.refused(&call, 111, &format!("its user needs a role that allows to get {missing}"));
    }
}

#[test]
fn the_account_may_do_nothing_else() {
    let Some(node) = Node::with("account", &json!({})) else { return };
    node.pod("web", &json!({}));
    let pod = node.path_of("web");
    let questions = [
        ("GET", "/api/v1/pods"),
        ("GET", "/api/v1/namespaces"),
        ("GET", "/api/v1/namespaces/account/pods"),
        ("GET", "/api/v1/nodes/n1"),
        ("GET", "/api/v1/namespaces/kube-system/secrets/any"),
        ("GET", "/api/v1/namespaces/account/configmaps/any"),
        ("POST", "/api/v1/namespaces/account/pods"),
        ("PATCH", pod.as_str()),
        ("DELETE", pod.as_str()),
        ("DELETE", "/api/v1/namespaces/account"),
        ("POST", "/api/v1/namespaces/kube-system/serviceaccounts/ringfence-node/token"),
    ];
    for (method, path) in questions {
        let object = (method != "GET").then(|| json!({"metadata": {"name": "web"}}));
        let (status, answer) = node.api.ask(&ACCOUNTS_TOKEN, method, path, object.as_ref());
        assert_eq!(status, 403, "{method} {path}: {answer}");
    }
    assert_eq!(node.api.ask(&ACCOUNTS_TOKEN, "GET", &pod, None).0, 200);
}

#[test]
fn who_is_unknown_or_has_no_role_is_refused() {
    let Some(node) = Node::with("stranger", &json!({})) else { return };
    node.pod("web", &json!({}));
    let call = |token: &str| node.call(&node.conf_of(token), "web");
    let answer = node.refused(&call("a-token-of-nobody"), 111, "renew the credentials");
    assert!(!answer.stderr.contains("a-token-of-nobody"), "a token in the log: {}", answer.stderr);

    // A page that everybody may read says that the account is known.
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "roleless", "namespace": SYSTEM}});
    node.api.create(&account);
    let token = node.api.token_of(SYSTEM, "roleless", "/version");
    let answer = node.refused(&call(&token), 111, "its user needs a role that allows to get ");
    let asked = answer.json["details"].as_str().unwrap();
    assert!(asked.contains("system:serviceaccount:kube-system:roleless"), "{asked}");
}

#[test]
fn an_annotation_counts_at_creation_only() {
    let Some(node) = Node::with("later", &json!({})) else { return };
    let conf = node.conf();
    node.pod("web", &json!({}));
    let added = node.call(&conf, "web").run();
    assert!(first(&added).starts_with(ANY));
    let fin = json!({"annotations": {ANNOTATION_V4: r#"["fin"]"#}});
    node.patch(&node.path_of("web"), &fin);
    node.patch("/api/v1/namespaces/later", &fin);
    let checked = with_prev_result(conf.clone(), &added.json);
    let check = Call::new("CHECK", "web", &checked).pod("later", "web").run();
    assert!(check.success, "{:?}", check.json);
    assert_eq!(node.world.taken().len(), 1, "what it has, it keeps");
    let del = Call::new("DEL", "web", &conf).pod("later", "web").run();
    assert!(del.success, "{:?}", del.json);
    assert!(node.world.taken().is_empty());
    assert!(first(&node.call(&conf, "web").run()).starts_with(FIN), "the next one reads it");
}

/// Makes a pool for namespaces with a label, and one for those without, in the place of the automatic one.
fn select_by_labels(node: &Node) {
    for (name, cidr, selector) in
        [("tenants", "10.40.0.0/24", "has(tenant)"), ("others", "10.41.0.0/24", "!has(tenant)")]
    {
        let spec =
            json!({"cidr": cidr, "allowedUses": ["Workload"], "namespaceSelector": selector});
        node.world.apply(world::pool(name, spec, None));
    }
    let any = json!({"cidr": "10.30.0.0/24", "disabled": true});
    node.world.apply(world::pool("any", any, None));
}

#[test]
fn a_pool_selects_namespaces_by_their_labels() {
    let labels = json!({"tenant": "fin"});
    let Some(node) = Node::with("labels", &json!({ "labels": labels })) else { return };
    select_by_labels(&node);
    assert!(node.given("with", &json!({})).starts_with("10.40.0."));
    node.patch("/api/v1/namespaces/labels", &json!({"labels": {"tenant": null}}));
    assert!(node.given("without", &json!({})).starts_with("10.41.0."));
}

#[test]
fn below_calicos_main_plugin_a_pool_selects_namespaces_by_their_labels() {
    let labels = json!({"tenant": "fin"});
    let Some(node) = Node::with("calico", &json!({ "labels": labels })) else { return };
    select_by_labels(&node);
    // There a node must be known.
    let recording = Recording::read("one-node").unwrap();
    for put in recording.steps[0].put.iter().filter(|put| put.key.ends_with("/nodes/n1")) {
        let put = Put { key: put.key.clone(), value: put.value.clone().into() };
        node.world.drive(&put).unwrap();
    }
    let conf = json!({
        "cniVersion": "0.3.1", "name": "k8s-pod-network", "type": "calico", "nodename": "n1",
        "datastore_type": "etcdv3", "etcd_endpoints": node.world.server().endpoint(),
        "kubernetes": {"kubeconfig": node.kubeconfig(&node.api.url(), &ACCOUNTS_TOKEN)},
        "ipam": {
            "type": "calico-ipam", "assign_ipv4": "true", "cache_folder": node.world.cache(),
            "ipam_lock_file": node.world.folder().join("lock"),
        },
    });
    let add = |pod: &str| first(&node.call(&conf, pod).run());
    assert!(add("with").starts_with("10.40.0."));
    node.patch("/api/v1/namespaces/calico", &json!({"labels": {"tenant": null}}));
    assert!(add("without").starts_with("10.41.0."));
}

/// Of a large pod the metadata alone comes.
#[test]
fn a_large_pod_costs_no_more_than_a_small_one() {
    let Some(node) = Node::with("large", &json!({})) else { return };
    let large = "x".repeat(400_000);
    node.api.create(&json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "large", "annotations": {ANNOTATION_V4: "[\"hr\"]"}},
        "spec": {"containers": [
            {"name": "c", "image": "i", "env": [{"name": "LARGE", "value": large}]},
        ]},
    }));
    let (_, whole) = node.api.ask(&ACCOUNTS_TOKEN, "GET", &node.path_of("web"), None);
    assert!(whole.to_string().len() > 400_000, "it is large");

    let proxy = Proxy::to(&node.api.url());
    let kubeconfig = node.kubeconfig(&proxy.endpoint(), &ACCOUNTS_TOKEN);
    let conf = node.world.netconf(&json!({"kubernetes": {"kubeconfig": kubeconfig}}));
    assert!(first(&node.call(&conf, "web").run()).starts_with(HR));
    let counts = proxy.counts();
    let range = 1_000..16_000;
    assert!(range.contains(&counts.bytes_to_client), "two handshakes, two answers: {counts:?}");
}

/// It is for Kubernetes 1.25 and later; what an older server says against it is about the one field that needs them.
#[test]
fn the_server_takes_the_manifest() {
    let Some(api) = RealServer::here() else { return };
    let path = "/apis/apps/v1/namespaces/kube-system/daemonsets?dryRun=All";
    let (status, answer) = api.ask(api.token(), "POST", path, Some(&resource("DaemonSet")));
    let causes = answer["details"]["causes"].as_array().cloned().unwrap_or_default();
    let fields: Vec<&Value> = causes.iter().map(|cause| &cause["field"]).collect();
    let is_too_old =
        status == 422 && fields == ["spec.updateStrategy.rollingUpdate.maxUnavailable"];
    assert!(status == 201 || is_too_old, "{status} {}", answer["message"]);
}
