//! Reserved addresses, and how full pools are.

use ipam_core::inventory::Counts;

use super::world::{World, cidr, host};

fn counts(capacity: u128, in_use: u128, reserved: u128, available: u128) -> Counts {
    Counts { capacity, in_use, reserved, available }
}

/// Returns the numbers of the first pool and of its first block.
fn utilization(world: &World) -> (Counts, Option<Counts>) {
    let utilization = world.inventory().utilization(&[]);
    let pool = &utilization.pools[0];
    (pool.counts, pool.blocks.first().map(|block| block.counts))
}

#[test]
fn without_reservations_every_address_is_given() {
    assert_eq!(World::new(&[("10.0.0.0/26", 26)]).ask("a", 64, 0).count().0, 64);
}

#[test]
fn reserved_addresses_are_never_given() {
    let world = World::new(&[("10.0.0.0/26", 26)]);
    world.reserve(&["10.0.0.1/32", "10.0.0.4/30", "10.0.0.63/32", "10.9.0.0/24"]);
    let ips = world.ask("a", 64, 0).ips();
    assert_eq!(ips.len(), 58);
    let reserved = ["10.0.0.1", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.63"];
    assert!(!ips.iter().any(|ip| reserved.contains(&ip.as_str())));
}

#[test]
fn a_block_that_is_reserved_as_a_whole_is_passed_over() {
    let world = World::new(&[("10.0.0.0/25", 26)]);
    world.ask("a", 65, 0).handle("all").go();
    world.release("all");
    assert_eq!(world.claims(&host("a")).len(), 2);
    world.reserve(&["10.0.0.0/26"]);
    assert!(cidr("10.0.0.64/26").contains(world.ask("a", 1, 0).ips()[0].parse().unwrap()));
}

#[test]
fn everything_can_be_reserved() {
    let world = World::new(&[("10.0.0.0/26", 26), ("fd00::/122", 122)]);
    world.reserve(&["0.0.0.0/0", "::/0"]);
    assert_eq!(world.ask("a", 1, 1).count().0, 0);
    assert_eq!(utilization(&world).0, counts(64, 0, 64, 0));
}

#[test]
fn what_is_used_and_what_is_reserved_is_counted() {
    let world = World::new(&[("10.0.0.0/24", 26)]);
    let ip = world.ask("a", 1, 0).ips().remove(0);
    let block = world.blocks().into_keys().next().unwrap();
    let (network, ip): (_, std::net::IpAddr) = (cidr(&block), ip.parse().unwrap());
    let first = network.first_address();
    assert_eq!(ip, first, "the first of its block");
    let at = |offset: u128| match first {
        std::net::IpAddr::V4(first) => {
            std::net::Ipv4Addr::from_bits(first.to_bits() + u32::try_from(offset).unwrap())
        }
        std::net::IpAddr::V6(v6) => panic!("{v6} is no address of the pool"),
    };
    for (reserved, of_pool, of_block) in [
        (vec![format!("{}/30", at(4))], counts(256, 1, 4, 251), counts(64, 1, 4, 59)),
        (vec![format!("{ip}/32")], counts(256, 1, 1, 255), counts(64, 1, 1, 63)),
    ] {
        let reserved: Vec<&str> = reserved.iter().map(String::as_str).collect();
        world.reserve(&reserved);
        assert_eq!(utilization(&world), (of_pool, Some(of_block)), "{reserved:?}");
    }
    // Half of the pool: the one without the block, then the one around it, twice and in pieces.
    let (mine, other) = match network.first() & 0x80 {
        0 => ("10.0.0.0/25", "10.0.0.128/25"),
        _ => ("10.0.0.128/25", "10.0.0.0/25"),
    };
    world.reserve(&[other]);
    assert_eq!(utilization(&world), (counts(256, 1, 128, 127), Some(counts(64, 1, 0, 63))));
    world.reserve(&[mine, mine, &block]);
    assert_eq!(utilization(&world), (counts(256, 1, 128, 128), Some(counts(64, 1, 64, 0))));
}

#[test]
fn utilization_can_be_asked_of_some_pools() {
    let world = World::new(&[("10.0.0.0/24", 26), ("10.1.0.0/24", 26)]);
    for pool in ["10.0.0.0/24", "10.1.0.0/24"] {
        world.ask("a", 1, 0).pools(&[pool]).go();
    }
    let all = world.inventory().utilization(&[]);
    assert_eq!(all.pools.iter().map(|pool| pool.blocks.len()).collect::<Vec<_>>(), [1, 1]);
    for filter in ["10.1.0.0/24", "p1"] {
        let some = world.inventory().utilization(&[filter.to_owned()]);
        assert_eq!(some.pools, all.pools[1..], "{filter}");
    }
    assert!(world.inventory().utilization(&["other".to_owned()]).pools.is_empty());
}

#[test]
fn the_arithmetic_of_pools_holds_for_every_size() {
    let world = World::new(&[("fd00::/64", 122)]);
    let size = 1_u128 << 64;
    assert_eq!(utilization(&world).0, counts(size, 0, 0, size));
    world.ask("a", 0, 1).go();
    assert_eq!(utilization(&world).0, counts(size, 1, 0, size - 1));
    world.reserve(&["fd00::/65", "fd00::/66", "fd00:0:0:1::/64"]);
    let reserved = utilization(&world).0.reserved;
    assert_eq!(reserved, size / 2, "overlaps once, what lies outside not at all");
    assert_eq!(world.inventory().usage()[0].reserved, reserved, "the same number everywhere");
    world.reserve(&["fd00::/64"]);
    assert_eq!(utilization(&world).0, counts(size, 1, size, 0));
}

#[test]
fn blocks_outside_of_pools_are_shown_whatever_their_family() {
    let world = World::new(&[("10.0.0.0/24", 26), ("fd00::/120", 122)]);
    world.ask("a", 1, 1).go();
    world.delete_pool_key("p0");
    world.delete_pool_key("p1");
    let utilization = world.inventory().utilization(&[]);
    assert_eq!((utilization.pools.len(), utilization.outside.len()), (0, 2));
}
