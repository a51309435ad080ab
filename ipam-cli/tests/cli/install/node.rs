//! A node with folders of its own, on which the plugin is installed.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::super::story::{Machine, Run};

pub(super) const PLUGIN: &[u8] = b"\x7fELF the plugin";
pub(super) const OLD_PLUGIN: &[u8] = b"\x7fELF the plugin of last year";
pub(super) const STOCK: &[u8] = b"\x7fELF calico-ipam";
pub(super) const NEWER_STOCK: &[u8] = b"\x7fELF calico-ipam of next year";

/// A node.
pub(super) struct Node {
    pub(super) machine: Machine,
}

impl Node {
    /// Starts with no folders, and a plugin to install.
    pub(super) fn fresh() -> Self {
        let machine = Machine::fresh();
        fs::write(machine.path("plugin"), PLUGIN).unwrap();
        Self { machine }
    }

    /// Starts with Calico's plugin in its place, with permissions and a time of its own.
    pub(super) fn with_calico() -> Self {
        let node = Self::fresh();
        fs::create_dir(node.machine.path("bin")).unwrap();
        node.put_stock(STOCK);
        node
    }

    /// Puts a plugin of Calico in its place, as Calico's own installer does.
    pub(super) fn put_stock(&self, bytes: &[u8]) {
        let (new, path) = (self.machine.path("new"), self.bin("calico-ipam"));
        fs::write(&new, bytes).unwrap();
        set_mode(&new, 0o4711);
        fs::rename(new, path).unwrap();
    }

    /// Makes the account of a pod.
    pub(super) fn put_account(&self, token: &str) -> PathBuf {
        let account = self.machine.path("account");
        fs::create_dir_all(&account).unwrap();
        fs::write(account.join("token"), token).unwrap();
        fs::write(account.join("ca.crt"), "-----BEGIN CERTIFICATE-----\n").unwrap();
        account
    }

    pub(super) fn bin(&self, name: &str) -> PathBuf {
        self.machine.path("bin").join(name)
    }

    pub(super) fn config(&self, name: &str) -> PathBuf {
        self.machine.path("net.d/ringfence-ipam.d").join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.config(name)).unwrap()
    }

    /// Returns what the plugin is told.
    pub(super) fn fields(&self) -> Value {
        serde_json::from_str(&self.text("config.json")).unwrap()
    }

    fn args(&self, args: &[&str]) -> Vec<String> {
        let place =
            |flag: &str, path: &str| format!("{flag}={}", self.machine.path(path).display());
        let mut words = vec![
            "install-cni".to_owned(),
            place("--bin-dir", "bin"),
            place("--config-dir", "net.d/ringfence-ipam.d"),
        ];
        if !args.contains(&"--uninstall") && !args.iter().any(|arg| arg.starts_with("--plugin")) {
            words.push(place("--plugin", "plugin"));
        }
        words.extend(args.iter().map(|arg| (*arg).to_owned()));
        words
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let args = self.args(args);
        self.machine.command(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(super) fn run(&self, args: &[&str]) -> Run {
        let args = self.args(args);
        self.machine.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(super) fn ok(&self, args: &[&str]) -> String {
        let args = self.args(args);
        self.machine.ok(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(super) fn json(&self, args: &[&str]) -> (i32, Value) {
        let args = self.args(args);
        self.machine.json(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Runs what must be refused, and leave everything as it is.
    pub(super) fn fails(&self, args: &[&str], code: i32, name: &str) -> String {
        let before = (self.listing(), self.inodes());
        let args = self.args(args);
        let told =
            self.machine.fails(&args.iter().map(String::as_str).collect::<Vec<_>>(), code, name);
        assert_eq!((self.listing(), self.inodes()), before, "{args:?}");
        told
    }

    /// Lists what lies on the node: paths, permissions, contents; of JSON only that it is some.
    pub(super) fn listing(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.walk(&mut |name, path| {
            let metadata = fs::symlink_metadata(path).unwrap();
            let mode = metadata.mode() & 0o7777;
            lines.push(if metadata.is_symlink() {
                format!("{name} -> {}", fs::read_link(path).unwrap().display())
            } else if metadata.is_dir() {
                format!("{name} {mode:o}")
            } else {
                let text = fs::read_to_string(path).unwrap();
                let text = if text.starts_with('{') { "{…}" } else { &text };
                format!("{name} {mode:o} {}", text.trim_start_matches("\x7fELF ").trim())
            });
        });
        lines
    }

    /// Tells which file is which, and when it was last written.
    pub(super) fn inodes(&self) -> BTreeMap<String, (u64, i64, i64)> {
        let mut inodes = BTreeMap::new();
        self.walk(&mut |name, path| {
            let metadata = fs::symlink_metadata(path).unwrap();
            inodes
                .insert(name.to_owned(), (metadata.ino(), metadata.mtime(), metadata.mtime_nsec()));
        });
        inodes
    }

    fn walk(&self, visit: &mut dyn FnMut(&str, &Path)) {
        let root = self.machine.path("");
        let mut open = vec![self.machine.path("bin"), self.machine.path("net.d/ringfence-ipam.d")];
        let mut found = Vec::new();
        while let Some(path) = open.pop() {
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
            found.push(path);
        }
        found.sort();
        for path in found {
            visit(path.strip_prefix(&root).unwrap().to_str().unwrap(), &path);
        }
    }
}

pub(super) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}
