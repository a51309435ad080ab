//! The commands, and what a person sees who calls the plugin by hand.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use ipam_core::ip::Family;
use ipam_core::model::HandleId;
use ipam_core::plan::{Assign, FamilyRequest, NodeRule, Rules, Want};
use ipam_core::pool::Levels;
use ipam_tests::binaries::binary;
use ipam_tests::plugin::{Answer, Call, annotated, with_prev_result};
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{ANNOTATION_V4, add, conf, del, given, held, ips, world};

/// Changes a configuration.
type Change = fn(&mut Value);
/// Changes, after an ADD, the store by means of its configuration, or the result.
type ChangeBehind = fn(&World, &Value, &mut Value);

#[test]
fn add_twice_gives_the_same_and_changes_nothing() {
    let world = world();
    let conf = conf(&world, &json!({"gateway": "first"}));
    let first = add("c1", &conf);
    let (contents, files) = (world.contents(), world.files());
    assert_eq!(add("c1", &conf).json, first.json);
    assert_eq!(world.contents(), contents, "revisions included");
    assert_eq!(world.files(), files);
}

#[test]
fn del_can_be_repeated() {
    let world = world();
    let conf = conf(&world, &json!({}));
    add("c1", &conf);
    add("c2", &conf);
    let others = ips(&add("c2", &conf));
    del("c1", &conf);
    assert!(held(&world, "net.c1.eth0").is_empty());
    let contents = world.contents();
    del("c1", &conf);
    del("never-seen", &conf);
    assert_eq!(world.contents(), contents, "revisions included");
    let taken: Vec<String> = world.taken().iter().map(ToString::to_string).collect();
    assert_eq!(taken, others, "what others hold is theirs");
}

/// What made sense at creation need not make sense any more; the address must come back all the same.
#[test]
fn del_needs_nothing_but_the_store_and_the_names() {
    let world = world();
    let sound = conf(&world, &json!({}));
    let changes: [(&str, Change); 9] = [
        ("pools that are no list", |conf| conf["ipam"]["ipv4_pools"] = json!("a")),
        ("pools that do not exist", |conf| conf["ipam"]["ipv4_pools"] = json!(["nosuch"])),
        ("no family", |conf| conf["ipam"]["assign_ipv4"] = json!("nonsense")),
        ("a gateway that is none", |conf| conf["ipam"]["gateway"] = json!(7)),
        ("a route with host bits", |conf| conf["ipam"]["routes"] = json!([{"dst": "10.0.0.1/8"}])),
        ("a node without a name", |conf| conf["ipam"]["nodename"] = json!(" ")),
        ("annotations that are none", |conf| {
            conf["runtimeConfig"] = json!({"io.kubernetes.cri.pod-annotations": 7});
        }),
        ("a malformed annotation", |conf| {
            *conf = annotated(conf.clone(), &json!({ANNOTATION_V4: "[]"}));
        }),
        ("an unreadable result", |conf| conf["prevResult"] = json!({"ips": "none"})),
    ];
    for (what, change) in changes {
        add("c1", &sound);
        let mut conf = sound.clone();
        change(&mut conf);
        let call = Call::new("DEL", "c1", &conf).with("CNI_ARGS", "a=b=c").without("CNI_NETNS");
        let answer = call.run();
        assert!(answer.success, "{what}: {answer:?}");
        assert_eq!(answer.json, Value::Null, "{what}");
        assert_eq!(world.taken(), [] as [std::net::IpAddr; 0], "{what}");
    }
}

/// Calico's plugin gives a container one handle for all its interfaces.
#[test]
fn del_looks_at_the_handle_of_the_whole_container_too() {
    let world = world();
    let conf = conf(&world, &json!({}));
    for interface in ["eth0", "net1"] {
        let request = Assign {
            handle: Some(HandleId::new("net.c1").unwrap()),
            host: "n1".to_owned(),
            tenant: None,
            attributes: BTreeMap::from([("interface".to_owned(), interface.to_owned())]),
            families: vec![FamilyRequest {
                family: Family::V4,
                want: Want::Any(1),
                levels: Levels::default(),
            }],
            rules: Rules { node: NodeRule::Optional, ..Rules::calico() },
        };
        world.drive(&request).unwrap();
    }
    del("c1", &conf);
    let left: Vec<_> = held(&world, "net.c1").into_values().collect();
    assert_eq!(left, [BTreeMap::from([("interface".to_owned(), "net1".to_owned())])]);
}

/// Stores a change behind the plugin's back, and returns what CHECK says then.
fn check_after(change: ChangeBehind) -> Answer {
    let world = world();
    let conf = conf(&world, &json!({"gateway": "first"}));
    let mut result = add("c1", &conf).json;
    change(&world, &conf, &mut result);
    let before = world.contents();
    let answer = Call::new("CHECK", "c1", &with_prev_result(conf, &result)).run();
    assert_eq!(world.contents(), before, "CHECK changes nothing");
    answer
}

#[test]
fn check_compares_the_store_with_the_result() {
    let cases: [(&str, ChangeBehind, Option<u64>); 7] = [
        ("all is as it was", |_, _, _| (), None),
        (
            "the pool is switched off by now",
            |world, _, _| {
                let spec = json!({"cidr": "10.1.0.0/24", "blockSize": 28, "disabled": true});
                world.pool("a", spec, None);
            },
            None,
        ),
        (
            "an address of no pool is somebody else's business",
            |_, _, result| {
                result["ips"].as_array_mut().unwrap().push(json!({"address": "192.0.2.7/24"}));
            },
            None,
        ),
        ("the address was given back", |_, conf, _| del("c1", conf), Some(120)),
        (
            "the address was given back and is another container's",
            |_, conf, result| {
                del("c1", conf);
                let address =
                    result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap();
                let args = format!("IP={address}");
                given(&Call::new("ADD", "c2", conf).with("CNI_ARGS", args));
            },
            Some(121),
        ),
        (
            "the result lacks an address that is held",
            |_, _, result| drop(result["ips"].as_array_mut().unwrap().pop()),
            Some(122),
        ),
        ("the result lacks everything", |_, _, result| result["ips"] = json!([]), Some(122)),
    ];
    for (what, change, code) in cases {
        let answer = check_after(change);
        assert_eq!(answer.code(), code, "{what}: {answer:?}");
        assert_eq!(answer.success, code.is_none(), "{what}");
        assert_eq!(answer.json.is_null(), code.is_none(), "{what}: CHECK prints errors only");
    }
}

#[test]
fn check_understands_the_results_of_its_versions() {
    for version in ["0.4.0", "1.0.0"] {
        let world = world();
        let mut conf = conf(&world, &json!({}));
        conf["cniVersion"] = json!(version);
        let result = add("c1", &conf).json;
        let answer = given(&Call::new("CHECK", "c1", &with_prev_result(conf, &result)));
        assert_eq!(answer.json, Value::Null, "{version}");
    }
}

#[test]
fn version_is_answered_whatever_came_with_it() {
    let supported = json!(["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]);
    for (stdin, version) in [
        (b"".as_slice(), "1.1.0"),
        (b"\xff{", "1.1.0"),
        (br#"{"cniVersion": "9.9.9"}"#, "1.1.0"),
        (br#"{"cniVersion": "0.4.0"}"#, "0.4.0"),
        (br#"{"cniVersion": "1.0.0", "name": "net", "ipam": {}}"#, "1.0.0"),
    ] {
        let mut call = Call::new("VERSION", "", &json!({})).raw(stdin);
        for name in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"] {
            call = call.without(name);
        }
        let expected = json!({"cniVersion": version, "supportedVersions": supported});
        assert_eq!(given(&call).json, expected, "{}", String::from_utf8_lossy(stdin));
    }
}

/// A talkative log must not reach stdout, where it would spoil the protocol.
#[test]
fn stdout_carries_the_protocol_and_nothing_else() {
    let world = world();
    let conf = conf(&world, &json!({"log_level": "debug"}));
    let added = add("c1", &conf);
    assert_eq!(added.addresses().len(), 2);
    assert!(added.stderr.contains("assigned"), "{added:?}");
    let deleted = given(&Call::new("DEL", "c1", &conf));
    assert_eq!(deleted.json, Value::Null);
    assert!(deleted.stderr.contains("released"), "{deleted:?}");
    let quiet = add("c2", &super::conf(&world, &json!({})));
    assert_eq!(quiet.stderr, "");
}

/// Versions to come may know more fields, so one that is not known is no error; but somebody should hear of it.
#[test]
fn an_unknown_field_is_told_of_and_passed_over() {
    let world = world();
    let answer = add("c1", &conf(&world, &json!({"log_level": "warning", "colour": ["c"]})));
    assert_eq!(answer.addresses().len(), 2);
    assert!(answer.stderr.contains("colour"), "{answer:?}");
}

#[test]
fn a_file_says_what_stdin_lacks() {
    let world = world();
    let path = world.folder().join("config.json");
    let fields = json!({
        "datastore_type": "embedded",
        "datastore_path": world.path(),
        "nodename": "from-the-file",
        "ipam_lock_file": world.folder().join("ipam.lock"),
        "ipv4_pools": ["c"],
    });
    fs::write(&path, fields.to_string()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let mut stripped = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "bridge",
        "ipam": {"type": "ringfence-ipam", "config_file": path},
    });
    let answer = add("c1", &stripped);
    assert!(ips(&answer)[0].starts_with("10.3."), "{answer:?}");
    let attributes = held(&world, "net.c1.eth0").into_values().next().unwrap();
    assert_eq!(attributes["node"], "from-the-file");
    del("c1", &stripped);
    assert!(held(&world, "net.c1.eth0").is_empty());
    stripped["ipam"]["ipv4_pools"] = json!(["b"]);
    stripped["nodename"] = json!("from-the-top");
    let answer = add("c2", &stripped);
    assert!(ips(&answer)[0].starts_with("10.2."), "stdin is stronger: {answer:?}");
    let attributes = held(&world, "net.c2.eth0").into_values().next().unwrap();
    assert_eq!(attributes["node"], "from-the-top");
}

#[test]
fn a_store_can_be_named_at_the_top() {
    let world = world();
    let mut conf = conf(&world, &json!({}));
    for name in ["datastore_type", "datastore_path"] {
        conf[name] = conf["ipam"].as_object_mut().unwrap().remove(name).unwrap();
    }
    assert_eq!(add("c1", &conf).addresses().len(), 2);
}

#[test]
fn a_node_name_can_stand_in_a_file() {
    let world = world();
    let path = world.folder().join("nodename");
    fs::write(&path, " n7\n").unwrap();
    let mut conf = conf(&world, &json!({"nodename_file": path}));
    conf["ipam"].as_object_mut().unwrap().remove("nodename");
    add("c1", &conf);
    let attributes = held(&world, "net.c1.eth0").into_values().next().unwrap();
    assert_eq!(attributes["node"], "n7", "what surrounds it does not count");
}

/// The compares of a transaction keep addresses apart; the lock only spares processes lost races.
#[test]
fn the_lock_of_the_node_is_politeness() {
    let world = world();
    let path = world.folder().join("held.lock");
    let file = File::create(&path).unwrap();
    file.lock().unwrap();
    let unwritable = json!("/proc/no/such/folder/ipam.lock");
    for (container, lock) in [("c1", json!(path)), ("c2", unwritable), ("c3", json!("/proc"))] {
        let ipam = json!({
            "ipam_lock_file": lock, "lock_wait_ms": 20, "log_level": "warning",
        });
        let answer = add(container, &conf(&world, &ipam));
        assert_eq!(answer.addresses().len(), 2);
        assert!(answer.stderr.contains("without the lock"), "{answer:?}");
    }
}

#[test]
fn stdin_that_cannot_be_read_is_an_error_of_its_own() {
    let folder = File::open("/").unwrap();
    let variables = [("CNI_COMMAND", "DEL"), ("CNI_CONTAINERID", "c1"), ("CNI_IFNAME", "eth0")];
    let mut plugin = Command::new(binary("ringfence-ipam"));
    let output = plugin.env_clear().envs(variables).stdin(folder).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &answer["code"]), (Some(1), &json!(5)), "{answer}");
}

fn by_hand(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(binary("ringfence-ipam")).env_clear().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_person_is_told_what_this_is() {
    let (exit, stdout, stderr) = by_hand(&[]);
    assert_eq!((exit, stdout.as_str()), (Some(0), ""));
    assert!(stderr.contains("CNI IPAM plugin") && stderr.contains("1.1.0"), "{stderr}");
    for flag in ["-v", "--version"] {
        let (exit, stdout, stderr) = by_hand(&[flag]);
        assert_eq!((exit, stderr.as_str()), (Some(0), ""), "{flag}");
        assert_eq!(stdout.trim(), env!("CARGO_PKG_VERSION"), "{flag}");
    }
    for arguments in [&["--colour"][..], &["-upgrade"], &["-v", "x"]] {
        let (exit, stdout, stderr) = by_hand(arguments);
        assert_eq!((exit, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!stderr.is_empty(), "{arguments:?}");
    }
}

/// The text of a handle does not tell where the network ends and the container begins.
#[test]
fn a_del_frees_nothing_of_a_handle_that_is_spelt_alike() {
    let world = world();
    let held = add("a.b", &conf(&world, &json!({}))).addresses();
    let mut other = conf(&world, &json!({}));
    other["name"] = json!("net.a");
    assert!(Call::new("DEL", "b", &other).run().success);
    let other_interface =
        Call::new("DEL", "a", &conf(&world, &json!({}))).with("CNI_IFNAME", "b.eth0");
    assert!(other_interface.run().success);
    assert_eq!(world.taken().len(), held.len());
    assert!(Call::new("DEL", "a.b", &conf(&world, &json!({}))).run().success);
    assert!(world.taken().is_empty());
}
