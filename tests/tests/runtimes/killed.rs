//! containerd is killed while it makes pods.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ipam_tests::etcd::EtcdWorld;
use ipam_tests::plugin::Call;
use ipam_tests::stage::on_a_stage;
use serde_json::{Value, json};

use crate::containerd::Containerd;
use crate::holdings::{Holdings, judge, stored};
use crate::pods::{Pod, end, living, pod, start};
use crate::traces::{Traces, await_end_of};
use crate::{conflist, world};

const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// A plugin after ours, which writes down what was given to whom. Where a pod's name says so it does not come to an end
/// as long as the folder of these notes is there.
const HOLD: &str = r#"#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exit 0
conf=$(cat)
case $CNI_ARGS in *K8S_POD_NAME=held-*)
  printf '%s' "$conf" >"NOTES/.$CNI_CONTAINERID" && mv "NOTES/.$CNI_CONTAINERID" "NOTES/$CNI_CONTAINERID"
  while [ -d NOTES ]; do sleep 0.05; done
esac
printf '%s' "$conf" | sed 's/.*"prevResult":\(.*\),"type":"hold"}$/\1/'
"#;

/// Reads the notes: the containers that are held back, and their addresses.
fn held(notes: &Path) -> Holdings {
    let entries = fs::read_dir(notes).unwrap().map(|entry| entry.unwrap().path());
    let whole = entries.filter_map(|path| {
        let container = path.file_name()?.to_str()?.to_owned();
        // Such a one is being written.
        (!container.starts_with('.')).then_some((container, path))
    });
    let holdings = whole.map(|(container, path)| {
        let conf: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let address = conf["prevResult"]["ips"][0]["address"].as_str().unwrap();
        (container, address.split('/').next().unwrap().parse().unwrap())
    });
    holdings.collect()
}

fn pods(name: &str, count: u32) -> Vec<Pod> {
    (0..count).map(|at| pod(&format!("{name}-{at}"), Some("legacy"))).collect()
}

fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(POLL);
    }
}

/// It writes a pod down before it calls plugins, and a kubelet ends what is not ready. So nothing is left over.
#[test]
fn what_containerd_was_killed_over_can_be_ended() {
    on_a_stage("killed::what_containerd_was_killed_over_can_be_ended", || {
        let world = world();
        let before = Traces::now();
        let notes = tempfile::tempdir().unwrap();
        let script = HOLD.replace("NOTES", notes.path().to_str().unwrap());
        let conflist = conflist(&world, &json!({"type": "ptp"}), &[json!({"type": "hold"})]);
        let mut containerd = Containerd::start(&conflist, &[("hold", &script)]);
        let cri = containerd.cri();
        cri.run(&pods("web", 5)).into_iter().for_each(|made| drop(made.unwrap()));
        let made = living(&cri);
        thread::scope(|scope| {
            let calls = scope.spawn(|| cri.run(&pods("held", 5)));
            await_that("they come as far as the last plugin", || held(notes.path()).len() == 5);
            containerd.kill();
            let answers = calls.join().unwrap();
            assert!(answers.iter().all(Result::is_err), "{answers:?}");
        });
        let held = held(notes.path());
        drop(notes);
        await_end_of(&["hold"]);
        containerd.restart();
        assert_eq!(living(&cri), made, "only those are ready that were made");
        judge(&world, &made.union(&held).cloned().collect());
        for (id, _) in &held {
            end(&cri, id);
        }
        judge(&world, &made);
        for (id, _) in &made {
            end(&cri, id);
        }
        judge(&world, &Holdings::new());
        drop(containerd);
        before.await_again();
    });
}

/// Nobody calls DEL for pods of a runtime that has lost what it wrote down: their addresses stay, and only theirs, until GC.
#[test]
fn what_containerd_does_not_know_any_more_is_left_over() {
    on_a_stage("killed::what_containerd_does_not_know_any_more_is_left_over", || {
        let world = world();
        let mut lost = start(&world);
        let cri = lost.cri();
        thread::scope(|scope| {
            scope.spawn(|| cri.run(&pods("lost", 20)));
            await_that("they are given addresses", || world.taken().len() >= 5);
            lost.kill();
        });
        await_end_of(&["ptp", "ringfence-ipam"]);
        let leftovers = stored(&world);

        let containerd = start(&world);
        let cri = containerd.cri();
        cri.run(&pods("web", 5)).into_iter().for_each(|made| drop(made.unwrap()));
        let made = living(&cri);
        assert_eq!(made.len(), 5);
        assert!(leftovers.iter().all(|(id, _)| !cri.known().contains(id)));
        judge(&world, &made.union(&leftovers).cloned().collect());
        collect(&world, &made);
        judge(&world, &made);
        for (id, _) in &made {
            end(&cri, id);
        }
        judge(&world, &Holdings::new());
    });
}

/// Calls GC as a runtime of CNI 1.1.0 does, which this containerd is not: with the attachments that it knows.
fn collect(world: &EtcdWorld, known: &Holdings) {
    let attachments: Vec<Value> =
        known.iter().map(|(id, _)| json!({"containerID": id, "ifname": "eth0"})).collect();
    let mut conf = world.netconf(&json!({"gc_grace_seconds": 0}))["ipam"].clone();
    conf["cniVersion"] = json!("1.1.0");
    conf["name"] = json!("pods");
    conf["type"] = json!("ringfence-ipam");
    conf["role"] = json!("gc");
    conf["cni.dev/valid-attachments"] = json!(attachments);
    let call = Call::new("GC", "unused", &conf);
    let answer =
        ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"].into_iter().fold(call, Call::without).run();
    assert!(answer.success, "{answer:?}");
}
