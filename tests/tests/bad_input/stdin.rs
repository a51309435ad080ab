//! Configurations that cannot be read, or lack what every command needs.

use ipam_tests::plugin::Call;
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{Row, conf, every_command};

const UNREADABLE: &str = "the configuration on stdin cannot be read";

pub(crate) const ROWS: &[Row] = &[
    Row::new("stdin-with-more-behind-it", 6, UNREADABLE, |world| {
        let twice = conf(world, &json!({})).to_string().repeat(2);
        raw(world, &[twice.as_bytes()])
    }),
    Row::new("stdin-nested-without-end", 6, UNREADABLE, |world| {
        raw(world, &["{\"a\":".repeat(100_000).as_bytes(), "[".repeat(100_000).as_bytes()])
    })
    .names(&["nested more than 64 deep"]),
    Row::new("cni-version-no-text", 1, "cniVersion \"", |world| {
        [json!(7), json!(0.4), json!(["1.0.0"])]
            .iter()
            .flat_map(|version| changed(world, "cniVersion", Some(version)))
            .collect()
    }),
    // Words that are quoted back must not make a runtime take the DEL for done.
    Row::new("del-quotes-misleading-words", 7, "the network's name is \"", |world| {
        let mut conf = conf(world, &json!({}));
        ["not found", "No such file or directory"]
            .iter()
            .map(|name| {
                conf["name"] = json!(name);
                Call::new("DEL", "c1", &conf)
            })
            .collect()
    }),
];

/// Makes every call with each text on stdin.
fn raw(world: &World, texts: &[&[u8]]) -> Vec<Call> {
    let calls = every_command(&conf(world, &json!({})));
    texts.iter().flat_map(|text| calls.clone().into_iter().map(|call| call.raw(*text))).collect()
}

/// Makes every call with a field at the top replaced, or removed.
fn changed(world: &World, name: &str, value: Option<&Value>) -> Vec<Call> {
    let mut calls = every_command(&conf(world, &json!({})));
    for call in &mut calls {
        let mut conf: Value = serde_json::from_slice(&call.stdin).unwrap();
        match value {
            Some(value) => conf[name] = value.clone(),
            None => drop(conf.as_object_mut().unwrap().remove(name)),
        }
        call.stdin = conf.to_string().into_bytes();
    }
    calls
}
