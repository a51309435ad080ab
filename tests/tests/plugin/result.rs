//! What ADD answers, in every version and with every setting.

use ipam_tests::plugin::{annotated, netconf};
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{add, conf, ips};

/// One address of each family is left to give, so that results can be written down.
fn one_address() -> World {
    let world = World::with_pools(&[
        ("v4", json!({"cidr": "10.1.0.0/29", "blockSize": 29})),
        ("v6", json!({"cidr": "fd00:1::/125", "blockSize": 125})),
    ]);
    let v4 = ["10.1.0.1/32", "10.1.0.2/31", "10.1.0.4/31"];
    let v6 = ["fd00:1::1/128", "fd00:1::2/127", "fd00:1::4/127", "fd00:1::7/128"];
    world.reserve("taken", &[&v4[..], &v6[..]].concat());
    world
}

/// Returns the result of an ADD with some settings in a version.
fn result(version: &str, ipam: &Value) -> Value {
    let world = one_address();
    let mut conf = conf(&world, ipam);
    conf["cniVersion"] = json!(version);
    add("c1", &conf).json
}

#[test]
fn each_version_has_its_shape() {
    let ipam = json!({
        "gateway": "first",
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    });
    let routes =
        json!([{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}, {"dst": "::/0", "gw": "fd00:1::1"}]);
    for version in ["0.1.0", "0.2.0"] {
        let family = |ip: &str, gateway: &str, route: usize| json!({"ip": ip, "gateway": gateway, "routes": [routes[route]]});
        let expected = json!({
            "cniVersion": version,
            "ip4": family("10.1.0.6/29", "10.1.0.1", 0),
            "ip6": family("fd00:1::6/125", "fd00:1::1", 1),
            "dns": {},
        });
        assert_eq!(result(version, &ipam), expected, "{version}");
    }
    for version in ["0.3.0", "0.3.1", "0.4.0"] {
        let expected = json!({
            "cniVersion": version,
            "ips": [
                {"version": "4", "address": "10.1.0.6/29", "gateway": "10.1.0.1"},
                {"version": "6", "address": "fd00:1::6/125", "gateway": "fd00:1::1"},
            ],
            "routes": routes,
            "dns": {},
        });
        assert_eq!(result(version, &ipam), expected, "{version}");
    }
    let expected = json!({
        "cniVersion": "1.0.0",
        "ips": [
            {"address": "10.1.0.6/29", "gateway": "10.1.0.1"},
            {"address": "fd00:1::6/125", "gateway": "fd00:1::1"},
        ],
        "routes": routes,
    });
    assert_eq!(result("1.0.0", &ipam), expected);
}

#[test]
fn settings_shape_the_result() {
    let addresses = |v4: &str, v6: &str| json!([{"address": v4}, {"address": v6}]);
    let pool = addresses("10.1.0.6/29", "fd00:1::6/125");
    for (rule, ipam, member, expected) in [
        ("the prefix is the pool's", json!({}), "ips", pool.clone()),
        ("also where that is said", json!({"prefix": "pool"}), "ips", pool.clone()),
        (
            "the prefix can be the address alone",
            json!({"prefix": "host"}),
            "ips",
            addresses("10.1.0.6/32", "fd00:1::6/128"),
        ),
        (
            "the prefix can be given",
            json!({"prefix": [16, 64]}),
            "ips",
            addresses("10.1.0.6/16", "fd00:1::6/64"),
        ),
        ("there may be no gateway", json!({"gateway": "none"}), "ips", pool.clone()),
        (
            "a gateway can be given for each family",
            json!({"gateway": ["fd00:1::3", "10.1.0.3"]}),
            "ips",
            json!([
                {"address": "10.1.0.6/29", "gateway": "10.1.0.3"},
                {"address": "fd00:1::6/125", "gateway": "fd00:1::3"},
            ]),
        ),
        (
            "a gateway can be given for one family alone",
            json!({"gateway": "10.1.0.3"}),
            "ips",
            json!([{"address": "10.1.0.6/29", "gateway": "10.1.0.3"}, {"address": "fd00:1::6/125"}]),
        ),
        (
            "a route keeps a gateway of its own",
            json!({"gateway": "first", "routes": [{"dst": "10.0.0.0/8", "gw": "10.1.0.5"}]}),
            "routes",
            json!([{"dst": "10.0.0.0/8", "gw": "10.1.0.5"}]),
        ),
        (
            "a route goes without a gateway where there is none",
            json!({"routes": [{"dst": "0.0.0.0/0"}]}),
            "routes",
            json!([{"dst": "0.0.0.0/0"}]),
        ),
        (
            "a route of a family without an address is left out",
            json!({"assign_ipv6": false, "routes": [{"dst": "::/0"}, {"dst": "0.0.0.0/0"}]}),
            "routes",
            json!([{"dst": "0.0.0.0/0"}]),
        ),
        ("no route is no member", json!({"routes": []}), "routes", Value::Null),
        (
            "dns is passed on",
            json!({"dns": {"nameservers": ["10.1.0.1"], "search": ["fin.example"]}}),
            "dns",
            json!({"nameservers": ["10.1.0.1"], "search": ["fin.example"]}),
        ),
        ("no dns is no member", json!({}), "dns", Value::Null),
        (
            "a family can be switched by a text, as Calico has it",
            json!({"assign_ipv4": "false", "assign_ipv6": "true"}),
            "ips",
            json!([{"address": "fd00:1::6/125"}]),
        ),
    ] {
        assert_eq!(result("1.0.0", &ipam)[member], expected, "{rule}");
    }
}

#[test]
fn the_last_address_can_be_the_gateway() {
    let world = World::with_pools(&[
        ("v4", json!({"cidr": "10.1.0.0/24"})),
        ("v6", json!({"cidr": "fd00:1::/112"})),
    ]);
    let answer = add("c1", &conf(&world, &json!({"gateway": "last"})));
    assert_eq!(answer.json["ips"][0]["gateway"], "10.1.0.254");
    assert_eq!(answer.json["ips"][1]["gateway"], "fd00:1::ffff");
}

#[test]
fn a_given_gateway_counts_in_the_pool_that_holds_it() {
    let world = World::with_pools(&[
        ("one", json!({"cidr": "10.1.0.0/32", "blockSize": 32})),
        ("two", json!({"cidr": "10.2.0.0/24"})),
    ]);
    let ipam = json!({
        "assign_ipv6": false, "ipv4_pools": ["one", "two"], "gateway": "10.2.0.9",
    });
    let conf = conf(&world, &ipam);
    let (first, second) = (add("c1", &conf), add("c2", &conf));
    assert_eq!(first.json["ips"], json!([{"address": "10.1.0.0/32"}]));
    assert_eq!(second.json["ips"][0]["gateway"], "10.2.0.9");
}

#[test]
fn ipv4_alone_is_what_is_given_unasked() {
    let world = one_address();
    let answer = add("c1", &netconf(&world.path(), &json!({})));
    assert_eq!(ips(&answer), ["10.1.0.6"]);
}

/// A result in each version, with one family's pool chosen by annotation, is what CHECK is handed back.
#[test]
fn a_result_says_the_same_when_it_is_asked_for_again() {
    let world = one_address();
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        let ipam = json!({"gateway": "first", "routes": [{"dst": "0.0.0.0/0"}]});
        let mut conf = annotated(conf(&world, &ipam), &json!({}));
        conf["cniVersion"] = json!(version);
        assert_eq!(add("c1", &conf).json, add("c1", &conf).json, "{version}");
    }
}
