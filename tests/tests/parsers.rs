//! Fixed and random input for every parser: a smaller run of the fuzz targets.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::fs;

use ipam_core::kv::{Kv, Range, Recollection, Revision};
use ipam_tests::parsers::PARSERS;
use ipam_tests::source::root;
use serde_json::Value;

const ROUNDS: usize = 4000;

/// What the parsers were made for, to be damaged at random.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "zone == 'finance' && !has(gpu) || rack in {\"r1\",\"r2\"}",
        "/calico/ipam/v2/host/n/ipv4/block/10.0.0.0-26",
        "fd00:20::/64",
        "2026-08-22T10:15:30.987+02:00",
        "[\"legacy-fin\", \"10.0.0.0/24\"]",
        "{\"mode\":\"required\",\"ipv4Pools\":[\"a\"]}",
        "{\"exclusive\":true}",
        "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: a, labels: {x: y}}\nspec: {cidr: 10.0.0.0/24, blockSize: 28, disabled: false}\n---\n&a [*a, !!str 1, 0x1f, ~]\n",
        "apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nmetadata:\nspec:\n  datastoreType: etcdv3\n  etcdEndpoints: https://etcd-1:2379,etcd-2\n  etcdKeyFile: /key\n  timeout: 7\n",
        "https://etcd-1.example:2379, etcd-2,http://[fd00::1]:4001/,10.0.0.1",
        "{\"block\":{\"10.0.0.0/26\":2},\"deleted\":false}",
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web;IP=10.0.0.7\n{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"ptp\",\"runtimeConfig\":{\"io.kubernetes.cri.pod-annotations\":{\"cni.projectcalico.org/ipv4pools\":\"[\\\"a\\\"]\"}},\"ipam\":{\"datastore_type\":\"embedded\",\"gateway\":\"first\",\"routes\":[{\"dst\":\"0.0.0.0/0\"}],\"prefix\":[24,64]}}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    let recorded = fs::read(root().join("tests/golden/one-node.json")).unwrap();
    let recorded: Value = serde_json::from_slice(&recorded).unwrap();
    for put in
        recorded["steps"].as_array().unwrap().iter().flat_map(|s| s["put"].as_array().unwrap())
    {
        let value = put["value"].as_str().unwrap();
        seeds.push(value.as_bytes().to_vec());
        let value: Value = serde_json::from_str(value).unwrap();
        if let Some(cidr) = value["cidr"].as_str() {
            seeds.push(format!("{cidr}\n{value}").into_bytes());
        }
    }
    // Without the name of the format and the checksum, which the parser of what a node remembers mends by itself.
    seeds.push(ipam_etcd::cache::encode(&remembered())[12..].to_vec());
    seeds
}

fn remembered() -> Recollection {
    let kv = |key: &str| Kv {
        key: key.into(),
        value: "{}".into(),
        create_revision: Revision(2),
        mod_revision: Revision(3),
        version: 1,
    };
    let scans = vec![(Range::prefix("p/"), Revision(4))];
    let absent = vec!["a".into()];
    Recollection::new("b", [kv("b"), kv("p/x")], absent, scans).unwrap()
}

#[test]
fn no_parser_panics_on_damaged_input() {
    let seeds = seeds();
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        usize::try_from(dice >> 33).unwrap() % sides
    };
    for (name, parser) in PARSERS {
        for seed in &seeds {
            parser(seed);
        }
        for _ in 0..ROUNDS {
            let mut input = seeds[roll(seeds.len())].clone();
            for _ in 0..=roll(4) {
                damage(&mut input, &mut roll, &seeds);
            }
            // The name is on the stack of a panic; the input is what is needed to repeat it.
            let result = std::panic::catch_unwind(|| parser(&input));
            assert!(result.is_ok(), "{name} panics on {:?}", String::from_utf8_lossy(&input));
        }
    }
}

fn damage(input: &mut Vec<u8>, roll: &mut impl FnMut(usize) -> usize, seeds: &[Vec<u8>]) {
    let at = roll(input.len() + 1);
    match roll(6) {
        0 => input.truncate(at),
        1 => input.insert(at, u8::try_from(roll(256)).unwrap()),
        2 if at < input.len() => drop(input.remove(at)),
        3 if at < input.len() => input[at] = b"\"\\{}[]:,0-9e.\xff\n"[roll(16) % 14],
        4 => {
            let digits = ["18446744073709551616", "-1", "1e999", "null", "\"\"", "[]", "{}"];
            let text = digits[roll(digits.len())].as_bytes();
            input.splice(at..at, text.iter().copied());
        }
        _ => {
            let other = &seeds[roll(seeds.len())];
            let from = roll(other.len() + 1);
            input.splice(at..at, other[from..].iter().copied().take(64));
        }
    }
}
