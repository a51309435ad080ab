//! Valid calls of both modes, damaged at random in stdin and in each variable, through the real plugin.
//!
//! Whatever comes in: an error is valid CNI and no fault of the plugin's own, a refusal stores nothing, and no address
//! comes from a pool that was not permitted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod attempt;
mod damage;
mod judge;
mod place;
mod tally;
mod text_damage;

use std::env;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use fastrand::Rng;

use attempt::Attempt;
use place::Place;
use tally::Tally;

/// Where a seed stands that is to be run again.
const SEED: &str = "RINGFENCE_HOSTILE_SEED";
/// What is run each time, beside a seed that nobody has seen before.
const FIXED_SEED: u64 = 1;
/// How many calls a seed stands for, and how many of them share a store.
const CALLS: usize = 800;
const CALLS_OF_A_STORE: usize = 160;
/// The most damages of one call.
const DAMAGES_MAX: usize = 3;

/// Makes the calls of a seed, and says what came of them.
fn run(seed: u64) -> Tally {
    println!("{SEED}={seed} cargo test -p ipam-tests --test hostile_calls");
    let mut rng = Rng::with_seed(seed);
    let mut tally = Tally::default();
    let mut place = Place::new();
    for number in 0..CALLS {
        if number % CALLS_OF_A_STORE == 0 {
            place = Place::new();
        }
        let mut attempt = Attempt::valid(&place, number, &mut rng);
        for _ in 0..rng.usize(0..=DAMAGES_MAX) {
            damage::to(&mut attempt, &mut rng);
        }
        match judge::judge(&attempt, &mut place) {
            Ok(outcome) => tally.count(outcome),
            Err(fault) => panic!("seed {seed}, call {number}: {fault}\n{attempt}"),
        }
    }
    tally
}

#[test]
fn damaged_calls_do_no_damage() {
    let seeds = env::var(SEED).map_or_else(
        |_| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
            vec![FIXED_SEED, u64::try_from(now % u128::from(u64::MAX)).unwrap()]
        },
        |seed| vec![seed.parse().expect("a seed is a number")],
    );
    thread::scope(|scope| {
        let runs: Vec<_> = seeds.iter().map(|seed| scope.spawn(|| run(*seed))).collect();
        for (seed, run) in seeds.iter().zip(runs) {
            let tally = run.join().unwrap_or_else(|_| panic!("seed {seed}: see above"));
            println!("seed {seed}: {tally}");
            // What a new seed meets is chance.
            if *seed == FIXED_SEED {
                tally.is_varied();
            }
        }
    });
}
