//! Rows 28 to 31: an etcd that cannot be used. What is said of each fault, word by word, is in `etcd/faults.rs`.

use std::net::TcpListener;

use ipam_core::model::{ClusterInformation, ResourceKind, key};
use ipam_tests::etcd::{Options, User};
use ipam_tests::plugin::Call;
use ipam_tests::refusal::Refusal;
use serde_json::{Value, json};

use super::calls::{add, add_and_del, calico, conf, every_command, with_top};
use super::cluster::Cluster;
use super::row::{Case, Row};

/// A port that nobody listens at.
const CLOSED: &str = "http://127.0.0.1:1";
/// The same, where certificates count.
const ENCRYPTED: &str = "https://127.0.0.1:1";
const MISSING: &str = "/nowhere/x.pem";
const TIMEOUT_MS: u64 = 700;

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        28,
        "a certificate or key that is not there, or cannot be read",
        &[
            Case::refused(7, "etcd store ", |cluster| {
                let here = cluster.write("x.pem", "-----BEGIN CERTIFICATE-----");
                let files = [
                    json!({"etcd_ca_cert_file": MISSING}),
                    json!({"etcd_cert_file": MISSING, "etcd_key_file": here}),
                    json!({"etcd_cert_file": here, "etcd_key_file": MISSING}),
                ];
                let mut calls: Vec<Call> =
                    files.iter().flat_map(|files| with_files(cluster, files)).collect();
                let mut stock = calico_at(cluster, ENCRYPTED);
                stock["etcd_ca_cert_file"] = json!(MISSING);
                calls.extend(add_and_del(&stock));
                calls
            })
            .names(&["in /nowhere/x.pem cannot be read: check the path and its permissions"]),
            Case::refused(7, "etcd store ", |cluster| {
                with_files(cluster, &json!({"etcd_ca_cert_file": cluster.folder()}))
            })
            .names(&["cannot be read: check the path and its permissions"]),
        ],
    ),
    Row::new(
        29,
        "an etcd that refuses connections, or does not answer in time",
        &[
            Case::refused(11, "etcd store ", |cluster| {
                let fields = json!({"etcd_endpoints": CLOSED, "timeout_ms": TIMEOUT_MS});
                let mut calls = every_command(&conf(cluster, &fields));
                calls.extend(add_and_del(&calico_at(cluster, CLOSED)));
                calls
            })
            .names(&[CLOSED, "start etcd there"]),
            Case::told(silence),
        ],
    ),
    Row::new(30, "credentials that etcd does not accept", &[Case::told(wrong_password)]),
    Row::new(
        31,
        "a locked datastore",
        &[Case::refused(11, "the datastore is locked", |cluster| {
            vec![add(&conf(cluster, &json!({}))), add(&calico(cluster, &json!({})))]
        })
        .after(|cluster| {
            let key = key::resource(ResourceKind::ClusterInformation, ClusterInformation::NAME);
            let stored = cluster.world.contents().into_iter().find(|kv| kv.key == key).unwrap();
            let mut information = ClusterInformation::decode(&key, &stored.value).unwrap();
            information.spec.datastore_ready = Some(false);
            cluster.put(&key, information.encode());
        })
        .names(&["datastoreReady"])],
    ),
];

fn calico_at(cluster: &Cluster, endpoint: &str) -> Value {
    let conf = with_top(calico(cluster, &json!({})), "timeout_ms", Some(&json!(TIMEOUT_MS)));
    with_top(conf, "etcd_endpoints", Some(&json!(endpoint)))
}

fn with_files(cluster: &Cluster, files: &Value) -> Vec<Call> {
    let mut fields = json!({"etcd_endpoints": ENCRYPTED});
    fields.as_object_mut().unwrap().extend(files.as_object().unwrap().clone());
    every_command(&conf(cluster, &fields))
}

/// It takes connections, and never says a word.
fn silence(cluster: &Cluster) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let fields = json!({"etcd_endpoints": endpoint, "timeout_ms": TIMEOUT_MS});
    let mut calls = every_command(&conf(cluster, &fields));
    calls.extend(add_and_del(&calico_at(cluster, &endpoint)));
    all_refused(11, &[&endpoint, "did not answer within"], &calls);
}

fn wrong_password(cluster: &Cluster) {
    let server = Options::default().bcrypt_cost(4).start();
    server.enable_auth(&[User { name: "calico", password: Some("right"), prefix: "/" }]);
    let fields = json!({"etcd_username": "calico", "etcd_password": "wrong"});
    let file = cluster.write_as("config.json", &fields.to_string(), 0o600);
    let own = conf(cluster, &json!({"etcd_endpoints": server.endpoint(), "config_file": file}));
    let stock = |call: Call| call.with("ETCD_USERNAME", "calico").with("ETCD_PASSWORD", "wrong");
    let mut calls = every_command(&own);
    calls.extend(add_and_del(&calico_at(cluster, &server.endpoint())).into_iter().map(stock));
    all_refused(7, &["does not accept user \"calico\" with this password"], &calls);
    assert_eq!(server.ctl(&["get", "", "--prefix", "--keys-only"]).trim(), "");
}

fn all_refused(code: u64, names: &[&str], calls: &[Call]) {
    let refusal = Refusal { code, says: "etcd store ", names };
    for call in calls {
        assert_eq!(refusal.faults_of(call), [] as [String; 0]);
    }
}
