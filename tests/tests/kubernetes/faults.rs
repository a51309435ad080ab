//! Everything that the API can do instead of answering: never an address, always whose fault it is.

use std::time::{Duration, Instant};

use ipam_tests::kubernetes::{ApiServer, Reply};
use ipam_tests::plugin::Call;
use serde_json::{Value, json};

use super::{ANNOTATION_V4, ANY, Cluster, FIN, first};

const POD: &str = "/api/v1/namespaces/fin/pods/web";
const NAMESPACE: &str = "/api/v1/namespaces/fin";

fn pod() -> Value {
    json!({"metadata": {"name": "web", "namespace": "fin", "uid": "u"}})
}

/// What is answered, the code for it where the pod is asked for and where the namespace is, and words of the message.
fn faults() -> Vec<(Reply, u64, u64, &'static str)> {
    vec![
        (Reply::Status(401), 111, 111, "credentials"),
        (Reply::Status(403), 111, 111, "get "),
        (Reply::Status(404), 112, 111, "absent"),
        (Reply::Status(400), 111, 111, "400"),
        (Reply::Status(409), 11, 11, "409"),
        (Reply::Status(429), 11, 11, "429"),
        (Reply::Status(500), 11, 11, "500"),
        (Reply::Status(503), 11, 11, "503"),
        (Reply::Text(302, String::new()), 111, 111, "302"),
        (Reply::Text(200, "<html>".to_owned()), 11, 11, "no object"),
        (Reply::Text(200, String::new()), 11, 11, "no object"),
        (
            Reply::Text(200, r#"{"metadata":{"name":"db","namespace":"fin"}}"#.to_owned()),
            11,
            11,
            "fin/db",
        ),
        (Reply::Text(200, "[".repeat(5 << 20)), 11, 11, "length limit"),
        (Reply::Cut, 11, 11, "3 tries"),
    ]
}

#[test]
fn no_answer_but_the_right_one_gives_an_address() {
    for (reply, for_pod, for_namespace, says) in faults() {
        for (path, code) in [(POD, for_pod), (NAMESPACE, for_namespace)] {
            let cluster = Cluster::new();
            cluster.api.answer(path, [reply.clone()]);
            let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
            let call = Call::new("ADD", "c1", &conf).pod("fin", "web");
            let answer = cluster.refused(&call, code, says);
            let expected = if path == POD { "pod fin/web" } else { "namespace fin" };
            assert!(answer.message().contains(expected), "{:?}", answer.json);
        }
    }
}

#[test]
fn who_may_not_ask_is_told_what_the_role_lacks() {
    let cluster = Cluster::new();
    cluster.api.answer(NAMESPACE, [Reply::Status(403)]);
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    let call = Call::new("ADD", "c1", &conf).pod("fin", "web");
    cluster.refused(&call, 111, "its user needs a role that allows to get namespaces");
}

/// What passes by itself is asked for again, and what an answer then says counts.
#[test]
fn a_passing_fault_is_outlived() {
    let cluster = Cluster::new();
    let named = Reply::pod("fin", "web", &json!({ANNOTATION_V4: r#"["fin"]"#}));
    cluster.api.answer(POD, [Reply::Status(503), Reply::Cut, named]);
    assert!(first(&cluster.add("c1")).starts_with(FIN));
    assert_eq!(cluster.api.seen().iter().filter(|seen| seen.path == POD).count(), 3);
}

#[test]
fn silence_and_dripping_end_within_the_deadline() {
    for reply in [Reply::Silence, Reply::Drip(pod(), Duration::from_millis(300))] {
        let cluster = Cluster::new();
        cluster.api.answer(POD, [reply.clone()]);
        let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
        let began = Instant::now();
        cluster.refused(
            &Call::new("ADD", "c1", &conf).pod("fin", "web"),
            11,
            "no answer within 3s",
        );
        let took = began.elapsed().as_secs();
        assert!((8..=12).contains(&took), "{reply:?}: {took} s");
    }
    // A shorter time for the whole call is a shorter time for the API, too.
    let cluster = Cluster::new();
    cluster.api.answer(POD, [Reply::Silence]);
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({"timeout_ms": 1000}));
    let began = Instant::now();
    cluster.refused(&Call::new("ADD", "c1", &conf).pod("fin", "web"), 11, "pod fin/web");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn an_api_that_is_not_there_or_not_the_right_one_is_told() {
    let cluster = Cluster::new();
    let gone = {
        let api = ApiServer::start();
        let kubeconfig = std::fs::read(api.kubeconfig()).unwrap();
        drop(api);
        kubeconfig
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    // Its authority's certificate is gone with it, so ours stands in; the port stays closed.
    let mut gone: Value = serde_json::from_slice(&gone).unwrap();
    gone["clusters"][0]["cluster"]["certificate-authority"] = json!(cluster.api.authority());
    std::fs::write(&path, gone.to_string()).unwrap();
    let call = |conf: &Value| Call::new("ADD", "c1", conf).pod("fin", "web");
    cluster.refused(&call(&cluster.conf(&path, &json!({}))), 11, "efused");

    let other = ApiServer::start();
    let mut kubeconfig: Value =
        serde_json::from_slice(&std::fs::read(cluster.api.kubeconfig()).unwrap()).unwrap();
    kubeconfig["clusters"][0]["cluster"]["certificate-authority"] = json!(other.authority());
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    cluster.refused(&call(&cluster.conf(&path, &json!({}))), 11, "certificate");
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_told() {
    let cluster = Cluster::new();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let exec =
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/true"}});
    let rows = [
        (folder.path().join("absent"), 111, "cannot be read"),
        (write("no-yaml", "{[}"), 7, "cannot be understood"),
        (write("empty", ""), 7, "cannot be understood"),
        (write("no-context", "apiVersion: v1\nkind: Config\n"), 7, "current context"),
        (cluster.api.kubeconfig_of("exec", &exec), 7, "a program (exec)"),
        (
            cluster.api.kubeconfig_of("no-token", &json!({"tokenFile": "/absent/token"})),
            111,
            "/absent/token",
        ),
        (
            cluster.api.kubeconfig_of(
                "no-key",
                &json!({"client-certificate": "/absent/crt", "client-key": "/absent/key"}),
            ),
            111,
            "/absent/",
        ),
        (
            cluster.api.kubeconfig_of("stranger", &json!({"token": "another"})),
            111,
            "renew the credentials",
        ),
    ];
    for (path, code, says) in rows {
        let conf = cluster.conf(&path, &json!({}));
        let answer = cluster.refused(&Call::new("ADD", "c1", &conf).pod("fin", "web"), code, says);
        assert!(!answer.stderr.contains("another"), "a token in the log: {}", answer.stderr);
    }
    for (ipam, says) in [
        (json!({"kubernetes": "x"}), "kubernetes must be an object"),
        (json!({"kubernetes": {"kubeconfig": "relative"}}), "absolute path"),
        (json!({"kubernetes": {"kubeConfig": "/x"}}), "misspelt"),
        (json!({"annotations": "always"}), "\"required\""),
    ] {
        let conf = cluster.conf(&cluster.api.kubeconfig(), &ipam);
        cluster.refused(&Call::new("ADD", "c1", &conf).pod("fin", "web"), 7, says);
    }
}

/// A token that is renewed in its file counts from the next call on.
#[test]
fn a_renewed_token_is_read() {
    let cluster = Cluster::new();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let kubeconfig = cluster.api.kubeconfig_of("by-file", &json!({"tokenFile": token}));
    let conf = cluster.conf(&kubeconfig, &json!({}));
    let call = Call::new("ADD", "c1", &conf).pod("fin", "web");
    std::fs::write(&token, "an-old-token").unwrap();
    cluster.refused(&call, 111, "renew the credentials");
    std::fs::write(&token, cluster.api.token()).unwrap();
    assert!(first(&call.run()).starts_with(ANY));
}

/// A proxy that the environment of the runtime names is for its images.
#[test]
fn the_environments_proxy_is_not_used() {
    let cluster = Cluster::new();
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    let call =
        Call::new("ADD", "c1", &conf).pod("fin", "web").with("HTTPS_PROXY", "http://127.0.0.1:1");
    assert!(first(&call.run()).starts_with(ANY));
}
