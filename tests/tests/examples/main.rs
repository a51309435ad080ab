//! The example configurations of `docs/examples`: each is carried out, as far as its plugins can be had.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod handed_down;
mod list;
mod page;
mod runtimes;
mod site;
mod whole;

use ipam_tests::stage::on_a_stage;
use serde_json::Value;

/// The main plugin, in network namespaces, with traffic.
const WHOLE: &str = "whole";
/// Our plugin alone, with what the main plugin would hand down.
const STDIN: &str = "stdin";
const IF_IPVLAN: &str = "whole where the kernel has ipvlan, else stdin";

/// The scene of each example, and how much of it is tested, in the order of the files.
const SCENES: [(&str, &str); 12] = [
    ("bridge.conflist", WHOLE),
    ("calico.conflist", STDIN),
    ("cri-o.conflist", WHOLE),
    ("gc.conflist", WHOLE),
    ("ipvlan-l3.conflist", IF_IPVLAN),
    ("k3s.conflist", WHOLE),
    ("macvlan.conflist", WHOLE),
    ("multus.json", WHOLE),
    ("nerdctl.conflist", WHOLE),
    ("nomad.conflist", WHOLE),
    ("podman.conflist", WHOLE),
    ("ptp.conflist", WHOLE),
];

#[test]
fn every_example_has_a_scene_and_the_page_says_how_much_is_tested() {
    let files = page::files();
    assert_eq!(files, SCENES.map(|(file, _)| file), "an example has a scene");
    let rows = page::rows();
    let told: Vec<(&str, &str)> =
        rows.iter().map(|row| (row.file.as_str(), row.tested.as_str())).collect();
    assert_eq!(told, SCENES, "the page says what is so");
    let source = include_str!("main.rs");
    for (file, _) in SCENES {
        let name = file.split('.').next().unwrap().replace('-', "_");
        assert!(source.contains(&format!("fn {name}() {{\n    on_a_stage(\"{name}\"")), "{file}");
        let example: Value = serde_json::from_str(&page::example(file)).unwrap();
        assert!(!list::List::of(&example).plugins.is_empty(), "{file}");
    }
}

#[test]
fn bridge() {
    on_a_stage("bridge", whole::bridge);
}

#[test]
fn calico() {
    on_a_stage("calico", handed_down::calico);
}

#[test]
fn cri_o() {
    on_a_stage("cri_o", whole::cri_o);
}

#[test]
fn gc() {
    on_a_stage("gc", whole::gc);
}

#[test]
fn ipvlan_l3() {
    on_a_stage("ipvlan_l3", handed_down::ipvlan_l3);
}

#[test]
fn k3s() {
    on_a_stage("k3s", whole::k3s);
}

#[test]
fn macvlan() {
    on_a_stage("macvlan", whole::macvlan);
}

#[test]
fn multus() {
    on_a_stage("multus", whole::multus);
}

#[test]
fn nerdctl() {
    on_a_stage("nerdctl", whole::nerdctl);
}

#[test]
fn nomad() {
    on_a_stage("nomad", whole::nomad);
}

#[test]
fn podman() {
    on_a_stage("podman", whole::podman);
}

#[test]
fn ptp() {
    on_a_stage("ptp", whole::ptp);
}
