//! What the plugin needs to ask the Kubernetes API, and what only a pod can see.

use std::fs;

use serde_json::{Value, json};

use super::node::Node;

fn from(account: &std::path::Path) -> String {
    format!("--kubeconfig-from-service-account={}", account.display())
}

const SERVER: &str = "--kubernetes-server=https://api.example:6443";

#[test]
fn the_token_is_copied_and_named_by_the_kubeconfig() {
    let node = Node::fresh();
    let account = from(&node.put_account("first\n"));
    node.ok(&[&account, SERVER]);
    assert_eq!(
        node.listing()[2..],
        [
            "net.d/ringfence-ipam.d 700",
            "net.d/ringfence-ipam.d/config.json 600 {…}",
            "net.d/ringfence-ipam.d/installed.json 600 {…}",
            &format!("net.d/ringfence-ipam.d/kubeconfig 600 {}", node.text("kubeconfig").trim()),
            "net.d/ringfence-ipam.d/kubernetes-ca.crt 600 -----BEGIN CERTIFICATE-----",
            "net.d/ringfence-ipam.d/token 600 first",
        ]
    );
    assert_eq!(node.fields()["kubernetes"], json!({"kubeconfig": node.config("kubeconfig")}));
    let kubeconfig: Value = serde_saphyr::from_str(&node.text("kubeconfig")).unwrap();
    assert_eq!(
        kubeconfig,
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kubernetes", "cluster": {
                "server": "https://api.example:6443",
                "certificate-authority": node.config("kubernetes-ca.crt"),
            }}],
            "users": [{"name": "ringfence-ipam", "user": {"tokenFile": node.config("token")}}],
            "contexts": [{"name": "ringfence-ipam", "context": {
                "cluster": "kubernetes", "user": "ringfence-ipam",
            }}],
            "current-context": "ringfence-ipam",
        })
    );
    // Renewed, it is the only file that changes.
    node.put_account("second");
    let run = node.run(&[&account, SERVER]);
    assert!(
        run.stdout.contains("token  ") && run.stdout.matches("replaced").count() == 1,
        "{run:?}"
    );
    assert_eq!(node.text("token"), "second");
    assert!(!format!("{run:?}{}", node.text("installed.json")).contains("second"), "{run:?}");
    let told = node.fails(&[SERVER.split_once('=').unwrap().0, "https://x"], 2, "RF-E0801");
    assert!(told.contains("/var/run/secrets/"), "the pod's own is meant: {told}");
    node.fails(&[], 5, "RF-E0807");
    node.ok(&["--uninstall"]);
    assert_eq!(node.listing(), ["bin 755"]);
}

#[test]
fn a_pod_is_told_where_the_api_is() {
    for (host, port, server) in [
        ("10.96.0.1", Some("6443"), "https://10.96.0.1:6443"),
        ("10.96.0.1", None, "https://10.96.0.1:443"),
        ("fd00::1", Some("443"), "https://[fd00::1]:443"),
    ] {
        let node = Node::fresh();
        let account = from(&node.put_account("t"));
        let mut command = node.command(&[&account]);
        command.env("KUBERNETES_SERVICE_HOST", host);
        command.envs(port.map(|port| ("KUBERNETES_SERVICE_PORT", port)));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(node.text("kubeconfig").contains(&format!("server: \"{server}\"")), "{server}");
    }
}

#[test]
fn an_account_that_is_of_no_use_is_refused() {
    let node = Node::fresh();
    let account = node.put_account("t");
    node.fails(&[&from(&account)], 2, "RF-E0803");
    for server in ["http://api", "https://", "api.example", "https://a b"] {
        node.fails(&[&from(&account), &format!("--kubernetes-server={server}")], 2, "RF-E0101");
    }
    fs::write(account.join("token"), " \n").unwrap();
    let told = node.fails(&[&from(&account), SERVER], 2, "RF-E0802");
    assert!(told.contains("account/token is empty"), "{told}");
    fs::remove_file(account.join("token")).unwrap();
    node.fails(&[&from(&account), SERVER], 2, "RF-E0801");
    node.put_account("t");
    fs::remove_file(account.join("ca.crt")).unwrap();
    let told = node.fails(&[&from(&account), SERVER], 2, "RF-E0801");
    assert!(told.contains("ca.crt"), "{told}");
    node.fails(&["--kubeconfig-from-service-account=account", SERVER], 2, "RF-E0101");
}

/// The paths of a pod are not those of its node.
#[test]
fn certificates_of_a_pod_are_copied() {
    let node = Node::fresh();
    let path = |name: &str| node.machine.path(name).to_str().unwrap().to_owned();
    for name in ["ca", "cert", "key"] {
        fs::write(path(name), format!("-----BEGIN {name}")).unwrap();
    }
    let args = [
        "--store=etcd".to_owned(),
        "--etcd-endpoints=https://a".to_owned(),
        format!("--etcd-cacert={}", path("ca")),
        format!("--etcd-cert={}", path("cert")),
        format!("--etcd-key={}", path("key")),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut command = node.command(&args);
    command.env("KUBERNETES_SERVICE_HOST", "10.96.0.1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let fields = node.fields();
    for (field, name, holds) in [
        ("etcd_ca_cert_file", "etcd-ca.crt", "ca"),
        ("etcd_cert_file", "etcd.crt", "cert"),
        ("etcd_key_file", "etcd.key", "key"),
    ] {
        assert_eq!(fields[field], json!(node.config(name)), "{fields}");
        assert_eq!(node.text(name), format!("-----BEGIN {holds}"));
        let line = format!("ringfence-ipam.d/{name} 600 -----BEGIN {holds}");
        assert!(node.listing().iter().any(|found| found.ends_with(&line)), "{name}");
    }
    // Elsewhere they stay where they are, and may be renewed there.
    let node = Node::fresh();
    node.ok(&args);
    assert_eq!(node.fields()["etcd_key_file"], json!(path("key")));
    fs::remove_file(path("key")).unwrap();
    let mut command = Node::fresh().command(&args);
    let output = command.env("KUBERNETES_SERVICE_HOST", "10.96.0.1").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("[RF-E0801]"));
}
