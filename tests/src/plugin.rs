//! Calling the CNI plugin as a container runtime does: a process, variables, configuration on stdin.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::binaries::binary;

/// One call of the plugin.
#[derive(Clone, Debug)]
pub struct Call {
    program: Option<PathBuf>,
    variables: BTreeMap<String, OsString>,
    /// What it is handed on stdin.
    pub stdin: Vec<u8>,
}

/// What the plugin answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whether it exited with 0.
    pub success: bool,
    /// Its exit code, `None` where a signal ended it.
    pub exit: Option<i32>,
    /// What it printed on stdout, as JSON; null where it printed nothing.
    pub json: Value,
    /// What it printed on stderr.
    pub stderr: String,
}

impl Call {
    /// Prepares a call for interface `eth0` of a container.
    #[must_use]
    pub fn new(command: &str, container: &str, netconf: &Value) -> Self {
        let variables = BTreeMap::from(
            [
                ("CNI_COMMAND", command.to_owned()),
                ("CNI_CONTAINERID", container.to_owned()),
                ("CNI_NETNS", format!("/run/netns/{container}")),
                ("CNI_IFNAME", "eth0".to_owned()),
                ("CNI_PATH", "/usr/lib/cni".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), OsString::from(value))),
        );
        Self { program: None, variables, stdin: netconf.to_string().into_bytes() }
    }

    /// Prepares a call without a variable, and with nothing on stdin.
    #[must_use]
    pub fn bare() -> Self {
        Self { program: None, variables: BTreeMap::new(), stdin: Vec::new() }
    }

    /// Calls another plugin, which is to call ours.
    #[must_use]
    pub fn through(mut self, program: PathBuf) -> Self {
        self.program = Some(program);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.insert(name.to_owned(), value.as_ref().to_owned());
        self
    }

    /// Removes a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// Says whether this command is called.
    #[must_use]
    pub fn is(&self, command: &str) -> bool {
        self.variables.get("CNI_COMMAND").is_some_and(|called| called == command)
    }

    /// Says which pod the container is.
    #[must_use]
    pub fn pod(self, namespace: &str, name: &str) -> Self {
        let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}");
        self.with("CNI_ARGS", args)
    }

    /// Hands over other bytes than a configuration.
    #[must_use]
    pub fn raw(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Makes the call and waits for its end.
    ///
    /// # Panics
    ///
    /// If the process cannot be started, or prints what is no JSON.
    #[must_use]
    pub fn run(&self) -> Answer {
        let child = self.start(Stdio::piped());
        let Output { status, stdout, stderr } = child.wait_with_output().expect("the plugin runs");
        let json = match stdout.as_slice() {
            [] => Value::Null,
            text => serde_json::from_slice(text)
                .unwrap_or_else(|_| panic!("no JSON on stdout: {}", String::from_utf8_lossy(text))),
        };
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Answer { success: status.success(), exit: status.code(), json, stderr }
    }

    /// Starts the call, with stdin written and closed.
    ///
    /// # Panics
    ///
    /// If the process cannot be started.
    #[must_use]
    pub fn start(&self, stdout: Stdio) -> Child {
        let program = self.program.clone().unwrap_or_else(|| binary("ringfence-ipam"));
        let mut child = Command::new(program)
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the plugin starts");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        // A plugin that refuses early does not read all of a long configuration.
        let _ = stdin.write_all(&self.stdin);
        child
    }
}

impl Answer {
    /// Returns the code of an error, `None` where it is none.
    #[must_use]
    pub fn code(&self) -> Option<u64> {
        self.json.get("code").and_then(Value::as_u64)
    }

    /// Returns the message of an error; empty where it is none.
    #[must_use]
    pub fn message(&self) -> &str {
        self.json.get("msg").and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the addresses of a result, with the lengths of their prefixes.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let ips = self.json.get("ips").and_then(Value::as_array).cloned().unwrap_or_default();
        let listed = ips.iter().filter_map(|ip| ip.get("address").and_then(text));
        // Before version 0.3.0 each family had a place of its own.
        let by_family = ["ip4", "ip6"].into_iter().filter_map(|family| {
            self.json.get(family).and_then(|family| family.get("ip")).and_then(text)
        });
        listed.chain(by_family).collect()
    }
}

/// Returns a configuration for the embedded store at a path; `ipam` adds to its part for the plugin or replaces there.
///
/// # Panics
///
/// If `ipam` is no object.
#[must_use]
pub fn netconf(store: &Path, ipam: &Value) -> Value {
    let mut conf = json!({
        "cniVersion": "1.0.0",
        "name": "net",
        "type": "bridge",
        "ipam": {
            "type": "ringfence-ipam",
            "datastore_type": "embedded",
            "datastore_path": store,
            "nodename": "n1",
            "log_level": "error",
            "ipam_lock_file": store.with_file_name("ipam.lock"),
        }
    });
    let fields = conf["ipam"].as_object_mut().expect("it is an object");
    fields.extend(ipam.as_object().expect("ipam is an object").clone());
    conf
}

/// Adds what ADD answered to a configuration, as a runtime does for CHECK.
#[must_use]
pub fn with_prev_result(mut conf: Value, result: &Value) -> Value {
    conf["prevResult"] = result.clone();
    conf
}

/// Adds a pod's annotations to a configuration, as a runtime passes them.
#[must_use]
pub fn annotated(mut conf: Value, annotations: &Value) -> Value {
    conf["runtimeConfig"] = json!({ "io.kubernetes.cri.pod-annotations": annotations });
    conf
}
