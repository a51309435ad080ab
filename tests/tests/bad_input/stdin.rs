//! Configurations that cannot be read, or lack what every command needs.

use ipam_tests::plugin::Call;
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{Row, conf, every_command};

const UNREADABLE: &str = "the configuration on stdin cannot be read";

pub(crate) const ROWS: &[Row] = &[
    Row::new("stdin-empty", 6, UNREADABLE, |world| raw(world, &[b"", b" \n\t"]))
        .names(&["it is empty"]),
    Row::new("stdin-truncated", 6, UNREADABLE, |world| {
        let whole = conf(world, &json!({})).to_string().into_bytes();
        raw(world, &[&whole[..whole.len() - 1], &whole[..whole.len() / 2], b"{"])
    }),
    Row::new("stdin-with-more-behind-it", 6, UNREADABLE, |world| {
        let twice = conf(world, &json!({})).to_string().repeat(2);
        raw(world, &[twice.as_bytes()])
    }),
    Row::new("stdin-two-mib", 6, UNREADABLE, |world| {
        let padding = "x".repeat(2 * 1024 * 1024);
        let sound = conf(world, &json!({"comment": padding})).to_string();
        let blank = format!("{}{}", conf(world, &json!({})), " ".repeat(2 * 1024 * 1024));
        raw(world, &[sound.as_bytes(), blank.as_bytes()])
    })
    .names(&["larger than 1048576 bytes"]),
    Row::new("stdin-not-utf8", 6, UNREADABLE, |world| {
        let sound = conf(world, &json!({})).to_string();
        let broken = sound.replace("\"n1\"", "\"n?\"").into_bytes();
        let broken: Vec<u8> =
            broken.into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
        let utf16: Vec<u8> = sound.encode_utf16().flat_map(u16::to_le_bytes).collect();
        raw(world, &[&broken, &[b"\xff\xfe", utf16.as_slice()].concat()])
    })
    .names(&["it is not UTF-8"]),
    Row::new("stdin-not-an-object", 6, UNREADABLE, |world| {
        raw(world, &[b"[]", b"7", b"null", b"\"x\""])
    })
    .names(&["it is not an object"]),
    Row::new("stdin-nested-without-end", 6, UNREADABLE, |world| {
        raw(world, &["{\"a\":".repeat(100_000).as_bytes(), "[".repeat(100_000).as_bytes()])
    })
    .names(&["nested more than 64 deep"]),
    Row::new("unsupported-version", 1, "cniVersion \"", |world| {
        let versions = ["9.9.9", "1.1.0", "0.5.0", "1.0", "1.0.0 ", "v1.0.0", ""];
        versions
            .iter()
            .flat_map(|version| changed(world, "cniVersion", Some(&json!(version))))
            .collect()
    })
    .names(&["is not supported; supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0"]),
    Row::new("cni-version-no-text", 1, "cniVersion \"", |world| {
        [json!(7), json!(0.4), json!(["1.0.0"])]
            .iter()
            .flat_map(|version| changed(world, "cniVersion", Some(version)))
            .collect()
    }),
    Row::new("network-name-missing", 7, "the network's name is \"", |world| {
        let mut calls = changed(world, "name", None);
        for name in [json!(null), json!(""), json!("a b"), json!("a/b"), json!("../x"), json!(7)] {
            calls.extend(changed(world, "name", Some(&name)));
        }
        calls
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
    Row::new("ipam-missing", 7, "ipam is missing", |world| changed(world, "ipam", None)),
    Row::new("ipam-not-an-object", 7, "ipam must be an object", |world| {
        let values = [json!("ringfence-ipam"), json!([]), json!(null)];
        values.iter().flat_map(|value| changed(world, "ipam", Some(value))).collect()
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
