//! Explanations, held against what really happens.

use std::fs;

use ipam_core::ip::Family;
use serde_json::json;

use super::story::{FIN, Machine, rows};

#[test]
fn what_is_explained_is_what_happens() {
    let machine = Machine::with_pool(&FIN);
    machine.ok(&["pool", "create", "shared", "10.30.0.0/16"]);
    machine.ok(&["pool", "create", "six", "fd00::/64"]);
    machine.ok(&["namespace", "bind", "fin", "--ipv4pools", "fin,shared", "--required"]);
    for (node, family, pools) in [
        ("n1", Family::V4, &["fin"][..]),
        ("n1", Family::V4, &["fin"]),
        ("n2", Family::V4, &["shared", "fin"]),
        ("n2", Family::V4, &[]),
        ("n2", Family::V6, &["six"]),
        ("n3", Family::V6, &[]),
    ] {
        let number = family.number();
        let (flag, list) = (format!("--ipv{number}"), json!(pools).to_string());
        let annotation = format!("cni.projectcalico.org/ipv{number}pools={list}");
        let mut args = vec!["explain", "--namespace", "fin", "--node", node, &flag];
        if !pools.is_empty() {
            args.extend(["--pod-annotation", &annotation]);
        }
        let (code, told) = machine.json(&args);
        assert_eq!((code, &told["kind"]), (0, &json!("DecisionList")), "{told}");
        let revision = machine.json(&["check"]).1["revision"].clone();
        assert_eq!(told["revision"], revision, "an explanation changes nothing");
        let pod = format!("{node}-{number}-{revision}");
        let given = machine.try_assign(node, &pod, family, pools).unwrap();
        let decision = &told["items"][0];
        assert_eq!(decision["address"], given.addresses[0].ip.to_string(), "{args:?}");
        assert_eq!(decision["block"]["cidr"], given.addresses[0].block.to_string(), "{args:?}");
        assert_eq!(decision["pools"], json!(given.decisions[0].pools), "{args:?}");
    }
}

#[test]
fn an_explanation_names_every_step() {
    let machine = Machine::with_pool(&FIN);
    machine.ok(&["pool", "create", "off", "10.31.0.0/24", "--disabled"]);
    machine.ok(&["pool", "create", "shared", "10.30.0.0/24"]);
    machine.ok(&["pool", "create", "gpu", "10.32.0.0/24", "--node-selector", "has(gpu)"]);
    let conf = machine.path("net.conf");
    fs::write(&conf, r#"{"name":"net","type":"ptp","ipam":{"ipv4_pools":["shared"],"nodename":"n7","gateway":"first"}}"#)
        .unwrap();
    let conf = conf.to_str().unwrap();
    let automatic = machine.ok(&["explain", "--node", "n1"]);
    for row in [
        "IPv4 level automatic kept automatic IPv4 pools",
        "IPv4 pool shared kept 10.30.0.0/24 is enabled and automatic, and selects the workload",
        "IPv4 pool fin dropped is used only where it is named (assignmentMode Manual)",
        "IPv4 pool gpu dropped does not select the node (has(gpu))",
        "IPv4 pool off dropped is disabled",
        "IPv4 result - succeeds would succeed",
    ] {
        assert!(rows(&automatic).contains(&row.to_owned()), "{row}\n{automatic}");
    }
    let named = machine.ok(&["explain", "--cni-conf", conf, "--ipv4pools", r#"["fin"]"#]);
    for row in [
        "IPv4 level pod-annotation kept annotation cni.projectcalico.org/ipv4pools of the pod",
        "IPv4 level netconf dropped names shared, but a stronger level does too",
        "IPv4 pool fin kept 10.20.0.0/28 is named, so its selectors are not consulted",
    ] {
        assert!(rows(&named).contains(&row.to_owned()), "{row}\n{named}");
    }
    // The first address of each pool is the gateway of this network.
    let (_, told) = machine.json(&["explain", "--cni-conf", conf]);
    let address: std::net::Ipv4Addr =
        told["items"][0]["address"].as_str().unwrap().parse().unwrap();
    assert_ne!(address.octets()[3], 1, "{told}");
    machine.ok(&["namespace", "bind", "fin", "--ipv4pools", "fin", "--required"]);
    let bound =
        machine.ok(&["explain", "--namespace", "fin", "--node", "n1", "--ipv4pools", r#"["fin"]"#]);
    let row =
        "IPv4 binding namespace fin kept requires fin, which permits every pool that was chosen";
    assert!(rows(&bound).contains(&row.to_owned()), "{bound}");
}

#[test]
fn what_would_fail_is_explained_with_its_reason() {
    let machine = Machine::with_pool(&FIN);
    machine.ok(&["namespace", "bind", "hr", "--ipv4pools", "fin", "--required"]);
    machine.ok(&["pool", "create", "shared", "10.30.0.0/24"]);
    for (args, says) in [
        (&["--ipv4pools", r#"["finn"]"#][..], "there is no pool \"finn\"; similar: fin"),
        (&["--ipv4pools", "[fin]"], "is not JSON; write [\"fin\"]"),
        (&["--ipv4pools", "[]"], "names no pool"),
        (
            &["--namespace", "hr", "--ipv4pools", r#"["shared"]"#],
            "the required binding of namespace hr lists fin",
        ),
        (&["--ipv6"], "no IPv6 pool selects this workload; there is none of this family"),
    ] {
        let args: Vec<&str> = ["explain", "--node", "n1"].iter().chain(args).copied().collect();
        let run = machine.run(&args);
        assert_eq!(run.code, 1, "{args:?}: {run:?}");
        assert!(run.stdout.contains(says), "{args:?}: {run:?}");
        let (code, told) = machine.json(&args);
        assert_eq!((code, &told["items"][0]["succeeds"]), (1, &json!(false)), "{args:?}: {told}");
    }
    machine.fails(&["explain", "--cni-conf", "/dev/null"], 2, "RF-E0106");
    machine.fails(&["explain", "10.0.0.1", "--node", "n1"], 2, "RF-E0101");
    for at in 0..14 {
        machine.assign("n1", &format!("p{at}"), Family::V4, &["fin"]);
    }
    let run = machine.run(&["explain", "--node", "n1", "--ipv4pools", r#"["fin"]"#, "--ipv4"]);
    assert_eq!(run.code, 7, "{run:?}");
    assert!(run.stdout.contains("no free IPv4 address is left in fin"), "{run:?}");
    let run =
        machine.run(&["explain", "--node", "n1", "--ipv4pools", r#"["fin"]"#, "--ipv4", "--ipv6"]);
    assert_eq!(run.code, 1, "what is wrong beats what is full: {run:?}");
}
