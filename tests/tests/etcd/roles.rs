//! The roles of `docs/etcd-roles.md`, made by the very commands that the page prints.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use ipam_tests::binaries::binary;
use ipam_tests::etcd::{Etcd, Identity, Options, Pki};
use ipam_tests::plugin::{Answer, Call, with_prev_result};
use ipam_tests::source::root;
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSWORD: &str = "our-xyzzy";
const ROLES: &str = "## Roles";
const WITH_PASSWORDS: &str = "## Users with passwords";
const OF_CERTIFICATES: &str = "## Users of certificates";

/// An etcd that holds pools and addresses, and has the users of the page.
struct World {
    etcd: Etcd,
    pki: Option<Pki>,
    folder: TempDir,
}

impl World {
    /// Lets users log in with passwords.
    fn with_passwords() -> Self {
        Self::new(Options::default().bcrypt_cost(4).start(), None, WITH_PASSWORDS)
    }

    /// Lets users show certificates.
    fn of_certificates() -> Self {
        let pki = Pki::new();
        Self::new(Options::default().tls(&pki).start(), Some(pki), OF_CERTIFICATES)
    }

    fn new(etcd: Etcd, pki: Option<Pki>, users: &str) -> Self {
        let world = Self { etcd, pki, folder: tempfile::tempdir().unwrap() };
        for user in ["viewer", "node"] {
            fs::write(world.path(&format!("{user}.password")), PASSWORD).unwrap();
        }
        fs::write(world.path("pools.yaml"), MANIFEST).unwrap();
        world.fill();
        world.etcd.enable_auth(&[]);
        for block in blocks(ROLES).iter().chain(&blocks(users)) {
            world.sh(block);
        }
        world
    }

    /// Makes pools with blocks of four addresses, as root, and gives one address.
    fn fill(&self) {
        for line in [
            "pool create p 10.0.0.0/29 --block-size 30",
            "pool create spare 10.9.0.0/24",
            "namespace bind fin --ipv4pools p",
        ] {
            let output = self.ringfence("root", line);
            assert!(output.status.success(), "{line}: {output:?}");
        }
        let answer = self.add("root", "n0", "held");
        assert!(answer.success, "{answer:?}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs commands of etcdctl as root, as they are.
    fn sh(&self, commands: &str) {
        let mut command = Command::new("sh");
        command.args(["-euc", commands]).current_dir(self.folder.path());
        command.env("ETCDCTL_API", "3").env("ETCDCTL_ENDPOINTS", self.etcd.endpoint());
        match &self.pki {
            None => command.env("ETCDCTL_USER", "root:rootpw"),
            Some(pki) => {
                let Identity { certificate, key } = pki.client("root");
                command.env("ETCDCTL_CACERT", pki.authority());
                command.env("ETCDCTL_CERT", certificate).env("ETCDCTL_KEY", key)
            }
        };
        let output = command.output().unwrap();
        assert!(output.status.success(), "{commands}: {output:?}");
    }

    /// Runs a command line of `ringfence` as a user.
    fn ringfence(&self, user: &str, line: &str) -> Output {
        let mut command = Command::new(binary("ringfence"));
        command.env_clear().args(line.split(' ')).current_dir(self.folder.path());
        command.env("ETCD_ENDPOINTS", self.etcd.endpoint());
        match &self.pki {
            None => {
                let password = if user == "root" { "rootpw" } else { PASSWORD };
                command.env("ETCD_USERNAME", user).env("ETCD_PASSWORD", password);
            }
            Some(pki) => {
                let Identity { certificate, key } = pki.client(user);
                command.env("ETCD_CA_CERT_FILE", pki.authority());
                command.env("ETCD_CERT_FILE", certificate).env("ETCD_KEY_FILE", key);
            }
        }
        command.output().unwrap()
    }

    fn netconf(&self, user: &str, node: &str) -> Value {
        let mut ipam = json!({
            "type": "ringfence-ipam",
            "datastore_type": "etcdv3",
            "etcd_endpoints": self.etcd.endpoint(),
            "nodename": node,
            "log_level": "error",
            "ipam_lock_file": self.path("ipam.lock"),
            "cache_folder": self.path(&format!("cache-{user}-{node}")),
        });
        match &self.pki {
            None => {
                ipam["config_file"] = json!(self.login_file(user));
            }
            Some(pki) => {
                let Identity { certificate, key } = pki.client(user);
                ipam["etcd_ca_cert_file"] = json!(pki.authority());
                ipam["etcd_cert_file"] = json!(certificate);
                ipam["etcd_key_file"] = json!(key);
            }
        }
        json!({"cniVersion": "1.0.0", "name": "net", "type": "bridge", "ipam": ipam})
    }

    fn login_file(&self, user: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let password = if user == "root" { "rootpw" } else { PASSWORD };
        let path = self.path(&format!("{user}.json"));
        let login = json!({"etcd_username": user, "etcd_password": password});
        fs::write(&path, login.to_string()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn call(&self, user: &str, node: &str, command: &str, container: &str) -> Call {
        Call::new(command, container, &self.netconf(user, node)).pod("fin", container)
    }

    fn add(&self, user: &str, node: &str, container: &str) -> Answer {
        self.call(user, node, "ADD", container).run()
    }

    fn del(&self, user: &str, node: &str, container: &str) -> Answer {
        self.call(user, node, "DEL", container).run()
    }

    /// Forgets all addresses but the one that is held at node n0.
    fn reset(&self) {
        for kind in ["assignment", "handle", "host"] {
            self.etcd.ctl(&["del", "--prefix", &format!("/calico/ipam/v2/{kind}/")]);
        }
        for entry in fs::read_dir(self.folder.path()).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("cache-") {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        let answer = self.add("root", "n0", "held");
        assert!(answer.success, "{answer:?}");
    }

    /// Lets every block look as though it had been claimed long ago.
    fn age_claims(&self) {
        let prefix = "/calico/ipam/v2/assignment/ipv4/block/";
        let keys = self.etcd.ctl(&["get", "--prefix", "--keys-only", prefix]);
        for key in keys.lines().filter(|line| !line.is_empty()) {
            let value = self.etcd.ctl(&["get", "--print-value-only", key]);
            let mut block: Value = serde_json::from_str(&value).unwrap();
            block.as_object_mut().unwrap().remove("affinity_claim_time").unwrap();
            self.etcd.ctl(&["put", key, &block.to_string()]);
        }
    }

    /// Returns whose blocks there are.
    fn owners(&self) -> Vec<String> {
        let keys = ["get", "--prefix", "--keys-only", "/calico/ipam/v2/host/"];
        let keys = self.etcd.ctl(&keys);
        keys.lines().filter_map(|key| key.split('/').nth(5)).map(str::to_owned).collect()
    }

    /// Returns everything that is stored, with revisions.
    fn contents(&self) -> String {
        let all = self.etcd.ctl(&["get", "", "--prefix", "--write-out=json"]);
        let mut all: Value = serde_json::from_str(&all).unwrap();
        all["kvs"].take().to_string()
    }
}

fn page() -> String {
    fs::read_to_string(root().join("docs/etcd-roles.md")).unwrap()
}

/// Returns the commands that stand under a heading of the page.
fn blocks(heading: &str) -> Vec<String> {
    let page = page();
    let section = page.split(&format!("\n{heading}\n")).nth(1).expect(heading);
    let section = section.split("\n## ").next().unwrap();
    let fenced = section.split("```").skip(1).step_by(2);
    fenced.filter_map(|block| block.strip_prefix("sh\n")).map(str::to_owned).collect()
}

/// Takes addresses of a block of its own and of another's, looks at one, and gives all back. Says what fails first.
fn take_and_give_back(world: &World) -> Result<(), String> {
    let containers = ["a", "b", "c", "d"];
    let mut result = Value::Null;
    // A block has three addresses that may be given, so the last one is borrowed.
    for container in containers {
        result = judged("ADD", world.add("node", "n1", container))?;
    }
    let mut check = world.call("node", "n1", "CHECK", "d");
    check.stdin = with_prev_result(world.netconf("node", "n1"), &result).to_string().into();
    judged("CHECK", check.run())?;
    for container in containers {
        judged("DEL", world.del("node", "n1", container))?;
    }
    Ok(())
}

/// Takes the block that lies idle at another node.
fn take_a_block_back(world: &World) -> Result<(), String> {
    for (node, command) in [("n2", "ADD"), ("n2", "DEL")] {
        let answer = world.call("root", node, command, "idle").run();
        assert!(answer.success, "{answer:?}");
    }
    world.age_claims();
    judged("ADD", world.add("node", "n1", "back"))?;
    assert_eq!(world.owners(), ["n0", "n1"]);
    Ok(())
}

/// Returns the result of a call, or what it complained of.
fn judged(command: &str, answer: Answer) -> Result<Value, String> {
    if answer.success {
        return Ok(answer.json);
    }
    let details = answer.json["details"].as_str().unwrap_or_default().to_owned();
    Err(format!("{command}: {} ({details})", answer.message()))
}

#[test]
fn a_viewer_sees_everything_and_changes_nothing() {
    for world in [World::with_passwords(), World::of_certificates()] {
        let before = world.contents();
        for line in READING {
            let output = world.ringfence("viewer", line);
            assert!(output.status.success(), "{line}: {output:?}");
        }
        let who =
            if world.pki.is_none() { "user \"viewer\"" } else { "the user of our certificate" };
        for (line, task) in WRITING {
            let output = world.ringfence("viewer", line);
            assert_eq!(output.status.code(), Some(4), "{line}: {output:?}");
            let text = String::from_utf8_lossy(&output.stderr).replace(&world.etcd.endpoint(), "E");
            let error = &text[text.find("error:").unwrap()..];
            let expected = format!(
                "error: cannot {task} [RF-E0205]\n  why: etcd store E denies access: E does not permit this to {who}: give its role what docs/etcd-roles.md lists\n  how: run it under a name that may use the store\n"
            );
            assert_eq!(error, expected, "{line}");
        }
        if world.pki.is_none() {
            let told = format!(
                "denies access: https://etcd-1.example:2379 does not permit this to {who}: give its role what docs/etcd-roles.md lists"
            );
            assert!(page().contains(&told));
        }
        assert_eq!(world.contents(), before);
    }
}

/// Every command that changes nothing.
const READING: [&str; 17] = [
    "pool list",
    "pool get p",
    "namespace list",
    "ips",
    "usage",
    "explain --namespace fin --node n1 --ipv4",
    "explain 10.0.0.1",
    "who 10.0.0.1",
    "who fin/held",
    "check",
    "export plain p",
    "export nft p",
    "config view",
    "migrate etcd embedded:copy.db",
    "version",
    "completion bash",
    "help",
];

/// Every command that changes something, and how its task is called.
const WRITING: [(&str, &str); 7] = [
    ("pool create q 10.2.0.0/24", "create pool q"),
    ("pool delete spare", "delete pool spare"),
    ("apply -f pools.yaml", "apply pools.yaml"),
    ("namespace bind red --ipv4pools p", "bind namespace red"),
    ("namespace unbind fin", "unbind namespace fin"),
    ("release --ip 10.0.0.1 --yes", "release addresses"),
    ("release --pod fin/held --yes", "release addresses"),
];
const MANIFEST: &str = r#"{"apiVersion": "projectcalico.org/v3", "kind": "IPPool", "metadata": {"name": "q"},
    "spec": {"cidr": "10.2.0.0/24"}}"#;

/// Every command that asks no store, so that no role matters to it.
const WITHOUT_STORE: [&str; 1] = ["install-cni"];

/// A command that is new has its place in one of the lists.
#[test]
fn every_command_reads_or_writes() {
    let world = World::with_passwords();
    let help = world.ringfence("viewer", "help");
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let lines = READING.into_iter().chain(WRITING.map(|(line, _)| line)).chain(WITHOUT_STORE);
    let known: Vec<&str> = lines.filter_map(|line| line.split(' ').next()).collect();
    // What a command does may take several lines; its name stands at the beginning.
    let names = commands.lines().filter_map(|line| line.strip_prefix("  "));
    for command in names.filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()) {
        assert!(known.contains(&command), "{command}");
    }
}

/// Runs all that a node does from the beginning.
fn everything(world: &World) -> Result<(), String> {
    world.reset();
    take_and_give_back(world)?;
    world.reset();
    take_a_block_back(world)
}

#[test]
fn a_node_does_all_that_it_must() {
    for world in [World::with_passwords(), World::of_certificates()] {
        everything(&world).unwrap();
    }
}

#[test]
fn a_node_needs_every_permission() {
    let world = World::with_passwords();
    let role = &blocks(ROLES)[1];
    let grants: Vec<&str> = role.lines().filter(|line| line.contains("grant-permission")).collect();
    assert_eq!(grants.len(), 9);
    for grant in grants {
        let revoke =
            grant.replace("grant", "revoke").replace(" readwrite ", " ").replace(" read ", " ");
        world.sh(&revoke);
        assert_not_permitted(&world, grant);
        if grant.contains("readwrite") {
            world.sh(&grant.replace("readwrite", "read"));
            assert_not_permitted(&world, &format!("to write, {grant}"));
        }
        world.sh(grant);
    }
    everything(&world).unwrap();
}

fn assert_not_permitted(world: &World, missing: &str) {
    let refused = everything(world).expect_err(missing);
    assert!(refused.contains("does not permit this"), "{missing}: {refused}");
}

#[test]
fn a_node_that_may_write_its_own_claims_only_takes_no_block_back() {
    let world = World::with_passwords();
    let narrow = |kind: &str| format!("etcdctl role {kind} --prefix=true ringfence-node");
    world.sh(&format!("{} /calico/ipam/v2/host/", narrow("revoke-permission")));
    world.sh(&format!("{} readwrite /calico/ipam/v2/host/n1/", narrow("grant-permission")));
    world.reset();
    take_and_give_back(&world).unwrap();
    world.reset();
    let refused = take_a_block_back(&world).unwrap_err().replace(&world.etcd.endpoint(), "E");
    assert_eq!(
        refused,
        "ADD: etcd store E denies access (E does not permit this to user \"node\": give its role what docs/etcd-roles.md lists)"
    );
    assert_eq!(world.owners(), ["n0", "n2"]);
}
