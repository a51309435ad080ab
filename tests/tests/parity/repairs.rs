//! Mending what `check` finds: each repair leaves nothing to find, and none is done to what has changed since.

use ipam_core::check::{Remedy, Repair, Rule, check};
use ipam_core::plan::ClaimBlocks;

use crate::world::{World, cidr, host};

/// How the store is damaged, what is found, and what the repair leaves: keys with the beginnings of their values.
type Row = (fn(&World), Rule, &'static [(&'static str, Option<&'static str>)]);

const BLOCK: &str = "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-30";
const ROW: &str = "/calico/ipam/v2/host/a/ipv4/block/10.0.0.0-30";
const OTHERS: &str = "/calico/ipam/v2/host/b/ipv4/block/10.0.0.0-30";
const FREE: &str = "/calico/ipam/v2/host/a/ipv4/block/10.0.0.4-30";
const HANDLE: &str = "/calico/ipam/v2/handle/net.h";
const PENDING: Option<&str> = Some(r#"{"state":"pending""#);
const CONFIRMED: Option<&str> = Some(r#"{"state":"confirmed""#);

const TABLE: [Row; 10] = [
    (|w| put(w, FREE, r#"{"state":"confirmed"}"#), Rule::X1, &[(FREE, PENDING)]),
    (
        |w| put(w, OTHERS, r#"{"state":"confirmed"}"#),
        Rule::X1,
        &[(OTHERS, PENDING), (ROW, CONFIRMED)],
    ),
    (|w| delete(w, ROW), Rule::X3, &[(ROW, CONFIRMED), (BLOCK, Some(""))]),
    (
        |w| {
            delete(w, ROW);
            delete(w, "/calico/resources/v3/projectcalico.org/nodes/a");
        },
        Rule::X3,
        &[(ROW, None), (BLOCK, Some(r#"{"cidr":"10.0.0.0/30","affinity":null"#))],
    ),
    (|w| put(w, FREE, r#"{"state":"pending"}"#), Rule::Unconfirmed, &[(FREE, None)]),
    (|w| put(w, OTHERS, r#"{"state":"pending"}"#), Rule::Unconfirmed, &[(OTHERS, None)]),
    (|w| put(w, ROW, r#"{"state":"pendingDeletion"}"#), Rule::Unconfirmed, &[(ROW, CONFIRMED)]),
    (
        |w| put(w, HANDLE, r#"{"block":{"10.0.0.0/30":3},"deleted":false}"#),
        Rule::Phantom,
        &[(HANDLE, Some(r#"{"block":{"10.0.0.0/30":1}"#))],
    ),
    (
        |w| put(w, "/calico/ipam/v2/handle/net.null", r#"{"block":null,"deleted":false}"#),
        Rule::X5,
        &[("/calico/ipam/v2/handle/net.null", None)],
    ),
    (|w| delete(w, HANDLE), Rule::X4, &[(HANDLE, Some(r#"{"block":{"10.0.0.0/30":1}"#))]),
];

/// Node `a` has a block, and handle `net.h` an address in it.
fn world() -> World {
    let world = World::new(&[("10.0.0.0/28", 30)]);
    let claim = ClaimBlocks { cidr: cidr("10.0.0.0/30"), owner: host("a") };
    world.call(&claim).expect("a claim");
    assert_eq!(world.ask("a", 1, 0).handle("net.h").ips(), ["10.0.0.0"]);
    world
}

fn put(world: &World, key: &str, value: &str) {
    world.store.with(|model| model.put(key, value));
}

fn delete(world: &World, key: &str) {
    world.store.with(|model| model.delete(key));
}

fn get(world: &World, key: &str) -> Option<String> {
    let value = world.store.with(|model| model.get(key).map(|kv| kv.value.clone()));
    value.map(|value| String::from_utf8(value.to_vec()).expect("text"))
}

#[test]
fn every_repair_mends_what_was_found() {
    for (at, (damage, rule, left)) in TABLE.iter().enumerate() {
        let world = world();
        damage(&world);
        let snapshot = world.snapshot();
        let found = check(&snapshot, world.now());
        let finding = found.iter().find(|finding| finding.rule == *rule);
        let finding = finding.unwrap_or_else(|| panic!("row {at}: {found:?}"));
        let repair = Repair::of(finding, &snapshot).unwrap_or_else(|| panic!("row {at}"));
        assert!(world.unchecked(&repair), "row {at}");
        for (key, beginning) in *left {
            let value = get(&world, key);
            let begins =
                value.as_deref().zip(*beginning).map(|(value, text)| value.starts_with(text));
            assert_eq!(begins, beginning.map(|_| true), "row {at}: {key} is {value:?}");
        }
        let again = check(&world.snapshot(), world.now());
        assert!(!again.iter().any(|f| f.rule == *rule), "row {at}: {again:?}");
    }
}

#[test]
fn what_has_changed_since_it_was_judged_is_left_alone() {
    for (at, (damage, rule, _)) in TABLE.iter().enumerate() {
        let world = world();
        damage(&world);
        let snapshot = world.snapshot();
        let found = check(&snapshot, world.now());
        let finding = found.iter().find(|finding| finding.rule == *rule).expect("a finding");
        let repair = Repair::of(finding, &snapshot).expect("a repair");
        let now = get(&world, &finding.subject).unwrap_or_else(|| r#"{"block":{}}"#.to_owned());
        put(&world, &finding.subject, &now);
        let before = world.snapshot();
        assert!(!world.unchecked(&repair), "row {at}");
        assert_eq!(world.snapshot().kvs, before.kvs, "row {at}");
    }
}

#[test]
fn an_empty_block_of_nobody_is_deleted() {
    let world = world();
    let value = get(&world, BLOCK).expect("a block").replace("10.0.0.0/30", "10.0.0.8/30");
    let value = value.replace(r#""affinity":"host:a""#, r#""affinity":null"#);
    let (start, _) = value.split_once(r#""allocations""#).expect("allocations");
    let empty = format!(
        r#"{start}"allocations":[null,null,null,null],"unallocated":[0,1,2,3],"attributes":[],"sequenceNumber":1,"sequenceNumberForAllocation":{{}},"deleted":false}}"#
    );
    let block_key = BLOCK.replace("10.0.0.0-30", "10.0.0.8-30");
    put(&world, &block_key, &empty);
    let snapshot = world.snapshot();
    let found = check(&snapshot, world.now());
    let finding =
        found.iter().find(|finding| finding.rule == Rule::EmptyUnowned).expect("a finding");
    assert!(world.unchecked(&Repair::of(finding, &snapshot).expect("a repair")));
    assert_eq!(get(&world, &block_key), None);
}

#[test]
fn what_only_people_can_mend_has_no_repair() {
    let world = world();
    put(&world, BLOCK, "{}");
    let snapshot = world.snapshot();
    for finding in check(&snapshot, world.now()) {
        let has_repair = Repair::of(&finding, &snapshot).is_some();
        assert_eq!(has_repair, finding.rule.remedy() != Remedy::None, "{finding}");
        assert!(finding.rule != Rule::Undecodable || !has_repair);
    }
}
