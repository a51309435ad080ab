//! Control groups, which are the one thing on a stage that the kernel does not take away with it.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// Returns the group, as a path from the root, that a stage's processes may have groups below.
#[must_use]
pub fn of(stage: &str) -> String {
    format!("/ringfence-{stage}")
}

/// Returns every group below one, the innermost first.
#[must_use]
pub fn below(group: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in paths(group) {
        collect(&path, &mut found);
    }
    found
}

/// Removes a group and every one below it, where no process is left.
pub fn remove(group: &str) {
    for path in below(group).into_iter().chain(paths(group)) {
        // One whose process does not end cannot go; a test that fails may leave such.
        let _ = fs::remove_dir(path);
    }
}

/// Returns where a group lies: below the root, and where there is a tree for each controller, in each of them.
fn paths(group: &str) -> Vec<PathBuf> {
    let trees = folders(Path::new(ROOT)).into_iter().chain([PathBuf::from(ROOT)]);
    let paths = trees.map(|tree| tree.join(group.trim_start_matches('/')));
    paths.filter(|path| path.is_dir()).collect()
}

fn collect(group: &Path, found: &mut Vec<PathBuf>) {
    for child in folders(group) {
        collect(&child, found);
        found.push(child);
    }
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    // Links are left out: some trees have two names.
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}
