//! Rows 13 to 20: configurations that cannot be read, or lack what every command needs.

use ipam_tests::plugin::{Call, with_prev_result};
use serde_json::{Value, json};

use super::calls::{conf, every_command, with_top};
use super::cluster::Cluster;
use super::row::{Case, Row};

const UNREADABLE: &str = "the configuration on stdin cannot be read";

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        13,
        "nothing on stdin",
        &[Case::refused(6, UNREADABLE, |cluster| raw(cluster, &[b"", b" \n\t"]))
            .names(&["it is empty"])],
    ),
    Row::new(
        14,
        "too much on stdin, or no UTF-8",
        &[
            Case::refused(6, UNREADABLE, |cluster| {
                let padding = "x".repeat(2 * 1024 * 1024);
                let sound = conf(cluster, &json!({"comment": padding})).to_string();
                let blank = format!("{}{}", conf(cluster, &json!({})), " ".repeat(2 * 1024 * 1024));
                raw(cluster, &[sound.as_bytes(), blank.as_bytes()])
            })
            .names(&["larger than 1048576 bytes"]),
            Case::refused(6, UNREADABLE, |cluster| {
                let sound = conf(cluster, &json!({})).to_string();
                let broken = sound.replace("\"n1\"", "\"n?\"").into_bytes();
                let broken: Vec<u8> =
                    broken.into_iter().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
                let utf16: Vec<u8> = sound.encode_utf16().flat_map(u16::to_le_bytes).collect();
                raw(cluster, &[&broken, &[b"\xff\xfe", utf16.as_slice()].concat()])
            })
            .names(&["it is not UTF-8"]),
        ],
    ),
    Row::new(
        15,
        "no object on stdin, or half of one",
        &[
            Case::refused(6, UNREADABLE, |cluster| raw(cluster, &[b"[]", b"7", b"null", b"\"x\""]))
                .names(&["it is not an object"]),
            Case::refused(6, UNREADABLE, |cluster| {
                let whole = conf(cluster, &json!({})).to_string().into_bytes();
                raw(cluster, &[&whole[..whole.len() - 1], &whole[..whole.len() / 2], b"{"])
            }),
        ],
    ),
    Row::new(
        16,
        "a network without a name, or with one that cannot be",
        &[Case::refused(7, "the network's name is \"", |cluster| {
            let mut calls = changed(cluster, "name", None);
            for name in
                [json!(null), json!(""), json!("a b"), json!("a/b"), json!("../x"), json!(7)]
            {
                calls.extend(changed(cluster, "name", Some(&name)));
            }
            calls
        })],
    ),
    Row::new(
        17,
        "unknown version of CNI",
        &[Case::refused(1, "cniVersion \"", |cluster| {
            let versions = ["9.9.9", "0.5.0", "1.0", "1.0.0 ", "v1.0.0", " "];
            let call = |version| changed(cluster, "cniVersion", Some(&json!(version)));
            versions.into_iter().flat_map(call).collect()
        })
        .names(&["is not supported; supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0"])],
    ),
    Row::new(
        18,
        "CHECK in a version that does not know it",
        &[Case::refused(1, "CHECK needs CNI version 0.4.0", |cluster| {
            let conf = with_prev_result(conf(cluster, &json!({})), &json!({"ips": []}));
            vec![Call::new("CHECK", "c1", &with_top(conf, "cniVersion", Some(&json!("0.3.1"))))]
        })
        .names(&["0.3.1"])],
    ),
    Row::new(
        19,
        "GC or STATUS in a version that does not know it",
        &[Case::refused(1, "", |cluster| {
            let conf = conf(cluster, &json!({}));
            vec![Call::new("GC", "c1", &conf), Call::new("STATUS", "c1", &conf)]
        })
        .names(&["needs CNI version 1.1.0", "says 1.0.0"])],
    ),
    Row::new(
        20,
        "nothing for the plugin in the configuration",
        &[
            Case::refused(7, "ipam is missing", |cluster| changed(cluster, "ipam", None)),
            Case::refused(7, "ipam must be an object", |cluster| {
                let values = [json!("ringfence-ipam"), json!([]), json!(null)];
                values.iter().flat_map(|value| changed(cluster, "ipam", Some(value))).collect()
            }),
        ],
    ),
];

/// Makes every call with each text on stdin.
fn raw(cluster: &Cluster, texts: &[&[u8]]) -> Vec<Call> {
    let calls = every_command(&conf(cluster, &json!({})));
    texts.iter().flat_map(|text| calls.clone().into_iter().map(|call| call.raw(*text))).collect()
}

/// Makes every call with a field at the top replaced, or removed.
fn changed(cluster: &Cluster, name: &str, value: Option<&Value>) -> Vec<Call> {
    let mut calls = every_command(&conf(cluster, &json!({})));
    for call in &mut calls {
        let conf = serde_json::from_slice(&call.stdin).unwrap();
        call.stdin = with_top(conf, name, value).to_string().into_bytes();
    }
    calls
}
