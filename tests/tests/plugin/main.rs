//! What the plugin does when everything is in order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod addresses;
mod choice;
mod commands;
mod datastore;
mod gc;
mod lifetime;
mod log;
mod result;
mod status;
mod wire;

use std::collections::BTreeMap;

use ipam_core::model::{Binding, BindingMode, HandleId};
use ipam_core::plan::Held;
use ipam_tests::plugin::{Answer, Call, annotated, netconf};
use ipam_tests::world::World;
use serde_json::{Value, json};

const ANNOTATION_V4: &str = "cni.projectcalico.org/ipv4pools";
const ANNOTATION_V6: &str = "cni.projectcalico.org/ipv6pools";

/// A pool of each family per team; each IPv4 network tells by its second number whose it is.
fn world() -> World {
    World::with_pools(&[
        ("a", json!({"cidr": "10.1.0.0/24", "blockSize": 28})),
        ("a6", json!({"cidr": "fd00:1::/112", "blockSize": 124})),
        ("b", json!({"cidr": "10.2.0.0/24", "blockSize": 28})),
        ("b6", json!({"cidr": "fd00:2::/112", "blockSize": 124})),
        ("c", json!({"cidr": "10.3.0.0/24", "blockSize": 28})),
        ("c6", json!({"cidr": "fd00:3::/112", "blockSize": 124})),
    ])
}

/// Returns a configuration with both families, and `ipam` on top.
fn conf(world: &World, ipam: &Value) -> Value {
    let mut fields = json!({"assign_ipv6": true});
    fields.as_object_mut().unwrap().extend(ipam.as_object().unwrap().clone());
    netconf(&world.path(), &fields)
}

/// Returns the configuration with a pod's annotations for IPv4 and IPv6.
fn naming(conf: Value, v4: &str, v6: &str) -> Value {
    annotated(conf, &json!({ANNOTATION_V4: v4, ANNOTATION_V6: v6}))
}

/// Gives addresses to a pod of the namespace `fin`.
fn add(container: &str, conf: &Value) -> Answer {
    given(&Call::new("ADD", container, conf).pod("fin", container))
}

/// Makes a call that must succeed.
fn given(call: &Call) -> Answer {
    let answer = call.run();
    assert!(answer.success, "{answer:?}");
    assert_eq!(answer.exit, Some(0));
    answer
}

/// Takes back what a container's interface `eth0` holds.
fn del(container: &str, conf: &Value) {
    let answer = given(&Call::new("DEL", container, conf));
    assert_eq!(answer.json, Value::Null, "DEL prints nothing");
}

/// Returns the addresses of an answer without their prefixes.
fn ips(answer: &Answer) -> Vec<String> {
    let bare = |address: &String| address.split('/').next().unwrap().to_owned();
    answer.addresses().iter().map(bare).collect()
}

/// Returns the teams from whose pools the addresses of an answer come, such as `a` and `a6`.
fn pools(answer: &Answer) -> Vec<String> {
    let pool = |ip: &String| {
        let (v4, v6) = (ip.strip_prefix("10."), ip.strip_prefix("fd00:"));
        let number = v4.or(v6).and_then(|rest| rest.split(['.', ':']).next()).unwrap();
        let team = ["a", "b", "c"][number.parse::<usize>().unwrap() - 1];
        if v4.is_some() { team.to_owned() } else { format!("{team}6") }
    };
    ips(answer).iter().map(pool).collect()
}

/// Returns what is stored about the owner of each address that a handle holds.
fn held(world: &World, handle: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let handle = HandleId::new(handle).unwrap();
    let held = world.drive(&Held { handle }).unwrap();
    held.into_iter().flatten().map(|held| (held.ip.to_string(), held.holder.attributes)).collect()
}

fn bind(world: &World, tenant: &str, mode: BindingMode, v4: &[&str], v6: &[&str]) {
    let list = |names: &[&str]| {
        (!names.is_empty()).then(|| names.iter().map(|name| (*name).to_owned()).collect())
    };
    world.bind(tenant, Binding::new(mode, list(v4), list(v6)));
}
