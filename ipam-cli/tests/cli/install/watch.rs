//! A run that stays, as a DaemonSet has it.

use std::fs::{self, File};
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::node::{NEWER_STOCK, Node, PLUGIN, STOCK};

const DEADLINE: Duration = Duration::from_secs(20);

/// A run that stays; what it tells goes into files.
struct Watch<'n> {
    child: Child,
    node: &'n Node,
    name: &'static str,
}

impl<'n> Watch<'n> {
    fn start(node: &'n Node, name: &'static str, more: &[&str]) -> Self {
        let args: Vec<&str> = ["--watch", "--interval=1"].iter().chain(more).copied().collect();
        let tape = |end: &str| File::create(node.machine.path(&format!("{name}.{end}"))).unwrap();
        let mut command = node.command(&args);
        let child = command.stdout(tape("out")).stderr(tape("err")).spawn().unwrap();
        Self { child, node, name }
    }

    fn told(&self, end: &str) -> String {
        fs::read_to_string(self.node.machine.path(&format!("{}.{end}", self.name))).unwrap()
    }

    /// Asks it to end, as the kubelet does.
    fn end(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }

    fn wait_for(&self, what: &str, is_so: impl Fn() -> bool) {
        let begin = Instant::now();
        while !is_so() {
            assert!(begin.elapsed() < DEADLINE, "{what}: {}{}", self.told("out"), self.told("err"));
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_changes_is_put_right_and_a_token_is_renewed() {
    let node = Node::with_calico();
    let account = node.put_account("first");
    let account = format!("--kubeconfig-from-service-account={}", account.display());
    let server = "--kubernetes-server=https://api.example";
    let mut watch = Watch::start(&node, "a", &["--replace-calico-ipam", &account, server]);
    let holds = |name: &str, bytes: &[u8]| fs::read(node.bin(name)).is_ok_and(|is| is == bytes);
    watch.wait_for("installed", || {
        holds("calico-ipam", PLUGIN) && watch.told("out").contains("kept")
    });
    node.put_account("second");
    watch.wait_for("renewed", || fs::read(node.config("token")).is_ok_and(|is| is == b"second"));
    node.put_stock(NEWER_STOCK);
    watch.wait_for("replaced again", || holds("calico-ipam", PLUGIN));
    assert!(holds("calico-ipam.before-ringfence", NEWER_STOCK));
    fs::remove_file(node.bin("ringfence-ipam")).unwrap();
    watch.wait_for("made again", || holds("ringfence-ipam", PLUGIN));

    // What cannot be done now is told once, and done when it can be.
    fs::write(node.machine.path("account/token"), "").unwrap();
    watch.wait_for("told", || watch.told("err").contains("[RF-E0802]"));
    sleep(Duration::from_millis(2500));
    assert_eq!(watch.told("err").matches("error:").count(), 1, "{}", watch.told("err"));
    assert_eq!(node.text("token"), "second");
    node.put_account("third");
    watch.wait_for("renewed", || fs::read(node.config("token")).is_ok_and(|is| is == b"third"));

    assert!(watch.end().success());
    // One report for the beginning, and one for each change.
    let out = watch.told("out");
    assert_eq!(out.matches("PATH").count(), 5, "{out}");
    assert_eq!(out.matches("config.json").count(), 1, "{out}");
    node.ok(&["--uninstall"]);
    assert!(holds("calico-ipam", NEWER_STOCK));
}

/// While a DaemonSet is being updated two pods are there: they never work against each other.
#[test]
fn only_one_at_a_time_is_at_work() {
    let node = Node::with_calico();
    let mut first = Watch::start(&node, "a", &[]);
    first.wait_for("installed", || first.told("out").contains("created"));
    for args in [&[][..], &["--uninstall"]] {
        let told = node.fails(args, 5, "RF-E0809");
        assert!(told.contains("--watch must be stopped first"), "{told}");
    }
    let mut second = Watch::start(&node, "b", &[]);
    second.wait_for("waiting", || second.told("err").contains("waiting for another"));
    let mut third = Watch::start(&node, "c", &[]);
    third.wait_for("waiting", || third.told("err").contains("waiting for another"));
    assert!(third.end().success(), "it can be ended while it waits");
    assert_eq!(second.told("out"), "");
    // Killed, it leaves nothing locked.
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    second.wait_for("its turn", || second.told("out").contains("unchanged"));
    assert!(second.end().success());
    assert_eq!(fs::read(node.bin("calico-ipam")).unwrap(), STOCK);
}

#[test]
fn a_beginning_that_fails_is_an_end() {
    let node = Node::fresh();
    let absent = format!("--plugin={}", node.machine.path("absent").display());
    let mut watch = Watch::start(&node, "a", &[&absent]);
    assert_eq!(watch.child.wait().unwrap().code(), Some(2));
    assert!(watch.told("err").contains("[RF-E0801]"));
}
