//! The owners of an address, and what becomes of them while a virtual machine moves.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipam_core::block::{Expected, OwnerChange, OwnerChanges, OwnersError, PodName, Role};
use ipam_core::model::{HandleId, key};
use ipam_core::plan::{AssignmentOf, Configure, Owners, PromoteOwner, Rules, SetOwners};
use ipam_core::refusal::{Refusal, Unassigned};
use ipam_etcd::{DriveError, drive};
use serde_json::json;

use super::world::{World, block_on};

const BOTH: &[(&str, u8)] = &[("10.0.0.0/24", 26), ("fd00::/120", 122)];
const IP: &str = "10.0.0.5";
const HANDLE: &str = "k8s-pod-network.vmi.ns.vm";

/// An address without owners.
fn fresh() -> World {
    let world = World::new(BOTH);
    world.assign_address("a", Some(HANDLE), IP, Rules::calico()).unwrap();
    world
}

/// A machine in both families, run by pod `a`, which pod `b` is about to take over.
fn moving() -> (World, [&'static str; 2]) {
    let (world, ips) = (World::new(BOTH), [IP, "fd00::5"]);
    for ip in ips {
        world.assign_address("a", Some(HANDLE), ip, Rules::calico()).unwrap();
        set(&world, ip, to("a", Expected::Nobody), to("b", Expected::Nobody)).unwrap();
    }
    (world, ips)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn pod(name: &str) -> PodName {
    PodName { namespace: "ns".to_owned(), name: name.to_owned() }
}

fn owner(pod: &str) -> BTreeMap<String, String> {
    let pairs = [("namespace", "ns"), ("pod", pod), ("node", "n")];
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn to(pod: &str, expected: Expected) -> OwnerChange {
    OwnerChange::Set(owner(pod), expected)
}

fn is(name: &str) -> Expected {
    Expected::Pod(pod(name))
}

fn set(
    world: &World,
    address: &str,
    active: OwnerChange,
    alternate: OwnerChange,
) -> Result<(), Box<Refusal>> {
    let handle = HandleId::new(HANDLE).unwrap();
    let changes = OwnerChanges { active, alternate };
    world.call(&SetOwners { ip: ip(address), handle, changes })
}

fn read(world: &World, address: &str) -> Result<Owners, Box<Refusal>> {
    world.call(&AssignmentOf { ip: ip(address) })
}

/// Returns the names of the active and of the alternate owner; empty for none.
fn owners(world: &World, address: &str) -> [String; 2] {
    let Owners { active, alternate, .. } = read(world, address).unwrap();
    [active, alternate].map(|owner| PodName::of(&owner).map(|pod| pod.name).unwrap_or_default())
}

fn promote(world: &World, handle: &HandleId, name: &str) -> Result<Vec<IpAddr>, Box<Refusal>> {
    world.call(&PromoteOwner { handle: handle.clone(), pod: pod(name) })
}

fn machine() -> HandleId {
    HandleId::of_vm(None, "ns", "vm").unwrap()
}

fn assert_stays(result: Result<(), Box<Refusal>>, role: Role, case: &str) {
    let refusal = result.unwrap_err();
    let Refusal::Owners(OwnersError::Owner { role: other, .. }) = *refusal else {
        panic!("{case}: {refusal}")
    };
    assert_eq!(other, role, "{case}");
}

#[test]
fn an_address_that_nobody_holds_has_no_owners() {
    let world = World::new(BOTH);
    world.configure(&Configure { cooldown_seconds: Some(60), ..Configure::default() });
    world.assign_address("a", Some(HANDLE), IP, Rules::calico()).unwrap();
    world.release(HANDLE);
    for (address, why) in [
        ("10.9.0.1", None),
        ("10.0.0.200", Some(Unassigned::NoBlock)),
        ("10.0.0.6", Some(Unassigned::Free)),
        (IP, Some(Unassigned::Cooling)),
    ] {
        match (*read(&world, address).unwrap_err(), why) {
            (Refusal::AddressOutside { .. }, None) => {}
            (Refusal::AddressUnassigned { why, .. }, Some(expected)) => assert_eq!(why, expected),
            (refusal, _) => panic!("{address}: {refusal}"),
        }
    }
    world.wait(120);
    let refusal = *read(&world, IP).unwrap_err();
    assert!(matches!(refusal, Refusal::AddressUnassigned { why: Unassigned::Free, .. }));
}

#[test]
fn an_assignment_is_told_as_it_is_stored() {
    let world = fresh();
    set(&world, IP, to("a", Expected::Anyone), to("b", Expected::Anyone)).unwrap();
    let (handle, active, alternate) = (Some(HANDLE.to_owned()), owner("a"), owner("b"));
    assert_eq!(read(&world, IP).unwrap(), Owners { handle, active, alternate });
    world.assign_address("a", None, "10.0.0.6", Rules::calico()).unwrap();
    let nobody = BTreeMap::new;
    let nothing = Owners { handle: None, active: nobody(), alternate: nobody() };
    assert_eq!(read(&world, "10.0.0.6").unwrap(), nothing);
}

#[test]
fn either_owner_or_both_can_be_set() {
    for (active, alternate, expected) in [
        (to("a", Expected::Anyone), OwnerChange::Keep, ["a", ""]),
        (OwnerChange::Keep, to("b", Expected::Anyone), ["", "b"]),
        (to("a", Expected::Anyone), to("b", Expected::Anyone), ["a", "b"]),
    ] {
        let world = fresh();
        set(&world, IP, active, alternate).unwrap();
        assert_eq!(owners(&world, IP), expected);
    }
}

#[test]
fn either_owner_or_both_can_be_cleared() {
    let clear = || OwnerChange::Clear(Expected::Anyone);
    for (active, alternate, expected) in [
        (clear(), OwnerChange::Keep, ["", "b"]),
        (OwnerChange::Keep, clear(), ["a", ""]),
        (clear(), clear(), ["", ""]),
    ] {
        let (world, [address, _]) = moving();
        set(&world, address, active, alternate).unwrap();
        assert_eq!(owners(&world, address), expected);
        let block = world.block("10.0.0.0/26").unwrap();
        let record = serde_json::to_value(&*block.records()[0]).unwrap();
        let is_there = |name: &str| record.get(name).is_some();
        let stored = [is_there("secondary"), is_there("alternateOwnerAttrs")];
        assert_eq!(stored, expected.map(|name| !name.is_empty()), "what is cleared is absent");
    }
}

#[test]
fn an_owner_that_changes_leaves_the_other() {
    let (world, [address, other]) = moving();
    set(&world, address, to("c", Expected::Anyone), OwnerChange::Keep).unwrap();
    assert_eq!(owners(&world, address), ["c", "b"]);
    set(&world, address, OwnerChange::Keep, to("d", Expected::Anyone)).unwrap();
    assert_eq!(owners(&world, address), ["c", "d"]);
    assert_eq!(owners(&world, other), ["a", "b"], "another address is none of its business");
}

#[test]
fn an_owner_who_is_not_the_expected_one_stays() {
    let (world, [address, _]) = moving();
    assert_stays(set(&world, address, to("c", is("z")), OwnerChange::Keep), Role::Active, "active");
    let stays = set(&world, address, OwnerChange::Keep, OwnerChange::Clear(is("z")));
    assert_stays(stays, Role::Alternate, "alternate");
    let elsewhere = Expected::Pod(PodName { namespace: "other".to_owned(), name: "a".to_owned() });
    let stays = set(&world, address, OwnerChange::Clear(elsewhere), OwnerChange::Keep);
    assert_stays(stays, Role::Active, "namespace");
    assert_eq!(owners(&world, address), ["a", "b"]);
    set(&world, address, to("c", is("a")), to("d", is("b"))).unwrap();
    assert_eq!(owners(&world, address), ["c", "d"]);
}

#[test]
fn nobody_can_be_expected() {
    let world = fresh();
    set(&world, IP, to("a", Expected::Nobody), to("b", Expected::Nobody)).unwrap();
    let again = set(&world, IP, to("c", Expected::Nobody), OwnerChange::Keep);
    assert_stays(again, Role::Active, "active");
    let again = set(&world, IP, OwnerChange::Keep, to("c", Expected::Nobody));
    assert_stays(again, Role::Alternate, "alternate");
    assert_eq!(owners(&world, IP), ["a", "b"]);
}

#[test]
fn both_owners_change_or_neither() {
    let (world, [address, _]) = moving();
    let change = set(&world, address, to("c", is("a")), to("d", is("z")));
    assert_stays(change, Role::Alternate, "the first is as expected, the second is not");
    assert_eq!(owners(&world, address), ["a", "b"]);
}

#[test]
fn only_the_handle_that_holds_an_address_changes_its_owners() {
    let (world, [address, _]) = moving();
    world.assign_address("a", Some("other"), "10.0.0.6", Rules::calico()).unwrap();
    world.assign_address("a", None, "10.0.0.7", Rules::calico()).unwrap();
    for (strange, holder) in [("10.0.0.6", Some("other")), ("10.0.0.7", None)] {
        let refusal =
            set(&world, strange, to("c", Expected::Anyone), OwnerChange::Keep).unwrap_err();
        let Refusal::Owners(OwnersError::Handle { found, .. }) = &*refusal else {
            panic!("{strange}: {refusal}")
        };
        assert_eq!(found.as_deref(), holder);
    }
    let of_free = set(&world, "10.0.0.8", to("c", Expected::Anyone), OwnerChange::Keep);
    let refusal = *of_free.unwrap_err();
    assert!(matches!(refusal, Refusal::AddressUnassigned { why: Unassigned::Free, .. }));
    let outside = set(&world, "10.9.0.1", to("c", Expected::Anyone), OwnerChange::Keep);
    assert!(matches!(*outside.unwrap_err(), Refusal::AddressOutside { .. }));
    assert_eq!(owners(&world, address), ["a", "b"]);
}

#[test]
fn no_change_at_all_succeeds_and_the_block_counts_on() {
    let (world, [address, _]) = moving();
    let before = world.block("10.0.0.0/26").unwrap();
    set(&world, address, OwnerChange::Keep, OwnerChange::Keep).unwrap();
    let mut after = world.block("10.0.0.0/26").unwrap();
    assert_eq!(after.sequence_number, before.sequence_number + 1);
    after.sequence_number = before.sequence_number;
    assert_eq!(after, before);
}

/// A pool that is gone, or off, gives nothing away any more; whoever has an address of it may still move.
#[test]
fn owners_change_in_a_pool_that_is_off_or_gone() {
    let (world, ips) = moving();
    world.pool("p0", &json!({ "cidr": "10.0.0.0/24", "blockSize": 26, "disabled": true }));
    world.delete_pool_key("p1");
    for address in ips {
        world.unchecked(&SetOwners {
            ip: ip(address),
            handle: machine(),
            changes: OwnerChanges { active: to("c", is("a")), ..OwnerChanges::default() },
        });
        assert_eq!(world.unchecked(&AssignmentOf { ip: ip(address) }).active, owner("c"));
    }
}

#[test]
fn a_machine_moves_step_by_step() {
    let world = fresh();
    set(&world, IP, to("source", Expected::Nobody), OwnerChange::Keep).unwrap();
    set(&world, IP, OwnerChange::Keep, to("target", Expected::Nobody)).unwrap();
    set(&world, IP, OwnerChange::Clear(is("source")), OwnerChange::Keep).unwrap();
    assert_eq!(owners(&world, IP), ["", "target"]);
    let (promoted, cleared) = (to("target", Expected::Nobody), OwnerChange::Clear(is("target")));
    set(&world, IP, promoted, cleared).unwrap();
    assert_eq!(owners(&world, IP), ["target", ""]);
}

#[test]
fn the_pod_that_a_machine_moves_to_is_promoted_in_both_families() {
    let (world, ips) = moving();
    let revision = || world.store.with(|model| model.revision().0);
    let before = revision();
    assert_eq!(promote(&world, &machine(), "b").unwrap(), ips.map(ip));
    assert_eq!(revision(), before + 1, "one transaction");
    for address in ips {
        assert_eq!(owners(&world, address), ["b", "a"]);
        assert_eq!(read(&world, address).unwrap().active, owner("b"), "with all its attributes");
    }
}

#[test]
fn a_pod_that_is_promoted_already_changes_nothing() {
    let (world, ips) = moving();
    promote(&world, &machine(), "b").unwrap();
    let revision = || world.store.with(|model| model.revision());
    let before = revision();
    assert_eq!(promote(&world, &machine(), "b").unwrap(), [] as [IpAddr; 0]);
    assert_eq!(revision(), before);
    assert_eq!(ips.map(|address| owners(&world, address)), [["b", "a"], ["b", "a"]]);
}

#[test]
fn a_pod_that_is_not_the_alternate_owner_everywhere_is_promoted_nowhere() {
    for (alternate, found) in
        [(OwnerChange::Clear(is("b")), BTreeMap::new()), (to("c", is("b")), owner("c"))]
    {
        let (world, [first, second]) = moving();
        set(&world, second, OwnerChange::Keep, alternate).unwrap();
        let refusal = promote(&world, &machine(), "b").unwrap_err();
        let Refusal::Owners(OwnersError::Owner { role: Role::Alternate, found: told, .. }) =
            &*refusal
        else {
            panic!("{refusal}")
        };
        assert_eq!(*told, found, "it tells nobody from another pod");
        assert_eq!(owners(&world, first), ["a", "b"]);
        assert_eq!(owners(&world, second)[0], "a");
    }
}

#[test]
fn a_machine_without_addresses_is_refused_by_its_handle() {
    let world = World::new(BOTH);
    let refusal = promote(&world, &machine(), "b").unwrap_err();
    assert!(matches!(&*refusal, Refusal::HoldsNothing { handle } if handle == HANDLE), "{refusal}");
    // A handle that only counts an address, as stock Calico leaves one behind, holds none either.
    world.store.with(|model| {
        model.put(key::handle(&machine()), r#"{"block":{"10.0.0.0/26":1},"deleted":false}"#)
    });
    let request = PromoteOwner { handle: machine(), pod: pod("b") };
    let driven = block_on(drive(&world.store, &request, world.now(), Duration::from_secs(30)));
    let is_refused = matches!(&driven, Err(DriveError::Refused(refusal)) if matches!(**refusal, Refusal::HoldsNothing { .. }));
    assert!(is_refused, "{driven:?}");
}

#[test]
fn whoever_is_gone_does_not_come_back_as_the_alternate_owner() {
    let (world, ips) = moving();
    for address in ips {
        set(&world, address, OwnerChange::Clear(is("a")), OwnerChange::Keep).unwrap();
    }
    promote(&world, &machine(), "b").unwrap();
    assert_eq!(ips.map(|address| owners(&world, address)), [["b", ""], ["b", ""]]);
}

#[test]
fn a_machine_has_a_handle_for_each_network() {
    let world = World::new(BOTH);
    let second = HandleId::of_vm(Some("multus"), "ns", "vm").unwrap();
    for (handle, address) in [(machine(), IP), (second.clone(), "10.0.0.6")] {
        world.assign_address("a", Some(handle.as_str()), address, Rules::calico()).unwrap();
        let changes =
            OwnerChanges { alternate: to("b", Expected::Nobody), ..OwnerChanges::default() };
        world.call(&SetOwners { ip: ip(address), handle, changes }).unwrap();
    }
    assert_eq!(promote(&world, &second, "b").unwrap(), [ip("10.0.0.6")]);
    assert_eq!(owners(&world, IP), ["", "b"]);
}

#[test]
fn an_address_that_changed_hands_already_is_passed_over() {
    let (world, [first, second]) = moving();
    set(&world, first, to("b", is("a")), to("a", is("b"))).unwrap();
    assert_eq!(promote(&world, &machine(), "b").unwrap(), [ip(second)]);
    assert_eq!([first, second].map(|address| owners(&world, address)), [["b", "a"], ["b", "a"]]);
}
