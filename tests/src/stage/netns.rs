//! A network namespace with a container's name, as a runtime makes it.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{ip, try_ip};

/// How long a ping may take to be answered: IPv6 first makes sure that nobody else has the address.
const REACHED_MAX: Duration = Duration::from_secs(20);

/// A network namespace with a name. It goes with the stage.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes it.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        ip(&["netns", "add", name]);
        ip(&["-n", name, "link", "set", "lo", "up"]);
        Self { name: name.to_owned() }
    }

    /// Returns where it lies.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// Takes it away.
    ///
    /// # Panics
    ///
    /// If it is gone already.
    pub fn remove(&self) {
        ip(&["netns", "del", &self.name]);
    }

    /// Says whether it has an interface.
    #[must_use]
    pub fn has_interface(&self, ifname: &str) -> bool {
        try_ip(&["-n", &self.name, "link", "show", ifname]).status.success()
    }

    /// Returns the addresses of an interface that are not its link's alone, IPv4 first.
    ///
    /// # Panics
    ///
    /// If there is no such interface.
    #[must_use]
    pub fn addresses(&self, ifname: &str) -> Vec<String> {
        let text = ip(&["-n", &self.name, "-json", "address", "show", ifname, "scope", "global"]);
        let links: Value = serde_json::from_str(&text).expect("ip prints JSON");
        let infos = links[0]["addr_info"].as_array().expect("a list of addresses");
        // Addresses of another scope are listed as empty objects.
        let address =
            |info: &Value| Some(format!("{}/{}", info["local"].as_str()?, info["prefixlen"]));
        infos.iter().filter_map(address).collect()
    }

    /// Waits for an address to answer.
    #[must_use]
    pub fn reaches(&self, target: &str) -> bool {
        let start = Instant::now();
        while start.elapsed() < REACHED_MAX {
            if self.reaches_at_once(target) {
                return true;
            }
        }
        false
    }

    /// Says whether an address answers within a second.
    #[must_use]
    pub fn reaches_at_once(&self, target: &str) -> bool {
        let ping = ["netns", "exec", &self.name, "ping", "-c", "1", "-W", "1", "-q", target];
        try_ip(&ping).status.success()
    }
}

/// Returns the interface that leads out of the machine, to a router with these addresses; makes both if they are not there.
#[must_use]
pub fn uplink(router: &[&str]) -> &'static str {
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
