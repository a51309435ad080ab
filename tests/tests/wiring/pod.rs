//! A pod without a runtime: a network namespace, and calls of the upper plugin for it.

use std::ops::Deref;
use std::path::PathBuf;

use ipam_tests::binaries::binary;
use ipam_tests::plugin::{Answer, Call, with_prev_result};
use ipam_tests::stage::{Netns, upper_plugin};
use serde_json::Value;

/// A network namespace with a container's name, and how its runtime would configure it.
pub(crate) struct Pod {
    pub(crate) name: String,
    conf: Value,
    upper: PathBuf,
    netns: Netns,
    /// Where the namespace lies, as far as the runtime knows.
    path: String,
}

impl Pod {
    pub(crate) fn new(name: &str, conf: &Value) -> Self {
        let netns = Netns::new(name);
        let upper = upper_plugin(conf["type"].as_str().unwrap());
        let path = netns.path();
        Self { name: name.to_owned(), conf: conf.clone(), upper, netns, path }
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
            .with("CNI_NETNS", &self.path)
            .with("CNI_PATH", std::env::join_paths(path).unwrap());
        call.through(self.upper.clone()).run()
    }

    /// Takes the namespace away, as a crash of the machine does; the runtime knows no path any more.
    pub(crate) fn vanish(&mut self) {
        self.netns.remove();
        self.path.clear();
    }
}

impl Deref for Pod {
    type Target = Netns;

    fn deref(&self) -> &Netns {
        &self.netns
    }
}
