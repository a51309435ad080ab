//! Clusters in which everything goes wrong that can.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

use std::time::Instant;

use ipam_tests::sim::{explain, sweep};

const SEEDS: u64 = 2_000;

#[test]
fn no_seed_breaks_a_promise_and_everything_happens() {
    let began = Instant::now();
    let (tally, failed) = sweep(0..SEEDS);
    println!("{tally}\n{SEEDS} seeds in {} s", began.elapsed().as_secs());
    let Some(first) = failed.first() else {
        let missing = tally.missing(SEEDS);
        assert!(missing.is_empty(), "{}", missing.join("\n"));
        return;
    };
    let all: Vec<u64> = failed.iter().map(|options| options.seed).collect();
    panic!("seeds {all:?} break promises; {}", explain(first));
}
