//! A machine of the test's own: network, mounts and processes that nobody else sees.

pub mod cgroup;
mod netns;

pub use netns::{Netns, uplink};

use std::path::PathBuf;
use std::process::{Command, Output};

/// Tells the process that runs on the stage from the one that built it, and holds the stage's name.
const INSIDE: &str = "RINGFENCE_TEST_ON_STAGE";
/// Where the distribution puts the CNI project's plugins.
const CNI_BIN_DIR: &str = "/usr/lib/cni";

/// Hides what the machine has where namespaces get their names, and etcd and podman share memory; the store lies there too.
/// What is written below `/var/lib`, where runtimes keep what plugins answered, stays in memory; what is there can be read,
/// as we may run from there. The shell stays as the first process, which takes in those whose parent has died.
const STAGE: &str = r#"
set -e
mount -t tmpfs tmpfs /run
mkdir /run/netns /run/store /run/upper /run/work
mount -t tmpfs tmpfs /run/netns
mount -t tmpfs tmpfs /dev/shm
mount -t overlay -o lowerdir=/var/lib,upperdir=/run/upper,workdir=/run/work overlay /var/lib
ip link set lo up
"$0" "$@"
exit "$?"
"#;

/// Plays a test, by its name, where it can change the network as it likes.
///
/// The test runs again as a process of its own in new namespaces. The kernel takes everything away with the first
/// process in them, however that ends.
///
/// # Panics
///
/// If the test fails there, or there can be no namespaces.
#[allow(clippy::print_stderr, reason = "a test that leaves something out says so")]
pub fn on_a_stage(test: &str, play: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return play();
    }
    // Colons stand between fields where the kernel tells a process's control groups, and podman stumbles over them.
    let name = format!("{}-{}", std::process::id(), test.replace("::", "-"));
    let output = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--propagation", "private"])
        .args(["--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-c", STAGE])
        .arg(std::env::current_exe().expect("the test's program has a path"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, &name)
        .env("TMPDIR", "/run/store")
        .output()
        .expect("setpriv and unshare of util-linux are installed");
    cgroup::remove(&cgroup::of(&name));
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        stdout.contains("running 1 test"),
        "{test} does not run in namespaces, which needs root: {stderr}"
    );
    assert!(output.status.success(), "{stdout}\n{stderr}");
    eprint!("{stderr}");
}

/// Returns the name of the stage that this process runs on; no other on this machine has it.
///
/// # Panics
///
/// If it runs on none.
#[must_use]
pub fn name() -> String {
    std::env::var(INSIDE).expect("this runs on a stage")
}

/// Returns the path of a plugin of the CNI project.
///
/// # Panics
///
/// If it is not there.
#[must_use]
pub fn upper_plugin(name: &str) -> PathBuf {
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
///
/// # Panics
///
/// If it fails.
#[allow(clippy::must_use_candidate, reason = "most commands print nothing")]
pub fn ip(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = try_ip(arguments);
    assert!(status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("ip prints text")
}

/// Runs `ip`, which may fail.
///
/// # Panics
///
/// If it is not there.
#[must_use]
pub fn try_ip(arguments: &[&str]) -> Output {
    Command::new("ip").args(arguments).output().expect("ip of iproute2 is installed")
}
