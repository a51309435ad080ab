//! GC: what the runtime does not know any more comes back, and nothing else.

use std::collections::BTreeMap;

use ipam_core::ip::Family;
use ipam_core::model::HandleId;
use ipam_core::plan::{Assign, FamilyRequest, NodeRule, Rules, Want};
use ipam_core::pool::Levels;
use ipam_tests::plugin::{Answer, Call};
use ipam_tests::world::{World, now};
use serde_json::{Value, json};

use super::{add, conf, given, world};

const VALID: &str = "cni.dev/valid-attachments";

/// A configuration of CNI 1.1.0 that collects at once.
fn collecting(world: &World, ipam: &Value) -> Value {
    let mut conf =
        conf(world, &json!({"gc_grace_seconds": 0, "nodename": "n1", "log_level": "info"}));
    conf["ipam"].as_object_mut().unwrap().extend(ipam.as_object().unwrap().clone());
    conf["cniVersion"] = json!("1.1.0");
    conf
}

fn known(containers: &[&str]) -> Value {
    containers.iter().map(|id| json!({"containerID": id, "ifname": "eth0"})).collect()
}

/// Calls GC as a runtime does: without the variables of an attachment.
fn gc(conf: &Value) -> Answer {
    let call = Call::new("GC", "unused", conf);
    ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"].into_iter().fold(call, Call::without).run()
}

fn with(mut conf: Value, key: &str, value: Value) -> Value {
    conf[key] = value;
    conf
}

#[test]
fn what_nobody_knows_any_more_comes_back() {
    let world = world();
    let conf = collecting(&world, &json!({}));
    for container in ["c1", "c2", "c3"] {
        add(container, &conf);
    }
    given(&Call::new("ADD", "c1", &conf).with("CNI_IFNAME", "eth1").pod("fin", "c1"));
    assert_eq!(world.taken().len(), 8);
    let answer = gc(&with(conf.clone(), VALID, known(&["c1", "c3"])));
    assert!(answer.success && answer.json.is_null(), "{answer:?}");
    assert!(answer.stderr.contains("released a leftover"), "{}", answer.stderr);
    assert_eq!(world.taken().len(), 4, "eth1 of c1 and all of c2 are gone");
    assert!(given(&Call::new("ADD", "c1", &conf).pod("fin", "c1")).success, "what is left holds");
    assert_eq!(world.findings(), []);
    assert!(gc(&with(conf, VALID, json!([]))).success);
    assert_eq!(world.taken().len(), 0, "of an empty list nothing is valid");
}

#[test]
fn without_a_list_nothing_is_collected() {
    let world = world();
    let conf = collecting(&world, &json!({}));
    add("c1", &conf);
    let before = world.contents();
    assert!(gc(&conf).success);
    // So a runtime in Go writes a list that it has not made.
    assert!(gc(&with(conf.clone(), VALID, json!(null))).success);
    // Either key names what is valid; a runtime that sends both means both.
    let both = with(with(conf.clone(), VALID, json!([])), "cni.dev/attachments", known(&["c1"]));
    assert!(gc(&both).success);
    for bad in [json!({}), json!("c1"), json!([{"ifname": "eth0"}]), json!([{"containerID": "c1"}])]
    {
        let answer = gc(&with(conf.clone(), VALID, bad.clone()));
        assert_eq!(answer.code(), Some(7), "{bad}");
        assert!(answer.message().contains("nothing was released"), "{answer:?}");
    }
    assert_eq!(world.contents(), before);
}

#[test]
fn what_is_young_or_of_others_stays() {
    let world = world();
    let conf = collecting(&world, &json!({}));
    add("c1", &with(conf.clone(), "name", json!("net.b")));
    let other_node = collecting(&world, &json!({"nodename": "n2"}));
    add("c2", &other_node);
    let before = world.contents();
    assert!(gc(&with(conf.clone(), VALID, json!([]))).success);
    assert_eq!(world.contents(), before, "another network's and another node's");

    add("c3", &conf);
    let young = collecting(&world, &json!({"gc_grace_seconds": 60}));
    let before = world.contents();
    assert!(gc(&with(young, VALID, json!([]))).success);
    assert_eq!(world.contents(), before, "its attachment may not be known yet");
}

/// What lies in another node's block belongs to this node all the same.
#[test]
fn what_is_borrowed_comes_back_too() {
    let world = World::with_pools(&[("p", json!({"cidr": "10.1.0.0/28", "blockSize": 28}))]);
    let conf = |node: &str| collecting(&world, &json!({"nodename": node, "assign_ipv6": false}));
    add("c1", &conf("n2"));
    add("c2", &conf("n1"));
    assert!(gc(&with(conf("n1"), VALID, json!([]))).success);
    let left: Vec<String> = world.taken().iter().map(ToString::to_string).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(given(&Call::new("ADD", "c1", &conf("n2")).pod("fin", "c1")).addresses().len(), 1);
    assert_eq!(world.taken().len(), 1, "c1 has what it had");
}

/// Stock Calico names the container alone, and its tunnels by the node.
#[test]
fn what_stock_calico_left_behind_comes_back_and_tunnels_stay() {
    let world = world();
    let conf = collecting(&world, &json!({}));
    let assign = |handle: &str, attributes: &[(&str, &str)]| {
        let pairs =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut attributes: BTreeMap<String, String> = pairs.collect();
        attributes.insert("timestamp".to_owned(), now().minus_seconds(90).to_go_text());
        let request = Assign {
            handle: Some(HandleId::new(handle).unwrap()),
            tenant: None,
            attributes,
            host: "n1".to_owned(),
            families: vec![FamilyRequest {
                family: Family::V4,
                want: Want::Any(1),
                levels: Levels::default(),
            }],
            rules: Rules { node: NodeRule::Optional, ..Rules::calico() },
        };
        world.drive(&request).unwrap();
    };
    assign("net.c1", &[("node", "n1"), ("namespace", "fin"), ("pod", "web")]);
    assign("net.c2", &[("node", "n1")]);
    assign("ipip-tunnel-addr-n1", &[("node", "n1"), ("type", "ipipTunnelAddress")]);
    assert!(gc(&with(conf, VALID, known(&["c2"]))).success);
    assert_eq!(world.taken().len(), 2, "c2's and the tunnel's");
    assert_eq!(world.findings(), []);
}

/// Main plugins do not hand GC on, so the runtime has to call this one itself.
#[test]
fn a_plugin_of_the_list_collects_and_assigns_nothing() {
    let world = world();
    let conf = collecting(&world, &json!({}));
    let added = add("c1", &conf);
    let mut chained = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "ringfence-ipam", "role": "gc",
        "prevResult": added.json, "nodename": "n1", "gc_grace_seconds": 0,
    });
    for field in ["datastore_type", "datastore_path"] {
        chained[field] = conf["ipam"][field].clone();
    }
    let before = world.contents();
    let call = |command: &str| Call::new(command, "c1", &chained).pod("fin", "c1").run();
    assert_eq!(call("ADD").json, added.json, "what the plugins before have given");
    assert!(call("CHECK").success);
    assert!(call("DEL").success, "the main plugin's own DEL gives it back");
    assert!(call("STATUS").success);
    assert_eq!(world.contents(), before);
    assert!(gc(&with(chained.clone(), VALID, known(&["c1"]))).success);
    assert_eq!(world.contents(), before);
    assert!(gc(&with(chained.clone(), VALID, json!([]))).success);
    assert_eq!(world.taken().len(), 0);
    chained.as_object_mut().unwrap().remove("prevResult");
    let alone = Call::new("ADD", "c1", &chained).pod("fin", "c1").run();
    assert_eq!(alone.code(), Some(7), "{alone:?}");
}
