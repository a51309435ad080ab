use ipam_core::check::{Finding, Rule};
use ipam_core::inventory::{Inventory, PoolEntry};
use ipam_core::model::{
    Binding, BindingMode, Block, IpPool, IpPoolSpec, IpReservation, IpReservationSpec, ResourceKind,
};
use ipam_core::pool::Pool;
use serde_json::{Value, json};

use super::*;

const BLOCK: &str = r#"{"cidr":"10.20.0.0/30","affinity":"host:n1","allocations":[0,1,2,null],"unallocated":[3],"attributes":[{"handle_id":"h1","secondary":{"namespace":"fin","node":"n2","pod":"a","pod-uid":"u","pool-source":"binding","timestamp":"2026-08-22 10:16:02.5 +0000 UTC"}},{"handle_id":"ipip","secondary":{"node":"n1","type":"ipipTunnelAddress"}},{"releasedAt":"2026-08-22T10:20:00Z"}],"sequenceNumber":9,"sequenceNumberForAllocation":{"0":7},"deleted":false}"#;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-08-22T12:20:00Z")
}

fn entry(name: &str, spec: Value, exclusive: bool) -> PoolEntry {
    let spec: IpPoolSpec = serde_json::from_value(spec).unwrap();
    let stored = IpPool::new(ResourceKind::IpPool, name, spec);
    let (name, effective) = (name.to_owned(), Pool::read(&stored, exclusive));
    PoolEntry { name, stored, effective, mod_revision: Revision(7) }
}

fn inventory() -> Inventory {
    let mut inventory = Inventory::default();
    let fin = json!({"cidr": "10.20.0.0/28", "blockSize": 30, "assignmentMode": "Manual"});
    inventory.pools.push(entry("fin", fin, true));
    inventory.pools.push(entry("odd", json!({"cidr": "nonsense"}), false));
    inventory.pools.push(entry(
        "six",
        json!({"cidr": "fd00::/64", "namespaceSelector": "has(a)"}),
        false,
    ));
    let block =
        Block::decode("/calico/ipam/v2/assignment/ipv4/block/10.20.0.0-30", BLOCK.as_bytes());
    let block = block.unwrap();
    inventory.blocks.insert(block.cidr, block);
    let spec = IpReservationSpec::new(vec!["10.20.0.0".to_owned(), "10.20.0.15".to_owned()]);
    inventory.reservations.push(ipam_core::inventory::ReservationEntry {
        name: "r".to_owned(),
        stored: IpReservation::new(ResourceKind::IpReservation, "r", spec),
        mod_revision: Revision(8),
    });
    inventory
}

fn report<T: Item>(items: Vec<T>) -> Report<T> {
    Report::new(Stamp { revision: Some(Revision(88)), at: now() }, items)
}

fn json_of<T: Item>(items: Vec<T>) -> Value {
    let text = report(items).to_text(Format::Json).unwrap();
    assert!(text.ends_with("}\n"), "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn an_envelope_has_every_field_of_its_version() {
    let warning = Warning { code: "RF-W0001", message: "careful".to_owned() };
    let mut report =
        report(vec![Version { name: "ringfence", version: "1" }]).with_warnings([warning]);
    report.complete = false;
    let expected = r#"{
  "apiVersion": "ringfence/v1",
  "kind": "VersionList",
  "revision": 88,
  "readAt": "2026-08-22T12:20:00Z",
  "complete": false,
  "warnings": [
    {
      "code": "RF-W0001",
      "message": "careful"
    }
  ],
  "items": [
    {
      "name": "ringfence",
      "version": "1"
    }
  ]
}
"#;
    assert_eq!(report.to_text(Format::Json).unwrap(), expected);
    report.stamp.revision = None;
    assert!(!report.to_text(Format::Json).unwrap().contains("revision"));
}

#[test]
fn usage_has_two_faces() {
    let inventory = inventory();
    let items: Vec<UsageItem> = inventory.usage().iter().map(UsageItem::of).collect();
    let table = "\
NAME  CIDR          TOTAL                 USED  COOLING  RESERVED  BORROWED  FREE                  USE%
fin   10.20.0.0/28  16                    2     1        2         1         12                    18%
six   fd00::/64     18446744073709551616  0     0        0         0         18446744073709551616  0%
";
    assert_eq!(report(items.clone()).to_table(), table);
    let json = json_of(items);
    let expected = json!({
        "name": "fin", "family": 4, "cidr": "10.20.0.0/28", "blockSize": 30, "state": "enabled",
        "total": "16", "used": 2, "cooling": 1, "reserved": "2", "reservedInUse": 1, "borrowed": 1,
        "free": "12", "blocks": {"total": "4", "claimed": 1},
    });
    assert_eq!(json["items"][0], expected);
    assert_eq!(json["kind"], "UsageList");
}

#[test]
fn addresses_outside_pools_have_a_row_of_their_own() {
    let mut inventory = inventory();
    inventory.pools.remove(0);
    let items: Vec<UsageItem> = inventory.usage().iter().map(UsageItem::of).collect();
    let table = report(items.clone()).to_table();
    assert!(table.contains("\n(no pool, IPv4)  -          4  "), "{table}");
    let outside = &json_of(items)["items"][1];
    assert_eq!(
        (&outside["name"], &outside["cidr"], &outside["free"]),
        (&Value::Null, &Value::Null, &json!("0"))
    );
}

#[test]
fn pools_have_a_row_or_all_their_properties() {
    let inventory = inventory();
    let usage = inventory.usage();
    let item = |at: usize| {
        let entry = &inventory.pools[at];
        let usage =
            usage.iter().find(|usage| usage.pool.is_some_and(|pool| pool.name == entry.name));
        PoolItem::of(entry, usage, vec!["fin".to_owned()])
    };
    let table = "\
NAME  CIDR          BLOCK  STATE            MODE              USED  FREE                  USE%  SELECTOR
fin   10.20.0.0/28  /30    enabled          Manual,exclusive  2     12                    18%   all()
odd   nonsense      -      without network  Automatic         -     -                     -     all()
six   fd00::/64     /122   enabled          Automatic         0     18446744073709551616  0%    all(); namespaces has(a)
";
    assert_eq!(report(vec![item(0), item(1), item(2)]).to_table(), table);
    let details = report(vec![PoolDetails(item(0))]).to_table();
    for line in [
        "mode                Manual,exclusive",
        "bound namespaces    fin",
        "encapsulation       ipip Never, vxlan Never",
        "reserved            2, 1 of them in use",
        "blocks claimed      1 of 4",
    ] {
        assert!(details.lines().any(|found| found == line), "{line}\n{details}");
    }
    let expected = json!({
        "name": "fin", "family": 4, "cidr": "10.20.0.0/28", "blockSize": 30, "state": "enabled",
        "mode": "Manual", "exclusive": true, "allowedUses": ["Workload", "Tunnel"],
        "natOutgoing": false, "ipipMode": "Never", "vxlanMode": "Never", "disableBGPExport": false,
        "nodeSelector": "all()", "namespaceSelector": "", "boundNamespaces": ["fin"],
        "total": "16", "used": 2, "cooling": 1, "reserved": "2", "reservedInUse": 1, "borrowed": 1,
        "free": "12", "blocks": {"total": "4", "claimed": 1},
    });
    for json in [
        json_of(vec![item(0)]),
        json_of(vec![PoolDetails(item(0))]),
        json_of(vec![Created(item(0))]),
    ] {
        assert_eq!((&json["kind"], &json["items"][0]), (&json!("PoolList"), &expected));
    }
    assert_eq!(
        json_of(vec![item(1)])["items"][0].get("total"),
        None,
        "a pool without a network has no numbers"
    );
}

#[test]
fn addresses_have_three_tables_and_one_object() {
    let inventory = inventory();
    let held: Vec<Holding> =
        inventory.addresses().map(|address| Holding::of(&address, now())).collect();
    let listed = "\
IP         STATE    POOL  BLOCK         NODE  OWNER                    AGE
10.20.0.0  used     fin   10.20.0.0/30  n2    fin/a                    2h
10.20.0.1  used     fin   10.20.0.0/30  n1    ipipTunnelAddress of n1  -
10.20.0.2  cooling  fin   10.20.0.0/30  -     -                        2h
";
    assert_eq!(report(held.iter().cloned().map(Listed).collect()).to_table(), listed);
    let who = "\
IP         OWNER  NODE  POOL  BLOCK         SINCE                 HANDLE
10.20.0.0  fin/a  n2    fin   10.20.0.0/30  2026-08-22T10:16:02Z  h1
";
    assert_eq!(report(vec![Held(held[0].clone())]).to_table(), who);
    let explained = "\
IP         OWNER  NODE  POOL  POOL-SOURCE  BLOCK         SINCE
10.20.0.0  fin/a  n2    fin   binding      10.20.0.0/30  2026-08-22T10:16:02Z
";
    assert_eq!(report(vec![Explained(held[0].clone())]).to_table(), explained);
    let expected = json!({
        "ip": "10.20.0.0", "state": "used", "pool": "fin", "block": "10.20.0.0/30", "node": "n2", "handle": "h1",
        "owner": {"kind": "pod", "namespace": "fin", "name": "a", "uid": "u"}, "since": "2026-08-22T10:16:02Z",
        "sequence": 7, "borrowed": true, "poolSource": "binding", "source": "live",
    });
    for (json, kind) in [
        (json_of(vec![Listed(held[0].clone())]), "AddressList"),
        (json_of(vec![Held(held[0].clone())]), "HoldingList"),
        (json_of(vec![Explained(held[0].clone())]), "HoldingList"),
    ] {
        assert_eq!((&json["kind"], &json["items"][0]), (&json!(kind), &expected));
    }
    let cooling = &json_of(vec![Listed(held[2].clone())])["items"][0];
    assert_eq!((&cooling["owner"], &cooling["handle"]), (&Value::Null, &Value::Null));
}

#[test]
fn the_rest_has_two_faces_too() {
    let none = Binding::new(BindingMode::Required, Some(vec![]), None);
    let two = Binding::new(BindingMode::Default, Some(vec!["a".to_owned(), "b".to_owned()]), None);
    let bindings = vec![BindingItem::of("fin", &two), BindingItem::of("hr", &none)];
    let table = "\
NAMESPACE  MODE      IPV4-POOLS  IPV6-POOLS
fin        default   a,b         (any)
hr         required  (none)      (any)
";
    assert_eq!(report(bindings.clone()).to_table(), table);
    let expected =
        json!({"namespace": "fin", "mode": "default", "ipv4Pools": ["a", "b"], "ipv6Pools": null});
    assert_eq!(json_of(bindings)["items"][0], expected);

    let finding = FindingItem::of(&Finding::new(Rule::X1, "/key", "gone".to_owned()));
    let table = "\
CODE  SEVERITY  SUBJECT  EVIDENCE
X1    warning   /key     confirmed claim without its block: gone
";
    assert_eq!(report(vec![finding.clone()]).to_table(), table);
    let expected = json!({
        "code": "X1", "severity": "warning", "subject": "/key", "rule": "confirmed claim without its block",
        "evidence": ["gone"], "repair": "withdraw the claim",
    });
    assert_eq!(json_of(vec![finding])["items"][0], expected);

    let outcome = Outcome { kind: "IPPool", name: "fin".to_owned(), result: "created" };
    assert_eq!(report(vec![outcome.clone()]).to_table(), "fin created\n");
    let expected = json!({"kind": "IPPool", "name": "fin", "result": "created"});
    assert_eq!(json_of(vec![outcome])["items"][0], expected);
}

#[test]
fn what_others_stored_cannot_move_the_cursor_or_wrap() {
    let name = format!("a\u{1b}[2J\n{}", "x".repeat(300));
    let outcome = Outcome { kind: "IPPool", name, result: "created" };
    let text = report(vec![outcome]).to_table();
    assert!(text.starts_with(r"a\u{1b}[2J\nxxx") && text.lines().count() == 1, "{text}");
    let warning = Warning { code: "RF-W0001", message: "a\u{1b}[2J\nb".to_owned() };
    assert_eq!(warning.line(), "warning: a [2J b [RF-W0001]");
    assert_eq!(report(Vec::<Outcome>::new()).to_table(), "");
}
