//! What stock Calico was recorded to do, done again by its stand-in, write by write.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use ipam_etcd::ModelStore;
use ipam_tests::replay::{Aspect, Mismatch, Put, Recording, ReplayError, Step};
use ipam_tests::stock::{LibrarySummary, Summary, replay, replay_library};

/// A recording: the steps before which time passed, which it does not tell, and how many of its steps succeed, fail and
/// are taken over, so that a replay of nothing is no success.
struct Scenario(&'static str, &'static [usize], [usize; 3]);

const SCENARIOS: [Scenario; 13] = [
    Scenario("one-node", &[], [9, 0, 3]),
    Scenario("order-in-block", &[], [12, 0, 1]),
    Scenario("exhaustion", &[], [6, 1, 1]),
    Scenario("pool-choice", &[], [9, 8, 1]),
    Scenario("reserved", &[], [9, 5, 3]),
    Scenario("specific-ip", &[], [4, 4, 1]),
    Scenario("handle-reuse", &[], [3, 0, 1]),
    Scenario("borrowing", &[], [8, 1, 3]),
    Scenario("block-limit", &[], [8, 1, 3]),
    Scenario("pool-removed", &[], [5, 0, 3]),
    Scenario("release-affinity", &[], [5, 0, 1]),
    Scenario("cooldown", &[8, 13], [11, 1, 2]),
    // The DEL of a handle without its map succeeds and leaks the address.
    Scenario("corrupt", &[], [2, 2, 4]),
];
const PAUSE_SECONDS: i64 = 3;
/// How many calls of the library the stand-in carries out, and how many steps are taken over.
const CARRIED_OUT: usize = 1389;
const LOADED: usize = 198;

fn run(recording: &Recording) -> Result<Summary, ReplayError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(replay(recording, &ModelStore::default()))
}

fn difference(recording: &Recording) -> Mismatch {
    match run(recording) {
        Err(ReplayError::Mismatch(mismatch)) => *mismatch,
        other => panic!("{}: no difference, but {other:?}", recording.scenario),
    }
}

#[test]
fn every_scenario_is_reproduced_write_by_write() {
    let mut failures = Vec::new();
    for Scenario(name, pauses, [succeeded, failed, loaded]) in &SCENARIOS {
        let mut recording = Recording::read(name).unwrap();
        for step in *pauses {
            recording.steps[*step].pause_seconds = PAUSE_SECONDS;
        }
        let expected = Summary { succeeded: *succeeded, failed: *failed, loaded: *loaded };
        match run(&recording) {
            Ok(summary) if summary == expected => {}
            Ok(summary) => failures.push(format!("{name}: {summary:?}")),
            Err(error) => failures.push(error.to_string()),
        }
        assert_eq!(succeeded + failed + loaded, recording.steps.len(), "{name}");
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Recordings of the library, with the steps before which time passed.
const LIBRARY: [(&str, &[usize]); 10] = [
    ("library-affinity", &[]),
    ("library-cooldown", &[10, 14]),
    ("library-counts", &[]),
    ("library-handles", &[]),
    ("library-owners", &[]),
    ("library-release", &[]),
    ("library-repair", &[]),
    ("library-reserved-ordinals", &[]),
    ("library-selectors", &[]),
    ("library-utilization", &[]),
];

#[test]
fn every_library_sequence_is_reproduced_write_by_write() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let random = (1..=30).map(|number| (format!("random-{number}"), &[][..]));
    let named = LIBRARY.iter().map(|(name, pauses)| ((*name).to_owned(), *pauses));
    let mut total = LibrarySummary::default();
    for (name, pauses) in random.chain(named) {
        let store = ModelStore::default();
        let summary = runtime.block_on(replay_library(&name, pauses, &store)).unwrap();
        total.carried_out += summary.carried_out;
        total.loaded += summary.loaded;
    }
    assert_eq!(total, LibrarySummary { carried_out: CARRIED_OUT, loaded: LOADED });
}

/// A change to one step of a recording, and the aspect that must show it there.
type Alteration = (&'static str, &'static str, usize, fn(&mut Step), Aspect);

const ADD: usize = 1;
const SECOND_ADD: usize = 2;
const DEL: usize = 4;

const ALTERATIONS: [Alteration; 12] = [
    ("a success", "one-node", ADD, |s| s.exit = Some(1), Aspect::Exit),
    ("a leak", "corrupt", 7, |s| s.exit = Some(1), Aspect::Exit),
    ("an address", "one-node", ADD, |s| reword(s, "10.20.0.224", "10.20.0.225"), Aspect::Printed),
    ("a message", "exhaustion", 5, |s| reword(s, "No IPs", "no IPs"), Aspect::Printed),
    ("a written key", "one-node", ADD, |s| drop(s.put.pop()), Aspect::Put),
    ("a deleted key", "one-node", DEL, |s| s.deleted.clear(), Aspect::Deleted),
    ("an ordinal", "one-node", ADD, |s| rewrite(s, "224-28", "[0,n", "[1,n"), Aspect::Value),
    ("a count", "one-node", ADD, |s| rewrite(s, "/handle/", "28\":1", "28\":2"), Aspect::Value),
    ("a number", "one-node", SECOND_ADD, |s| rewrite(s, "224-28", "91,", "92,"), Aspect::Value),
    ("a version", "one-node", ADD, |s| find(s, "/host/").version = 2, Aspect::Version),
    ("an order", "one-node", SECOND_ADD, |s| swap(s, "/handle/", "224-28"), Aspect::Revision),
    ("a write", "one-node", DEL, |s| find(s, "cb40").mod_revision -= 1, Aspect::Revision),
];

/// Finds the first value whose key holds `key`.
fn find<'s>(step: &'s mut Step, key: &str) -> &'s mut Put {
    step.put.iter_mut().find(|put| put.key.contains(key)).unwrap()
}

/// Changes a part of a value.
fn rewrite(step: &mut Step, key: &str, from: &str, to: &str) {
    let put = find(step, key);
    let altered = put.value.replacen(from, to, 1);
    assert_ne!(altered, put.value, "{key} holds no {from}");
    put.value = altered;
}

/// Makes it look as if two keys had been written in the other order.
fn swap(step: &mut Step, one: &str, other: &str) {
    let (first, second) = (find(step, one).mod_revision, find(step, other).mod_revision);
    find(step, one).mod_revision = second;
    find(step, other).mod_revision = first;
}

/// Changes a part of what was printed.
fn reword(step: &mut Step, from: &str, to: &str) {
    let altered = step.stdout.replacen(from, to, 1);
    assert_ne!(altered, step.stdout, "{from} was not printed");
    step.stdout = altered;
}

#[test]
fn an_altered_recording_is_not_reproduced() {
    for (what, scenario, step, alter, shown_by) in ALTERATIONS {
        let mut recording = Recording::read(scenario).unwrap();
        alter(&mut recording.steps[step]);
        let found = difference(&recording);
        assert_eq!(
            (found.number, found.differences[0].aspect),
            (step, shown_by),
            "{what}: {found}"
        );
    }
}
