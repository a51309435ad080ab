//! Many runs, on every processor.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::{Options, Tally, simulate};

/// The futures of a debug build are deep.
const STACK_BYTES: usize = 16 << 20;

/// Runs seeds; returns what happened in all of them, and those that fail.
///
/// # Panics
///
/// If no thread can be made.
#[must_use]
pub fn sweep(seeds: Range<u64>) -> (Tally, Vec<Options>) {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new((Tally::default(), Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let options = Options::of(seed);
            let report = simulate(&options);
            let mut found = found.lock().expect("no run panicked");
            found.0.add(&report.tally);
            if report.violation.is_some() {
                found.1.push(options);
            }
        }
    };
    thread::scope(|scope| {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let workers = (0..count)
            .map(|_| thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work));
        for worker in workers.collect::<Vec<_>>() {
            worker.expect("a thread").join().expect("no run panics");
        }
    });
    let (tally, mut failed) = found.into_inner().expect("no run panicked");
    failed.sort_by_key(|options| options.seed);
    (tally, failed)
}
