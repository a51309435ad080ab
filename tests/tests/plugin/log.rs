//! What is written down of a call, where, and what never is.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ipam_tests::etcd::{EtcdWorld, Pki};
use ipam_tests::kubernetes::{ApiServer, Reply};
use ipam_tests::plugin::{Answer, Call, annotated};
use serde_json::{Value, json};

use super::{ANNOTATION_V4, add, conf, del, world};

fn logging(conf: &Value, path: &Path, level: &str) -> Value {
    let mut conf = conf.clone();
    conf["ipam"]["log_level"] = json!(level);
    conf["ipam"]["log_file_path"] = json!(path);
    conf
}

#[test]
fn a_file_tells_who_had_which_address_and_how_long_it_took() {
    let (world, folder) = (world(), tempfile::tempdir().unwrap());
    let path = folder.path().join("deep/ipam.log");
    let conf = logging(&conf(&world, &json!({})), &path, "info");
    let ip = super::ips(&add("c1", &conf))[0].clone();
    del("c1", &conf);
    let refused =
        Call::new("ADD", "c2", &annotated(conf.clone(), &json!({ANNOTATION_V4: "[\u{1b}"})));
    let refused = refused.pod("fin", "c2").run();
    assert_eq!(refused.code(), Some(100));

    let log = fs::read_to_string(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let line = |words: &[&str]| {
        let found = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
        found.unwrap_or_else(|| panic!("no line with {words:?} in {log}"))
    };
    line(&[
        "AUDIT assigned",
        &ip,
        "pool=\"a\"",
        "because=\"",
        "network=\"net\"",
        "handle=\"net.c1.eth0\"",
    ]);
    line(&["AUDIT released", &ip, "container=\"c1\""]);
    line(&[
        "ADD done",
        "container=\"c1\"",
        "namespace=\"fin\"",
        "code=0",
        "store_ms=",
        "lock_ms=",
        "total_ms=",
    ]);
    line(&["DEL done", "container=\"c1\"", "code=0"]);
    line(&["ADD refused: annotation", "container=\"c2\"", "code=100"]);
    assert!(refused.stderr.contains("ADD refused"), "stderr tells the same: {}", refused.stderr);
    assert!(!log.contains('\u{1b}'), "control characters are escaped");
}

#[test]
fn a_file_that_cannot_be_written_keeps_no_pod_waiting() {
    let (world, folder) = (world(), tempfile::tempdir().unwrap());
    let conf = conf(&world, &json!({}));
    for (container, path) in [("c1", folder.path()), ("c2", Path::new("/proc/ipam.log"))] {
        let added = add(container, &logging(&conf, path, "info"));
        assert!(added.stderr.contains("log_file_path cannot be written"), "{}", added.stderr);
        assert!(added.stderr.contains("AUDIT assigned"), "{}", added.stderr);
    }
    for (field, value) in [("log_file_path", json!("relative")), ("log_file_max_size", json!("a"))]
    {
        let mut conf = logging(&conf, &folder.path().join("ipam.log"), "info");
        conf["ipam"][field] = value;
        let answer = Call::new("ADD", "c3", &conf).pod("fin", "c3").run();
        assert_eq!(answer.code(), Some(7), "{answer:?}");
    }
}

/// Passwords, keys and tokens, wherever they were planted: neither a log at its loudest nor an error may show them.
#[test]
fn no_secret_is_ever_written() {
    const SECRETS: [&str; 4] =
        ["planted-password", "planted-token", "planted-argument", "PLANTEDKEY"];
    let world = EtcdWorld::with_pools(&[("p", json!({"cidr": "10.20.0.0/24"}))]);
    let (api, folder) = (ApiServer::start(), tempfile::tempdir().unwrap());
    api.namespace("fin", Reply::namespace("fin", &json!({}), &json!({})));
    let log = folder.path().join("ipam.log");
    let kubeconfig = api.kubeconfig_of("planted", &json!({"token": "planted-token"}));
    let pki = Pki::new();
    let certificate = fs::read_to_string(&pki.client("me").certificate).unwrap();
    let authority = fs::read_to_string(pki.authority()).unwrap();
    let key = "-----BEGIN PRIVATE KEY-----\nPLANTEDKEY\n-----END PRIVATE KEY-----\n";
    let files = Cell::new(0);
    let with_file = |fields: Value, ipam: Value| {
        let file = folder.path().join(format!("config-{}.json", files.replace(files.get() + 1)));
        fs::write(&file, fields.to_string()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut conf = logging(&world.netconf(&ipam), &log, "debug");
        conf["ipam"]["config_file"] = json!(file);
        conf
    };
    let login = json!({"etcd_username": "root", "etcd_password": "planted-password"});
    let inline = json!({"etcd_cert": certificate, "etcd_key": key, "etcd_ca_cert": authority});
    let confs = [
        with_file(login.clone(), json!({})),
        with_file(login, json!({"kubernetes": {"kubeconfig": kubeconfig}})),
        with_file(inline, json!({"etcd_endpoints": "https://127.0.0.1:1"})),
        with_file(json!({}), json!({"etcd_password": "planted-password"})),
        with_file(
            json!({}),
            json!({"kubernetes": {"kubeconfig": api.kubeconfig_of("by-name", &json!({
                "username": "me", "password": "planted-password",
            }))}}),
        ),
    ];
    let broken = [
        "users:\n- name: it\n  user:\n    token: planted-token\n    exec: 7\n",
        "users:\n- name: it\n  user:\n    token: [planted-token]\n",
        "users: planted-token\n",
        "current-context: [\nusers: {token: planted-token",
    ];
    let kubeconfigs = broken.iter().enumerate().map(|(at, text)| {
        let path = folder.path().join(format!("broken-{at}"));
        fs::write(&path, text).unwrap();
        with_file(json!({}), json!({"kubernetes": {"kubeconfig": path}}))
    });
    let confs: Vec<Value> = confs.into_iter().chain(kubeconfigs).collect();
    let mut shown = String::new();
    for conf in &confs {
        for command in ["ADD", "CHECK", "DEL", "GC", "STATUS"] {
            let mut conf = conf.clone();
            conf["cniVersion"] = json!("1.1.0");
            conf["prevResult"] = json!({"ips": []});
            let args =
                "IgnoreUnknown=1;K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web;SECRET=planted-argument";
            let answer: Answer = Call::new(command, "c1", &conf).with("CNI_ARGS", args).run();
            shown.push_str(&answer.stderr);
            shown.push_str(&answer.json.to_string());
        }
    }
    shown.push_str(&fs::read_to_string(&log).unwrap());
    for used in ["401", "refused", "no kubeconfig in YAML"] {
        assert!(shown.contains(used), "they were used: {shown}");
    }
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
}
