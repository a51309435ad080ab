//! Variables that a runtime must not set like this, and commands that are not spoken here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use ipam_tests::plugin::{Call, with_prev_result};
use ipam_tests::world::World;
use serde_json::json;

use super::{Row, add, conf, every_command};

pub(crate) const ROWS: &[Row] = &[
    Row::new("missing-containerid", 4, "CNI_CONTAINERID is \"\"", |world| {
        without(every_command(&conf(world, &json!({}))), "CNI_CONTAINERID")
    }),
    Row::new("missing-netns", 4, "CNI_NETNS is \"\"", |world| {
        // DEL goes on without: the namespace may be gone.
        let mut commands = every_command(&conf(world, &json!({})));
        commands.retain(|call| !call.is("DEL"));
        without(commands, "CNI_NETNS")
    }),
    Row::new("missing-ifname", 4, "CNI_IFNAME is \"\"", |world| {
        without(every_command(&conf(world, &json!({}))), "CNI_IFNAME")
    }),
    Row::new("hostile-containerid", 4, "CNI_CONTAINERID is \"", |world| {
        let ids =
            ["../x", "a/b", "/", "-c1", ".c1", "a b", "c1\n", "c1\r/x", "c\u{fc}1", "c1;x", "%00"];
        each(world, "CNI_CONTAINERID", &ids)
    })
    .names(&["must start with a letter or digit"]),
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
    Row::new("hostile-ifname", 4, "CNI_IFNAME is \"", |world| {
        let names = [
            "sixteen-letters-",
            "a/b",
            ".",
            "..",
            "a b",
            "a:b",
            "eth0\n",
            "\u{1b}[1m",
            "eth0\u{a0}",
        ];
        each(world, "CNI_IFNAME", &names)
    })
    .names(&["must have 1 to 15 bytes"]),
    Row::new("hostile-cni-args", 4, "CNI_ARGS is \"", |world| {
        let long = "x".repeat(100_000);
        each_args(world, &["foo", "a=b=c", "K8S_POD_NAME", "IgnoreUnknown=1;=;a", "a\n=b=c", &long])
    })
    .names(&["must consist of pairs name=value"]),
    Row::new("unknown-cni-args-key", 4, "CNI_ARGS is \"COLOUR\"", |world| {
        let keys = [
            "COLOUR=red",
            "IgnoreUnknown=0;COLOUR=red",
            "IgnoreUnknown=1;IgnoreUnknown=0;COLOUR=red",
        ];
        each_args(world, &keys)
    })
    .names(&["IgnoreUnknown=1"]),
    Row::new("cni-args-flag-unreadable", 4, "IgnoreUnknown of CNI_ARGS is \"maybe\"", |world| {
        each_args(world, &["IgnoreUnknown=maybe", "COLOUR=red;IgnoreUnknown=maybe"])
    }),
    Row::new("cni-args-address-unreadable", 105, "IP of CNI_ARGS: \"", |world| {
        each_args(world, &["IP=10.1.0.999", "IP=web-0", "IP=10.1.0.2/xyz"])
    }),
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
    // Half an identity would switch off what holds for its namespace.
    Row::new("half-identity", 4, "K8S_POD_NAMESPACE of CNI_ARGS is \"fin\"", |world| {
        each_args(world, &["K8S_POD_NAMESPACE=fin", "K8S_POD_NAMESPACE=fin;K8S_POD_NAME="])
    })
    .names(&["K8S_POD_NAME"]),
    Row::new("check-without-prevresult", 7, "prevResult is missing", |world| {
        let conf = conf(world, &json!({}));
        let null = with_prev_result(conf.clone(), &json!(null));
        vec![Call::new("CHECK", "c1", &conf), Call::new("CHECK", "c1", &null)]
    }),
    Row::new("check-with-unreadable-prevresult", 7, "prevResult cannot be read", |world| {
        [json!({"ips": 7}), json!({"ips": [{"address": "x"}]}), json!("x")]
            .iter()
            .map(|result| {
                Call::new("CHECK", "c1", &with_prev_result(conf(world, &json!({})), result))
            })
            .collect()
    }),
    Row::new("check-old-version", 1, "CHECK needs CNI version 0.4.0", |world| {
        let mut conf = with_prev_result(conf(world, &json!({})), &json!({"ips": []}));
        conf["cniVersion"] = json!("0.3.1");
        vec![Call::new("CHECK", "c1", &conf)]
    })
    .names(&["0.3.1"]),
    Row::new("gc-not-supported", 1, "CNI_COMMAND ", |world| {
        let conf = conf(world, &json!({}));
        vec![Call::new("GC", "c1", &conf), Call::new("STATUS", "c1", &conf)]
    })
    .names(&["needs CNI version 1.1.0"]),
    Row::new("unknown-command", 4, "CNI_COMMAND is \"", |world| {
        let conf = conf(world, &json!({}));
        ["FOO", "add", "ADD ", "", "ADD\n"]
            .iter()
            .map(|name| Call::new(name, "c1", &conf))
            .collect()
    })
    .names(&["must be ADD, CHECK, DEL or VERSION"]),
];

/// Makes the same calls with a variable unset, and with it empty.
fn without(calls: Vec<Call>, name: &'static str) -> Vec<Call> {
    let both = |call: Call| [call.clone().without(name), call.with(name, "")];
    calls.into_iter().flat_map(both).collect()
}

/// Makes every call with each value of a variable.
fn each(world: &World, name: &'static str, values: &[&str]) -> Vec<Call> {
    let calls = every_command(&conf(world, &json!({})));
    values
        .iter()
        .flat_map(|value| calls.clone().into_iter().map(move |call| call.with(name, value)))
        .collect()
}

/// Asks for addresses with each text as arguments.
fn each_args(world: &World, texts: &[&str]) -> Vec<Call> {
    let conf = conf(world, &json!({}));
    texts.iter().map(|text| add(&conf).with("CNI_ARGS", text)).collect()
}
