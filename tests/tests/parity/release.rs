//! Giving addresses back.

use ipam_core::ip::Ordinal;
use ipam_core::model::HandleId;
use ipam_core::plan::{Configure, HandleTarget, Release, ReleaseAddresses};
use ipam_core::refusal::Refusal;
use serde_json::json;

use super::world::{World, cidr, host, target};

#[test]
fn what_nobody_holds_is_told_and_is_no_error() {
    let world = World::new(&[("10.0.0.0/24", 26)]);
    let ip = world.ask("a", 1, 0).ips().remove(0);
    let free = if ip.ends_with(".0") { "10.0.0.1" } else { "10.0.0.0" };
    let targets = [free, "10.9.0.1", &ip].map(|ip| target(ip, None, None));
    let reply = world.release_addresses(targets.to_vec()).unwrap();
    let mut unallocated: Vec<String> = reply.unallocated.iter().map(ToString::to_string).collect();
    unallocated.sort();
    assert_eq!(unallocated, [free, "10.9.0.1"]);
    assert_eq!(reply.released.len(), 1);
    let before = world.snapshot();
    let reply = world.release_addresses(vec![target(free, None, None)]).unwrap();
    let text: Vec<String> = reply.unallocated.iter().map(ToString::to_string).collect();
    assert_eq!((text, reply.released.len()), (vec![free.to_owned()], 0));
    assert_eq!(world.snapshot().kvs, before.kvs);
}

#[test]
fn addresses_of_several_blocks_go_in_one_call() {
    let world = World::new(&[("10.0.0.0/24", 26)]);
    let ips = world.ask("a", 66, 0).handle("h").ips();
    assert_eq!(world.blocks().len(), 2);
    let targets = ips.iter().map(|ip| target(ip, None, None)).collect();
    let reply = world.release_addresses(targets).unwrap();
    assert_eq!((reply.released.len(), reply.unallocated.len()), (66, 0));
    assert!(world.held("h").is_empty());
}

#[test]
fn any_number_of_addresses_goes_in_parts() {
    let world = World::new(&[("10.0.0.0/24", 26), ("fd00::/120", 122)]);
    world.node("d", &json!({}));
    let mut targets = Vec::new();
    for number in 0..50 {
        let node = ["a", "b", "c", "d"][number % 4];
        let ips = world.ask(node, 1, 1).handle(&format!("pod-{number}")).ips();
        targets.extend(ips.iter().map(|ip| target(ip, None, None)));
    }
    assert_eq!(targets.len(), 100);
    world.pool("p0", &json!({ "cidr": "10.0.0.0/24", "blockSize": 26, "disabled": true }));
    let mut released = 0;
    for request in ReleaseAddresses::in_parts(targets) {
        released += world.call(&request).unwrap().released.len();
    }
    assert_eq!((released, world.held("pod-49").len()), (100, 0));
}

#[test]
fn a_sequence_number_tells_which_addresses_of_a_handle_go() {
    let world = World::new(&[("10.0.0.0/29", 29)]);
    let mut ips = Vec::new();
    for _ in 0..3 {
        ips.extend(world.ask("a", 1, 0).handle("h").ips());
    }
    let ip = ips[1].parse().unwrap();
    let block = world.block("10.0.0.0/29").unwrap();
    let sequence = Some(block.sequence_of(block.cidr.ordinal_of(ip).unwrap()));
    let target =
        |sequence| HandleTarget { sequence, ..HandleTarget::all(HandleId::new("h").unwrap()) };
    let request = |sequence| Release { targets: vec![target(sequence)], host: None };
    assert_eq!(world.call(&request(sequence)).unwrap(), [ip]);
    assert_eq!(world.held("h"), [ips[0].clone(), ips[2].clone()]);
    assert!(world.call(&request(sequence)).unwrap().is_empty());
    assert_eq!(world.call(&request(None)).unwrap().len(), 2);
}

#[test]
fn an_address_named_twice_is_free_once() {
    let world = World::new(&[("10.0.0.0/30", 30)]);
    let ip = world.ask("a", 4, 0).ips().remove(0);
    let twice = vec![target(&ip, None, None), target(&ip, None, None)];
    assert_eq!(world.release_addresses(twice).unwrap().released.len(), 1);
    assert_eq!(world.ask("a", 2, 0).ips(), [ip]);
}

#[test]
fn a_sequence_number_of_an_earlier_holder_releases_nothing() {
    let world = World::new(&[("10.0.0.0/32", 32)]);
    let number = || {
        let block = world.block("10.0.0.0/32").unwrap();
        block.sequence_of(block.taken().next().unwrap().0)
    };
    let ip = world.ask("a", 1, 0).handle("h").ips().remove(0);
    let first = number();
    assert_eq!(world.release("h"), 1);
    world.ask("a", 1, 0).handle("h").go();
    assert_eq!(number(), first + 2, "one for each release and each assignment");
    let refusal = world.release_addresses(vec![target(&ip, Some("h"), Some(first))]).unwrap_err();
    assert!(matches!(*refusal, Refusal::Release(_)), "{refusal}");
    let fresh = world.release_addresses(vec![target(&ip, Some("h"), Some(number()))]).unwrap();
    assert_eq!(fresh.released.len(), 1);
}

#[test]
fn nor_does_one_of_an_earlier_block() {
    let world = World::new(&[("10.0.0.0/32", 32)]);
    let ip = world.ask("a", 1, 0).handle("h").ips().remove(0);
    let block = world.block("10.0.0.0/32").unwrap();
    let stale = block.sequence_of(block.taken().next().unwrap().0);
    world.release("h");
    let claims = ipam_core::plan::Claims::All(host("a"));
    world.release_claims(claims, true);
    assert!(world.blocks().is_empty());
    world.wait(1);
    world.ask("a", 1, 0).handle("h").go();
    let refusal = world.release_addresses(vec![target(&ip, Some("h"), Some(stale))]).unwrap_err();
    assert!(matches!(*refusal, Refusal::Release(_)), "{refusal}");
}

#[test]
fn a_record_goes_with_its_last_address() {
    let world = World::new(&[("10.0.0.0/29", 29)]);
    let ips = world.ask("a", 3, 0).handle("h").ips();
    let other = world.ask("a", 1, 0).handle("other").ips();
    let records = || world.block("10.0.0.0/29").unwrap().records().len();
    assert_eq!(records(), 2);
    let one = world.release_addresses(vec![target(&ips[0], None, None)]).unwrap();
    assert_eq!((one.released.len(), records()), (1, 2));
    assert_eq!(world.held("h"), ips[1..]);
    let rest = ips[1..].iter().chain(&other).map(|ip| target(ip, None, None)).collect();
    let reply = world.release_addresses(rest).unwrap();
    let of = |handle: &str| {
        let is_its = |holder: &ipam_core::plan::Holder| holder.handle.as_deref() == Some(handle);
        reply.released.iter().filter(|(_, holder)| is_its(holder)).count()
    };
    assert_eq!((of("h"), of("other"), records()), (2, 1, 0));
    assert!(world.held("h").is_empty() && world.held("other").is_empty());
}

#[test]
fn the_last_address_takes_the_claim_along_where_the_pool_has_left_the_node() {
    for by_handle in [true, false] {
        let world = World::new(&[]);
        let pool = |selector: &str| json!({"cidr": "10.1.0.0/24", "blockSize": 26, "nodeSelector": selector});
        world.pool("p", &pool("x == 'a'"));
        world.node("a", &json!({"x": "a"}));
        let ips = ["first", "second"].map(|h| world.ask("a", 1, 0).handle(h).ips().remove(0));
        world.pool("p", &pool("x == 'b'"));
        let release = |number: usize| {
            if by_handle {
                world.release(["first", "second"][number]);
            } else {
                world.release_addresses(vec![target(&ips[number], None, None)]).unwrap();
            }
        };
        release(0);
        assert_eq!(world.claims(&host("a")).len(), 1, "a block in use keeps its owner");
        release(1);
        assert!(world.claims(&host("a")).is_empty() && world.blocks().is_empty());
    }
}

#[test]
fn an_address_that_rests_keeps_the_claim() {
    let world = World::new(&[]);
    let pool =
        |selector: &str| json!({"cidr": "10.1.0.0/24", "blockSize": 26, "nodeSelector": selector});
    world.configure(&Configure { cooldown_seconds: Some(60), ..Configure::default() });
    world.pool("p", &pool("x == 'a'"));
    world.node("a", &json!({"x": "a"}));
    world.ask("a", 1, 0).handle("h").go();
    world.pool("p", &pool("x == 'b'"));
    world.release("h");
    assert_eq!(world.claims(&host("a")).len(), 1);
}

#[test]
fn ordinals_that_are_released_go_to_the_end_of_the_queue_in_their_order() {
    let world = World::new(&[("10.0.0.0/29", 29)]);
    let ips = world.ask("a", 3, 0).ips();
    let ordinal = |ip: &str| cidr("10.0.0.0/29").ordinal_of(ip.parse().unwrap()).unwrap();
    let targets = ips.iter().rev().map(|ip| target(ip, None, None)).collect();
    world.release_addresses(targets).unwrap();
    let queue = world.block("10.0.0.0/29").unwrap().unallocated;
    let tail: Vec<Ordinal> = ips.iter().map(|ip| ordinal(ip)).collect();
    assert_eq!(queue[queue.len() - 3..], tail);
}
