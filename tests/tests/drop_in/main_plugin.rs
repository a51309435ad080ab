//! Every call that Calico's main plugin was recorded to make: the literal stdin and environment, the same answer.

use std::fs;
use std::path::Path;

use ipam_tests::kubernetes::{ApiServer, Reply};
use ipam_tests::plugin::Call;
use ipam_tests::replay::prints_the_same;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Node;

#[derive(Deserialize)]
struct Recorded {
    rows: Vec<Row>,
}

/// What happened to one pod.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    command: String,
    namespace: String,
    namespace_object: Value,
    pod: String,
    ipam_calls: Vec<IpamCall>,
}

#[derive(Deserialize)]
struct IpamCall {
    stdin: String,
    env: Vec<String>,
    exit: i32,
    stdout: String,
}

impl IpamCall {
    fn at(&self, node: &Node, api: &ApiServer) -> Call {
        let mut recorded: Value = serde_json::from_str(&self.stdin).unwrap();
        recorded["kubernetes"]["kubeconfig"] = json!(api.kubeconfig());
        let variable = |name: &str| {
            let pair = self.env.iter().find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            pair.unwrap_or_else(|| panic!("no {name}"))
        };
        ["CNI_NETNS", "CNI_IFNAME", "CNI_PATH", "CNI_ARGS"].into_iter().fold(
            Call::new(
                variable("CNI_COMMAND"),
                variable("CNI_CONTAINERID"),
                &node.netconf(&recorded),
            ),
            |call, name| call.with(name, variable(name)),
        )
    }
}

#[test]
fn every_call_of_the_main_plugin_is_answered_as_recorded() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/main-plugin.json");
    let recorded: Recorded = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let (node, api) = (Node::new(), ApiServer::start());
    let mut calls = 0;
    for row in &recorded.rows {
        let part = |name: &str| row.namespace_object.get(name).unwrap_or(&Value::Null);
        let namespace = Reply::namespace(&row.namespace, part("annotations"), part("labels"));
        api.namespace(&row.namespace, namespace);
        for call in &row.ipam_calls {
            let answer = call.at(&node, &api).run();
            prints_the_same(&call.stdout, Some(call.exit), &answer).unwrap_or_else(|difference| {
                panic!("{} {}/{}: {difference}", row.command, row.namespace, row.pod)
            });
            calls += 1;
        }
    }
    assert!(calls > 30, "{calls} calls");
    assert!(
        api.seen().iter().all(|seen| !seen.path.contains("/pods/")),
        "the main plugin reads the pod"
    );
    assert!(!api.seen().is_empty());
    assert_eq!(node.world.findings(), [], "of the store");
}
