//! Rows 1 to 12: variables that a runtime must not set like this, or must not leave out.

use ipam_tests::plugin::Call;
use serde_json::json;

use super::calls::{POD, add, add_with_args, calico, conf, every_command};
use super::cluster::Cluster;
use super::row::{Case, Row};

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        1,
        "no command",
        &[Case::nothing(|cluster| {
            vec![add(&conf(cluster, &json!({}))).without("CNI_COMMAND").raw("")]
        })
        .names(&["CNI IPAM plugin"])],
    ),
    Row::new(
        2,
        "unknown command",
        &[Case::refused(4, "CNI_COMMAND is \"", |cluster| {
            let conf = conf(cluster, &json!({}));
            ["FOO", "add", "ADD ", "", "ADD\n"].map(|name| Call::new(name, "c1", &conf)).to_vec()
        })
        .names(&["must be ADD, CHECK, DEL"])],
    ),
    Row::new(
        3,
        "no container",
        &[Case::refused(4, "CNI_CONTAINERID is \"\"", |cluster| {
            let calls = every_command(&conf(cluster, &json!({})));
            calls.into_iter().map(|call| call.without("CNI_CONTAINERID")).collect()
        })],
    ),
    Row::new(
        4,
        "hostile container",
        &[Case::refused(4, "CNI_CONTAINERID is \"", |cluster| {
            let ids = [
                "", "../x", "a/b", "/", "-c1", ".c1", "a b", "c1\n", "c1\r/x", "c\u{fc}1", "c1;x",
                "%00",
            ];
            each(cluster, "CNI_CONTAINERID", &ids)
        })
        .names(&["must start with a letter or digit"])],
    ),
    Row::new(
        5,
        "no network namespace",
        &[Case::refused(4, "CNI_NETNS is \"\"", |cluster| {
            let mut calls = every_command(&conf(cluster, &json!({})));
            calls.retain(|call| !call.is("DEL"));
            let both = |call: Call| [call.clone().without("CNI_NETNS"), call.with("CNI_NETNS", "")];
            calls.into_iter().flat_map(both).collect()
        })],
    ),
    Row::new(
        6,
        "no network namespace, which may be gone, on DEL",
        &[Case::released(|cluster| {
            let conf = conf(cluster, &json!({}));
            assert!(add(&conf).run().success);
            vec![Call::new("DEL", "c1", &conf).without("CNI_NETNS")]
        })],
    ),
    Row::new(
        7,
        "hostile interface",
        &[Case::refused(4, "CNI_IFNAME is \"", |cluster| {
            let names = [
                "",
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
            each(cluster, "CNI_IFNAME", &names)
        })
        .names(&["must have 1 to 15 bytes"])],
    ),
    Row::new(
        8,
        "arguments that are no pairs",
        &[
            Case::refused(4, "CNI_ARGS is \"", |cluster| {
                let long = "x".repeat(100_000);
                let texts =
                    ["foo", "a=b=c", "K8S_POD_NAME", "IgnoreUnknown=1;=;a", "a\n=b=c", &long];
                in_both_modes(cluster, &texts)
            })
            .names(&["must consist of pairs name=value"]),
            Case::given(&["10.1.0.7", "fd00:"], |cluster| {
                add_with_args(&conf(cluster, &json!({})), &[";;IP=10.1.0.7;;;IgnoreUnknown=1;"])
            }),
        ],
    ),
    Row::new(
        9,
        "unknown argument",
        &[Case::refused(4, "CNI_ARGS is \"COLOUR\"", |cluster| {
            let texts = [
                "COLOUR=red",
                "IgnoreUnknown=0;COLOUR=red",
                "IgnoreUnknown=1;IgnoreUnknown=0;COLOUR=red",
            ];
            in_both_modes(cluster, &texts)
        })
        .names(&["IgnoreUnknown=1"])],
    ),
    Row::new(
        10,
        "unreadable flag among the arguments",
        &[Case::refused(4, "IgnoreUnknown of CNI_ARGS is \"maybe\"", |cluster| {
            in_both_modes(cluster, &["IgnoreUnknown=maybe", "COLOUR=red;IgnoreUnknown=maybe"])
        })],
    ),
    Row::new(
        11,
        "an argument twice: the last counts",
        &[
            Case::given(&["10.1.0.7", "fd00:"], |cluster| {
                let text = format!("IP=10.2.0.9;K8S_POD_NAMESPACE=X;{POD};IP=10.1.0.7");
                add_with_args(&conf(cluster, &json!({"log_level": "debug"})), &[&text])
            })
            .names(&["CNI_ARGS has a name more than once; the last one counts", "\"IP\""]),
            Case::given(&["10."], |cluster| {
                let text = "IgnoreUnknown=0;COLOUR=red;IgnoreUnknown=1";
                add_with_args(&calico(cluster, &json!({})), &[text])
            }),
        ],
    ),
    // Half an identity would switch off what holds for its namespace; podman has names without namespaces.
    Row::new(
        12,
        "half an identity",
        &[
            Case::refused(4, "K8S_POD_NAMESPACE of CNI_ARGS is \"fin\"", |cluster| {
                let texts = ["K8S_POD_NAMESPACE=fin", "K8S_POD_NAMESPACE=fin;K8S_POD_NAME="];
                add_with_args(&conf(cluster, &json!({})), &texts)
            })
            .names(&["K8S_POD_NAME"]),
            Case::refused(4, "K8S_POD_NAMESPACE of CNI_ARGS is missing", |cluster| {
                let api = json!({"kubernetes": {"kubeconfig": "/absent/kubeconfig"}});
                let required = json!({"annotations": "required"});
                let args = ["IgnoreUnknown=1;K8S_POD_NAME=web-0"];
                let confs = [api, required].map(|ipam| conf(cluster, &ipam));
                confs.iter().flat_map(|conf| add_with_args(conf, &args)).collect()
            }),
            Case::given(&["10."], |cluster| {
                add_with_args(&calico(cluster, &json!({})), &["K8S_POD_NAMESPACE=fin"])
            }),
            Case::given(&["10.", "fd00:"], |cluster| {
                let args = ["IgnoreUnknown=1;K8S_POD_NAME=web-0"];
                add_with_args(&conf(cluster, &json!({})), &args)
            }),
        ],
    ),
];

/// Makes every call with each value of a variable.
fn each(cluster: &Cluster, name: &'static str, values: &[&str]) -> Vec<Call> {
    let calls = every_command(&conf(cluster, &json!({})));
    values
        .iter()
        .flat_map(|value| calls.clone().into_iter().map(move |call| call.with(name, value)))
        .collect()
}

/// Asks for addresses with each text as arguments, below Calico's main plugin and below another.
fn in_both_modes(cluster: &Cluster, texts: &[&str]) -> Vec<Call> {
    let mut calls = add_with_args(&conf(cluster, &json!({})), texts);
    calls.extend(add_with_args(&calico(cluster, &json!({})), texts));
    calls
}
