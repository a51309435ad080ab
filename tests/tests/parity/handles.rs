//! Handles, caps, and addresses that are asked for by themselves.

use ipam_core::model::HandleId;
use ipam_core::plan::{Held, Rules};
use ipam_core::pool::Use;
use ipam_core::refusal::Refusal;

use super::world::{World, ips};

const BOTH: &[(&str, u8)] = &[("10.0.0.0/24", 26), ("fd00::/120", 122)];

fn capped(held_max: usize) -> Rules {
    Rules { held_max, ..Rules::calico() }
}

#[test]
fn a_handle_is_unknown_until_it_holds_something_and_afterwards() {
    let world = World::new(BOTH);
    let count = || {
        let held = world.call(&Held { handle: HandleId::new("h").unwrap() }).unwrap();
        held.map(|held| held.len())
    };
    assert_eq!(count(), None);
    world.ask("a", 1, 0).handle("h").go();
    assert_eq!(count(), Some(1));
    world.release("h");
    assert_eq!(count(), None);
}

#[test]
fn a_cap_of_one_gives_the_same_pair_again() {
    let world = World::new(BOTH);
    let first = world.ask("a", 1, 1).handle("vm").cap(1).ips();
    let again = world.ask("b", 1, 1).handle("vm").cap(1).go();
    assert_eq!(ips(&again), first);
    assert!(again.replayed);
    assert_eq!(world.held("vm").len(), 2);
}

#[test]
fn a_cap_of_two_gives_two_and_then_one_of_them() {
    let world = World::new(BOTH);
    let ask = || world.ask("a", 1, 0).handle("vm").cap(2).ips().remove(0);
    let (first, second, third) = (ask(), ask(), ask());
    assert_ne!(first, second);
    assert!([&first, &second].contains(&&third));
}

#[test]
fn more_than_a_cap_leaves_is_answered_at_once_with_what_it_allows() {
    let world = World::new(BOTH);
    let held = world.ask("a", 2, 0).handle("vm").cap(3).ips();
    let all = world.ask("a", 3, 0).handle("vm").cap(3).ips();
    assert_eq!(all.len(), 3);
    assert!(held.iter().all(|ip| all.contains(ip)));
    assert_eq!(world.held("vm").len(), 3);
}

#[test]
fn a_capped_handle_may_ask_for_its_address_again_and_for_no_other() {
    let world = World::new(BOTH);
    for _ in 0..2 {
        world.assign_address("a", Some("one"), "10.0.0.7", capped(1)).unwrap();
    }
    assert_eq!(world.held("one"), ["10.0.0.7"]);
    let refusal = world.assign_address("a", Some("one"), "10.0.0.8", capped(1)).unwrap_err();
    assert!(matches!(*refusal, Refusal::HandleInUse { .. }), "{refusal}");
}

#[test]
fn a_shared_handle_is_released_as_a_whole() {
    let world = World::new(BOTH);
    for _ in 0..3 {
        world.ask("a", 1, 1).handle("shared").go();
    }
    assert_eq!(world.held("shared").len(), 6);
    assert_eq!(world.release("shared"), 6);
    assert_eq!(world.release("shared"), 0);
}

#[test]
fn an_address_is_given_for_the_uses_that_its_pool_allows() {
    let world = World::new(BOTH);
    let of_use = |usage| Rules { usage, ..Rules::calico() };
    world.assign_address("a", Some("w"), "10.0.0.1", of_use(Use::Workload)).unwrap();
    world.assign_address("a", Some("t"), "10.0.0.2", of_use(Use::Tunnel)).unwrap();
    let other = of_use(Use::LoadBalancer);
    let refusal = world.assign_address("a", Some("l"), "10.0.0.3", other).unwrap_err();
    assert!(matches!(*refusal, Refusal::PoolNotPermitted { .. }), "{refusal}");
}

#[test]
fn addresses_can_be_held_under_no_handle() {
    let world = World::new(BOTH);
    let given = world.ask("a", 1, 0).no_handle().ips();
    world.assign_address("a", None, "10.0.0.200", Rules::calico()).unwrap();
    let inventory = world.inventory();
    for ip in given.iter().map(String::as_str).chain(["10.0.0.200"]) {
        let address = inventory.who(ip.parse().unwrap()).unwrap();
        assert_eq!(address.holder().handle, None, "{ip}");
    }
    let refusal = world.assign_address("b", Some("h"), "10.0.0.200", Rules::calico()).unwrap_err();
    assert!(matches!(*refusal, Refusal::AddressInUse { .. }), "{refusal}");
}
