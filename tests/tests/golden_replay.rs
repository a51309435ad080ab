//! What stock Calico was recorded to do, done again here on every store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::time::Duration;

use ipam_etcd::embedded::{Create, EmbeddedStore};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::Endpoint;
use ipam_etcd::{EtcdSettings, ModelStore, Store};
use ipam_tests::etcd::{Shared, Version};
use ipam_tests::replay::{
    Aspect, Mismatch, Put, Recording, ReplayError, Step, Summary, in_value, raise_count,
    raise_number, replay, swap_ordinals, unfinish,
};
use serde_json::{Value, json};

/// A recording that must come out the same here: the steps before which time passed, which it does not tell, and how
/// many of its steps succeed, fail and are taken over, so that a replay of nothing is no success.
struct Scenario(&'static str, &'static [usize], [usize; 3]);

const SCENARIOS: [Scenario; 12] = [
    Scenario("one-node", &[], [9, 0, 3]),
    Scenario("order-in-block", &[], [12, 0, 1]),
    Scenario("exhaustion", &[], [6, 1, 1]),
    Scenario("pool-choice", &[], [9, 8, 1]),
    Scenario("reserved", &[], [9, 5, 3]),
    Scenario("specific-ip", &[], [4, 4, 1]),
    Scenario("handle-reuse", &[], [3, 0, 1]),
    Scenario("borrowing", &[], [8, 1, 3]),
    Scenario("block-limit", &[], [8, 1, 3]),
    Scenario("pool-removed", &[], [4, 0, 4]),
    Scenario("release-affinity", &[], [3, 0, 3]),
    Scenario("cooldown", &[8, 13], [11, 1, 2]),
];
const PAUSE_SECONDS: i64 = 3;

/// What stock Calico says of stored data that is damaged, as far as we say the same.
const DAMAGED: Scenario = Scenario("corrupt", &[], [1, 2, 4]);

/// Replays on an empty store of some kind.
type Replay<'r> = &'r dyn Fn(&Recording) -> Result<Summary, ReplayError>;

impl Scenario {
    /// Returns the recording; of the damaged data only the steps before the one that is meant to differ.
    fn recording(&self) -> Recording {
        let mut recording = Recording::read(self.0).unwrap();
        for step in self.1 {
            recording.steps[*step].pause_seconds = PAUSE_SECONDS;
        }
        if self.0 == DAMAGED.0 {
            recording.steps.truncate(LEAKING_DEL);
        }
        recording
    }

    fn check(&self, replay: Replay<'_>) {
        let Self(name, _, [succeeded, failed, loaded]) = *self;
        let recording = self.recording();
        let summary = replay(&recording).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(summary, Summary { succeeded, failed, loaded }, "{name}");
        assert_eq!(succeeded + failed + loaded, recording.steps.len(), "{name}");
    }
}

fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    SCENARIOS.iter().chain([&DAMAGED])
}

fn on_model(recording: &Recording) -> Result<Summary, ReplayError> {
    run(recording, &ModelStore::default())
}

fn on_embedded(recording: &Recording) -> Result<Summary, ReplayError> {
    const DEADLINE: Duration = Duration::from_secs(10);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    run(recording, &EmbeddedStore::open(&path, Create::IfMissing, DEADLINE).unwrap())
}

fn on_etcd(version: Version, recording: &Recording) -> Result<Summary, ReplayError> {
    let server = Shared::take(version);
    let endpoints = vec![Endpoint { url: server.endpoint() }];
    let settings = EtcdSettings { endpoints, tls: None, login: None };
    run(recording, &EtcdStore::new(settings, None))
}

fn run<S: Store>(recording: &Recording, store: &S) -> Result<Summary, ReplayError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(replay(recording, store))
}

/// Replays and expects a difference.
fn difference(recording: &Recording, replay: Replay<'_>) -> Mismatch {
    match replay(recording) {
        Err(ReplayError::Mismatch(mismatch)) => *mismatch,
        other => panic!("{}: no difference, but {other:?}", recording.scenario),
    }
}

/// The only recorded answer that is meant to differ: a DEL that reports success and leaks the address, as its handle has no map.
const LEAKING_DEL: usize = 7;

fn every_scenario(replay: Replay<'_>) {
    for scenario in scenarios() {
        scenario.check(replay);
    }
    let found = difference(&Recording::read(DAMAGED.0).unwrap(), replay);
    let aspects: Vec<Aspect> = found.differences.iter().map(|found| found.aspect).collect();
    assert_eq!((found.number, aspects), (LEAKING_DEL, vec![Aspect::Exit]), "{found}");
    assert_eq!(found.title, "calico-ipam DEL c1 on n1");
}

#[test]
fn every_scenario_replays_on_the_model_store() {
    every_scenario(&on_model);
}

#[test]
fn every_scenario_replays_on_the_embedded_store() {
    every_scenario(&on_embedded);
}

#[test]
fn every_scenario_replays_on_real_etcd() {
    for version in Version::here() {
        every_scenario(&|recording| on_etcd(version, recording));
    }
}

/// A change to one step of a recording, and the aspect that must show it there.
type Alteration = (&'static str, usize, fn(&mut Step), Aspect);

const ADD: usize = 1;
const SECOND_ADD: usize = 2;
const DEL: usize = 4;
const FULL: usize = 5;

const ONE_NODE: [Alteration; 14] = [
    ("an ordinal", ADD, |s| rewrite(s, "224-28", "[0,null", "[null,0"), Aspect::Value),
    ("the queue", DEL, |s| rewrite(s, "224-28", "15,1]", "1,15]"), Aspect::Value),
    ("a handle count", ADD, |s| rewrite(s, "/handle/", "/28\":1", "/28\":2"), Aspect::Value),
    ("the sequence number", SECOND_ADD, |s| rewrite(s, "224-28", "91,", "92,"), Aspect::Value),
    ("an ordinal's number", SECOND_ADD, |s| rewrite(s, "224-28", "90}", "91}"), Aspect::Value),
    ("the first number", ADD, |s| rewrite(s, "224-28", "89}", "88}"), Aspect::Value),
    ("a claim", ADD, |s| rewrite(s, "/host/", "confirmed", "pending"), Aspect::Value),
    ("an attribute", ADD, |s| rewrite(s, "cb40-122", "\"c1\"", "\"c2\""), Aspect::Value),
    ("a time", ADD, |s| rewrite(s, "224-28", " +0000 UTC", "Z"), Aspect::Value),
    ("an address", ADD, |s| reword(s, "10.20.0.224", "10.20.0.225"), Aspect::Addresses),
    ("a prefix", ADD, |s| reword(s, "224/28", "224/32"), Aspect::Addresses),
    ("a success", ADD, |s| s.exit = Some(1), Aspect::Exit),
    ("a written key", ADD, |s| drop(s.put.pop()), Aspect::Put),
    ("a deleted key", DEL, |s| s.deleted.clear(), Aspect::Deleted),
];
const EXHAUSTION: [Alteration; 2] = [
    ("a failure", FULL, |s| s.exit = Some(0), Aspect::Exit),
    ("a reason", FULL, |s| reword(s, "No IPs available", "Max retries hit"), Aspect::Reason),
];

/// Changes a part of the one value whose key holds `key`, or of the first of them.
fn rewrite(step: &mut Step, key: &str, from: &str, to: &str) {
    let put: &mut Put = step.put.iter_mut().find(|put| put.key.contains(key)).unwrap();
    let altered = put.value.replacen(from, to, 1);
    assert_ne!(altered, put.value, "{key} holds no {from}");
    put.value = altered;
}

/// Changes a part of what was printed.
fn reword(step: &mut Step, from: &str, to: &str) {
    let altered = step.stdout.replacen(from, to, 1);
    assert_ne!(altered, step.stdout, "{from} was not printed");
    step.stdout = altered;
}

#[test]
fn an_altered_recording_does_not_replay() {
    for (scenario, alterations) in [("one-node", &ONE_NODE[..]), ("exhaustion", &EXHAUSTION)] {
        for (what, step, alter, shown_by) in alterations {
            let mut recording = Recording::read(scenario).unwrap();
            alter(&mut recording.steps[*step]);
            let found = difference(&recording, &on_model);
            assert_eq!(
                (found.number, found.differences[0].aspect),
                (*step, *shown_by),
                "{what}: {found}"
            );
        }
    }
}

/// Changes a step in which there is what is changed; says whether there was.
type Change = (&'static str, fn(&mut Step) -> bool);

const CHANGES: [Change; 6] = [
    ("an ordinal", |step| in_value(&mut step.put, "/assignment/", swap_ordinals)),
    ("a count", |step| in_value(&mut step.put, "/handle/", raise_count)),
    ("a sequence number", |step| in_value(&mut step.put, "/assignment/", raise_number)),
    ("a row's state", |step| in_value(&mut step.put, "/host/", unfinish)),
    ("an exit", |step| {
        step.exit = step.exit.map(|code| i32::from(code == 0));
        step.exit.is_some()
    }),
    ("an error", |step| {
        let Ok(mut error) = serde_json::from_str::<Value>(&step.stdout) else { return false };
        let is_one = error["msg"].is_string();
        error["msg"] = json!("something else");
        step.stdout = error.to_string();
        is_one
    }),
];

/// Of each kind, the first that a call of the scenario has.
#[test]
fn each_scenario_shows_what_was_altered() {
    let mut altered = BTreeMap::<&str, usize>::new();
    for scenario in scenarios() {
        let recording = scenario.recording();
        let is_compared = |title: &str| title.contains(" ADD ") || title.contains(" DEL ");
        let calls =
            || (0..recording.steps.len()).filter(|n| is_compared(&recording.steps[*n].title));
        for (what, change) in CHANGES {
            let changed = calls().find_map(|number| {
                let mut changed = recording.clone();
                change(&mut changed.steps[number]).then_some((number, changed))
            });
            let Some((number, changed)) = changed else { continue };
            let found = difference(&changed, &on_model);
            assert_eq!(found.number, number, "{}: {what}: {found}", scenario.0);
            *altered.entry(what).or_default() += 1;
        }
    }
    assert_eq!(altered.len(), CHANGES.len(), "{altered:?}");
    let everywhere = ["an ordinal", "a count", "an exit"].map(|what| altered[what]);
    assert_eq!(everywhere, [SCENARIOS.len() + 1; 3], "{altered:?}");
}
