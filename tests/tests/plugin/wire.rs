//! What goes over the wire, read and written by somebody else's types: those of the crate `rscni-plugin`, which was made from the
//! same specification.
//!
//! It differs from us, and from the Go library, in these ways:
//!
//! - it has no form for results before 0.3.0; there their parts are compared one by one;
//! - it knows `details` of an error as a text that is always there; we leave an empty one out;
//! - the message of an error whose number is the specification's is its own, and what we say is lost.

use std::collections::HashMap;

use ipam_tests::plugin::{Answer, Call};
use ipam_tests::world::World;
use rscni_plugin::error::Error;
use rscni_plugin::types::{
    CNI_ARGS, CNI_COMMAND, CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS, CNI_PATH, CNIResult,
    CNIResultWithVersion, Cmd, ContainerId, ErrorResult, GcAttachment, InterfaceName, IpConfig,
    Ipam, NetConf, Route, RuntimeConf,
};
use rscni_plugin::version::{PluginInfo, SpecVersion};
use rscni_types::legacy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{add, conf, given, ips, world};

const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const FAMILIES: [&[&str]; 3] = [&["ip4"], &["ip6"], &["ip4", "ip6"]];

/// Reads a value by their type and writes it again.
fn again<T: DeserializeOwned + Serialize>(value: &Value) -> Value {
    let read: T = serde_json::from_value(value.clone()).unwrap();
    serde_json::to_value(read).unwrap()
}

/// Returns a configuration in a version for some families, with everything that makes a result longer.
fn wordy(world: &World, version: &str, families: &[&str]) -> Value {
    let mut conf = conf(
        world,
        &json!({
            "assign_ipv4": families.contains(&"ip4"),
            "assign_ipv6": families.contains(&"ip6"),
            "gateway": "first",
            "routes": [
                {"dst": "0.0.0.0/0"},
                {"dst": "10.9.0.0/16", "gw": "10.1.0.9", "mtu": 1400, "priority": 7, "table": 100, "scope": 0, "advmss": 1360},
                {"dst": "::/0"},
            ],
        }),
    );
    conf["cniVersion"] = json!(version);
    conf
}

/// Writes a result by their types as the plugins of its version do.
fn result_again(version: &str, result: &Value) -> Value {
    let read: CNIResultWithVersion = serde_json::from_value(result.clone()).unwrap();
    let spoken: SpecVersion = version.parse().unwrap();
    assert_eq!(read.cni_version(), spoken);
    if spoken.is_legacy() {
        return serde_json::to_value(legacy::CNIResult::new(spoken, read.into_result())).unwrap();
    }
    serde_json::to_value(read).unwrap()
}

/// Writes a result of the first versions by their types, part by part: they have none for the whole.
fn parts_again(result: &Value) -> Value {
    let mut written = json!({"cniVersion": result["cniVersion"], "dns": {}});
    for family in ["ip4", "ip6"] {
        let Some(part) = result.get(family) else { continue };
        let address = json!({"address": part["ip"], "gateway": part["gateway"]});
        let address = again::<IpConfig>(&address);
        written[family] = json!({"ip": address["address"], "gateway": address["gateway"]});
        if let Some(routes) = part.get("routes") {
            written[family]["routes"] = again::<Vec<Route>>(routes);
        }
    }
    written
}

#[test]
fn results_of_every_version_and_family_are_theirs() {
    for version in VERSIONS {
        for families in FAMILIES {
            for dns in
                [Value::Null, json!({"nameservers": ["10.1.0.53"], "search": ["fin.example"]})]
            {
                let world = world();
                let mut conf = wordy(&world, version, families);
                let is_said = !dns.is_null();
                if is_said {
                    conf["ipam"]["dns"] = dns.clone();
                }
                let result = add("c1", &conf).json;
                let what = format!("{version} {families:?} {result}");
                if version < "0.3.0" {
                    let mut written = parts_again(&result);
                    if is_said {
                        written["dns"] = dns;
                    }
                    assert_eq!(written, result, "{what}");
                    continue;
                }
                assert_eq!(result_again(version, &result), result, "{what}");
                let read: CNIResultWithVersion = serde_json::from_value(result.clone()).unwrap();
                let CNIResult { ips, routes, dns: told, .. } = read.into_result();
                assert_eq!(ips.len(), families.len(), "{what}");
                assert!(ips.iter().all(|ip| ip.gateway.is_some()), "{what}");
                let of = |families: &[&str]| if families.contains(&"ip4") { 2 } else { 0 };
                let wanted = of(families) + usize::from(families.contains(&"ip6"));
                assert_eq!(routes.len(), wanted, "{what}");
                let detailed = routes.iter().filter(|route| route.table == Some(100)).count();
                let may_detail = version >= "1.1.0" && families.contains(&"ip4");
                assert_eq!(detailed, usize::from(may_detail), "{what}");
                let nameservers = told.map_or(0, |dns| dns.nameservers.len());
                assert_eq!(nameservers, usize::from(is_said), "{what}");
            }
        }
    }
}

/// Below Calico's main plugin the destinations of routes have bits set behind their prefix.
#[test]
fn results_below_calico_are_theirs() {
    for version in VERSIONS.into_iter().filter(|version| *version >= "0.3.0") {
        let world = world();
        let node = json!({"kind": "Node", "apiVersion": "projectcalico.org/v3", "metadata": {"name": "n1"}, "spec": {}});
        world.put("/calico/resources/v3/projectcalico.org/nodes/n1", node.to_string());
        let mut conf = conf(&world, &json!({"mode": "calico", "assign_ipv6": "true"}));
        conf["cniVersion"] = json!(version);
        let result = add("c1", &conf).json;
        assert_eq!(result["routes"][0]["dst"], result["ips"][0]["address"], "{version}: {result}");
        assert_eq!(result_again(version, &result), result, "{version}");
    }
}

#[test]
fn the_versions_that_are_spoken_can_be_read() {
    let answer = given(&Call::new("VERSION", "c1", &json!({"cniVersion": "1.1.0"})));
    assert_eq!(again::<PluginInfo>(&answer.json), answer.json);
    let info: PluginInfo = serde_json::from_value(answer.json).unwrap();
    for version in PluginInfo::default().supported_versions() {
        info.validate(*version).unwrap();
    }
}

/// Which error theirs is, if it has a name there.
fn name_of(error: &Error) -> &'static str {
    match error {
        Error::IncompatibleVersion(_) => "version",
        Error::UnsupportedNetworkConfiguration(_) => "unsupported",
        Error::InvalidEnvValue(_) => "environment",
        Error::FailedToDecode(_) => "undecodable",
        Error::InvalidNetworkConfig(_) => "config",
        Error::TryAgainLater(_) => "try again",
        Error::PluginNotAvailable(_) => "not ready",
        Error::Custom(..) => "custom",
        _ => "another",
    }
}

/// Makes a call that is refused in one of the ways that there are.
fn refused(world: &World, what: &str) -> Answer {
    let conf = |ipam: Value| conf(world, &ipam);
    let mut newest = conf(json!({}));
    newest["cniVersion"] = json!("1.1.0");
    let call = |command: &str, conf: &Value| Call::new(command, "c1", conf).pod("fin", "c1");
    let call = match what {
        "version" => call("GC", &conf(json!({}))),
        "unsupported" => call("ADD", &conf(json!({"datastore_type": "kubernetes"}))),
        "environment" => call("ADD", &newest).with(CNI_IFNAME, "a/b"),
        "undecodable" => call("ADD", &newest).raw("{"),
        "config" => call("ADD", &conf(json!({"gateway": 7}))),
        "try again" => {
            let etcd = json!({"datastore_type": "etcdv3", "datastore_path": null, "etcd_endpoints": "http://127.0.0.1:1", "timeout_ms": 300});
            call("ADD", &conf(etcd))
        }
        "not ready" => {
            let etcd = json!({"datastore_type": "etcdv3", "datastore_path": null, "etcd_endpoints": "http://127.0.0.1:1", "timeout_ms": 300});
            let mut conf = conf(etcd);
            conf["cniVersion"] = json!("1.1.0");
            call("STATUS", &conf)
        }
        "custom" => call("ADD", &conf(json!({"ipv4_pools": ["nosuch"]}))),
        _ => unreachable!("{what}"),
    };
    call.run()
}

#[test]
fn errors_are_theirs_but_for_the_words() {
    for what in [
        "version",
        "unsupported",
        "environment",
        "undecodable",
        "config",
        "try again",
        "not ready",
        "custom",
    ] {
        let answer = refused(&world(), what);
        assert!(!answer.success, "{what}: {answer:?}");
        let mut ours = answer.json.clone();
        let details = ours.get("details").cloned().unwrap_or_default();
        ours["details"] = json!(details.as_str().unwrap_or_default());
        assert_eq!(again::<ErrorResult>(&answer.json), ours, "{what}");
        let read: ErrorResult = serde_json::from_value(answer.json.clone()).unwrap();
        let error = Error::from(read);
        assert_eq!(name_of(&error), what, "{answer:?}");
        assert_eq!(Some(u64::from(u32::from(&error))), answer.code(), "{what}");
        assert_eq!(error.details(), ours["details"], "{what}");
        let keeps_words = what == "custom";
        assert_eq!(error.msg() == answer.message(), keeps_words, "{what}: {}", error.msg());
    }
}

#[test]
fn an_error_names_the_version_that_is_spoken() {
    for version in VERSIONS {
        let world = world();
        let mut conf = conf(&world, &json!({"ipv4_pools": ["nosuch"]}));
        conf["cniVersion"] = json!(version);
        let answer = Call::new("ADD", "c1", &conf).run();
        assert_eq!(answer.code(), Some(101), "{version}");
        assert_eq!(again::<ErrorResult>(&answer.json)["cniVersion"], version);
    }
}

/// Makes a configuration by their types, for one pool of each family.
fn their_conf(world: &World, version: &str) -> NetConf {
    let Value::Object(ours) = conf(world, &json!({})) else { panic!("an object") };
    let Value::Object(mut ipam) = ours["ipam"].clone() else { panic!("an object") };
    ipam.remove("type");
    let annotations = json!({
        "cni.projectcalico.org/ipv4pools": r#"["b"]"#,
        "cni.projectcalico.org/ipv6pools": r#"["b6"]"#,
    });
    let annotations = ("io.kubernetes.cri.pod-annotations".to_owned(), annotations);
    NetConf {
        cni_version: version.to_owned(),
        name: "net".to_owned(),
        r#type: "bridge".to_owned(),
        ip_masq: Some(false),
        capabilities: Some(HashMap::from([(annotations.0.clone(), true)])),
        runtime_config: Some(RuntimeConf {
            port_mappings: Vec::new(),
            custom: HashMap::from([annotations]),
        }),
        ipam: Some(Ipam {
            r#type: "ringfence-ipam".to_owned(),
            custom: ipam.into_iter().collect(),
        }),
        ..NetConf::default()
    }
}

/// Makes a call from their types alone.
fn their_call(command: Cmd, container: &str, conf: &NetConf) -> Answer {
    let container = ContainerId::try_from(container.to_owned()).unwrap();
    let ifname = InterfaceName::try_from("eth0".to_owned()).unwrap();
    let call = Call::bare()
        .with(CNI_COMMAND, <&str>::from(command))
        .with(CNI_PATH, "/usr/lib/cni")
        .raw(serde_json::to_vec(conf).unwrap());
    let call = match command {
        Cmd::Gc | Cmd::Status | Cmd::Version => call,
        Cmd::Add | Cmd::Del | Cmd::Check => call
            .with(CNI_CONTAINERID, container.as_ref())
            .with(CNI_NETNS, "/run/netns/c1")
            .with(CNI_IFNAME, ifname.as_ref())
            .with(
                CNI_ARGS,
                format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=fin;K8S_POD_NAME={container}"),
            ),
    };
    given(&call)
}

#[test]
fn what_their_types_write_is_understood() {
    for version in VERSIONS {
        let world = world();
        let mut conf = their_conf(&world, version);
        let added = their_call(Cmd::Add, "c1", &conf);
        assert!(ips(&added)[0].starts_with("10.2."), "{version}: {added:?}");
        assert!(ips(&added)[1].starts_with("fd00:2:"), "{version}: {added:?}");
        if version >= "0.4.0" {
            let result: CNIResultWithVersion = serde_json::from_value(added.json).unwrap();
            conf.prev_result = Some(result.into_result());
            their_call(Cmd::Check, "c1", &conf);
        }
        if version >= "1.1.0" {
            conf.prev_result = None;
            their_call(Cmd::Status, "c1", &conf);
            conf.ipam.as_mut().unwrap().custom.insert("gc_grace_seconds".to_owned(), json!(0));
            their_call(Cmd::Add, "c2", &conf);
            let known = GcAttachment { container_id: "c1".to_owned(), ifname: "eth0".to_owned() };
            conf.valid_attachments = Some(vec![known]);
            their_call(Cmd::Gc, "c1", &conf);
            assert_eq!(world.taken().len(), 2, "c1 alone holds");
            conf.valid_attachments = None;
        }
        their_call(Cmd::Del, "c1", &conf);
        assert_eq!(world.taken().len(), 0, "{version}");
    }
}
