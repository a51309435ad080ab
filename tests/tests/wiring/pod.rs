//! A pod without a runtime: a network namespace, and calls of the upper plugin for it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ipam_tests::binaries::binary;
use ipam_tests::plugin::{Answer, Call, with_prev_result};
use ipam_tests::stage::{ip, try_ip, upper_plugin};
use serde_json::Value;

/// How long a ping may take to be answered: IPv6 first makes sure that nobody else has the address.
const REACHED_MAX: Duration = Duration::from_secs(20);

/// A network namespace with a container's name, and how its runtime would configure it.
pub(crate) struct Pod {
    pub(crate) name: String,
    conf: Value,
    upper: PathBuf,
    netns: String,
}

impl Pod {
    pub(crate) fn new(name: &str, conf: &Value) -> Self {
        ip(&["netns", "add", name]);
        ip(&["-n", name, "link", "set", "lo", "up"]);
        let upper = upper_plugin(conf["type"].as_str().unwrap());
        Self {
            name: name.to_owned(),
            conf: conf.clone(),
            upper,
            netns: format!("/run/netns/{name}"),
        }
    }

    /// Makes a call through the upper plugin.
    pub(crate) fn call(&self, command: &str) -> Answer {
        self.call_with(command, &self.conf)
    }

    /// Asks whether all is as an earlier ADD answered.
    pub(crate) fn check(&self, result: &Value) -> Answer {
        self.call_with("CHECK", &with_prev_result(self.conf.clone(), result))
    }

    fn call_with(&self, command: &str, conf: &Value) -> Answer {
        let ours = binary("ringfence-ipam");
        let path = [ours.parent().unwrap(), self.upper.parent().unwrap()];
        let call = Call::new(command, &self.name, conf)
            .pod("fin", &self.name)
            .with("CNI_NETNS", &self.netns)
            .with("CNI_PATH", std::env::join_paths(path).unwrap());
        call.through(self.upper.clone()).run()
    }

    /// Takes the namespace away, as a crash of the machine does; the runtime knows no path any more.
    pub(crate) fn vanish(&mut self) {
        ip(&["netns", "del", &self.name]);
        self.netns.clear();
    }

    pub(crate) fn has_interface(&self) -> bool {
        let output = try_ip(&["-n", &self.name, "link", "show", "eth0"]);
        output.status.success()
    }

    /// Returns the addresses of the interface that are not its link's alone, IPv4 first.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let text = ip(&["-n", &self.name, "-json", "address", "show", "eth0", "scope", "global"]);
        let links: Value = serde_json::from_str(&text).unwrap();
        let infos = links[0]["addr_info"].as_array().unwrap();
        // Addresses of another scope are listed as empty objects.
        let address =
            |info: &Value| Some(format!("{}/{}", info["local"].as_str()?, info["prefixlen"]));
        infos.iter().filter_map(address).collect()
    }

    /// Waits for an address to answer.
    pub(crate) fn reaches(&self, target: &str) -> bool {
        let start = Instant::now();
        while start.elapsed() < REACHED_MAX {
            if self.reaches_at_once(target) {
                return true;
            }
        }
        false
    }

    /// Says whether an address answers within a second.
    pub(crate) fn reaches_at_once(&self, target: &str) -> bool {
        let ping = ["netns", "exec", &self.name, "ping", "-c", "1", "-W", "1", "-q", target];
        try_ip(&ping).status.success()
    }
}

/// Returns the interface that leads out of the machine, to a router with these addresses; makes both if they are not there.
pub(crate) fn uplink(router: &[&str]) -> &'static str {
    if !try_ip(&["link", "show", "uplink"]).status.success() {
        ip(&["link", "add", "uplink", "type", "veth", "peer", "name", "router"]);
        for address in router {
            // Nobody else has them: a router is there at once.
            ip(&["address", "add", address, "dev", "router", "nodad"]);
        }
        for link in ["uplink", "router"] {
            ip(&["link", "set", link, "up"]);
        }
    }
    "uplink"
}
