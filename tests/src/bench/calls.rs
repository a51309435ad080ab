//! Programs that are called once, as a container runtime calls a plugin.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries::binary;
use crate::etcd::{Etcd, Identity, Pki};
use crate::plugin::netconf;

/// What a node has of its own: a lock, what it remembers, and how it reaches a server.
#[derive(Debug)]
pub(super) struct NodeFiles {
    folder: TempDir,
    /// The network configuration.
    pub(super) conf: Value,
}

impl NodeFiles {
    /// Makes a node that speaks to an endpoint, with an authority and a certificate where it speaks TLS.
    pub(super) fn of(endpoint: &str, tls: Option<(&Pki, &Identity)>) -> Self {
        let folder = in_memory();
        let mut fields = json!({
            "datastore_type": "etcdv3",
            "etcd_endpoints": endpoint,
            "cache_folder": folder.path().join("cache"),
        });
        if let Some((pki, identity)) = tls {
            fields["etcd_ca_cert_file"] = json!(pki.authority());
            fields["etcd_cert_file"] = json!(identity.certificate);
            fields["etcd_key_file"] = json!(identity.key);
        }
        let mut conf = netconf(&folder.path().join("store.db"), &fields);
        let ipam = conf["ipam"].as_object_mut().expect("it is an object");
        ipam.remove("datastore_path");
        Self { folder, conf }
    }

    /// Makes a node that speaks to a server without TLS.
    pub(super) fn plain(etcd: &Etcd) -> Self {
        Self::of(&etcd.endpoint(), None)
    }

    /// Returns the node's folder.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns where the node keeps what it remembers.
    pub(super) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }
}

/// Makes a folder in memory where there is such a file system, as `/run` is on a node.
pub(super) fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// Puts a program into a folder as an installation does, by writing it from its beginning to its end.
///
/// What a linker has written here and there lies in small pieces in the cache of files, and each call would pay for that.
pub(super) fn installed(name: &str, folder: &Path) -> PathBuf {
    let place = folder.join(name);
    let program = fs::read(binary(name)).expect("it can be read");
    fs::write(&place, program).expect("there is room");
    fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("it is ours");
    place
}

/// Returns a configuration of `host-local`.
pub(super) fn host_local_conf(data: &Path) -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "reference", "type": "bridge",
        "ipam": { "type": "host-local", "dataDir": data, "ranges": [[{"subnet": "10.20.0.0/16"}]] }
    })
}

/// Calls a plugin, and returns the time from before its start to after its end.
pub(super) fn call(plugin: &Path, command: &str, container: &str, conf: &Value) -> Duration {
    timed(prepared(plugin, command, container), Some(conf.to_string().as_bytes()))
}

/// Calls a plugin for the container of a pod.
pub(super) fn call_for_pod(
    plugin: &Path,
    command: &str,
    container: &str,
    conf: &Value,
    [namespace, name]: [&str; 2],
) -> Duration {
    let mut program = prepared(plugin, command, container);
    let arguments = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}");
    program.env("CNI_ARGS", arguments);
    timed(program, Some(conf.to_string().as_bytes()))
}

fn prepared(plugin: &Path, command: &str, container: &str) -> Command {
    let mut program = Command::new(plugin);
    program.envs([
        ("CNI_COMMAND", command),
        ("CNI_CONTAINERID", container),
        ("CNI_NETNS", "/run/netns/none"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/usr/lib/cni"),
    ]);
    program
}

/// Runs a program to its end with no environment but its own, and returns how long that took.
pub(super) fn timed(mut program: Command, stdin: Option<&[u8]>) -> Duration {
    let own: Vec<_> = program
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    program.env_clear().envs(own).stdout(Stdio::piped()).stderr(Stdio::null());
    // Written before the start: who starts it shares a CPU with it, and would be waited for.
    program.stdin(stdin.map_or_else(Stdio::null, |bytes| {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(bytes).expect("a pipe holds this much");
        reader.into()
    }));
    let started = Instant::now();
    let mut child = program.spawn().expect("the program starts");
    // An answer is shorter than what the pipe holds.
    let ended = child.wait().expect("the program ends");
    let elapsed = started.elapsed();
    if !ended.success() {
        let answer = child.wait_with_output().map(|output| output.stdout).unwrap_or_default();
        panic!("{program:?} failed: {}", String::from_utf8_lossy(&answer));
    }
    elapsed
}
