//! Blocks before the first address is wanted, and what a host sets aside in each.

use std::collections::BTreeMap;

use ipam_core::block::HostReserved;
use ipam_core::ip::{Cidr, Family, Ordinal};
use ipam_core::plan::{EnsureBlocks, Rules};
use ipam_core::pool::{Levels, PoolList};
use ipam_core::refusal::{Forbidden, Refusal};
use serde_json::json;

use super::world::{World, cidr, host};

type Reply = Result<BTreeMap<Family, Cidr>, Box<Refusal>>;

fn windows() -> HostReserved {
    HostReserved::new(3, 1, "windows-reserved-ipam-handle", "set aside").unwrap()
}

/// Asks for a block of a family, out of the named pools or whichever select the host.
fn ensure(world: &World, host: &str, family: Family, pools: &[&str]) -> Reply {
    let names = pools.iter().map(|name| (*name).to_owned()).collect();
    let configuration = (!pools.is_empty()).then(|| PoolList::from_names(names).unwrap());
    let levels = Levels { configuration, ..Levels::default() };
    let host_reserved = [(family, windows())].into();
    world.call(&EnsureBlocks {
        host: host.to_owned(),
        levels: [(family, levels)].into(),
        rules: Rules { host_reserved, ..Rules::calico() },
    })
}

fn block_of(reply: &Reply, family: Family) -> Cidr {
    reply.as_ref().unwrap()[&family]
}

#[test]
fn a_pool_that_cannot_be_used_gives_no_block() {
    let world = World::new(&[("10.0.0.0/24", 26), ("10.1.0.0/24", 30), ("fd00::/120", 122)]);
    world.pool("off", &json!({ "cidr": "10.2.0.0/24", "blockSize": 26, "disabled": true }));
    let refusal = |pool| *ensure(&world, "a", Family::V4, &[pool]).unwrap_err();
    assert!(matches!(refusal("off"), Refusal::PoolDisabled { .. }));
    assert!(matches!(refusal("p2"), Refusal::WrongFamily { .. }));
    assert!(matches!(refusal("none"), Refusal::UnknownPool { .. }));
    let small = refusal("p1");
    let why = Forbidden::SmallBlocks { prefix: 30, set_aside: 4 };
    assert!(matches!(&small, Refusal::PoolNotPermitted { why: found, .. } if *found == why));
    assert!(small.to_string().contains("blocks of /30 are too small for the 4 addresses"));
}

#[test]
fn a_host_has_one_block_however_often_it_makes_sure_of_it() {
    let world = World::new(&[("10.0.0.0/24", 26), ("10.1.0.0/24", 26)]);
    let first = block_of(&ensure(&world, "a", Family::V4, &[]), Family::V4);
    assert!(cidr("10.0.0.0/24").covers(&first));
    assert_eq!(block_of(&ensure(&world, "a", Family::V4, &[]), Family::V4), first);
    assert_eq!(world.claims(&host("a")).len(), 1);
    let listed = block_of(&ensure(&world, "b", Family::V4, &["p1", "p0"]), Family::V4);
    assert!(cidr("10.1.0.0/24").covers(&listed));
    // A block is a host's also when it is full.
    world.ask("a", 60, 0).go();
    assert_eq!(block_of(&ensure(&world, "a", Family::V4, &[]), Family::V4), first);
}

#[test]
fn each_family_has_a_list_of_its_own() {
    let world = World::new(&[
        ("fd00::/120", 122),
        ("fd01::/120", 122),
        ("10.0.0.0/24", 26),
        ("10.1.0.0/24", 26),
    ]);
    let listed = |name: &str| Levels {
        configuration: Some(PoolList::from_names(vec![name.to_owned()]).unwrap()),
        ..Levels::default()
    };
    let request = EnsureBlocks {
        host: "a".to_owned(),
        levels: [(Family::V4, listed("p3")), (Family::V6, listed("p1"))].into(),
        rules: Rules::calico(),
    };
    let blocks = world.call(&request).unwrap();
    assert!(cidr("10.1.0.0/24").covers(&blocks[&Family::V4]));
    assert!(cidr("fd01::/120").covers(&blocks[&Family::V6]));
}

#[test]
fn an_idle_block_of_another_host_is_taken_back_for_a_host_that_has_none() {
    let world = World::new(&[("10.0.0.0/26", 26)]);
    let rules = Rules::calico();
    let of_b = EnsureBlocks {
        host: "b".to_owned(),
        levels: [(Family::V4, Levels::default())].into(),
        rules,
    };
    world.call(&of_b).unwrap();
    let refusal = *ensure(&world, "a", Family::V4, &[]).unwrap_err();
    assert!(matches!(refusal, Refusal::Exhausted { .. }), "b has only just claimed it: {refusal}");
    world.wait(61);
    assert_eq!(block_of(&ensure(&world, "a", Family::V4, &[]), Family::V4), cidr("10.0.0.0/26"));
    assert!(world.claims(&host("b")).is_empty());
}

#[test]
fn what_a_host_sets_aside_is_never_given() {
    let world = World::new(&[("10.0.0.0/29", 30)]);
    let reserved = HostReserved::new(2, 1, "windows-reserved-ipam-handle", "set aside").unwrap();
    let given = world.ask("a", 1, 0).host_reserved(reserved).ips();
    let claims = world.claims(&host("a"));
    let block = world.block(claims.first().unwrap()).unwrap();
    assert_eq!(given, [block.cidr.address_at(Ordinal::new(2).unwrap()).to_string()]);
    assert_eq!(block.allocations, [Some(0), Some(0), Some(1), Some(0)]);
}

#[test]
fn what_is_set_aside_and_what_is_reserved_may_be_the_same() {
    let world = World::new(&[("10.0.0.0/26", 26)]);
    world.reserve(&["10.0.0.1/32", "10.0.0.4/30", "10.0.0.40/32"]);
    // Four are set aside and six reserved, one of them the same.
    assert_eq!(world.ask("a", 64, 0).host_reserved(windows()).ips().len(), 55);
}

#[test]
fn whoever_gets_too_few_is_told_what_is_set_aside() {
    let world = World::new(&[("10.0.0.0/29", 29)]);
    let short = world.ask("a", 6, 0).host_reserved(windows()).go().short;
    assert_eq!(
        short[0].to_string(),
        "Assigned 4 out of 6 requested IPv4 addresses; No IPs available in pools: [10.0.0.0/29]; \
         HostReservedAttr: windows-reserved-ipam-handle"
    );
}
