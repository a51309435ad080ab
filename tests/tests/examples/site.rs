//! The site that the examples are written for: their store with the pools of the page, and all else that they name.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use ipam_tests::binaries::binary;
use ipam_tests::etcd::{Etcd, Options, Pki};
use ipam_tests::kubernetes::ApiServer;
use ipam_tests::stage::uplink;
use serde_json::Value;

use crate::list::List;
use crate::page;

/// The folder of the embedded store, where nobody says otherwise.
const EMBEDDED: &str = "/var/lib/ringfence";

/// A store with the pools of the page, a Kubernetes API and an interface that leads out.
pub(crate) struct Site {
    pub(crate) api: ApiServer,
    /// What stands in the examples for what differs from site to site, and what it is here.
    replacements: Vec<(&'static str, String)>,
    /// Which store `ringfence` is told of.
    variables: Vec<(&'static str, String)>,
    _etcd: Option<(Etcd, Pki)>,
}

impl Site {
    /// Makes the site of an example, and its pools with the commands of the page.
    pub(crate) fn of(file: &str) -> Self {
        let api = ApiServer::start();
        let kubeconfig = api.kubeconfig().to_str().unwrap().to_owned();
        let mut site = Self {
            api,
            replacements: vec![
                ("/etc/cni/net.d/calico-kubeconfig", kubeconfig.clone()),
                ("/etc/cni/net.d/ringfence-ipam.d/kubeconfig", kubeconfig.clone()),
                (
                    "/var/lib/rancher/k3s/agent/etc/cni/net.d/ringfence-ipam.d/kubeconfig",
                    kubeconfig,
                ),
                ("eth1", uplink(&["10.50.0.1/24"]).to_owned()),
            ],
            variables: Vec::new(),
            _etcd: None,
        };
        if page::example(file).contains("embedded") {
            site.embed()
        } else {
            site.start_etcd()
        }
        site.shell(&page::commands());
        site
    }

    /// Returns the list of an example, with what is here in the place of what it names.
    pub(crate) fn list(&self, file: &str) -> List {
        let mut list = List::of(&serde_json::from_str(&page::example(file)).unwrap());
        list.plugins.iter_mut().for_each(|plugin| self.fill(plugin));
        list
    }

    fn fill(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let found = self.replacements.iter().find(|(stands_for, _)| stands_for == text);
                if let Some((_, here)) = found {
                    text.clone_from(here);
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.fill(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.fill(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Stores a manifest.
    pub(crate) fn apply(&self, manifest: &Value) {
        self.shell(&format!("ringfence apply -f - <<'JSON'\n{manifest}\nJSON"));
    }

    /// Returns every address that somebody holds, in order.
    pub(crate) fn taken(&self) -> Vec<String> {
        // It exits with 1 where there are none.
        let list = self.shell("ringfence ips --output json || [ $? = 1 ]");
        let list: Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list["warnings"], Value::Array(Vec::new()));
        let items = list["items"].as_array().unwrap();
        let mut taken: Vec<String> =
            items.iter().map(|item| item["ip"].as_str().unwrap().to_owned()).collect();
        taken.sort();
        taken
    }

    /// Fails unless the store is sound.
    pub(crate) fn check(&self) {
        self.shell("ringfence check");
    }

    /// Uses the store in its own place: nobody on a stage sees the machine's.
    fn embed(&mut self) {
        fs::create_dir_all(EMBEDDED).unwrap();
        let mount = ["-t", "tmpfs", "-o", "mode=700", "tmpfs", EMBEDDED];
        assert!(Command::new("mount").args(mount).status().unwrap().success());
        self.variables = vec![("RINGFENCE_STORE", "embedded".to_owned())];
    }

    fn start_etcd(&mut self) {
        let pki = Pki::new();
        let etcd = Options::default().tls(&pki).start();
        let node = pki.client("node");
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let here = [
            ("https://etcd.example:2379", "RINGFENCE_ETCD_ENDPOINTS", etcd.endpoint()),
            ("/etc/ringfence/ca.crt", "RINGFENCE_ETCD_CA_CERT_FILE", path(pki.authority())),
            ("/etc/ringfence/node.crt", "RINGFENCE_ETCD_CERT_FILE", path(&node.certificate)),
            ("/etc/ringfence/node.key", "RINGFENCE_ETCD_KEY_FILE", path(&node.key)),
        ];
        for (stands_for, variable, here) in here {
            self.replacements.push((stands_for, here.clone()));
            self.variables.push((variable, here));
        }
        self._etcd = Some((etcd, pki));
    }

    /// Runs commands of an administrator, which must succeed, and returns what they print.
    fn shell(&self, commands: &str) -> String {
        let ringfence = binary("ringfence");
        let output = Command::new("sh")
            .args(["-euc", commands])
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("PATH", format!("{}:/usr/bin:/bin", ringfence.parent().unwrap().display()))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{commands}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }
}
