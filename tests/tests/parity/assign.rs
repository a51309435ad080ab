//! Many addresses, limits, lists of pools, strictness.

use std::collections::BTreeSet;

use ipam_core::plan::{Configure, Shortage};
use ipam_core::pool::Use;
use ipam_core::refusal::Refusal;
use serde_json::json;

use super::world::{World, host};

const ONE: &[(&str, u8)] = &[("10.0.0.0/24", 26), ("fd00::/120", 122)];

#[test]
fn blocks_of_one_address_are_enough() {
    let world = World::new(&[("10.0.0.0/24", 32), ("fd00::/120", 128)]);
    assert_eq!(world.ask("a", 1, 1).count(), (2, vec![]));
}

#[test]
fn blocks_of_4096_addresses_are_not_too_many() {
    let world = World::new(&[("10.0.0.0/16", 20), ("fd00::/112", 116)]);
    assert_eq!(world.ask("a", 1, 1).count(), (2, vec![]));
}

#[test]
fn a_whole_pool_is_given_at_once() {
    assert_eq!(World::new(ONE).ask("a", 256, 256).count(), (512, vec![]));
}

#[test]
fn a_limit_of_blocks_keeps_what_was_found_and_is_named() {
    for (limit, found) in [(1, 64), (2, 128)] {
        let (count, short) = World::new(ONE).ask("a", 256, 0).limit(limit).count();
        let why = format!(
            "Assigned {found} out of 256 requested IPv4 addresses; Need to allocate an IPAM block but could not - limit of {limit} blocks reached for this node"
        );
        assert_eq!((count, short), (found, vec![why]));
    }
    let assigned = World::new(ONE).ask("a", 0, 256).limit(1).go();
    assert_eq!(assigned.addresses.len(), 64);
    assert!(matches!(assigned.short[0].why, Shortage::BlockLimit { claimed: 1, limit: 1 }));
}

#[test]
fn the_last_address_of_a_pool_is_no_error() {
    for (v4, v6, pool, family) in [(257, 0, "10.0.0.0/24", "IPv4"), (0, 257, "fd00::/120", "IPv6")]
    {
        let why = format!(
            "Assigned 256 out of 257 requested {family} addresses; No IPs available in pools: [{pool}]"
        );
        assert_eq!(World::new(ONE).ask("a", v4, v6).count(), (256, vec![why]));
    }
}

#[test]
fn the_block_of_another_host_lends_what_is_missing() {
    let world = World::new(&[("10.0.0.0/25", 26)]);
    world.ask("a", 1, 0).go();
    world.ask("b", 1, 0).go();
    let assigned = world.ask("a", 64, 0).go();
    let borrowed = ipam_core::plan::How::Borrowed;
    let count =
        |how| assigned.addresses.iter().filter(|a| (a.how == Some(borrowed)) == how).count();
    assert_eq!((count(false), count(true)), (63, 1));
}

#[test]
fn strict_affinity_lends_nothing_and_says_so() {
    let world = World::new(&[("10.0.0.0/26", 26), ("10.1.0.0/26", 26)]);
    world.strict(true);
    let (count, short) = world.ask("a", 256, 0).pools(&["10.0.0.0/26"]).count();
    let why = "Assigned 64 out of 256 requested IPv4 addresses; No more free affine blocks and strict affinity enabled";
    assert_eq!((count, short), (64, vec![why.to_owned()]));
}

#[test]
fn requests_in_turn_use_one_block_of_each_pool() {
    let world = World::new(&[("10.0.0.0/24", 26), ("10.1.0.0/24", 26)]);
    for pool in ["10.0.0.0/24", "10.1.0.0/24", "10.0.0.0/24", "10.1.0.0/24"] {
        let ip = world.ask("a", 1, 0).pools(&[pool]).ips().remove(0);
        assert!(super::world::cidr(pool).contains(ip.parse().unwrap()), "{ip}");
    }
    assert_eq!(world.blocks().len(), 2);
}

#[test]
fn a_pool_that_was_asked_for_never_spills_into_another() {
    let world = World::new(&[("10.0.0.0/24", 26), ("10.1.0.0/24", 26)]);
    world.ask("a", 2, 0).pools(&["10.1.0.0/24"]).go();
    let rest = world.ask("a", 254, 0).pools(&["10.1.0.0/24"]).ips();
    assert_eq!(rest.len(), 254);
    assert!(rest.iter().all(|ip| ip.starts_with("10.1.0.")));
    assert_eq!(world.ask("a", 1, 0).pools(&["10.1.0.0/24"]).count().0, 0);
}

#[test]
fn two_pools_that_were_asked_for_are_used_up_together() {
    let world = World::new(&[("10.0.0.0/24", 26), ("10.1.0.0/24", 26)]);
    let both = &["10.0.0.0/24", "10.1.0.0/24"];
    assert_eq!(world.ask("a", 300, 0).pools(both).count(), (300, vec![]));
    assert_eq!(world.ask("a", 1, 0).pools(both).count().0, 1);
    let (count, short) = world.ask("a", 300, 0).pools(both).count();
    assert_eq!((count, short.len()), (211, 1));
}

#[test]
fn each_use_draws_from_the_pools_that_allow_it() {
    let world = World::new(&[]);
    world.pool("t", &json!({"cidr": "10.1.0.0/24", "blockSize": 26, "allowedUses": ["Tunnel"]}));
    world.pool("w", &json!({"cidr": "10.2.0.0/24", "blockSize": 26, "allowedUses": ["Workload"]}));
    for (usage, prefix, pool) in
        [(Use::Tunnel, "10.1.0.", "10.1.0.0/24"), (Use::Workload, "10.2.0.", "10.2.0.0/24")]
    {
        for ask in [world.ask("a", 1, 0), world.ask("a", 1, 0).pools(&[pool])] {
            assert!(ask.usage(usage).ips()[0].starts_with(prefix));
        }
    }
}

#[test]
fn a_node_exhausts_the_pool_that_selects_it_and_no_other() {
    let world = World::new(&[]);
    world.pool("x", &json!({"cidr": "10.1.0.0/24", "blockSize": 26, "nodeSelector": "x == 'y'"}));
    world.pool("z", &json!({"cidr": "10.2.0.0/24", "blockSize": 26, "nodeSelector": "x == 'z'"}));
    world.node("a", &json!({"x": "y"}));
    let ips = world.ask("a", 300, 0).ips();
    assert_eq!(ips.len(), 256);
    assert!(ips.iter().all(|ip| ip.starts_with("10.1.0.")));
}

#[test]
fn a_pool_that_moves_to_another_node_lends_it_addresses() {
    let world = World::new(&[]);
    world.pool("x", &json!({"cidr": "10.1.0.0/26", "blockSize": 26, "nodeSelector": "x == 'a'"}));
    world.node("a", &json!({"x": "a"}));
    world.node("b", &json!({"x": "b"}));
    world.ask("a", 1, 0).go();
    world.pool("x", &json!({"cidr": "10.1.0.0/26", "blockSize": 26, "nodeSelector": "x == 'b'"}));
    assert_eq!(world.ask("b", 1, 0).count(), (1, vec![]));
    assert_eq!(world.claims(&host("a")).len(), 1, "a block in use stays its owner's");
    assert!(world.claims(&host("b")).is_empty());
}

#[test]
fn strictness_counts_at_the_moment_of_the_request() {
    let world = World::new(&[("10.0.0.0/26", 26)]);
    let both = || ["a", "b"].map(|node| world.ask(node, 1, 0).count().0);
    assert_eq!(both(), [1, 1]);
    world.strict(true);
    assert_eq!(both(), [1, 0]);
    world.strict(false);
    assert_eq!(both(), [1, 1]);
}

#[test]
fn the_smaller_limit_of_blocks_holds() {
    let world = World::new(&[("10.0.0.0/28", 30)]);
    let limits = |blocks_max| Configure {
        strict_affinity: Some(true),
        blocks_max: Some(blocks_max),
        ..Configure::default()
    };
    world.configure(&limits(2));
    assert_eq!(world.ask("a", 8, 0).count(), (8, vec![]));
    assert_eq!(world.ask("a", 1, 0).limit(3).count().0, 0, "the configuration is stricter");
    world.configure(&limits(3));
    assert_eq!(world.ask("a", 1, 0).limit(2).count().0, 0, "the request is stricter");
    assert_eq!(world.ask("a", 1, 0).count().0, 1);
}

#[test]
fn hosts_with_long_names_have_claims_of_their_own() {
    let world = World::new(ONE);
    let long = "h".repeat(252);
    world.node(&long, &json!({}));
    world.ask(&long, 1, 1).go();
    world.ask("a", 1, 1).go();
    let (first, second) = (world.claims(&host(&long)), world.claims(&host("a")));
    assert_eq!((first.len(), second.len()), (2, 2));
    assert!(first.is_disjoint(&second));
}

#[test]
fn a_node_without_a_pool_is_refused() {
    let world = World::new(&[]);
    world.pool("x", &json!({"cidr": "10.1.0.0/24", "blockSize": 26, "nodeSelector": "x == 'y'"}));
    let refusal = world.ask("a", 1, 0).try_go().unwrap_err();
    assert!(matches!(*refusal, Refusal::NoPoolSelects { .. }), "{refusal}");
}

#[test]
fn addresses_of_a_small_block_come_in_turn() {
    let world = World::new(&[("10.0.0.0/30", 30)]);
    let turn = |n: usize| {
        let handle = format!("turn{n}");
        let ip = world.ask("a", 1, 0).handle(&handle).ips().remove(0);
        world.release(&handle);
        ip
    };
    let ips: Vec<String> = (0..5).map(turn).collect();
    assert_eq!(ips[..4].iter().collect::<BTreeSet<_>>().len(), 4);
    assert_eq!(ips[4], ips[0]);
}

#[test]
fn a_thousand_hosts_get_an_address_each_twice() {
    let pools: Vec<String> = (0..100).map(|n| format!("10.{n}.0.0/24")).collect();
    let pools: Vec<(&str, u8)> = pools.iter().map(|cidr| (cidr.as_str(), 28)).collect();
    let world = World::new(&pools);
    let (hosts, checked) = (1000, 250);
    for number in 0..hosts {
        world.node(&format!("n{number}"), &json!({}));
    }
    let mut ips = BTreeSet::new();
    for round in 0..2 {
        for number in 0..hosts {
            let ask = world.ask(&format!("n{number}"), 1, 0).handle(&format!("{round}-{number}"));
            // To check the whole store after each of them would take minutes.
            let assigned =
                if number % checked == 0 { ask.go() } else { world.unchecked(&ask.request()) };
            assert!(ips.insert(assigned.addresses[0].ip));
        }
    }
    assert_eq!(ips.len(), 2 * hosts);
}

#[test]
fn hundreds_of_pools_of_several_block_sizes_are_no_burden() {
    let world = World::new(&[]);
    for number in 0..250 {
        let block = [26, 28, 30][number % 3];
        let cidr = format!("10.{number}.0.0/24");
        world.pool(&format!("p{number}"), &json!({"cidr": cidr, "blockSize": block}));
    }
    let started = std::time::Instant::now();
    world.ask("a", 1, 0).handle("h").go();
    assert_eq!(world.release("h"), 1);
    assert!(started.elapsed().as_secs() < 20, "seconds, with a build that is not optimised");
}
