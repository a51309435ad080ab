//! Which pools a workload may draw from.

use ipam_core::refusal::Refusal;
use serde_json::{Value, json};

use super::world::World;

fn world(pools: &[(&str, Value)]) -> World {
    let world = World::new(&[]);
    for (name, spec) in pools {
        world.pool(name, spec);
    }
    world
}

fn pool(number: u8, members: &Value) -> Value {
    let mut spec = json!({"cidr": format!("10.{number}.0.0/24"), "blockSize": 26});
    for (name, value) in members.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

#[test]
fn one_off_and_one_not_selecting_leave_nothing_unless_asked_for() {
    let world = world(&[
        ("p1", pool(1, &json!({"disabled": true}))),
        ("p2", pool(2, &json!({"nodeSelector": "x == 'y'"}))),
    ]);
    let refusal = world.ask("a", 1, 0).try_go().unwrap_err();
    let Refusal::NoPoolSelects { dropped, .. } = &*refusal else { panic!("{refusal}") };
    assert_eq!(dropped.len(), 2, "each with its reason");
    assert!(world.ask("a", 1, 0).pools(&["10.2.0.0/24"]).ips()[0].starts_with("10.2.0."));
}

#[test]
fn networks_are_compared_without_their_host_bits_and_spelling() {
    let world = world(&[
        ("p1", json!({"cidr": "10.1.0.77/24", "blockSize": 26})),
        ("p2", json!({"cidr": "fd00:0:0::00/120", "blockSize": 122})),
    ]);
    assert!(world.ask("a", 1, 0).pools(&["10.1.0.9/24"]).ips()[0].starts_with("10.1.0."));
    for spelling in ["fd00::/120", "fd00:0000:0000:0000:0000:0000:0000:0000/120", "FD00::/120"] {
        assert!(world.ask("a", 0, 1).pools6(&[spelling]).ips()[0].starts_with("fd00::"));
    }
}

#[test]
fn ipv6_pools_are_chosen_as_ipv4_pools_are() {
    let v6 = |number: u8, members: &Value| {
        let mut spec = pool(number, members);
        spec["cidr"] = json!(format!("fd0{number}::/120"));
        spec["blockSize"] = json!(122);
        spec
    };
    let world = world(&[
        ("p1", v6(1, &json!({"nodeSelector": "x == 'y'"}))),
        ("p2", v6(2, &json!({}))),
        ("p3", v6(3, &json!({"disabled": true}))),
    ]);
    assert!(world.ask("a", 0, 1).ips()[0].starts_with("fd02::"));
    assert!(world.ask("a", 0, 1).pools6(&["fd01::/120"]).ips()[0].starts_with("fd01::"));
    let refusal = world.ask("a", 0, 1).pools6(&["fd03::/120"]).try_go().unwrap_err();
    assert!(matches!(*refusal, Refusal::PoolDisabled { .. }), "{refusal}");
}

#[test]
fn both_selectors_must_match() {
    let world = world(&[(
        "p",
        pool(
            1,
            &json!({
                "nodeSelector": "zone == 'x'", "namespaceSelector": "team == 'fin' && tier != 'test'",
                "allowedUses": ["Workload"],
            }),
        ),
    )]);
    world.node("a", &json!({"zone": "x"}));
    let fin: &[(&str, &str)] = &[("team", "fin")];
    assert_eq!(world.ask("a", 1, 0).namespace(fin).count().0, 1);
    for (node, namespace) in [
        ("b", fin),
        ("a", &[("team", "dev")]),
        ("b", &[("team", "dev")]),
        ("a", &[("team", "fin"), ("tier", "test")]),
        ("a", &[]),
    ] {
        let refusal = world.ask(node, 1, 0).namespace(namespace).try_go().unwrap_err();
        assert!(matches!(*refusal, Refusal::NoPoolSelects { .. }), "{node} {namespace:?}");
    }
}

#[test]
fn a_namespace_draws_from_its_own_pool_and_from_those_for_everybody() {
    let of = |env: &str| json!({"namespaceSelector": format!("env == '{env}'"), "allowedUses": ["Workload"]});
    let world = world(&[
        ("dev", pool(1, &of("dev"))),
        ("every", pool(2, &json!({}))),
        ("prod", pool(3, &of("prod"))),
    ]);
    let assigned = world.ask("a", 1, 0).namespace(&[("env", "prod")]).go();
    let decision = &assigned.decisions[0];
    assert_eq!(decision.pools, ["every", "prod"]);
    assert_eq!(decision.dropped.len(), 1);
    assert_eq!(decision.dropped[0].pool, "dev");
}

#[test]
fn a_selector_that_cannot_be_read_stops_every_choice() {
    let selector = json!({"namespaceSelector": "env == ", "allowedUses": ["Workload"]});
    let world = world(&[("p1", pool(1, &json!({}))), ("p2", pool(2, &selector))]);
    let refusal = world.ask("a", 1, 0).try_go().unwrap_err();
    assert!(matches!(*refusal, Refusal::Selector { .. }), "{refusal}");
}

#[test]
fn a_pool_that_is_asked_for_need_not_select_the_namespace() {
    let selector = json!({"namespaceSelector": "env == 'prod'", "allowedUses": ["Workload"]});
    let world = world(&[("p1", pool(1, &selector)), ("p2", pool(2, &json!({})))]);
    let ask = world.ask("a", 1, 0).pools(&["10.1.0.0/24"]).namespace(&[("env", "dev")]);
    assert!(ask.ips()[0].starts_with("10.1.0."));
}

#[test]
fn only_the_labels_of_a_namespace_matter() {
    let selector = json!({"namespaceSelector": "env == 'prod'", "allowedUses": ["Workload"]});
    let world = world(&[("p1", pool(1, &selector))]);
    // A namespace is given by its labels alone; there is nothing else that could be empty.
    assert_eq!(world.ask("a", 1, 0).namespace(&[("env", "prod")]).count().0, 1);
}
