//! Processes that do not outlive the tests.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

type Order = (Command, Sender<io::Result<Child>>);

/// The kernel ends a child with the thread that started it, and the thread of a test ends before the servers that its
/// process shares. So a thread that never ends starts them all.
static STARTER: LazyLock<Sender<Order>> = LazyLock::new(|| {
    let (orders, received) = channel::<Order>();
    thread::spawn(move || {
        for (mut command, answer) in received {
            // Who asked may be gone.
            let _ = answer.send(command.spawn());
        }
    });
    orders
});

/// Returns a command that takes no settings from our environment.
pub(super) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_etcd_s(name)) {
        command.env_remove(name);
    }
    command
}

/// Returns a command whose process the kernel kills when ours ends.
pub(crate) fn bound_command(program: &Path) -> Command {
    let mut command = command("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Starts a process.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (answer, answered) = channel();
    STARTER.send((command, answer)).map_err(io::Error::other)?;
    answered.recv().map_err(io::Error::other)?
}

/// Stops a child of ours, and waits until each of its threads stands still: a signal is sent before it is obeyed, and a
/// thread that runs may still answer.
pub(super) fn stop(child: &Child) {
    signal(child, "STOP");
    let patience = Instant::now() + Duration::from_secs(10);
    while !stands_still(child.id()) {
        assert!(Instant::now() < patience, "process {} does not stop", child.id());
        thread::sleep(Duration::from_millis(1));
    }
}

/// Lets a stopped child of ours go on.
pub(super) fn resume(child: &Child) {
    signal(child, "CONT");
}

fn stands_still(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    threads.flatten().all(|thread| {
        let line = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state follows the name, which stands in brackets and may hold any character.
        line.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
    })
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid]).status();
    assert!(sent.is_ok_and(|status| status.success()), "{name} could not be sent");
}

fn is_etcd_s(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with("ETCD")
}
