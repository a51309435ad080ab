//! Putting the plugin on a node and taking it away again.

mod account;
mod calico;
mod node;
mod refusals;
mod watch;

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use super::story::rows;
use node::{Node, OLD_PLUGIN, PLUGIN};

#[test]
fn everything_is_put_in_its_place_and_a_second_run_changes_nothing() {
    let node = Node::fresh();
    let told = node.ok(&[]);
    let (config, plugin) = (node.config("config.json"), node.bin("ringfence-ipam"));
    let row = |path: &std::path::Path, result: &str| format!("{} {result}", path.display());
    assert_eq!(
        rows(&told)[1..],
        [row(&config, "created"), row(&plugin, "created")],
        "what names nothing comes first"
    );
    assert_eq!(
        node.listing(),
        [
            "bin 755",
            "bin/ringfence-ipam 755 the plugin",
            "net.d/ringfence-ipam.d 700",
            "net.d/ringfence-ipam.d/config.json 600 {…}",
            "net.d/ringfence-ipam.d/installed.json 600 {…}",
        ]
    );
    let store = node.machine.path("store.db");
    assert_eq!(node.fields(), json!({"datastore_type": "embedded", "datastore_path": store}));
    let before = node.inodes();
    let again = node.run(&[]);
    assert_eq!(again.code, 0);
    assert_eq!(rows(&again.stdout)[1..], [row(&config, "unchanged"), row(&plugin, "unchanged")]);
    assert_eq!(again.stderr, "nothing had to be changed\n");
    assert_eq!(node.inodes(), before);
    node.ok(&["--uninstall"]);
    assert_eq!(node.listing(), ["bin 755"]);
    let nothing = node.run(&["--uninstall"]);
    assert_eq!((nothing.code, nothing.stderr.as_str()), (0, "nothing is installed\n"));
}

#[test]
fn a_dry_run_tells_and_does_nothing() {
    let node = Node::fresh();
    let (config, plugin) = (node.config("config.json"), node.bin("ringfence-ipam"));
    let told = node.ok(&["--dry-run"]);
    let would = format!("{} would be created", plugin.display());
    assert!(rows(&told).contains(&would), "{told}");
    assert_eq!(node.listing(), Vec::<String>::new());
    let (code, report) = node.json(&["--dry-run"]);
    assert_eq!((code, &report["kind"]), (0, &json!("InstallationList")));
    let item = |path, result, dry: bool| json!({"path": path, "result": result, "dryRun": dry});
    assert_eq!(
        report["items"],
        json!([item(&config, "created", true), item(&plugin, "created", true)])
    );
    let (_, report) = node.json(&[]);
    assert_eq!(report["items"][1], item(&plugin, "created", false));
    let installed = node.inodes();
    let (_, report) = node.json(&["--uninstall", "--dry-run"]);
    assert_eq!(report["items"][0], item(&plugin, "removed", true));
    assert_eq!(node.inodes(), installed);
    // What stands against it is told just the same.
    fs::write(&plugin, "changed").unwrap();
    node.fails(&["--uninstall", "--dry-run"], 5, "RF-E0805");
}

#[test]
fn a_newer_plugin_and_other_settings_replace_the_older_ones() {
    let node = Node::fresh();
    fs::write(node.machine.path("plugin"), OLD_PLUGIN).unwrap();
    node.ok(&[]);
    fs::write(node.machine.path("plugin"), PLUGIN).unwrap();
    let told = node.ok(&["--etcd-endpoints", "http://a", "--store", "etcd"]);
    assert!(told.lines().skip(1).all(|line| line.ends_with("replaced")), "{told}");
    assert_eq!(fs::read(node.bin("ringfence-ipam")).unwrap(), PLUGIN);
    assert_eq!(
        node.fields(),
        json!({"datastore_type": "etcdv3", "etcd_endpoints": "http://a"}),
        "the embedded store's path says nothing about etcd"
    );
}

/// What is not as it was put there is put right: contents, permissions, a link in its place.
#[test]
fn what_was_changed_since_is_put_right() {
    let node = Node::fresh();
    node.ok(&[]);
    let right = node.listing();
    let (plugin, config) = (node.bin("ringfence-ipam"), node.config("config.json"));
    let precious = node.machine.path("precious");
    fs::write(&precious, "precious").unwrap();
    let spoil: [&dyn Fn(); 6] = [
        &|| fs::write(&plugin, "spoilt").unwrap(),
        &|| fs::remove_file(&plugin).unwrap(),
        &|| node::set_mode(&config, 0o644),
        &|| node::set_mode(&plugin, 0o777),
        &|| std::os::unix::fs::chown(&config, Some(65534), None).unwrap(),
        &|| {
            fs::remove_file(&config).unwrap();
            std::os::unix::fs::symlink(&precious, &config).unwrap();
        },
    ];
    for (at, spoil) in spoil.iter().enumerate() {
        spoil();
        let told = node.ok(&[]);
        let put_right = if at == 1 { "created" } else { "replaced" };
        assert_eq!(told.matches(put_right).count(), 1, "{at}: {told}");
        assert_eq!(node.listing(), right, "{at}");
        assert_eq!(fs::metadata(&config).unwrap().uid(), 0, "{at}");
    }
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert_eq!(node.run(&[]).stderr, "nothing had to be changed\n");
}

#[test]
fn a_store_that_nobody_names_is_not_guessed() {
    let node = Node::fresh();
    let mut command = node.command(&["-o", "json"]);
    let output = command.env_remove("RINGFENCE_STORE").output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["warnings"][0]["code"], "RF-W0801", "{report}");
    assert_eq!(node.fields(), json!({}));
}

#[test]
fn secrets_go_into_the_file_and_are_never_shown() {
    let node = Node::fresh();
    fs::write(node.machine.path("password"), "hush\n").unwrap();
    let password = node.machine.path("password");
    let args = [
        "--store=etcd",
        "--etcd-endpoints=https://a",
        "--etcd-user=u",
        "--etcd-password-file",
        password.to_str().unwrap(),
        "--etcd-cacert=/pki/ca.pem",
        "-vv",
    ];
    let run = node.run(&args);
    assert!(run.code == 0 && !format!("{run:?}").contains("hush"), "{run:?}");
    assert_eq!(
        node.fields(),
        json!({
            "datastore_type": "etcdv3",
            "etcd_endpoints": "https://a",
            "etcd_username": "u",
            "etcd_password": "hush",
            "etcd_ca_cert_file": "/pki/ca.pem",
        })
    );
    assert!(!node.text("installed.json").contains("hush"));
    // The plugin would not find it.
    node.fails(
        &["--store=etcd", "--etcd-endpoints=https://a", "--etcd-cacert=ca.pem"],
        2,
        "RF-E0110",
    );
}
