//! The table of behaviours in `docs/calico-compat.md`: complete, and true as far as a program can tell.

use std::collections::BTreeMap;
use std::fs;

use ipam_tests::source::{NamedTest, root};

/// The groups of behaviours, and how many each has.
const GROUPS: [(char, usize); 16] = [
    ('P', 23),
    ('A', 36),
    ('R', 10),
    ('U', 5),
    ('S', 7),
    ('L', 15),
    ('H', 4),
    ('O', 12),
    ('F', 18),
    ('C', 12),
    ('D', 10),
    ('G', 2),
    ('W', 7),
    ('V', 7),
    ('B', 22),
    ('Q', 6),
];
const STATES: [&str; 4] = ["same", "different", "not applicable", "not yet"];

struct Row {
    id: String,
    state: String,
    evidence: String,
}

fn section() -> String {
    let text = fs::read_to_string(root().join("docs/calico-compat.md")).unwrap();
    let (_, section) = text.split_once("\n## Every behaviour\n").expect("the section");
    section.split("\n## ").next().unwrap().to_owned()
}

fn rows() -> Vec<Row> {
    let section = section();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let rows = section.lines().filter(|line| line.starts_with('|')).map(cells).skip(2);
    rows.map(|cells| {
        let [id, _, state, evidence] = cells.try_into().expect("four cells");
        Row { id, state, evidence }
    })
    .collect()
}

#[test]
fn every_behaviour_has_a_row() {
    let expected: Vec<String> = GROUPS
        .iter()
        .flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}{number}")))
        .collect();
    assert_eq!(expected.len(), 196);
    assert_eq!(rows().into_iter().map(|row| row.id).collect::<Vec<_>>(), expected);
}

#[test]
fn every_row_names_a_test_that_exists_or_a_reason() {
    for Row { id, state, evidence } in rows() {
        assert!(STATES.contains(&state.as_str()), "{id}: {state}");
        let tests = NamedTest::in_text(&evidence);
        let faults: Vec<String> = tests.iter().filter_map(NamedTest::fault).collect();
        assert!(faults.is_empty(), "{id}: {faults:?}");
        match state.as_str() {
            "same" => assert!(!tests.is_empty(), "{id}: no test"),
            "not applicable" => {
                assert!(id.starts_with('W') || evidence.contains("controller"), "{id}: {evidence}");
            }
            _ => assert!(!evidence.is_empty(), "{id}: no reason"),
        }
    }
}

#[test]
fn the_counts_are_right() {
    let mut counts = BTreeMap::<String, usize>::new();
    for row in rows() {
        *counts.entry(row.state).or_default() += 1;
    }
    let count = |state: &str| counts.get(state).copied().unwrap_or(0);
    let [same, different, not_applicable, not_yet] = STATES.map(count);
    let line = format!(
        "Of 196 behaviours {same} are the same, {different} differ on purpose, {not_applicable} do not apply, {not_yet} are not there yet."
    );
    assert!(section().contains(&line), "it should say: {line}");
}
