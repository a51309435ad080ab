//! A small cluster of those that `ringfence-scale` runs.
#![allow(clippy::expect_used, missing_docs)]

use ipam_tests::scale::{Figures, Ground, Run, Size, run};

const NODES: usize = 20;
const PODS: usize = 20;

fn small(seed: u64) -> Run {
    run(&size(seed), Ground::Simulated)
}

fn size(seed: u64) -> Size {
    let size = Size { pods: PODS, ..Size::of(NODES, seed) };
    Size { pool: size.roomy_pool(), ..size }
}

fn phase<'r>(run: &'r Run, name: &str) -> &'r Figures {
    run.phases.iter().find(|figures| figures.name == name).expect("the phase was run")
}

#[test]
fn a_cluster_is_sound_and_costs_what_it_should() {
    let run = small(7);
    assert_eq!(run.wrong, Vec::<String>::new());
    for figures in &run.phases {
        assert_eq!(figures.why, None, "{}", figures.name);
        let conflicts = figures.conflicts_per_address();
        assert!(conflicts < 0.1, "{}: {conflicts} conflicts per address", figures.name);
    }
    let held = |name: &str| phase(&run, name).stored.handles;
    assert_eq!(held("fill"), NODES * PODS);
    assert_eq!(held("restart"), NODES * PODS);
    assert_eq!(held("burst"), NODES * PODS + run.size.burst);
    let empty = &phase(&run, "empty").stored;
    assert_eq!((empty.handles, empty.blocks), (0, NODES), "empty blocks stay with their nodes");
}

#[test]
fn a_call_that_remembers_takes_one_round_trip() {
    let run = small(8);
    let burst = phase(&run, "burst");
    assert_eq!(burst.adds.count(), run.size.burst as u64);
    assert_eq!((burst.adds.trips_max(), burst.meter.reads), (1, 0), "ADD");
    let restart = phase(&run, "restart");
    assert_eq!(restart.dels.trips_max(), 1, "DEL");
    let trips = restart.adds.trips_mean() * f64::from(u32::try_from(PODS).expect("few pods"));
    assert!(trips < f64::from(u32::try_from(PODS).expect("few pods")) + 2.01, "two reads, once");
}

#[test]
fn a_seed_repeats_a_run_and_another_does_not() {
    let first = small(9);
    assert_eq!(first, small(9));
    assert_ne!(first.phases, small(10).phases);
}

#[test]
fn a_real_etcd_is_asked_the_same() {
    // Many nodes at a time, as this time is waited for.
    let size = Size { at_once: NODES, ..size(11) };
    let (simulated, real) = (run(&size, Ground::Simulated), run(&size, Ground::Etcd));
    assert_eq!(real.wrong, Vec::<String>::new());
    for (simulated, real) in simulated.phases.iter().zip(&real.phases) {
        let name = simulated.name;
        assert_eq!(real.meter.applied, simulated.meter.applied, "{name}: transactions");
        let counted = |of: &Figures| (of.stored.keys, of.stored.blocks, of.stored.handles);
        assert_eq!(counted(real), counted(simulated), "{name}: what is stored");
        // The zeros at the end of a time are not written.
        let [ours, theirs] = [real, simulated].map(|of| of.stored.bytes);
        assert!(ours.abs_diff(theirs) < theirs / 100, "{name}: {ours} and {theirs} bytes");
    }
    let [burst, restart] = ["burst", "restart"].map(|name| phase(&real, name));
    assert_eq!((burst.adds.trips_max(), burst.meter.reads), (1, 0), "ADD");
    assert_eq!(restart.dels.trips_max(), 1, "DEL");
}
