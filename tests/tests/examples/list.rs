//! A list of plugins and what a runtime does with it, as the CNI specification has it.

use std::path::PathBuf;

use ipam_tests::binaries::binary;
use ipam_tests::plugin::{Answer, Call};
use ipam_tests::stage::upper_plugin;
use serde_json::{Map, Value, json};

const OURS: &str = "ringfence-ipam";

/// A list of plugins, as it stands in a file.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) plugins: Vec<Value>,
}

/// What a runtime says of an interface of a container.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) container: String,
    /// Where its network namespace lies; empty where that is gone.
    pub(crate) netns: String,
    pub(crate) ifname: String,
    /// The text of `CNI_ARGS`.
    pub(crate) args: String,
    /// What each capability comes with, for those plugins that declare it.
    pub(crate) capabilities: Map<String, Value>,
}

impl List {
    /// Reads a list, or the single plugin of a `NetworkAttachmentDefinition`.
    pub(crate) fn of(example: &Value) -> Self {
        let config = match example.get("spec") {
            Some(spec) => serde_json::from_str(spec["config"].as_str().unwrap()).unwrap(),
            None => example.clone(),
        };
        let plugins = match config.get("plugins") {
            Some(plugins) => plugins.as_array().unwrap().clone(),
            None => vec![config.clone()],
        };
        let text = |name: &str| config[name].as_str().unwrap().to_owned();
        Self { version: text("cniVersion"), name: text("name"), plugins }
    }

    /// Returns the plugin that delegates to ours.
    pub(crate) fn main_plugin(&self) -> &Value {
        self.plugins.iter().find(|plugin| plugin.get("ipam").is_some()).unwrap()
    }

    /// Calls one plugin after the other with the result of the one before, until one fails.
    pub(crate) fn add(&self, attachment: &Attachment) -> Answer {
        let mut result = None;
        let mut answers = self.plugins.iter().map(|plugin| {
            let answer = self.call("ADD", plugin, attachment, result.as_ref());
            result = Some(answer.json.clone());
            answer
        });
        first_failure_or_last(&mut answers)
    }

    /// Calls every plugin with the result of ADD, until one fails.
    pub(crate) fn check(&self, attachment: &Attachment, result: &Value) -> Answer {
        let call = |plugin| self.call("CHECK", plugin, attachment, Some(result));
        first_failure_or_last(&mut self.plugins.iter().map(call))
    }

    /// Calls every plugin from the last to the first, until one fails.
    pub(crate) fn del(&self, attachment: &Attachment, result: Option<&Value>) -> Answer {
        let call = |plugin| self.call("DEL", plugin, attachment, result);
        first_failure_or_last(&mut self.plugins.iter().rev().map(call))
    }

    /// Tells every plugin that can hear it which interfaces of containers there are.
    pub(crate) fn gc(&self, valid: &[&Attachment]) -> Answer {
        let valid: Vec<Value> = valid
            .iter()
            .map(|known| json!({"containerID": known.container, "ifname": known.ifname}))
            .collect();
        let able = self.plugins.iter().filter(|plugin| self.spoken_to(plugin).as_str() >= "1.1.0");
        let call = |plugin: &Value| {
            let mut conf = self.conf(plugin);
            conf["cni.dev/valid-attachments"] = json!(valid);
            let call = Call::new("GC", "unused", &conf).through(program(plugin));
            ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]
                .into_iter()
                .fold(call, Call::without)
                .run()
        };
        first_failure_or_last(&mut able.map(call))
    }

    /// Makes a call of our plugin, with what the main plugin would hand down: its own configuration as it is.
    pub(crate) fn hand_down(
        &self,
        command: &str,
        attachment: &Attachment,
        result: Option<&Value>,
    ) -> Answer {
        self.prepared(command, self.main_plugin(), attachment, result).through(binary(OURS)).run()
    }

    fn call(
        &self,
        command: &str,
        plugin: &Value,
        attachment: &Attachment,
        result: Option<&Value>,
    ) -> Answer {
        self.prepared(command, plugin, attachment, result).through(program(plugin)).run()
    }

    fn prepared(
        &self,
        command: &str,
        plugin: &Value,
        attachment: &Attachment,
        result: Option<&Value>,
    ) -> Call {
        let mut conf = self.conf(plugin);
        let declared = plugin.get("capabilities").cloned().unwrap_or_default();
        let runtime_config: Map<String, Value> = attachment
            .capabilities
            .iter()
            .filter(|(name, _)| declared.get(name.as_str()) == Some(&json!(true)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !runtime_config.is_empty() {
            conf["runtimeConfig"] = json!(runtime_config);
        }
        if let Some(result) = result {
            conf["prevResult"] = result.clone();
            conf["prevResult"]["cniVersion"] = conf["cniVersion"].clone();
        }
        let folders = [program(&json!({"type": OURS})), upper_plugin("bridge")];
        let folders = folders.iter().map(|program| program.parent().unwrap());
        Call::new(command, &attachment.container, &conf)
            .with("CNI_NETNS", &attachment.netns)
            .with("CNI_IFNAME", &attachment.ifname)
            .with("CNI_ARGS", &attachment.args)
            .with("CNI_PATH", std::env::join_paths(folders).unwrap())
    }

    /// Returns the configuration of one plugin, which names the version and the network of the list.
    fn conf(&self, plugin: &Value) -> Value {
        let mut conf = plugin.clone();
        conf["cniVersion"] = json!(self.spoken_to(plugin));
        conf["name"] = json!(self.name);
        conf
    }

    /// Returns the version of the list, or the newest that a plugin speaks: Debian's know nothing after 1.0.0.
    fn spoken_to(&self, plugin: &Value) -> String {
        let name = plugin["type"].as_str().unwrap();
        if [OURS, "calico"].contains(&name) {
            return self.version.clone();
        }
        let asked = json!({"cniVersion": self.version});
        let answer = Call::new("VERSION", "unused", &asked).through(program(plugin)).run();
        let spoken = answer.json["supportedVersions"].as_array().unwrap().clone();
        let is_spoken = spoken.contains(&json!(self.version));
        if is_spoken {
            self.version.clone()
        } else {
            spoken.last().unwrap().as_str().unwrap().into()
        }
    }
}

fn program(plugin: &Value) -> PathBuf {
    match plugin["type"].as_str().unwrap() {
        OURS => binary(OURS),
        other => upper_plugin(other),
    }
}

fn first_failure_or_last(answers: &mut dyn Iterator<Item = Answer>) -> Answer {
    let mut last = None;
    for answer in answers {
        let is_over = !answer.success;
        last = Some(answer);
        if is_over {
            break;
        }
    }
    last.expect("the list has plugins")
}
