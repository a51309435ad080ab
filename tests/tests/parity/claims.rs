//! Claims on blocks: giving them up, taking them, whom they are left to.

use ipam_core::ip::Cidr;
use ipam_core::model::Owner;
use ipam_core::plan::{ClaimBlocks, Claims, Configure};
use ipam_core::pool::Use;
use ipam_core::refusal::Refusal;
use serde_json::json;

use super::world::{World, cidr, host};

const QUARTERS: &[(&str, u8)] = &[("10.0.0.0/24", 26)];

fn claim(world: &World, network: &str, owner: &Owner) -> (usize, usize) {
    let request = ClaimBlocks { cidr: cidr(network), owner: owner.clone() };
    let (mine, others): (Vec<Cidr>, Vec<Cidr>) = world.call(&request).unwrap();
    (mine.len(), others.len())
}

#[test]
fn a_block_in_use_is_kept_where_it_must_be_empty() {
    let world = World::new(QUARTERS);
    world.ask("a", 1, 0).handle("h").go();
    let block = world.blocks().into_keys().next().unwrap();
    for of in
        [Claims::Inside(cidr("10.0.0.0/24"), host("a")), Claims::Inside(cidr(&block), host("a"))]
    {
        let given_up = world.release_claims(of, true);
        assert_eq!((given_up.released.len(), given_up.in_use.len()), (0, 1));
        assert_eq!(world.claims(&host("a")).len(), 1);
    }
    world.release("h");
    let given_up = world.release_claims(Claims::Inside(cidr(&block), host("a")), true);
    assert_eq!((given_up.released.len(), given_up.in_use.len()), (1, 0));
    assert!(world.blocks().is_empty() && world.claims(&host("a")).is_empty());
}

#[test]
fn where_affinity_is_strict_a_block_is_taken_back_once_it_is_empty_and_old() {
    let world = World::new(&[("10.0.0.0/26", 26)]);
    world.strict(true);
    world.ask("a", 1, 0).handle("theirs").go();
    world.wait(100);
    assert_eq!(world.ask("b", 1, 0).count().0, 0, "it is in use");
    world.release("theirs");
    world.release_claims(Claims::All(host("a")), true);
    assert_eq!(claim(&world, "10.0.0.0/26", &host("a")), (1, 0));
    world.wait(59);
    assert_eq!(world.ask("b", 1, 0).count().0, 0, "it is young");
    world.wait(2);
    assert_eq!(world.ask("b", 1, 0).count().0, 1);
    assert!(world.claims(&host("a")).is_empty());
    assert_eq!(world.claims(&host("b")).len(), 1);
}

#[test]
fn one_of_three_in_use_stays_and_the_others_go() {
    let world = World::new(&[("10.0.0.0/28", 30)]);
    assert_eq!(claim(&world, "10.0.0.0/29", &host("a")).0, 2);
    world.ask("a", 9, 0).handle("many").go();
    world.release("many");
    world.ask("a", 1, 0).go();
    let before = world.claims(&host("a")).len();
    let given_up = world.release_claims(Claims::All(host("a")), true);
    assert_eq!((given_up.released.len(), given_up.in_use.len()), (before - 1, 1));
    assert_eq!((world.claims(&host("a")).len(), world.blocks().len()), (1, 1));
}

#[test]
fn without_a_pool_claims_go_and_blocks_stay_until_their_last_address() {
    let world = World::new(QUARTERS);
    world.ask("a", 65, 0).handle("h").go();
    world.delete_pool_key("p0");
    let given_up = world.release_claims(Claims::All(host("a")), false);
    assert_eq!(given_up.released.len(), 2);
    assert!(world.claims(&host("a")).is_empty());
    assert!(world.blocks().into_values().all(|owner| owner.is_none()));
    assert_eq!(world.release("h"), 65);
    assert!(world.blocks().is_empty());
}

#[test]
fn an_unknown_host_has_nothing_to_give_up() {
    let given_up = World::new(QUARTERS).release_claims(Claims::All(host("unknown")), false);
    assert_eq!(given_up, ipam_core::plan::GivenUp::default());
}

#[test]
fn an_empty_block_of_nobody_goes_with_the_claim_on_it() {
    let world = World::new(QUARTERS);
    world.ask("a", 1, 0).handle("h").go();
    world.release("h");
    // As older releases left it: a row without its state, and a block without its owner.
    let block = world.blocks().into_keys().next().unwrap();
    let key = |what: &str| format!("/calico/ipam/v2/{what}/{}", cidr(&block).key_text());
    let (row, block_key) = (key("host/a/ipv4/block"), key("assignment/ipv4/block"));
    world.store.with(|model| {
        let value = String::from_utf8(model.get(&block_key).unwrap().value.to_vec()).unwrap();
        let start = value.find(r#""affinity":"#).unwrap();
        let end = value.find(r#""allocations""#).unwrap();
        model.put(&*block_key, format!("{}\"affinity\":null,{}", &value[..start], &value[end..]));
        model.put(&*row, "");
    });
    let given_up = world.release_claims(Claims::OfHosts(cidr("10.0.0.0/24")), false);
    assert_eq!(given_up.released.len(), 1);
    assert!(world.blocks().is_empty() && world.claims(&host("a")).is_empty());
}

#[test]
fn all_hosts_lose_their_claims_and_virtual_owners_keep_theirs() {
    let world = World::new(QUARTERS);
    let load_balancer = Owner::Virtual("load-balancer".to_owned());
    for (network, owner) in
        [("10.0.0.0/26", host("a")), ("10.0.0.64/26", host("b")), ("10.0.0.128/26", load_balancer)]
    {
        assert_eq!(claim(&world, network, &owner), (1, 0));
    }
    world.release_claims(Claims::OfHosts(cidr("10.0.0.0/24")), false);
    let left: Vec<_> = world.blocks().into_iter().collect();
    assert_eq!(left, [("10.0.0.128/26".to_owned(), Some("virtual:load-balancer".to_owned()))]);
}

#[test]
fn blocks_are_claimed_once_whoever_asks() {
    let world = World::new(QUARTERS);
    assert_eq!(claim(&world, "10.0.0.64/26", &host("b")), (1, 0));
    assert_eq!(claim(&world, "10.0.0.0/24", &host("a")), (3, 1));
    assert_eq!(claim(&world, "10.0.0.0/24", &host("a")), (3, 1));
    let world = World::new(QUARTERS);
    assert_eq!(claim(&world, "10.0.0.0/24", &host("a")), (4, 0));
    assert_eq!(claim(&world, "10.0.0.0/24", &host("b")), (0, 4));
    let request = ClaimBlocks { cidr: cidr("10.0.0.0/27"), owner: host("a") };
    let refusal = world.call(&request).unwrap_err();
    assert!(matches!(*refusal, Refusal::Unclaimable { .. }), "{refusal}");
}

#[test]
fn an_empty_claim_goes_when_its_pool_has_left_the_node() {
    let world = World::new(&[]);
    let pool = |number: u8, selector: &str| json!({"cidr": format!("10.{number}.0.0/24"), "blockSize": 26, "nodeSelector": selector});
    world.pool("p1", &pool(1, "all()"));
    world.ask("a", 1, 0).handle("h").go();
    world.release("h");
    world.pool("p2", &pool(2, "all()"));
    world.pool("p1", &pool(1, "x == 'y'"));
    assert!(world.ask("a", 1, 0).ips()[0].starts_with("10.2.0."));
    let blocks: Vec<String> = world.blocks().into_keys().collect();
    assert!(blocks.len() == 1 && blocks[0].starts_with("10.2.0."), "{blocks:?}");
    assert_eq!(world.claims(&host("a")).len(), 1);
}

#[test]
fn a_claim_outlives_requests_for_other_uses_and_other_pools() {
    let world = World::new(&[]);
    let uses = |uses: &[&str], number: u8| json!({"cidr": format!("10.{number}.0.0/24"), "blockSize": 26, "allowedUses": uses});
    world.pool("t", &uses(&["Tunnel"], 1));
    world.pool("w", &uses(&["Workload"], 2));
    world.ask("a", 1, 0).usage(Use::Tunnel).handle("t").go();
    world.release("t");
    world.ask("a", 1, 0).go();
    assert_eq!(world.claims(&host("a")).len(), 2, "another use");
    world.pool("x", &uses(&["Workload"], 3));
    world.ask("a", 1, 0).pools(&["10.3.0.0/24"]).go();
    assert_eq!(world.claims(&host("a")).len(), 3, "another pool was asked for");
}

#[test]
fn equal_states_lead_to_the_same_block() {
    let worlds = [(), (), ()].map(|()| World::new(QUARTERS));
    let found = worlds.each_ref().map(|world| {
        let request = ipam_core::plan::DryRun(world.ask("a", 1, 0).request());
        let found = [(), ()].map(|()| world.call(&request).unwrap().addresses);
        assert_eq!(found[0], found[1], "to look changes nothing");
        assert!(world.blocks().is_empty());
        found
    });
    assert_eq!(found[0], found[1]);
    assert_eq!(found[1], found[2]);
}

#[test]
fn claims_of_hosts_and_of_virtual_owners_do_not_meet() {
    let world = World::new(QUARTERS);
    let owners = [host("x"), Owner::Virtual("x".to_owned())];
    for (owner, network) in owners.iter().zip(["10.0.0.0/26", "10.0.0.64/26"]) {
        for _ in 0..2 {
            assert_eq!(claim(&world, network, owner), (1, 0));
        }
    }
    for (owner, network) in owners.iter().zip(["10.0.0.0/26", "10.0.0.64/26"]) {
        let released = || {
            let of = Claims::Inside(cidr(network), owner.clone());
            world.release_claims(of, true).released.len()
        };
        assert_eq!([released(), released()], [1, 0], "what is gone cannot be given up again");
    }
    assert!(world.blocks().is_empty());
}

#[test]
fn the_configuration_is_read_back_as_it_was_changed() {
    let world = World::new(QUARTERS);
    let nothing = Configure::default();
    let before = world.call(&nothing).unwrap();
    assert!(before.auto_allocate_blocks && !before.strict_affinity);
    let stored = || world.store.with(|model| model.get("/calico/ipam/v2/config").is_some());
    assert!(!stored(), "reading stores nothing");
    let change = Configure {
        strict_affinity: Some(true),
        auto_allocate_blocks: Some(false),
        ..Configure::default()
    };
    world.configure(&change);
    let after = world.call(&nothing).unwrap();
    assert!(after.strict_affinity && !after.auto_allocate_blocks && stored());
    for wrong in [
        Configure { strict_affinity: Some(false), ..nothing },
        Configure {
            auto_allocate_blocks: Some(true),
            strict_affinity: Some(false),
            blocks_max: Some(2),
            ..nothing
        },
        Configure { blocks_max: Some(-1), ..nothing },
    ] {
        let refusal = world.call(&wrong).unwrap_err();
        assert!(matches!(*refusal, Refusal::Configuration { .. }), "{refusal}");
    }
}

#[test]
fn many_claims_are_given_up_in_several_calls() {
    let world = World::new(&[("10.0.0.0/24", 30)]);
    for network in ["10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/26"] {
        assert_eq!(claim(&world, network, &host("a")).0, 16);
    }
    let first = world.release_claims(Claims::All(host("a")), true);
    assert_eq!((first.released.len(), first.is_partial), (40, true));
    let rest = world.release_claims(Claims::All(host("a")), true);
    assert_eq!((rest.released.len(), rest.is_partial), (8, false));
    assert!(world.blocks().is_empty());
}
