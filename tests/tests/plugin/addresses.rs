//! Which address of a pool is given: any that may be, or the one that is asked for.

use std::collections::BTreeSet;

use ipam_tests::plugin::{Call, annotated};
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{ANNOTATION_V4, add, conf, del, given, held, ips, world};

/// Changes a configuration.
type Change = fn(&mut Value);

const ADDRESSES: &str = "cni.projectcalico.org/ipAddrs";

/// Fills a pool, and returns every address that it gave.
fn fill(cidr: &str, block_size: u8, ipam: &Value) -> BTreeSet<String> {
    let world = World::with_pools(&[("p", json!({"cidr": cidr, "blockSize": block_size}))]);
    world.reserve("router", &["10.1.0.4/32", "fd00:1::4/128"]);
    let is_v6 = cidr.contains(':');
    let mut fields = json!({"assign_ipv4": !is_v6, "assign_ipv6": is_v6});
    fields.as_object_mut().unwrap().extend(ipam.as_object().unwrap().clone());
    let conf = conf(&world, &fields);
    let mut addresses = BTreeSet::new();
    loop {
        let answer = Call::new("ADD", &format!("c{}", addresses.len()), &conf).run();
        if !answer.success {
            assert_eq!(answer.code(), Some(108), "{answer:?}");
            return addresses;
        }
        for ip in ips(&answer) {
            assert!(addresses.insert(ip), "given twice: {answer:?}");
        }
    }
}

#[test]
fn edges_gateways_and_reservations_are_never_given() {
    let v4 = |numbers: &[u8]| numbers.iter().map(|n| format!("10.1.0.{n}")).collect();
    let v6 = |numbers: &[u8]| {
        let address = |n: &u8| if *n == 0 { "fd00:1::".to_owned() } else { format!("fd00:1::{n}") };
        numbers.iter().map(address).collect::<BTreeSet<_>>()
    };
    let cases: [(&str, &str, u8, Value, BTreeSet<String>); 9] = [
        ("the edges", "10.1.0.0/29", 29, json!({}), v4(&[1, 2, 3, 5, 6])),
        ("the first as gateway", "10.1.0.0/29", 29, json!({"gateway": "first"}), v4(&[2, 3, 5, 6])),
        ("the last as gateway", "10.1.0.0/29", 29, json!({"gateway": "last"}), v4(&[1, 2, 3, 5])),
        ("a given gateway", "10.1.0.0/29", 29, json!({"gateway": "10.1.0.3"}), v4(&[1, 2, 5, 6])),
        (
            "edges are those of the pool and not of its blocks",
            "10.1.0.0/29",
            31,
            json!({"gateway": "first"}),
            v4(&[2, 3, 5, 6]),
        ),
        (
            "edges can be given where nobody minds",
            "10.1.0.0/29",
            29,
            json!({"exclude_edges": false}),
            v4(&[0, 1, 2, 3, 5, 6, 7]),
        ),
        ("a network of two has no edges", "10.1.0.0/31", 31, json!({}), v4(&[0, 1])),
        ("IPv6 knows no broadcast", "fd00:1::/125", 125, json!({}), v6(&[1, 2, 3, 5, 6, 7])),
        (
            "the first of IPv6 as gateway",
            "fd00:1::/125",
            125,
            json!({"gateway": "first"}),
            v6(&[2, 3, 5, 6, 7]),
        ),
    ];
    for (rule, cidr, block_size, ipam, expected) in cases {
        assert_eq!(fill(cidr, block_size, &ipam), expected, "{rule}");
    }
}

#[test]
fn an_address_can_be_asked_for() {
    let plain = |_: &mut Value| ();
    let cases: [(&str, &str, Change, &[&str]); 8] = [
        ("IP of the arguments", "IP=10.2.0.7", plain, &["10.2.0.7"]),
        (
            "runtimeConfig.ips",
            "",
            |conf| conf["runtimeConfig"]["ips"] = json!(["fd00:2::7", "10.2.0.7"]),
            &["10.2.0.7", "fd00:2::7"],
        ),
        (
            "with the prefix that is returned",
            "",
            |conf| conf["runtimeConfig"]["ips"] = json!(["10.2.0.7/24", "fd00:2::7/112"]),
            &["10.2.0.7", "fd00:2::7"],
        ),
        (
            "with the prefix of the address alone",
            "",
            |conf| conf["runtimeConfig"]["ips"] = json!(["10.2.0.7/32"]),
            &["10.2.0.7"],
        ),
        (
            "args.cni.ips",
            "",
            |conf| conf["args"] = json!({"cni": {"ips": ["10.2.0.7"]}}),
            &["10.2.0.7"],
        ),
        (
            "the pod's annotation",
            "",
            |conf| {
                let annotations = json!({ADDRESSES: r#"["10.2.0.7", "fd00:2::7"]"#});
                conf["runtimeConfig"] = json!({"io.kubernetes.cri.pod-annotations": annotations});
            },
            &["10.2.0.7", "fd00:2::7"],
        ),
        (
            "runtimeConfig.ips is stronger than IP of the arguments",
            "IP=10.2.0.9",
            |conf| conf["runtimeConfig"]["ips"] = json!(["10.2.0.7"]),
            &["10.2.0.7"],
        ),
        ("IP of the arguments with a prefix", "IP=10.2.0.7/24", plain, &["10.2.0.7"]),
    ];
    for (rule, args, change, expected) in cases {
        let world = world();
        let mut conf = conf(&world, &json!({}));
        change(&mut conf);
        let args = format!("K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web;{args}");
        let answer = given(&Call::new("ADD", "c1", &conf).with("CNI_ARGS", args));
        let given = ips(&answer);
        assert_eq!(given.len(), 2, "{rule}: the other family is given unasked");
        assert_eq!(given[..expected.len()], *expected, "{rule}");
        let held: Vec<String> = held(&world, "net.c1.eth0").into_keys().collect();
        assert_eq!(held, given, "{rule}");
    }
}

#[test]
fn an_address_of_a_permitted_pool_can_be_asked_for_again_and_again() {
    let world = world();
    let conf = conf(&world, &json!({}));
    let listed = annotated(conf, &json!({ANNOTATION_V4: r#"["b", "c"]"#}));
    let call = Call::new("ADD", "c1", &listed).with("CNI_ARGS", "IP=10.3.0.7");
    let first = given(&call);
    let before = world.contents();
    assert_eq!(given(&call).json, first.json, "the same container gets what it has");
    assert_eq!(world.contents(), before);
    del("c1", &listed);
    let other = Call::new("ADD", "c2", &listed).with("CNI_ARGS", "IP=10.3.0.7");
    assert_eq!(ips(&given(&other))[0], "10.3.0.7", "once it is given back, others may have it");
}

#[test]
fn addresses_are_not_given_to_two_interfaces() {
    let world = world();
    let conf = conf(&world, &json!({}));
    let mut seen = BTreeSet::new();
    for container in ["c1", "c2"] {
        for interface in ["eth0", "net1"] {
            let call = Call::new("ADD", container, &conf).with("CNI_IFNAME", interface);
            seen.extend(ips(&given(&call)));
        }
    }
    assert_eq!(seen.len(), 8);
    del("c1", &conf);
    assert_eq!(world.taken().len(), 6, "DEL gives back one interface only");
    assert_eq!(add("c1", &conf).addresses().len(), 2);
}
