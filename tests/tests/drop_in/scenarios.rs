//! Every recorded scenario: equal exit codes, equal results, equal keys and values.

use ipam_etcd::EtcdSettings;
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::Endpoint;
use ipam_tests::etcd::{Shared, Version, block_on};
use ipam_tests::replay::{Aspect, Place, Recording, ReplayError, Summary, replay_through_plugin};

const SCENARIOS: [&str; 12] = [
    "one-node",
    "order-in-block",
    "exhaustion",
    "pool-choice",
    "reserved",
    "specific-ip",
    "handle-reuse",
    "borrowing",
    "block-limit",
    "pool-removed",
    "release-affinity",
    "cooldown",
];
/// Before these steps of `cooldown` time passed, which the recording does not tell.
const PAUSES: [usize; 2] = [8, 13];
const PAUSE_SECONDS: i64 = 3;

fn run(recording: &Recording) -> Result<Summary, ReplayError> {
    let server = Shared::take(Version::System);
    let endpoint = server.endpoint();
    let endpoints = vec![Endpoint { url: endpoint.clone() }];
    let store = EtcdStore::new(EtcdSettings { endpoints, tls: None, login: None }, None);
    let folder = tempfile::tempdir().unwrap();
    let place = Place { endpoint: &endpoint, store: &store, folder: folder.path() };
    block_on(replay_through_plugin(recording, place))
}

#[test]
fn every_scenario_comes_out_as_recorded() {
    let mut calls = 0;
    for name in SCENARIOS {
        let mut recording = Recording::read(name).unwrap();
        if name == "cooldown" {
            for step in PAUSES {
                recording.steps[step].pause_seconds = PAUSE_SECONDS;
            }
        }
        let summary = run(&recording).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            summary.succeeded + summary.failed + summary.loaded,
            recording.steps.len(),
            "{name}"
        );
        calls += summary.succeeded + summary.failed;
    }
    assert_eq!(calls, 107, "calls of the plugin");
}

/// The only recorded answer that is meant to differ: a DEL that reports success and leaks the address.
#[test]
fn a_handle_without_its_map_is_refused_and_not_leaked() {
    match run(&Recording::read("corrupt").unwrap()) {
        Err(ReplayError::Mismatch(found)) => {
            let aspects: Vec<Aspect> = found.differences.iter().map(|found| found.aspect).collect();
            assert_eq!((found.number, aspects), (7, vec![Aspect::Exit]), "{found}");
        }
        other => panic!("no difference, but {other:?}"),
    }
}

#[test]
fn a_result_that_differs_is_found() {
    let mut recording = Recording::read("one-node").unwrap();
    recording.steps[1].stdout = recording.steps[1].stdout.replace("10.20.0.224", "10.20.0.225");
    match run(&recording) {
        Err(ReplayError::Mismatch(found)) => {
            assert_eq!(
                (found.number, found.differences[0].aspect),
                (1, Aspect::Printed),
                "{found}"
            );
        }
        other => panic!("no difference, but {other:?}"),
    }
}
