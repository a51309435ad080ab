//! The 93 mistakes that a runtime, a pod's author or an administrator can make, as one table that goes through the real
//! plugin on a real etcd.
//!
//! Whatever is refused leaves the store as it was, byte for byte and revision for revision; whatever is given is what the
//! store then holds, and nothing else. More of the same, by topic and on the embedded store, is in `bad_input`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod addresses;
mod annotations;
mod calls;
mod cluster;
mod commands;
mod configuration;
mod etcd;
mod identity;
mod network;
mod pools;
mod row;
mod runtime;
mod sources;
mod stdin;
mod surroundings;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use row::{Bench, Row};

const TABLE: [&[Row]; 12] = [
    runtime::ROWS,
    stdin::ROWS,
    configuration::ROWS,
    etcd::ROWS,
    annotations::ROWS,
    pools::ROWS,
    sources::ROWS,
    addresses::ROWS,
    identity::ROWS,
    network::ROWS,
    commands::ROWS,
    surroundings::ROWS,
];

/// How many rows are worked on at once, each with a server of its own.
const WORKERS: usize = 3;

#[test]
fn every_mistake_has_its_outcome() {
    let rows: Vec<&Row> = TABLE.iter().copied().flatten().collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut bench, mut faults) = (Bench::default(), Vec::new());
        while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
            faults.extend(row.check(&mut bench));
        }
        faults
    };
    let faults: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_number_is_there_once() {
    let numbers: Vec<u8> = TABLE.iter().copied().flatten().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=93).collect::<Vec<u8>>());
    for row in TABLE.iter().copied().flatten() {
        assert!(!row.name.is_empty(), "row {} has no name", row.number);
        assert!(row.has_cases(), "row {} has no case", row.number);
    }
}
