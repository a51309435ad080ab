//! What containers leave on a machine while they live, and must not leave behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipam_tests::stage::{self, cgroup};

/// Runtimes clear up behind our back.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// What there is on this stage.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Traces {
    /// Where something is mounted.
    mounts: BTreeSet<String>,
    /// Network namespaces with a name.
    namespaces: BTreeSet<String>,
    /// Processes, each with its number.
    processes: BTreeSet<String>,
    /// Control groups of containers.
    groups: BTreeSet<PathBuf>,
}

impl Traces {
    pub(crate) fn now() -> Self {
        Self {
            mounts: mounts(),
            namespaces: namespaces(),
            processes: processes(),
            groups: groups(),
        }
    }

    /// Waits until there is nothing more than there was, and nothing less.
    pub(crate) fn await_again(&self) {
        let start = Instant::now();
        while Self::now() != *self {
            if start.elapsed() > PATIENCE {
                assert_eq!(Self::now(), *self, "all is as before");
            }
            sleep(POLL);
        }
    }
}

/// Waits until no process has one of these names any more.
pub(crate) fn await_end_of(names: &[&str]) {
    let start = Instant::now();
    let is_named = |process: &String| names.iter().any(|name| process.ends_with(name));
    while processes().iter().any(is_named) {
        assert!(start.elapsed() < PATIENCE, "{names:?} come to an end: {:?}", processes());
        sleep(POLL);
    }
}

fn namespaces() -> BTreeSet<String> {
    let entries = fs::read_dir("/run/netns").unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// podman keeps the group of the processes that watch its containers, empty, as long as it can be used.
fn groups() -> BTreeSet<PathBuf> {
    let groups = cgroup::below(&cgroup::of(&stage::name()));
    groups.into_iter().filter(|group| !group.ends_with("conmon")).collect()
}

fn mounts() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().map(|line| line.split(' ').nth(4).unwrap().to_owned()).collect()
}

fn processes() -> BTreeSet<String> {
    let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.parse::<u32>().ok()
    });
    // One that ends just now has no name any more.
    let named = numbers.filter_map(|number| {
        let name = fs::read_to_string(format!("/proc/{number}/comm")).ok()?;
        Some(format!("{number} {}", name.trim()))
    });
    named.collect()
}
