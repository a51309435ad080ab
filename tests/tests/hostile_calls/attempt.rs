//! A call as it will be made.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use fastrand::Rng;
use ipam_tests::plugin::Call;
use serde_json::{Value, json};

use super::place::Place;

/// A call before and after it was damaged.
pub(crate) struct Attempt {
    pub(crate) variables: BTreeMap<String, OsString>,
    /// What stdin holds, as long as it is JSON.
    pub(crate) conf: Value,
    /// Changes to the text that `conf` becomes, in their order.
    pub(crate) edits: Vec<Edit>,
    /// What no damage reaches: the lock would be made wherever it is said to be, and nobody wants to wait long.
    kept: String,
}

/// A change of a text.
pub(crate) type Edit = Box<dyn Fn(Vec<u8>) -> Vec<u8> + Send>;

const ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";
const V4: &str = "cni.projectcalico.org/ipv4pools";
const V6: &str = "cni.projectcalico.org/ipv6pools";
const TIMEOUT_MS: u64 = 1500;

impl Attempt {
    /// Makes up a call of one of the modes, most often an ADD. It is well formed, and need not be permitted.
    pub(crate) fn valid(place: &Place, number: usize, rng: &mut Rng) -> Self {
        let (arguments, conf) = if rng.u8(0..3) == 0 {
            (identity(rng), below_calico(place, rng))
        } else {
            (identity(rng), standalone(place, rng))
        };
        // Some come back.
        let container = format!("c{}", rng.usize(number.saturating_sub(8)..=number));
        let command = ["ADD", "ADD", "ADD", "ADD", "ADD", "ADD", "ADD", "DEL", "DEL", "CHECK"];
        let command = rng.choice(command).unwrap();
        let mut variables = BTreeMap::from(
            [
                ("CNI_COMMAND", command.to_owned()),
                ("CNI_NETNS", format!("/run/netns/{container}")),
                ("CNI_CONTAINERID", container),
                ("CNI_IFNAME", "eth0".to_owned()),
                ("CNI_PATH", "/usr/lib/cni".to_owned()),
                ("CNI_ARGS", arguments),
            ]
            .map(|(name, value)| (name.to_owned(), OsString::from(value))),
        );
        if conf["ipam"]["env"] == json!(true) {
            let store = format!("embedded:{}", place.world.path().display());
            variables.insert("RINGFENCE_STORE".to_owned(), store.into());
        }
        let lock = json!(place.world.folder().join("ipam.lock"));
        let kept = format!(r#""ipam_lock_file":{lock},"timeout_ms":{TIMEOUT_MS},"#);
        Self { variables, conf, edits: Vec::new(), kept }
    }

    /// Returns what stdin will hold.
    pub(crate) fn stdin(&self) -> Vec<u8> {
        let text = self.conf.to_string().into_bytes();
        let mut text = self.edits.iter().fold(text, |text, edit| edit(text));
        // Blanks may stand before it.
        let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if text.get(blanks) == Some(&b'{') {
            let rest = text.split_off(blanks + 1);
            text.extend(self.kept.bytes().chain(rest));
        }
        text
    }

    /// Returns a variable, empty where it is not set or no UTF-8.
    pub(crate) fn variable(&self, name: &str) -> &str {
        self.variables.get(name).and_then(|value| value.to_str()).unwrap_or_default()
    }

    pub(crate) fn call(&self) -> Call {
        let bare = Call::bare().raw(self.stdin());
        self.variables.iter().fold(bare, |call, (name, value)| call.with(name, value))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.variables)?;
        write!(f, "{}", String::from_utf8_lossy(&self.stdin()))
    }
}

fn identity(rng: &mut Rng) -> String {
    let texts = [
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web-0;K8S_POD_UID=u1;K8S_POD_INFRA_CONTAINER_ID=c",
        "K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web-0",
        "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;IgnoreUnknown=true",
        "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0",
        "IgnoreUnknown=1;K8S_POD_NAME=web",
        "IPV4_POOLS=free;IPV6_POOLS=free6",
        "IPV4_POOLS=bank",
        "",
    ];
    let text = rng.choice(texts).unwrap();
    match rng.u8(0..6) {
        0 => format!("{text};IP=10.{}.7.{}", rng.u8(1..=3), rng.u8(1..=20)),
        _ => text.to_owned(),
    }
}

/// Adds the fields of an object to another.
fn extend(object: &mut Value, fields: &Value) {
    object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
}

fn standalone(place: &Place, rng: &mut Rng) -> Value {
    let mut conf = json!({
        "cniVersion": rng.choice(["0.1.0", "0.3.1", "0.4.0", "1.0.0"]).unwrap(),
        "name": "net", "type": rng.choice(["bridge", "macvlan", "ptp"]).unwrap(),
        "capabilities": {ANNOTATIONS: true},
        "ipam": {
            "type": "ringfence-ipam", "nodename": "n1", "log_level": "error",
            "assign_ipv4": true, "assign_ipv6": rng.bool(), "exclude_edges": true,
            "gateway": rng.choice(["first", "first", "first", "last", "none"]).unwrap(),
            "annotation_interfaces": ["eth0"], "pool_order": "listed", "prefix": "pool",
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.1"}],
            "dns": {"nameservers": ["10.1.0.53"]},
        },
    });
    let store = if rng.u8(0..4) == 0 {
        json!({"env": true})
    } else {
        json!({"datastore_type": "embedded", "datastore_path": place.world.path()})
    };
    extend(&mut conf["ipam"], &store);
    if rng.bool() {
        let named = rng.choice(["free", "free", "vault", "vault", "bank", "nosuch"]).unwrap();
        let mut annotations = json!({
            V4: format!("[\"{named}\"]"), V6: format!("[ \"{named}6\" ]"),
            "prometheus.io/scrape": "true",
        });
        let more = match rng.u8(0..5) {
            0 => json!({"cni.projectcalico.org/ipFamilies": "[\"IPv4\", \"IPv6\"]"}),
            1 => {
                json!({"cni.projectcalico.org/ipAddrs": format!("[\"10.{}.8.9\"]", rng.u8(1..=3))})
            }
            2 => json!({format!("{V4}.eth0"): "[\"10.1.0.0/16\"]"}),
            _ => json!({}),
        };
        extend(&mut annotations, &more);
        conf["runtimeConfig"] = json!({ ANNOTATIONS: annotations });
    }
    match rng.u8(0..8) {
        0 => conf["ipam"]["ipv4_pools"] = json!(["free", "10.1.0.0/16"]),
        1 => conf["args"] = json!({"cni": {"ips": [format!("10.1.9.{}", rng.u8(1..=9))]}}),
        2 => {
            conf["prevResult"] =
                json!({"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.9/16"}]});
        }
        _ => {}
    }
    conf
}

fn below_calico(place: &Place, rng: &mut Rng) -> Value {
    let mut conf = json!({
        "cniVersion": "0.3.1", "name": "k8s-pod-network", "type": "calico", "nodename": "n1",
        "log_level": "error", "datastore_type": "embedded", "datastore_path": place.world.path(),
        "mtu": 0, "nodename_file_optional": false, "policy": {"type": "k8s"},
        "feature_control": {"ip_addrs_no_ipam": false}, "kubernetes": {"kubeconfig": ""},
        "ipam": {"type": "calico-ipam", "assign_ipv4": "true", "assign_ipv6": "false"},
    });
    match rng.u8(0..4) {
        0 => {
            conf["ipam"]["ipv4_pools"] =
                json!([rng.choice(["free", "vault", "bank", "nosuch"]).unwrap()]);
        }
        1 => conf["ipam"]["ipv4_pools"] = json!([]),
        _ => {}
    }
    if rng.bool() {
        conf["ipam"]["assign_ipv6"] = json!("true");
    }
    conf
}
