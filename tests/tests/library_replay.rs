//! What stock Calico's IPAM library was recorded to do, done again by our own plans on every store.
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
    INTENDED, LibraryRecording, LibraryStep, Mismatch, ReplayError, Replayed, in_value,
    raise_count, raise_number, replay_library, swap_ordinals, unfinish,
};
use serde_json::{Value, json};

/// How many calls come out the same, how many differ on purpose, and how many steps are set-up and changes by hand.
const TOTAL: [usize; 3] = [SAME, OTHERWISE, LOADED];
const SAME: usize = 1537;
const OTHERWISE: usize = 5;
const LOADED: usize = 45;
fn names() -> Vec<String> {
    let named = [
        "affinity",
        "cooldown",
        "counts",
        "handles",
        "owners",
        "release",
        "repair",
        "reserved-ordinals",
        "selectors",
        "utilization",
    ];
    let random = (1..=30).map(|number| format!("random-{number}"));
    named.iter().map(|name| format!("library-{name}")).chain(random).collect()
}

fn run<S: Store>(recording: &LibraryRecording, store: &S) -> Result<Replayed, ReplayError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(replay_library(recording, store))
}

/// Replays every recording, each on a store of its own.
fn replay_all(mut replay: impl FnMut(&LibraryRecording) -> Result<Replayed, ReplayError>) {
    let (mut failures, mut total, mut missing) = (Vec::new(), [0; 3], BTreeMap::new());
    for name in names() {
        match replay(&LibraryRecording::read(&name).unwrap()) {
            Ok(replayed) => {
                let counts = [replayed.same, replayed.intended, replayed.loaded];
                total.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
                for title in replayed.missing {
                    *missing.entry(title).or_insert(0) += 1;
                }
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(total, TOTAL);
    assert!(missing.is_empty(), "there is no request for {missing:?}");
}

#[test]
fn every_recording_replays_on_the_model_store() {
    replay_all(|recording| run(recording, &ModelStore::default()));
}

#[test]
fn every_recording_replays_on_the_embedded_store() {
    const DEADLINE: Duration = Duration::from_secs(10);
    replay_all(|recording| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        run(recording, &EmbeddedStore::open(&path, Create::IfMissing, DEADLINE).unwrap())
    });
}

#[test]
fn every_recording_replays_on_real_etcd() {
    for version in Version::here() {
        replay_all(|recording| {
            let server = Shared::take(version);
            let endpoints = vec![Endpoint { url: server.endpoint() }];
            let settings = EtcdSettings { endpoints, tls: None, login: None };
            run(recording, &EtcdStore::new(settings, None))
        });
    }
}

/// Changes one step; says whether it holds what is changed.
type Alteration = (&'static str, fn(&mut LibraryStep) -> bool);

const ALTERATIONS: [Alteration; 15] = [
    ("an ordinal", |step| in_value(&mut step.step.put, "/block/", swap_ordinals)),
    ("a count", |step| in_value(&mut step.step.put, "/handle/", lower_count)),
    ("a count too many", |step| in_value(&mut step.step.put, "/handle/", raise_count)),
    ("how a handle is written", |step| in_value(&mut step.step.put, "/handle/", add_nothing)),
    ("a sequence number", |step| in_value(&mut step.step.put, "/assignment/", raise_number)),
    ("a row's state", |step| in_value(&mut step.step.put, "/host/", unfinish)),
    ("a deleted key", |step| step.step.deleted.pop().is_some()),
    ("a deletion too many", |step| {
        step.step.deleted.push("/calico/ipam/v2/handle/ghost".into());
        true
    }),
    ("a condition of a release", |step| {
        let released = step.result["released"].as_array_mut();
        released.and_then(|released| released.first_mut()).is_some_and(|one| {
            one["Handle"] = json!("intruder");
            true
        })
    }),
    ("released addresses", |step| {
        let released = step.result["released"].as_array_mut();
        released.is_some_and(|released| released.drain(..).count() > 0)
    }),
    ("an error", |step| {
        let has_one = step.result["error"].is_string();
        if has_one {
            step.result["error"] = json!("something else");
        }
        has_one
    }),
    ("the type of an error", |step| {
        let has_one = step.result["errorType"].is_string();
        if has_one {
            step.result["errorType"] = json!("errors.ErrorOperationNotSupported");
        }
        has_one
    }),
    ("a message", |step| {
        let share = step.result.get_mut("v4").filter(|share| share.is_object());
        share.is_some_and(|share| {
            share["msgs"] = json!(["something else"]);
            true
        })
    }),
    ("an answer too many", |step| {
        let answer = step.result.as_object_mut();
        answer.is_some_and(|answer| answer.insert("more".to_owned(), json!([1])).is_none())
    }),
    ("a call without its arguments", |step| {
        step.step.title = step.step.title.to_lowercase();
        step.args = Value::Null;
        true
    }),
];

fn lower_count(handle: &mut Value) -> bool {
    let blocks = handle["block"].as_object_mut().into_iter().flatten();
    let mut counts = blocks.filter_map(|(_, count)| Some((count.as_u64()?, count)));
    let Some((number, count)) = counts.next() else { return false };
    *count = json!(number.saturating_sub(1));
    number > 0
}

fn add_nothing(handle: &mut Value) -> bool {
    let Some(blocks) = handle["block"].as_object_mut() else { return false };
    blocks.insert("10.99.0.0/30".to_owned(), json!(0)).is_none()
}

/// What becomes of an altered recording.
#[derive(Debug)]
enum Outcome {
    Differs(Mismatch),
    Incomplete,
    Same,
}

fn outcome(recording: &LibraryRecording) -> Outcome {
    match run(recording, &ModelStore::default()) {
        Err(ReplayError::Mismatch(mismatch)) => Outcome::Differs(*mismatch),
        Ok(replayed) if !replayed.missing.is_empty() => Outcome::Incomplete,
        Ok(_) => Outcome::Same,
        Err(error) => panic!("{}: {error}", recording.scenario),
    }
}

/// Expects that what was altered in a step is told there.
fn expect_told(what: &str, number: usize, altered: &LibraryRecording) {
    match outcome(altered) {
        Outcome::Differs(found) => assert_eq!(found.number, number, "{what}: {found}"),
        Outcome::Incomplete => assert!(altered.steps[number].args.is_null(), "{what}"),
        Outcome::Same => panic!("{}, step {number}: {what} is not told", altered.scenario),
    }
}

/// Says whether a step is compared: it is a call, and it is not meant to differ.
fn is_compared(recording: &LibraryRecording, number: usize) -> bool {
    let step = &recording.steps[number];
    let is_listed = |intended: &ipam_tests::replay::Intended| {
        intended.scenario == recording.scenario && intended.number == number
    };
    !step.args.is_null() && !INTENDED.iter().any(is_listed)
}

#[test]
fn an_altered_recording_does_not_replay() {
    let mut altered = BTreeMap::<&str, usize>::new();
    for name in names() {
        let recording = LibraryRecording::read(&name).unwrap();
        for (what, alter) in ALTERATIONS {
            let numbers = 0..recording.steps.len();
            let changed = numbers.filter(|n| is_compared(&recording, *n)).find_map(|number| {
                let mut changed = recording.clone();
                alter(&mut changed.steps[number]).then_some((number, changed))
            });
            let Some((number, mut changed)) = changed else { continue };
            changed.steps.truncate(number + 1);
            expect_told(what, number, &changed);
            *altered.entry(what).or_default() += 1;
        }
    }
    assert_eq!(altered.len(), ALTERATIONS.len(), "{altered:?}");
    assert!(altered.values().all(|files| *files >= 20), "{altered:?}");
}

#[test]
fn a_difference_that_is_listed_hides_no_other() {
    for intended in INTENDED {
        let recording = LibraryRecording::read(intended.scenario).unwrap();
        let mut altered = 0;
        for (what, alter) in ALTERATIONS {
            let mut changed = recording.clone();
            if !alter(&mut changed.steps[intended.number]) {
                continue;
            }
            changed.steps.truncate(intended.number + 1);
            expect_told(what, intended.number, &changed);
            altered += 1;
        }
        assert!(altered >= 4, "{intended:?}: {altered}");
    }
}
