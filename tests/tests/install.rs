//! The plugin as `ringfence install-cni` puts it on a node.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ipam_tests::binaries::binary;
use ipam_tests::plugin::Call;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A node: folders for plugins and networks, and a store.
struct Node {
    folder: TempDir,
}

impl Node {
    fn fresh() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Prepares a run of the command line, below another program if there is one.
    fn ringfence(&self, below: &[&str], args: &[&str]) -> Command {
        let program = binary("ringfence");
        let mut words = below.iter().map(ToString::to_string).collect::<Vec<_>>();
        words.push(program.to_str().unwrap().to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(args);
        command.env("RINGFENCE_STORE", format!("embedded:{}", self.path("store.db").display()));
        command
    }

    fn install(&self, below: &[&str], more: &[&str]) -> Output {
        let (bin, config) = (self.path("bin"), self.path("config"));
        let args = ["install-cni", "--bin-dir", text(&bin), "--config-dir", text(&config)];
        self.ringfence(below, &args.iter().chain(more).copied().collect::<Vec<_>>())
            .output()
            .unwrap()
    }

    /// Returns what a main plugin of some type hands to a plugin that is told its store by a file.
    fn netconf(&self, main: &str) -> Value {
        json!({
            "cniVersion": "1.0.0",
            "name": "net",
            "nodename": "n1",
            "type": main,
            "ipam": {"type": "ringfence-ipam", "config_file": self.path("config/config.json")},
        })
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_installed_plugin_finds_its_store_below_any_main_plugin() {
    let node = Node::fresh();
    let made = node.ringfence(&[], &["pool", "create", "a", "10.20.0.0/24"]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    // Calico's main plugin has its node in the store.
    let manifest = "{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: n1}, spec: {}}";
    fs::write(node.path("node.yaml"), manifest).unwrap();
    let path = node.path("node.yaml");
    let applied = node.ringfence(&[], &["apply", "-f", text(&path)]).output().unwrap();
    assert!(applied.status.success(), "{applied:?}");
    let account = node.path("account");
    fs::create_dir(&account).unwrap();
    for name in ["token", "ca.crt"] {
        fs::write(account.join(name), name).unwrap();
    }
    let more = [
        "--replace-calico-ipam",
        "--kubernetes-server=https://api.example",
        "--kubeconfig-from-service-account",
        text(&account),
    ];
    let installed = node.install(&[], &more);
    assert!(installed.status.success(), "{installed:?}");
    for (name, main) in [("ringfence-ipam", "bridge"), ("calico-ipam", "calico")] {
        let call = |command, container| {
            let call = Call::new(command, container, &node.netconf(main));
            call.through(node.path("bin").join(name))
        };
        let given = call("ADD", name).run();
        assert!(given.success && given.addresses().len() == 1, "{name}: {given:?}");
        assert!(given.addresses()[0].starts_with("10.20.0."), "{given:?}");
        let ended = call("DEL", name).run();
        assert!(ended.success, "{name}: {ended:?}");
    }
    let removed = node.install(&[], &["--uninstall"]);
    assert!(removed.status.success(), "{removed:?}");
    assert_eq!(fs::read_dir(node.path("bin")).unwrap().count(), 0);
    assert!(!node.path("config").exists());
}

/// As the manifest of `deploy/` runs it.
#[test]
fn root_without_any_capability_can_install_and_uninstall() {
    const POWERLESS: [&str; 4] =
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"];
    let node = Node::fresh();
    let calico = node.path("bin/calico-ipam");
    fs::create_dir(node.path("bin")).unwrap();
    fs::write(&calico, "stock").unwrap();
    // With this bit on, the kernel is strict about who gives a file a further name.
    fs::set_permissions(&calico, Permissions::from_mode(0o4755)).unwrap();
    let mut powers = Command::new(POWERLESS[0]);
    let powers = powers.args(&POWERLESS[1..]).args(["cat", "/proc/self/status"]).output().unwrap();
    let powers = String::from_utf8(powers.stdout).unwrap();
    assert!(powers.contains("CapEff:\t0000000000000000"), "{powers}");
    let installed = node.install(&POWERLESS, &["--replace-calico-ipam"]);
    assert!(installed.status.success(), "{installed:?}");
    assert_eq!(fs::read(&calico).unwrap(), fs::read(binary("ringfence-ipam")).unwrap());
    let removed = node.install(&POWERLESS, &["--uninstall"]);
    assert!(removed.status.success(), "{removed:?}");
    assert_eq!(fs::read(&calico).unwrap(), b"stock");
}
