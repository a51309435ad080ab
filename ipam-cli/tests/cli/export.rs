//! What firewalls are told.

use std::fs;

use serde_json::{Value, json};

use super::story::{FIN, MANIFEST, Machine};

#[test]
fn ranges_are_exported_for_firewalls() {
    let machine = Machine::fresh();
    machine.run_with_input(&["apply", "-f", "-"], MANIFEST);
    machine.ok(&["pool", "create", "next", "10.20.1.0/24"]);
    machine.ok(&["pool", "create", "fin6", "2001:db8:20::/120"]);
    assert_eq!(machine.ok(&["export", "plain", "fin"]), "10.20.0.0/24\n");
    assert_eq!(
        machine.ok(&["export", "plain", "fin6", "next", "fin"]),
        "10.20.0.0/23\n2001:db8:20::/120\n"
    );
    let exact = machine.ok(&["export", "plain", "fin", "--exact"]);
    assert_eq!(exact.lines().count(), 11);
    assert!(
        exact.starts_with("10.20.0.8/29\n10.20.0.16/28\n") && exact.ends_with("10.20.0.252/30\n"),
        "{exact}"
    );
    let nft =
        machine.ok(&["export", "nft", "fin", "fin6", "--table", "legacy_fw", "--name", "fin"]);
    let expected = "\
add table inet legacy_fw
add set inet legacy_fw fin_v4 { type ipv4_addr; flags interval; }
add set inet legacy_fw fin_v6 { type ipv6_addr; flags interval; }
flush set inet legacy_fw fin_v4
flush set inet legacy_fw fin_v6
add element inet legacy_fw fin_v4 { 10.20.0.0/24 }
add element inet legacy_fw fin_v6 { 2001:db8:20::/120 }
";
    let (header, body) = nft.split_once('\n').unwrap();
    assert_eq!(
        (header, body),
        ("# ringfence export nft; serial: 4; networks: 2; pools: fin, fin6", expected)
    );
    assert!(machine.ok(&["export", "nft", "fin", "--exact"]).contains("serial: 2;"));
    assert!(machine.ok(&["export", "nft", "fin"]).contains("add element inet ringfence fin_v4 "));
    machine.fails(&["export", "nft", "fin", "fin6"], 2, "RF-E0102");
    machine.fails(&["export", "nft", "fin", "--name", "a;flush ruleset"], 2, "RF-E0101");
    machine.fails(&["export", "plain", "fin", "absent"], 1, "RF-E0306");
    machine.fails(&["export", "plain"], 2, "RF-E0101");
}

#[test]
fn an_empty_export_needs_to_be_wanted_and_leaves_the_file() {
    let machine = Machine::with_pool(&FIN);
    let all = "apiVersion: projectcalico.org/v3\nkind: IPReservation\nmetadata: {name: all}\nspec: {reservedCIDRs: [10.20.0.0/24]}";
    machine.run_with_input(&["apply", "-f", "-"], all);
    let path = machine.path("fin.txt");
    let out = path.to_str().unwrap();
    let run = machine.run(&["export", "plain", "fin", "--out", out]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "10.20.0.0/28\n");
    machine.fails(&["export", "plain", "fin", "--exact", "--out", out], 1, "RF-E0601");
    assert_eq!(fs::read_to_string(&path).unwrap(), "10.20.0.0/28\n", "a refusal leaves the file");
    machine.ok(&["export", "plain", "fin", "--exact", "--allow-empty", "--out", out]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    let absent = machine.path("absent/fin.txt");
    machine.fails(&["export", "plain", "fin", "--out", absent.to_str().unwrap()], 3, "RF-E0602");
}

#[test]
fn what_a_firewall_cannot_see_is_told_beside_the_export() {
    let machine = Machine::with_pool(&["fin", "10.20.0.0/24", "--nat", "--vxlan", "Always"]);
    let run = machine.run(&["export", "plain", "fin"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "10.20.0.0/24\n"));
    assert!(
        run.stderr.contains("natOutgoing") && run.stderr.contains("vxlanMode Always"),
        "{run:?}"
    );
    let run = machine.run(&["export", "plain", "fin", "-q"]);
    assert_eq!(run.stderr, "");
    let run = machine.run(&["export", "plain", "fin", "-o", "json"]);
    let warnings: Vec<Value> =
        run.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&warnings[0]["kind"], &warnings[0]["code"]),
        (&json!("Warning"), &json!("RF-W0601"))
    );
}
