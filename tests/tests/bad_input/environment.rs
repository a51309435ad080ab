//! Variables that a runtime must not set like this, and commands that are not spoken here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use ipam_tests::plugin::{Call, with_prev_result};
use ipam_tests::world::World;
use serde_json::json;

use super::{Row, add, conf, every_command};

pub(crate) const ROWS: &[Row] = &[
    Row::new("missing-ifname", 4, "CNI_IFNAME is \"\"", |world| {
        without(every_command(&conf(world, &json!({}))), "CNI_IFNAME")
    }),
    Row::new("del-quotes-misleading-variable", 4, "CNI_IFNAME is \"", |world| {
        vec![Call::new("DEL", "c1", &conf(world, &json!({}))).with("CNI_IFNAME", "not found")]
    }),
    Row::new("variable-not-utf8", 4, "CNI_", |world| {
        let conf = conf(world, &json!({}));
        ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_ARGS"]
            .map(|name| add(&conf).with(name, OsStr::from_bytes(b"c\xff1")))
            .to_vec()
    })
    .names(&["must be UTF-8"]),
    Row::new("cni-args-misspelt", 4, "CNI_ARGS is \"", |world| {
        each_args(world, &["Ipv4_Pools=legacy", "IPV4POOLS=legacy", "k8s_pod_namespace=fin"])
    })
    .names(&["is misspelt; write "]),
    Row::new("impossible-namespace", 4, "K8S_POD_NAMESPACE of CNI_ARGS is \"", |world| {
        let name = ";K8S_POD_NAME=web-0";
        let texts = ["", "FIN", "fin ", "../fin", "a/b"];
        let args: Vec<String> =
            texts.iter().map(|text| format!("K8S_POD_NAMESPACE={text}{name}")).collect();
        each_args(world, &args.iter().map(String::as_str).collect::<Vec<_>>())
    }),
    Row::new(
        "cni-args-list-with-a-blank",
        4,
        "IPV4_POOLS of CNI_ARGS has a blank entry",
        |world| each_args(world, &["IPV4_POOLS=legacy,", "IPV4_POOLS=,legacy", "IPV4_POOLS=,"]),
    ),
    Row::new("check-with-unreadable-prevresult", 7, "prevResult cannot be read", |world| {
        [json!({"ips": 7}), json!({"ips": [{"address": "x"}]}), json!("x")]
            .iter()
            .map(|result| {
                Call::new("CHECK", "c1", &with_prev_result(conf(world, &json!({})), result))
            })
            .collect()
    }),
];

/// Makes the same calls with a variable unset, and with it empty.
fn without(calls: Vec<Call>, name: &'static str) -> Vec<Call> {
    let both = |call: Call| [call.clone().without(name), call.with(name, "")];
    calls.into_iter().flat_map(both).collect()
}

/// Asks for addresses with each text as arguments.
fn each_args(world: &World, texts: &[&str]) -> Vec<Call> {
    let conf = conf(world, &json!({}));
    texts.iter().map(|text| add(&conf).with("CNI_ARGS", text)).collect()
}
