//! Compares the selector language with what stock Calico made of the same texts.

use std::collections::BTreeMap;

use ipam_core::selector::Selector;
use serde_json::{Value, json};

const RECORDED: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/selectors.json"));

/// Guards against a recording which lost its rows.
const LEAST_ROWS: usize = 1_000;

#[test]
fn recorded_selectors_agree() {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let labels: Vec<BTreeMap<String, String>> =
        serde_json::from_value(recorded["labels"].clone()).unwrap();
    let rows = recorded["rows"].as_array().unwrap();
    assert!(rows.len() >= LEAST_ROWS, "only {} rows", rows.len());

    let disagreeing: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let ours = outcome(row["selector"].as_str().unwrap(), &labels);
            (ours != *row).then(|| format!("recorded {row}\n    ours {ours}"))
        })
        .collect();
    assert!(
        disagreeing.is_empty(),
        "{} of {} rows disagree:\n{}",
        disagreeing.len(),
        rows.len(),
        disagreeing.join("\n")
    );
}

#[test]
fn canonical_forms_select_the_same() {
    let recorded: Value = serde_json::from_str(RECORDED).unwrap();
    let labels: Vec<BTreeMap<String, String>> =
        serde_json::from_value(recorded["labels"].clone()).unwrap();
    for row in recorded["rows"].as_array().unwrap() {
        if let Some(canonical) = row["canonical"].as_str() {
            let ours = outcome(canonical, &labels);
            assert_eq!(ours["matches"], row["matches"], "{canonical:?}: {ours}");
        }
    }
}

/// Describes what becomes of one text, in the shape of a recorded row.
fn outcome(text: &str, labels: &[BTreeMap<String, String>]) -> Value {
    match Selector::parse(text) {
        Ok(selector) => {
            let matches: Vec<usize> = labels
                .iter()
                .enumerate()
                .filter(|(_, labels)| selector.matches(labels))
                .map(|(index, _)| index)
                .collect();
            json!({ "selector": text, "canonical": selector.to_string(), "matches": matches })
        }
        Err(error) => json!({ "selector": text, "error": error.to_string(), "matches": [] }),
    }
}
