//! The runtime podman, with all that it keeps in a folder of its own.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use ipam_tests::binaries::binary;
use ipam_tests::stage::{self, cgroup, upper_plugin};
use serde_json::Value;
use tempfile::TempDir;

use crate::image;

/// podman, and one root that its containers share: they write nothing.
#[derive(Debug)]
pub(crate) struct Podman {
    folder: TempDir,
    root: PathBuf,
}

/// A container that runs.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) address: IpAddr,
    /// A process in its network.
    pub(crate) pid: u64,
}

impl Podman {
    /// Sets it up with a list of plugins for every container on its network; `None` where it was built without CNI, as most
    /// are from version 5 on.
    pub(crate) fn new(conflist: &Value) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir(path.join("net.d")).unwrap();
        fs::write(path.join("net.d/pods.conflist"), conflist.to_string()).unwrap();
        fs::create_dir(path.join("bin")).unwrap();
        symlink(binary("ringfence-ipam"), path.join("bin/ringfence-ipam")).unwrap();
        symlink(upper_plugin("bridge"), path.join("bin/bridge")).unwrap();
        fs::write(path.join("containers.conf"), containers_conf(path)).unwrap();
        fs::write(path.join("storage.conf"), storage_conf(path)).unwrap();
        let podman = Self { root: image::root(path), folder };
        match podman.call(&["info"]) {
            Ok(_) => Some(podman),
            Err(problem) if problem.contains("cni support is not enabled") => {
                eprintln!("this podman cannot be used, its containers are left out: {problem}");
                None
            }
            Err(problem) => panic!("{problem}"),
        }
    }

    /// Starts a container with further flags, and returns its name.
    pub(crate) fn start(&self, flags: &[&str]) -> Result<String, String> {
        let parent = cgroup::of(&stage::name());
        let first = ["run", "--detach", "--network", "pods", "--cgroup-parent", &parent];
        let root = self.root.to_str().unwrap();
        self.call(&[&first, flags, &["--rootfs", root], &image::COMMAND].concat())
    }

    /// Returns every container that runs.
    pub(crate) fn containers(&self) -> Vec<Container> {
        let ids = self.call(&["ps", "--quiet", "--no-trunc"]).unwrap();
        ids.lines().map(|id| self.container(id)).collect()
    }

    /// Kills a container and takes its network away.
    pub(crate) fn remove(&self, id: &str) {
        self.call(&["rm", "--force", "--time", "0", id]).unwrap();
    }

    /// Kills a container, no more.
    pub(crate) fn kill(&self, id: &str) {
        self.call(&["kill", id]).unwrap();
    }

    fn container(&self, id: &str) -> Container {
        let found: Value = serde_json::from_str(&self.call(&["inspect", id]).unwrap()).unwrap();
        let found = &found[0];
        let address = &found["NetworkSettings"]["Networks"]["pods"]["IPAddress"];
        Container {
            id: id.to_owned(),
            address: address.as_str().unwrap().parse().unwrap(),
            pid: found["State"]["Pid"].as_u64().unwrap(),
        }
    }

    /// Runs a command; returns what it says, on stderr where it fails.
    fn call(&self, arguments: &[&str]) -> Result<String, String> {
        let path = self.folder.path();
        let output = Command::new("podman")
            .args(arguments)
            .env("CONTAINERS_CONF", path.join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", path.join("storage.conf"))
            .env("HOME", path)
            .output()
            .expect("podman is installed");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

/// The limits are below those that podman would raise, which root may not do everywhere; with AppArmor a profile would stay
/// loaded.
fn containers_conf(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "runc"
tmp_dir = "{folder}/run"
[network]
network_backend = "cni"
cni_plugin_dirs = ["{folder}/bin"]
network_config_dir = "{folder}/net.d"
[containers]
apparmor_profile = "unconfined"
default_sysctls = []
default_ulimits = ["nofile=1000:1000", "nproc=1000:1000"]
"#
    )
}

fn storage_conf(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"
[storage]
driver = "vfs"
graphroot = "{folder}/lib"
runroot = "{folder}/run"
"#
    )
}
