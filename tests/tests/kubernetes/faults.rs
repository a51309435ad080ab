//! Everything that the API can do instead of answering: never an address, always whose fault it is.

use std::time::{Duration, Instant};

use ipam_tests::kubernetes::{ApiServer, Reply};
use ipam_tests::plugin::Call;
use serde_json::{Value, json};

use super::{ANNOTATION_V4, Cluster, FIN, first};

const POD: &str = "/api/v1/namespaces/fin/pods/web";
const NAMESPACE: &str = "/api/v1/namespaces/fin";

fn pod() -> Value {
    json!({"metadata": {"name": "web", "namespace": "fin", "uid": "u"}})
}

/// The two kinds of servers that there are.
fn apis() -> [ApiServer; 2] {
    [ApiServer::start(), ApiServer::start_old()]
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
        let cases = [(POD, for_pod), (NAMESPACE, for_namespace)];
        for ((path, code), api) in cases.iter().flat_map(|case| apis().map(|api| (*case, api))) {
            let cluster = Cluster::with(api);
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
    for api in apis() {
        let cluster = Cluster::with(api);
        let named = Reply::pod("fin", "web", &json!({ANNOTATION_V4: r#"["fin"]"#}));
        cluster.api.answer(POD, [Reply::Status(503), Reply::Cut, named]);
        assert!(first(&cluster.add("c1")).starts_with(FIN));
        assert_eq!(cluster.api.seen().iter().filter(|seen| seen.path == POD).count(), 3);
    }
}

/// Where the API speaks HTTP/2, both objects cost one handshake; where it does not, it is asked for them at the same time.
#[test]
fn both_questions_share_a_connection_where_they_can() {
    for (api, connections) in apis().into_iter().zip([1, 2]) {
        let cluster = Cluster::with(api);
        assert!(cluster.add("c1").success);
        assert_eq!(cluster.api.seen().len(), 2);
        assert_eq!(cluster.api.connections(), connections);
    }
}

#[test]
fn silence_and_dripping_end_within_the_deadline() {
    let replies = [Reply::Silence, Reply::Drip(pod(), Duration::from_millis(300))];
    std::thread::scope(|scope| {
        for (reply, api) in replies.iter().flat_map(|reply| apis().map(|api| (reply, api))) {
            scope.spawn(move || ends_in_time(reply, api));
        }
    });
    // A shorter time for the whole call is a shorter time for the API, too.
    let cluster = Cluster::new();
    cluster.api.answer(POD, [Reply::Silence]);
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({"timeout_ms": 1000}));
    let began = Instant::now();
    cluster.refused(&Call::new("ADD", "c1", &conf).pod("fin", "web"), 11, "pod fin/web");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

fn ends_in_time(reply: &Reply, api: ApiServer) {
    let cluster = Cluster::with(api);
    cluster.api.answer(POD, [reply.clone()]);
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    let began = Instant::now();
    cluster.refused(&Call::new("ADD", "c1", &conf).pod("fin", "web"), 11, "no answer within 3s");
    let took = began.elapsed().as_secs();
    assert!((8..=12).contains(&took), "{reply:?}: {took} s");
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
