//! Every value that stock Calico was seen to store survives decoding and encoding byte for byte.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use ipam_core::kv::Key;
use ipam_core::model::key::{self, Named};
use ipam_core::model::{
    Affinity, Binding, Block, ClusterInformation, Config, DecodeError, Handle, HandleId, IpPool,
    IpReservation, Node, PoolMark, ResourceKind,
};
use serde_json::Value;

/// The recording in which values were damaged by hand; every other one holds only what Calico wrote.
const DAMAGED: &str = "corrupt.json";

/// How many values of each kind there are, so that a walk that finds nothing is no success.
const COUNTS: [(&str, usize); 9] = [
    ("ClusterInformation", 65),
    ("IPPool", 167),
    ("IPReservation", 20),
    ("Node", 164),
    ("affinity", 506),
    ("block", 1665),
    ("config", 21),
    ("handle", 821),
    (UNTOUCHED, 200),
];

/// What is not modelled is left alone: tiers, profiles, endpoints, the settings of controllers.
const UNTOUCHED: &str = "untouched";

/// A value as it was recorded.
struct Recorded {
    file: String,
    key: String,
    value: String,
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = [golden(), golden().join("library")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

fn recorded() -> Vec<Recorded> {
    let mut found = Vec::new();
    for path in files() {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        collect(&file, &json, &mut found);
    }
    found
}

/// Finds every object that has a key and a value, wherever a recording keeps it.
fn collect(file: &str, json: &Value, found: &mut Vec<Recorded>) {
    match json {
        Value::Object(members) => {
            let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
            if let (Some(key), Some(value)) = (text("key"), text("value")) {
                found.push(Recorded { file: file.to_owned(), key, value });
            }
            members.values().for_each(|member| collect(file, member, found));
        }
        Value::Array(entries) => entries.iter().for_each(|entry| collect(file, entry, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What came of a value.
#[derive(Debug)]
enum Coded {
    /// It was understood; these bytes would be stored in its place.
    Bytes(Vec<u8>),
    /// It is a handle without its map, which is read and must not be stored.
    NullHandle,
}

fn recode(key: &str, named: &Named, value: &[u8]) -> Result<Coded, DecodeError> {
    Ok(Coded::Bytes(match named {
        Named::Block(_) => Block::decode(key, value).map(|v| known(&v).encode())?,
        Named::Affinity(..) => Affinity::decode(key, value).map(|v| known(&v).encode())?,
        Named::Handle(_) => {
            let handle = Handle::decode(key, value)?;
            match known(&handle).encode() {
                Some(bytes) => bytes,
                None if handle.is_null() => return Ok(Coded::NullHandle),
                None => panic!("{key}: an empty handle was stored"),
            }
        }
        Named::Config => Config::decode(key, value).map(|v| known(&v).encode())?,
        Named::Resource(ResourceKind::IpPool, _) => {
            IpPool::decode(key, value).map(|v| known(&v).encode())?
        }
        Named::Resource(ResourceKind::IpReservation, _) => {
            IpReservation::decode(key, value).map(|v| known(&v).encode())?
        }
        Named::Resource(ResourceKind::Node, _) => {
            Node::decode(key, value).map(|v| known(&v).encode())?
        }
        Named::Resource(ResourceKind::ClusterInformation, _) => {
            ClusterInformation::decode(key, value).map(|v| known(&v).encode())?
        }
        Named::Binding(_) => Binding::decode(key, value).map(|v| known(&v).encode())?,
        Named::PoolMark(_) => PoolMark::decode(key, value).map(|v| known(&v).encode())?,
    }))
}

/// Checks that the model knows every member: one that is merely carried along would keep its bytes unread.
fn known<T: Debug>(value: &T) -> &T {
    let text = format!("{value:?}");
    assert!(text.contains("unknown: {}"), "no list of unknown members in {text}");
    assert!(!text.contains("unknown: {\""), "unknown members in {text}");
    value
}

fn spelled(named: &Named) -> Key {
    match named {
        Named::Block(cidr) => key::block(cidr),
        Named::Affinity(owner, cidr) => key::affinity(owner, cidr),
        Named::Handle(id) => key::handle(&HandleId::new(id.clone()).unwrap()),
        Named::Config => key::CONFIG.into(),
        Named::Resource(kind, name) => key::resource(*kind, name),
        Named::Binding(namespace) => key::binding(namespace),
        Named::PoolMark(pool) => key::pool_mark(pool),
    }
}

fn kind_of(named: &Named) -> &'static str {
    match named {
        Named::Block(_) => "block",
        Named::Affinity(..) => "affinity",
        Named::Handle(_) => "handle",
        Named::Config => "config",
        Named::Resource(kind, _) => kind.name(),
        Named::Binding(_) => "binding",
        Named::PoolMark(_) => "pool mark",
    }
}

#[test]
fn every_recorded_value_survives() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut exceptions = Vec::new();
    for Recorded { file, key, value } in recorded() {
        let Some(named) = key::parse(&key) else {
            *counts.entry(UNTOUCHED).or_default() += 1;
            continue;
        };
        assert_eq!(*spelled(&named), *key, "{file}");
        *counts.entry(kind_of(&named)).or_default() += 1;
        match recode(&key, &named, value.as_bytes()) {
            Ok(Coded::Bytes(bytes)) => {
                assert_eq!(String::from_utf8(bytes).unwrap(), value, "{file}: {key}");
            }
            Ok(Coded::NullHandle) => exceptions.push((file, format!("{key} has no map"))),
            Err(error) => exceptions.push((file, format!("{} is refused", error.key()))),
        }
    }
    let expected = [
        ("/calico/ipam/v2/assignment/ipv4/block/10.20.0.8-30", "is refused"),
        ("/calico/ipam/v2/handle/k8s-pod-network.c1", "has no map"),
    ];
    let expected = expected.map(|(key, what)| (DAMAGED.to_owned(), format!("{key} {what}")));
    assert_eq!(exceptions, expected);
    let counts: Vec<(&str, usize)> = counts.into_iter().collect();
    assert_eq!(counts, COUNTS);
}

#[test]
fn every_recording_is_walked() {
    let files = files();
    let in_library = files.iter().filter(|path| path.starts_with(golden().join("library"))).count();
    assert_eq!((files.len() - in_library, in_library), (19, 40));
}
