//! Damage to a call: one thing at a time, in the places where it may be believed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use fastrand::Rng;
use ipam_etcd::settings::Setting;
use serde_json::{Map, Value, json};

use super::attempt::Attempt;
use super::text_damage::{damage_bytes, damage_text, in_other_case};

/// What the variables of the specification are called.
const VARIABLES: [&str; 6] =
    ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH", "CNI_ARGS"];
/// What variables about the store may begin with.
const PREFIXES: [&str; 3] = ["", "CALICO_", "RINGFENCE_"];
/// Values of variables about the store that are worth a try; nobody answers there.
const STORES: [&str; 8] = [
    "embedded",
    "etcdv3",
    "kubernetes",
    "http://127.0.0.1:1",
    "embedded:/nowhere/store.db",
    "etcd:http://127.0.0.1:1",
    "/nowhere/x.pem",
    "root",
];
/// In place of what no [`Value`] can hold.
const STAND_IN: &str = "@@stand-in@@";

/// Damages a call.
pub(crate) fn to(attempt: &mut Attempt, rng: &mut Rng) {
    match rng.u8(0..16) {
        0..=3 => damage_variable(attempt, rng),
        4 => {
            let seed = rng.u64(..);
            attempt.edits.push(Box::new(move |text| damage_bytes(text, &mut Rng::with_seed(seed))));
        }
        _ => damage_conf(attempt, rng),
    }
}

fn damage_variable(attempt: &mut Attempt, rng: &mut Rng) {
    let name = if rng.u8(0..4) == 0 {
        let setting = rng.choice(Setting::ALL).unwrap();
        let name = setting.variable().unwrap_or("STORE");
        format!("{}{name}", rng.choice(PREFIXES).unwrap())
    } else {
        (*rng.choice(&VARIABLES).unwrap()).to_owned()
    };
    let text = match attempt.variables.get(&name) {
        Some(value) => value.to_string_lossy().into_owned(),
        None => (*rng.choice(&STORES).unwrap()).to_owned(),
    };
    let value = match rng.u8(0..8) {
        0 => None,
        1 => Some(OsString::new()),
        2 => Some(OsString::from_vec([text.as_bytes(), b"\xff"].concat())),
        3 => Some(text.repeat(rng.usize(2..200)).into()),
        4 => Some(in_other_pairs(&text, rng).into()),
        5 => Some(rng.choice(&VARIABLES).map(|other| attempt.variable(other).into()).unwrap()),
        // Quoted back, it must not make a runtime take a DEL for done.
        6 => Some("Not found".into()),
        _ => Some(damage_text(&text, rng).into()),
    };
    match value {
        None => drop(attempt.variables.remove(&name)),
        // No variable can hold a zero.
        Some(value) => {
            let bytes = value.into_vec().into_iter().filter(|byte| *byte != 0).take(100_000);
            attempt.variables.insert(name, OsString::from_vec(bytes.collect()));
        }
    }
}

/// Damages `name=value` pairs as pairs: one goes, comes twice, moves, or changes the case of its name.
fn in_other_pairs(text: &str, rng: &mut Rng) -> String {
    let mut pairs: Vec<String> = text.split(';').map(str::to_owned).collect();
    let at = rng.usize(0..pairs.len());
    match rng.u8(0..4) {
        0 => drop(pairs.remove(at)),
        1 => pairs.push(pairs[at].clone()),
        2 => pairs.swap(0, at),
        _ => pairs[at] = in_other_case(&pairs[at], rng),
    }
    pairs.join(";")
}

/// Damages one member or element somewhere in the configuration, often one that is about pools.
fn damage_conf(attempt: &mut Attempt, rng: &mut Rng) {
    let mut paths = Vec::new();
    collect_paths(&attempt.conf, "", &mut paths);
    let pools: Vec<String> = paths
        .iter()
        .filter(|path| path.contains("pools") || path.contains("/cni."))
        .cloned()
        .collect();
    let among = if pools.is_empty() || rng.bool() { &paths } else { &pools };
    // The configuration itself may be gone by now.
    let Some(path) = rng.choice(among).cloned() else { return };
    let (parent, name) = path.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match rng.u8(0..16) {
        0 => remove(&mut attempt.conf, parent, &name),
        1 => rename(attempt, parent, &name, rng),
        2 => duplicate(attempt, parent, &name, rng),
        3 => {
            let texts = ["1e999", "-0", "99999999999999999999999999", "1E-400", "1e19", "0x10"];
            put_text(attempt, &path, rng.choice(texts).unwrap().to_owned());
        }
        4 => {
            let depth = rng.choice([3, 30, 60, 65, 5000]).unwrap();
            put_text(attempt, &path, format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
        }
        5 => {
            let other = rng.choice(&paths).unwrap();
            let other = attempt.conf.pointer(other).cloned().unwrap();
            *attempt.conf.pointer_mut(&path).unwrap() = other;
        }
        6 | 7 => *attempt.conf.pointer_mut(&path).unwrap() = other_type(rng),
        _ => {
            let place = attempt.conf.pointer_mut(&path).unwrap();
            let damaged = place.as_str().map(|text| json!(damage_text(text, rng)));
            *place = damaged.unwrap_or_else(|| other_type(rng));
        }
    }
}

fn collect_paths(value: &Value, path: &str, paths: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (name, value) in members {
        let path = format!("{path}/{name}");
        collect_paths(value, &path, paths);
        paths.push(path);
    }
}

fn other_type(rng: &mut Rng) -> Value {
    let texts =
        ["", " ", "true", "none", "10.1.0.0/16", "fd00:1::/64", "[]", "/", "\u{0}", "Not found"];
    match rng.u8(0..8) {
        0 => json!(null),
        1 => json!(rng.bool()),
        2 => json!(rng.i64(-2..70)),
        3 => json!(rng.choice([u64::MAX, 1 << 53, 65_536]).unwrap()),
        4 => json!([rng.choice(texts).unwrap()]),
        5 => json!({}),
        6 => json!([]),
        _ => json!(rng.choice(texts).unwrap()),
    }
}

fn remove(conf: &mut Value, parent: &str, name: &str) {
    match conf.pointer_mut(parent).unwrap() {
        Value::Object(object) => drop(object.remove(name)),
        Value::Array(list) => drop(list.remove(name.parse().unwrap())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn rename(attempt: &mut Attempt, parent: &str, name: &str, rng: &mut Rng) {
    if let Value::Object(object) = attempt.conf.pointer_mut(parent).unwrap() {
        let value = object.remove(name).unwrap();
        let other = match rng.u8(0..4) {
            0 => in_other_case(name, rng),
            1 => name.replace('_', ""),
            2 => format!("{name}s"),
            _ => damage_text(name, rng),
        };
        object.insert(other, value);
    }
}

/// Writes a member twice, with another value before or behind it.
fn duplicate(attempt: &mut Attempt, parent: &str, name: &str, rng: &mut Rng) {
    let Value::Object(object) = attempt.conf.pointer_mut(parent).unwrap() else { return };
    let twin = (STAND_IN.to_owned(), other_type(rng));
    if rng.bool() {
        object.extend([twin]);
    } else {
        let first: Map<String, Value> = [twin].into_iter().chain(object.clone()).collect();
        *object = first;
    }
    put_in(attempt, json!(name).to_string());
}

/// Puts a text where a value stands, whether it is JSON or not.
fn put_text(attempt: &mut Attempt, path: &str, text: String) {
    *attempt.conf.pointer_mut(path).unwrap() = json!(STAND_IN);
    put_in(attempt, text);
}

fn put_in(attempt: &mut Attempt, text: String) {
    attempt.edits.push(Box::new(move |whole| {
        let stand_in = json!(STAND_IN).to_string();
        match String::from_utf8(whole) {
            Ok(whole) => whole.replacen(&stand_in, &text, 1).into_bytes(),
            Err(error) => error.into_bytes(),
        }
    }));
}
