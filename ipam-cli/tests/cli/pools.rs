//! Pools, manifests and bindings.

use std::fs;

use ipam_core::ip::Family;
use serde_json::{Value, json};

use super::story::{FIN, MANIFEST, Machine};

#[test]
fn pools_are_made_with_defaults_for_firewalls() {
    let machine = Machine::fresh();
    let made = machine.ok(&[
        "pool",
        "create",
        "fin",
        "10.20.0.0/24",
        "--block-size",
        "28",
        "--for",
        "firewall",
    ]);
    let row: Vec<&str> = made.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["fin", "created", "10.20.0.0/24", "256", "16", "/28", "Manual"]);
    for (args, expected) in [
        (
            &["a", "10.1.0.0/16"][..],
            json!({"mode": "Automatic", "natOutgoing": false, "ipipMode": "Never",
            "vxlanMode": "Never", "blockSize": 26, "allowedUses": ["Workload", "Tunnel"], "exclusive": false}),
        ),
        (
            &["b", "10.2.0.0/16", "--nat", "--ipip", "crosssubnet", "--disabled", "--exclusive"],
            json!({"natOutgoing": true, "ipipMode": "CrossSubnet", "state": "disabled", "exclusive": true}),
        ),
        (
            &["c", "fd00::/64", "--vxlan", "Always", "--node-selector", "has(x)"],
            json!({"vxlanMode": "Always", "nodeSelector": "has(x)", "blockSize": 122, "total": "18446744073709551616"}),
        ),
        (
            &["d", "10.3.0.0/24", "--namespace-selector", "a == \"b\""],
            json!({"allowedUses": ["Workload"], "namespaceSelector": "a == \"b\""}),
        ),
        (
            &["e", "10.4.0.0/24", "--uses", "Workload,Tunnel"],
            json!({"allowedUses": ["Workload", "Tunnel"]}),
        ),
        (
            &["f", "10.5.0.0/255.255.255.0", "--for", "firewall"],
            json!({"cidr": "10.5.0.0/24", "mode": "Manual"}),
        ),
    ] {
        let create: Vec<&str> = ["pool", "create"].iter().chain(args).copied().collect();
        let (_, created) = machine.json(&create);
        let (_, got) = machine.json(&["pool", "get", args[0]]);
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&created["items"][0][key], value, "{args:?} {key}");
        }
        assert_eq!(created["items"], got["items"], "{args:?}: what is told is what is stored");
    }
}

#[test]
fn pools_that_break_a_rule_are_refused() {
    let machine = Machine::with_pool(&["fin", "10.20.0.0/24", "--block-size", "28"]);
    for (args, code, name, says) in [
        (&["fin", "10.99.0.0/24"][..], 5, "RF-E0305", "exists already"),
        (&["b", "10.20.0.128/25"], 5, "RF-E0302", "overlaps 10.20.0.0/24 of pool \"fin\""),
        (&["b", "10.20.0.9/24"], 2, "RF-E0102", "how: write 10.20.0.0/24"),
        (&["b", "10.20.0.9"], 2, "RF-E0102", "is not a network"),
        (&["b", "nonsense"], 2, "RF-E0102", "is not a network"),
        (&["B", "10.9.0.0/24"], 2, "RF-E0301", "the name \"B\""),
        (&["b", "10.9.0.0/24", "--block-size", "33"], 2, "RF-E0301", "not between 20 and 32"),
        (&["b", "10.9.0.0/24", "--block-size", "0"], 2, "RF-E0101", "20..=128"),
        (&["b", "10.9.0.0/24", "--uses", "Nope"], 2, "RF-E0301", "Workload, Tunnel, LoadBalancer"),
        (
            &["b", "10.9.0.0/24", "--ipip", "Always", "--vxlan", "Always"],
            2,
            "RF-E0301",
            "cannot both be on",
        ),
        (&["b", "10.9.0.0/24", "--node-selector", "a ==="], 2, "RF-E0301", "not a selector"),
        (&["b", "10.9.0.0/24", "--for", "firewall", "--nat"], 2, "RF-E0101", "--nat"),
        (&["b", "10.9.0.0/24", "--for", "firewall", "--ipip", "Always"], 2, "RF-E0101", "--ipip"),
        (&["b"], 2, "RF-E0101", "<CIDR>"),
    ] {
        let args: Vec<&str> = ["pool", "create"].iter().chain(args).copied().collect();
        let told = machine.fails(&args, code, name);
        assert!(told.contains(says), "{args:?}: {told}");
    }
    let (_, pools) = machine.json(&["pool", "list"]);
    assert_eq!(pools["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_pool_is_deleted_only_when_nobody_needs_it() {
    let machine = Machine::with_pool(&FIN);
    machine.ok(&["namespace", "bind", "fin", "--ipv4pools", "fin"]);
    let told = machine.fails(&["pool", "delete", "fin"], 5, "RF-E0313");
    assert!(told.contains("how: ringfence namespace unbind fin"), "{told}");
    machine.ok(&["namespace", "unbind", "fin"]);
    let ip = machine.assign("n1", "a", Family::V4, &["fin"]);
    let before = machine.json(&["check"]).1["revision"].clone();
    let told = machine.fails(&["pool", "delete", "fin"], 5, "RF-E0312");
    assert!(told.contains("still holds 1 addresses in 1 blocks"), "{told}");
    assert_eq!(machine.json(&["check"]).1["revision"], before, "a refusal changes nothing");
    machine.release(ip);
    assert_eq!(machine.ok(&["pool", "delete", "fin"]), "fin deleted\n");
    machine.fails(&["pool", "delete", "fin"], 1, "RF-E0306");
    machine.fails(&["pool", "get", "fin"], 1, "RF-E0306");
    assert_eq!(machine.run(&["pool", "list"]).stdout, "");
}

#[test]
fn a_manifest_is_applied_as_a_whole() {
    let machine = Machine::fresh();
    let apply = |text: &str| machine.run_with_input(&["apply", "-f", "-"], text);
    let run = apply(MANIFEST);
    assert_eq!(
        (run.code, run.stdout.as_str(), run.stderr.as_str()),
        (0, "fin created\ncarved created\n", "")
    );
    assert_eq!(apply(MANIFEST).stdout, "fin unchanged\ncarved unchanged\n");
    let changed = MANIFEST.replace("blockSize: 28", "blockSize: 28, disabled: true");
    let path = machine.path("m.yaml");
    fs::write(&path, &changed).unwrap();
    assert_eq!(
        machine.ok(&["apply", "-f", path.to_str().unwrap()]),
        "fin configured\ncarved unchanged\n"
    );
    for (text, code, says) in [
        (
            changed.replace("blockSize: 28", "blockSize: 27"),
            5,
            "blockSize of pool \"fin\" cannot change from 28 to 27",
        ),
        (
            changed.replace("10.20.0.250", "10.20.0.251").replace("name: fin", "name: other"),
            5,
            "overlaps",
        ),
        (
            changed.replace("10.20.0.250", "nonsense"),
            2,
            "document 2: a network of reservation \"carved\"",
        ),
        (changed.replace("disabled: true", "nat-outgoing: true"), 2, "write natOutgoing"),
        (changed.replace("IPReservation", "BGPPeer"), 2, "document 2: kind BGPPeer"),
    ] {
        let run = apply(&text);
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{run:?}");
        assert!(run.stderr.contains(says), "{says}: {run:?}");
    }
    assert_eq!(
        apply(&changed).stdout,
        "fin unchanged\ncarved unchanged\n",
        "nothing of what was refused is stored"
    );
    machine.fails(&["apply", "-f", machine.path("absent").to_str().unwrap()], 2, "RF-E0104");
}

#[test]
fn calicos_own_manifests_are_stored_as_calico_stores_them() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/resources.json");
    let golden: Value = serde_json::from_str(&fs::read_to_string(golden).unwrap()).unwrap();
    let machine = Machine::fresh();
    let mut applied = 0;
    for step in golden["steps"].as_array().unwrap() {
        let Some(manifest) =
            step["manifest"].as_str().filter(|_| step["step"] == "calicoctl apply")
        else {
            continue;
        };
        if ["Profile", "WorkloadEndpoint"].iter().any(|kind| manifest.contains(kind)) {
            continue;
        }
        let run = machine.run_with_input(&["apply", "-f", "-"], manifest);
        if step["exit"] != 0 {
            assert!([2, 5].contains(&run.code), "{manifest}: {run:?}");
            continue;
        }
        assert_eq!(run.code, 0, "{manifest}: {run:?}");
        applied += 1;
        for put in step["put"].as_array().unwrap() {
            let (key, value) = (put["key"].as_str().unwrap(), put["value"].as_str().unwrap());
            if key.contains("/tiers/") || key.contains("/clusterinformations/") {
                continue;
            }
            assert_eq!(anonymous(&machine.get(key)), anonymous(value), "{key}");
        }
    }
    assert_eq!(applied, 3);
}

/// Takes out of a stored resource what differs from one creation to the next.
fn anonymous(value: &str) -> String {
    let mut text = value.to_owned();
    for field in ["\"uid\":\"", "\"creationTimestamp\":\""] {
        let from = text.find(field).unwrap() + field.len();
        let to = from + text[from..].find('"').unwrap();
        text.replace_range(from..to, "");
    }
    text
}

#[test]
fn namespaces_are_bound_and_unbound() {
    let machine = Machine::with_pool(&FIN);
    let bind = ["namespace", "bind", "fin", "--ipv4pools", "fin", "--required"];
    let run = machine.run(&bind);
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (0, ""),
        "without an IPv6 pool there is nothing to say of IPv6"
    );
    let list =
        "NAMESPACE  MODE      IPV4-POOLS  IPV6-POOLS\nfin        required  fin         (any)\n";
    assert_eq!((run.stdout.as_str(), machine.ok(&["namespace", "list"]).as_str()), (list, list));
    machine.ok(&["pool", "create", "six", "fd00::/64"]);
    let run = machine.run(&bind);
    assert!(
        run.stderr.starts_with("warning: IPv6 stays unrestricted") && run.stdout == list,
        "{run:?}"
    );
    let both = ["namespace", "bind", "fin", "--ipv4pools", "fin, fin", "--ipv6pools", "six"];
    let run = machine.run(&both);
    assert!(run.stderr.starts_with("warning: the binding of fin was required"), "{run:?}");
    assert!(run.stdout.contains("fin        default  fin         six\n"), "{run:?}");
    let run = machine.run(&both);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "it was a default already");
    for (args, code, name) in [
        (&["namespace", "bind", "fin"][..], 2, "RF-E0101"),
        (&["namespace", "bind", "fin", "--ipv4pools", ""], 2, "RF-E0102"),
        (&["namespace", "bind", "fin", "--ipv4pools", "fin,,"], 2, "RF-E0102"),
        (&["namespace", "bind", "a/b", "--ipv4pools", "fin"], 2, "RF-E0102"),
        (&["namespace", "bind", "fin", "--ipv4pools", "six"], 2, "RF-E0403"),
        (&["namespace", "bind", "fin", "--ipv4pools", "absent"], 1, "RF-E0306"),
        (&["namespace", "unbind", "hr"], 1, "RF-E0306"),
    ] {
        machine.fails(args, code, name);
    }
    assert_eq!(machine.ok(&["namespace", "unbind", "fin"]), "fin unbound\n");
    let run = machine.run(&["namespace", "list"]);
    assert_eq!(
        (run.code, run.stdout.as_str(), run.stderr.as_str()),
        (0, "", "no namespace is bound\n")
    );
}
