//! Clusters in which everything goes wrong that can.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

use std::time::Instant;

use ipam_tests::sim::{Fault, explain, sweep};

/// How many seeds run if `RINGFENCE_SIM_SEEDS` does not say otherwise.
const SEEDS: u64 = 2_000;

const REQUESTS: [&str; 30] = [
    "add",
    "add an address",
    "add several",
    "apply",
    "ask for owners",
    "bind",
    "check",
    "claim",
    "claim for nobody",
    "collect cold",
    "collect leftovers",
    "configure",
    "del",
    "delete a pool",
    "ensure blocks",
    "look",
    "mend",
    "promote",
    "read all",
    "release addresses",
    "release claims",
    "set owners",
    "stock add",
    "stock add an address",
    "stock add several",
    "stock claim",
    "stock damage",
    "stock del",
    "stock release addresses",
    "stock release claims",
];
const TRANSACTIONS: [&str; 12] =
    ["T1", "T1c", "T2", "T2e", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "owners"];

#[test]
fn no_seed_breaks_a_promise_and_everything_happens() {
    let seeds = std::env::var("RINGFENCE_SIM_SEEDS")
        .map_or(SEEDS, |text| text.parse().expect("RINGFENCE_SIM_SEEDS is a number of seeds"));
    let began = Instant::now();
    let (tally, failed) = sweep(0..seeds);
    println!("{tally}\n{seeds} seeds in {} s", began.elapsed().as_secs());
    let Some(first) = failed.first() else {
        for fault in Fault::ALL {
            assert!(tally.faults.get(&fault) > Some(&seeds), "{fault}: {:?}", tally.faults);
        }
        for request in REQUESTS {
            assert!(
                tally.requests.get(request) > Some(&(seeds / 4)),
                "{request}: {:?}",
                tally.requests
            );
        }
        for transaction in TRANSACTIONS {
            let count = tally.transactions.get(transaction);
            assert!(count > Some(&(seeds / 200)), "{transaction}: {:?}", tally.transactions);
        }
        // A cluster in which most calls fail would prove little.
        let given = tally.endings.get("given").copied().unwrap_or_default();
        assert!(given > seeds * 20, "{:?}", tally.endings);
        return;
    };
    let all: Vec<u64> = failed.iter().map(|options| options.seed).collect();
    panic!("seeds {all:?} break promises; {}", explain(first));
}
