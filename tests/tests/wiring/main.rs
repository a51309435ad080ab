//! Pods that the real plugins `bridge`, `ptp` and `macvlan` connect, with addresses from ours, and real traffic between them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod pod;

use ipam_tests::plugin::netconf;
use ipam_tests::stage::{on_a_stage, uplink};
use ipam_tests::world::World;
use serde_json::{Value, json};

use pod::Pod;

const UPPER: [&str; 3] = ["bridge", "ptp", "macvlan"];

/// The pools of two teams; the first one's are annotated, nothing may come from the others.
fn world() -> World {
    World::with_pools(&[
        ("legacy", json!({"cidr": "10.1.0.0/24", "blockSize": 28})),
        ("legacy6", json!({"cidr": "fd00:1::/112", "blockSize": 124})),
        ("free", json!({"cidr": "10.2.0.0/24", "blockSize": 28})),
        ("free6", json!({"cidr": "fd00:2::/112", "blockSize": 124})),
        ("tiny", json!({"cidr": "10.3.0.0/30", "blockSize": 30})),
    ])
}

/// Returns a configuration for an upper plugin, with both families and the first address of each pool as gateway.
fn conf(world: &World, upper: &str, version: &str) -> Value {
    let ipam = json!({
        "assign_ipv6": true,
        "gateway": "first",
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    });
    let mut conf = netconf(&world.path(), &ipam);
    conf["cniVersion"] = json!(version);
    conf["type"] = json!(upper);
    if upper == "bridge" {
        conf["bridge"] = json!("pods0");
        conf["isGateway"] = json!(true);
    }
    if upper == "macvlan" {
        conf["master"] = json!(uplink(&["10.1.0.1/24", "fd00:1::1/112"]));
    }
    conf
}

/// Adds the annotations that keep a pod in the first team's pools.
fn legacy(conf: &Value) -> Value {
    annotated(conf, r#"["legacy"]"#, r#"["legacy6"]"#)
}

fn annotated(conf: &Value, v4: &str, v6: &str) -> Value {
    let annotations =
        json!({"cni.projectcalico.org/ipv4pools": v4, "cni.projectcalico.org/ipv6pools": v6});
    ipam_tests::plugin::annotated(conf.clone(), &annotations)
}

fn pods_talk(upper: &str, version: &str) {
    let world = world();
    let conf = legacy(&conf(&world, upper, version));
    let pods = [Pod::new("web-0", &conf), Pod::new("web-1", &conf)];
    let results = pods.each_ref().map(|pod| {
        let answer = pod.call("ADD");
        assert!(answer.success, "{upper} {version}: {answer:?}");
        answer
    });
    let gateways = ["10.1.0.1".to_owned(), "fd00:1::1".to_owned()];
    for (at, pod) in pods.iter().enumerate() {
        let told = results[at].addresses();
        assert!(told[0].starts_with("10.1.0.") && told[0].ends_with("/24"), "{told:?}");
        assert!(told[1].starts_with("fd00:1::") && told[1].ends_with("/112"), "{told:?}");
        assert_eq!(pod.addresses("eth0"), told, "{upper} {version}: the interface has what was told");
        let other = results[1 - at].addresses();
        let others = other.iter().map(|address| address.split('/').next().unwrap().to_owned());
        for target in others.chain(gateways.clone()) {
            assert!(
                pod.reaches(&target),
                "{upper} {version}: {} does not reach {target}",
                pod.name
            );
        }
        let has_check = !["0.2.0", "0.3.1"].contains(&version);
        if has_check {
            let answer = pod.check(&results[at].json);
            assert!(answer.success, "{upper} {version}: {answer:?}");
        }
    }
    assert!(!pods[0].reaches_at_once("10.1.0.77"), "nobody answers where no pod is");
    assert_eq!(world.taken().len(), 4, "two addresses for each of two pods");
    for pod in &pods {
        let answer = pod.call("DEL");
        assert!(answer.success, "{upper} {version}: {answer:?}");
        assert!(!pod.has_interface("eth0"));
    }
    assert_eq!(world.taken(), [] as [std::net::IpAddr; 0]);
    assert_eq!(world.findings(), []);
}

#[test]
fn pods_talk_through_bridge_0_2_0() {
    on_a_stage("pods_talk_through_bridge_0_2_0", || pods_talk("bridge", "0.2.0"));
}

#[test]
fn pods_talk_through_bridge_0_3_1() {
    on_a_stage("pods_talk_through_bridge_0_3_1", || pods_talk("bridge", "0.3.1"));
}

#[test]
fn pods_talk_through_bridge_0_4_0() {
    on_a_stage("pods_talk_through_bridge_0_4_0", || pods_talk("bridge", "0.4.0"));
}

#[test]
fn pods_talk_through_bridge_1_0_0() {
    on_a_stage("pods_talk_through_bridge_1_0_0", || pods_talk("bridge", "1.0.0"));
}

#[test]
fn pods_talk_through_macvlan_0_3_1() {
    on_a_stage("pods_talk_through_macvlan_0_3_1", || pods_talk("macvlan", "0.3.1"));
}

#[test]
fn pods_talk_through_macvlan_0_4_0() {
    on_a_stage("pods_talk_through_macvlan_0_4_0", || pods_talk("macvlan", "0.4.0"));
}

#[test]
fn pods_talk_through_macvlan_1_0_0() {
    on_a_stage("pods_talk_through_macvlan_1_0_0", || pods_talk("macvlan", "1.0.0"));
}

#[test]
fn pods_talk_through_ptp_0_3_1() {
    on_a_stage("pods_talk_through_ptp_0_3_1", || pods_talk("ptp", "0.3.1"));
}

#[test]
fn pods_talk_through_ptp_0_4_0() {
    on_a_stage("pods_talk_through_ptp_0_4_0", || pods_talk("ptp", "0.4.0"));
}

#[test]
fn pods_talk_through_ptp_1_0_0() {
    on_a_stage("pods_talk_through_ptp_1_0_0", || pods_talk("ptp", "1.0.0"));
}

/// Our code and message come through the upper plugin as they are.
#[test]
fn a_refused_pod_keeps_nothing() {
    on_a_stage("a_refused_pod_keeps_nothing", || {
        for upper in UPPER {
            let world = world();
            let conf = annotated(&conf(&world, upper, "1.0.0"), r#"["tiny"]"#, r#"["legacy6"]"#);
            let first = Pod::new(&format!("{upper}-0"), &conf);
            assert!(first.call("ADD").success, "{upper}: one address fits beside the gateway");
            let before = world.contents();
            let second = Pod::new(&format!("{upper}-1"), &conf);
            let answer = second.call("ADD");
            assert_eq!(answer.code(), Some(108), "{upper}: {answer:?}");
            assert!(answer.message().contains("tiny"), "{upper}: {answer:?}");
            assert_eq!(world.contents(), before, "{upper}: neither family is held");
            // An upper plugin may leave its interface until DEL, which a runtime calls after a failed ADD.
            assert!(!second.has_interface("eth0") || second.addresses("eth0").is_empty(), "{upper}");
            assert!(second.call("DEL").success, "{upper}");
            assert!(!second.has_interface("eth0"), "{upper}");
            assert_eq!(world.contents(), before, "{upper}: nobody else's address was given back");
            assert!(first.call("DEL").success, "{upper}");
            assert_eq!(world.taken(), [] as [std::net::IpAddr; 0], "{upper}");
        }
    });
}

#[test]
fn what_the_upper_plugin_cannot_use_is_given_back() {
    on_a_stage("what_the_upper_plugin_cannot_use_is_given_back", || {
        let world = world();
        let conf = conf(&world, "bridge", "1.0.0");
        let first = Pod::new("web-0", &legacy(&conf));
        assert!(first.call("ADD").success);
        let taken = world.taken();
        // The bridge has the gateway of one pool; it refuses that of another.
        let second = Pod::new("web-1", &annotated(&conf, r#"["free"]"#, r#"["free6"]"#));
        let answer = second.call("ADD");
        assert!(!answer.success && answer.message().contains("pods0"), "{answer:?}");
        assert_eq!(world.taken(), taken, "the address came back without a further DEL");
    });
}

#[test]
fn an_address_comes_back_when_the_namespace_is_gone() {
    on_a_stage("an_address_comes_back_when_the_namespace_is_gone", || {
        for upper in UPPER {
            let world = world();
            let mut pod = Pod::new(&format!("{upper}-0"), &legacy(&conf(&world, upper, "1.0.0")));
            assert!(pod.call("ADD").success, "{upper}");
            pod.vanish();
            let answer = pod.call("DEL");
            assert!(answer.success, "{upper}: {answer:?}");
            assert_eq!(world.taken(), [] as [std::net::IpAddr; 0], "{upper}");
        }
    });
}

#[test]
fn check_finds_an_address_that_was_given_back() {
    on_a_stage("check_finds_an_address_that_was_given_back", || {
        for upper in UPPER {
            let world = world();
            let conf = legacy(&conf(&world, upper, "1.0.0"));
            let pod = Pod::new(&format!("{upper}-0"), &conf);
            let result = pod.call("ADD").json;
            let behind = ipam_tests::plugin::Call::new("DEL", &pod.name, &conf).run();
            assert!(behind.success, "{upper}: {behind:?}");
            let answer = pod.check(&result);
            assert_eq!(answer.code(), Some(120), "{upper}: {answer:?}");
        }
    });
}
