//! Who runs on which CPU.

use std::process::{self, Command, Stdio};
use std::thread;

use crate::etcd::Etcd;

/// While it lives, servers run on the first CPU, and this process and its children on the second. Otherwise a process that
/// is woken on a busy CPU waits for its next tick, and that is all that would be measured.
#[derive(Debug)]
pub(super) struct Apart {
    cpus: usize,
}

impl Apart {
    /// Places those that run already; does nothing on a machine with one CPU, or without `taskset`.
    pub(super) fn from(servers: &[&Etcd]) -> Self {
        let cpus = thread::available_parallelism().map_or(1, Into::into);
        if cpus > 1 {
            for server in servers {
                place(server.pid(), "0");
            }
            place(process::id(), "1");
        }
        Self { cpus }
    }

    /// Places a thread of ours with the servers, because it is one.
    pub(super) fn with_servers(&self, thread: u32) {
        if self.cpus > 1 {
            run(&["-cp", "0", &thread.to_string()]);
        }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        place(process::id(), &format!("0-{}", self.cpus - 1));
    }
}

/// Places every thread of a process.
fn place(pid: u32, cpus: &str) {
    run(&["-acp", cpus, &pid.to_string()]);
}

/// Where the program is missing, or a container does not allow it, figures scatter more; ratios still mean something.
fn run(arguments: &[&str]) {
    let mut taskset = Command::new("taskset");
    taskset.args(arguments);
    drop(taskset.stdout(Stdio::null()).stderr(Stdio::null()).status());
}
