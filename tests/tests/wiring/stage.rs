//! A machine of the test's own: network, mounts and processes that nobody else sees.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use ipam_tests::binaries::binary;
use ipam_tests::plugin::{Answer, Call, with_prev_result};
use serde_json::Value;

/// Tells the process that runs on the stage from the one that built it.
const INSIDE: &str = "RINGFENCE_TEST_ON_STAGE";
/// Where the distribution puts the CNI project's plugins.
const CNI_BIN_DIR: &str = "/usr/lib/cni";
/// How long a ping may take to be answered: IPv6 first makes sure that nobody else has the address.
const REACHED_MAX: Duration = Duration::from_secs(20);

/// Hides what the machine has below `/run`, where the namespaces get their names; the store lies there too.
const STAGE: &str = r#"
set -e
mount -t tmpfs tmpfs /run
mkdir /run/netns /run/store
ip link set lo up
exec "$0" "$@"
"#;

/// Plays a test, by its name, where it can change the network as it likes.
///
/// The test runs again as a process of its own in new namespaces. The kernel takes everything away with the last
/// process in them, however that ends.
pub(crate) fn on_a_stage(test: &str, play: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return play();
    }
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private", "--pid", "--mount-proc"])
        .args(["--fork", "--kill-child", "sh", "-c", STAGE])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .env("TMPDIR", "/run/store")
        .output()
        .expect("unshare of util-linux is installed");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        stdout.contains("running 1 test"),
        "{test} does not run in namespaces, which needs root: {stderr}"
    );
    assert!(output.status.success(), "{stdout}\n{stderr}");
}

/// A network namespace with a container's name, and how its runtime would configure it.
pub(crate) struct Pod {
    pub(crate) name: String,
    conf: Value,
    upper: PathBuf,
    netns: String,
}

impl Pod {
    pub(crate) fn new(name: &str, conf: &Value) -> Self {
        ip(&["netns", "add", name]);
        ip(&["-n", name, "link", "set", "lo", "up"]);
        let upper = upper_plugin(conf["type"].as_str().unwrap());
        Self {
            name: name.to_owned(),
            conf: conf.clone(),
            upper,
            netns: format!("/run/netns/{name}"),
        }
    }

    /// Makes a call through the upper plugin.
    pub(crate) fn call(&self, command: &str) -> Answer {
        self.call_with(command, &self.conf)
    }

    /// Asks whether all is as an earlier ADD answered.
    pub(crate) fn check(&self, result: &Value) -> Answer {
        self.call_with("CHECK", &with_prev_result(self.conf.clone(), result))
    }

    fn call_with(&self, command: &str, conf: &Value) -> Answer {
        let ours = binary("ringfence-ipam");
        let path = [ours.parent().unwrap(), self.upper.parent().unwrap()];
        let call = Call::new(command, &self.name, conf)
            .pod("fin", &self.name)
            .with("CNI_NETNS", &self.netns)
            .with("CNI_PATH", std::env::join_paths(path).unwrap());
        call.through(self.upper.clone()).run()
    }

    /// Takes the namespace away, as a crash of the machine does; the runtime knows no path any more.
    pub(crate) fn vanish(&mut self) {
        ip(&["netns", "del", &self.name]);
        self.netns.clear();
    }

    pub(crate) fn has_interface(&self) -> bool {
        let output = run(&["-n", &self.name, "link", "show", "eth0"]);
        output.status.success()
    }

    /// Returns the addresses of the interface that are not its link's alone, IPv4 first.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let text = ip(&["-n", &self.name, "-json", "address", "show", "eth0", "scope", "global"]);
        let links: Value = serde_json::from_str(&text).unwrap();
        let infos = links[0]["addr_info"].as_array().unwrap();
        // Addresses of another scope are listed as empty objects.
        let address =
            |info: &Value| Some(format!("{}/{}", info["local"].as_str()?, info["prefixlen"]));
        infos.iter().filter_map(address).collect()
    }

    /// Waits for an address to answer.
    pub(crate) fn reaches(&self, target: &str) -> bool {
        let start = Instant::now();
        while start.elapsed() < REACHED_MAX {
            if self.reaches_at_once(target) {
                return true;
            }
        }
        false
    }

    /// Says whether an address answers within a second.
    pub(crate) fn reaches_at_once(&self, target: &str) -> bool {
        let ping = ["netns", "exec", &self.name, "ping", "-c", "1", "-W", "1", "-q", target];
        run(&ping).status.success()
    }
}

/// Returns the path of a plugin of the CNI project.
fn upper_plugin(name: &str) -> PathBuf {
    let folder = std::env::var_os("CNI_BIN_DIR").unwrap_or_else(|| CNI_BIN_DIR.into());
    let path = PathBuf::from(folder).join(name);
    assert!(
        path.is_file(),
        "{} does not exist: `make test` installs the CNI plugins, CNI_BIN_DIR says where they are",
        path.display()
    );
    path
}

/// Runs `ip`, which must succeed, and returns what it prints.
fn ip(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = run(arguments);
    assert!(status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn run(arguments: &[&str]) -> Output {
    Command::new("ip").args(arguments).output().expect("ip of iproute2 is installed")
}
