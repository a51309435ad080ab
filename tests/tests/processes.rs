//! Many plugin processes on one store, embedded and etcd, half of them killed at a random moment.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{PipeReader, Write};
use std::net::IpAddr;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ipam_core::model::HandleId;
use ipam_core::plan::Held;
use ipam_tests::etcd::EtcdWorld;
use ipam_tests::plugin::Call;
use ipam_tests::world::{Place, World};
use serde_json::{Value, json};

/// Each container is added, and then deleted or added again: two calls, of which one is to be killed.
#[derive(Clone, Copy)]
struct Load {
    containers: usize,
    at_once: usize,
}

/// What a pipe holds before a writer has to wait (`man 7 pipe`).
const PIPE_BYTES: usize = 65_536;
/// How many times the shortest life of a call is doubled at the most; lives of every length are equally likely.
const LIFE_DOUBLINGS: u64 = 11;

/// How the calls ended.
#[derive(Default)]
struct Tally {
    finished: AtomicUsize,
    killed_before: AtomicUsize,
    killed_after: AtomicUsize,
}

fn pools() -> [(&'static str, Value); 2] {
    [
        ("p4", json!({"cidr": "10.20.0.0/20", "blockSize": 26})),
        ("p6", json!({"cidr": "fd00:20::/112", "blockSize": 122})),
    ]
}

#[test]
fn no_address_is_doubled_or_lost_when_processes_die() {
    check(&World::with_pools(&pools()), Load { containers: 1000, at_once: 64 });
}

#[test]
fn no_address_is_doubled_or_lost_in_etcd_when_processes_die() {
    check(&EtcdWorld::with_pools(&pools()), Load { containers: 300, at_once: 32 });
}

fn check<P: Place>(world: &P, load: Load) {
    let (tally, reported) = (Tally::default(), Mutex::new(BTreeMap::new()));
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..load.at_once {
            let (tally, reported, next) = (&tally, &reported, &next);
            scope.spawn(move || {
                let mut dice = Dice(0x9e37_79b9 + thread as u64);
                loop {
                    let container = next.fetch_add(1, Ordering::Relaxed);
                    if container >= load.containers {
                        break;
                    }
                    live(world, container, &mut dice, tally, reported);
                }
            });
        }
    });
    report(&tally, load);
    let reported = reported.into_inner().unwrap();
    nobody_shares(world, &reported);
    assert_eq!(world.findings(), [], "the store is sound although processes died");
    for container in 0..load.containers {
        let answer = Call::new("DEL", &name(container), &conf(world, container)).run();
        assert!(answer.success, "{answer:?}");
    }
    assert_eq!(world.findings(), [], "the store is sound after every container is gone");
    assert_eq!(world.taken(), Vec::<IpAddr>::new(), "no address is left over");
}

/// Creates a container, and deletes every second one; each call may be killed.
fn live(
    world: &impl Place,
    container: usize,
    dice: &mut Dice,
    tally: &Tally,
    reported: &Mutex<BTreeMap<usize, Vec<String>>>,
) {
    let add =
        Call::new("ADD", &name(container), &conf(world, container)).pod("fin", &name(container));
    if dice.roll(3) > 0 {
        let end = if dice.roll(3) == 0 { End::Committed } else { End::Random };
        if kill(world, &add, &end, dice, container) {
            let held = held(world, container);
            let side = if held { &tally.killed_after } else { &tally.killed_before };
            side.fetch_add(1, Ordering::Relaxed);
        } else {
            tally.finished.fetch_add(1, Ordering::Relaxed);
        }
    } else {
        let answer = add.run();
        assert!(answer.success, "{answer:?}");
        tally.finished.fetch_add(1, Ordering::Relaxed);
        reported.lock().unwrap().insert(container, answer.addresses());
    }
    let del = Call::new("DEL", &name(container), &conf(world, container));
    if container.is_multiple_of(2) {
        let had = held(world, container);
        if dice.roll(3) > 0 && kill(world, &del, &End::Random, dice, container) {
            let gone = had && !held(world, container);
            let side = if gone { &tally.killed_after } else { &tally.killed_before };
            side.fetch_add(1, Ordering::Relaxed);
        } else {
            let answer = del.run();
            assert!(answer.success, "{answer:?}");
            tally.finished.fetch_add(1, Ordering::Relaxed);
        }
        reported.lock().unwrap().remove(&container);
    } else {
        // The same container asks again: it must get what it has, or its first addresses.
        let answer = add.run();
        assert!(answer.success, "{answer:?}");
        tally.finished.fetch_add(1, Ordering::Relaxed);
        let addresses = answer.addresses();
        let before = reported.lock().unwrap().insert(container, addresses.clone());
        assert!(
            before.is_none_or(|before| before == addresses),
            "ADD twice gives the same addresses"
        );
    }
}

/// When a call is killed.
enum End {
    /// After a time that has nothing to do with what it is doing.
    Random,
    /// As soon as others can see what it stored.
    Committed,
}

/// Starts a call whose answer nobody reads, and kills it; false if it ended before.
///
/// Its stdout is a pipe that is full already: a process that has committed stays there and can be killed too.
fn kill(world: &impl Place, call: &Call, end: &End, dice: &mut Dice, container: usize) -> bool {
    let (reader, stdout) = full_pipe();
    let mut child = call.start(stdout);
    let longest_us = 500 << dice.roll(LIFE_DOUBLINGS);
    let deadline = Instant::now() + Duration::from_micros(dice.roll(longest_us));
    let is_over = || match end {
        End::Random => Instant::now() >= deadline,
        End::Committed => held(world, container),
    };
    while !is_over() {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "container {container} was refused");
            return false;
        }
        thread::sleep(Duration::from_micros(500));
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    drop(reader);
    status.code().is_none()
}

fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&vec![b' '; PIPE_BYTES]).unwrap();
    (reader, Stdio::from(writer))
}

fn held(world: &impl Place, container: usize) -> bool {
    let handle = HandleId::new(format!("net.{}.eth0", name(container))).unwrap();
    world.drive(&Held { handle }).unwrap().is_some_and(|held| !held.is_empty())
}

fn nobody_shares(world: &impl Place, reported: &BTreeMap<usize, Vec<String>>) {
    let mut seen = BTreeSet::new();
    for (container, addresses) in reported {
        assert_eq!(addresses.len(), 2, "both families or neither");
        for address in addresses {
            assert!(
                seen.insert(address),
                "{address} was given twice, the second time to {container}"
            );
        }
        let handle = HandleId::new(format!("net.{}.eth0", name(*container))).unwrap();
        let held = world.drive(&Held { handle }).unwrap().unwrap_or_default();
        let held: BTreeSet<String> = held.iter().map(|held| held.ip.to_string()).collect();
        let told =
            addresses.iter().map(|address| address.split('/').next().unwrap().to_owned()).collect();
        assert_eq!(held, told, "container {container} holds what it was told");
    }
}

fn report(tally: &Tally, load: Load) {
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (before, after) = (count(&tally.killed_before), count(&tally.killed_after));
    let finished = count(&tally.finished);
    println!("{finished} calls finished, {before} died before their commit, {after} after it");
    assert!(finished + before + after >= 2 * load.containers);
    let tenth = (before + after) / 10;
    assert!(
        before >= tenth && after >= tenth,
        "the deaths are one-sided: {before} before, {after} after"
    );
    assert!(before + after >= load.containers / 3, "too few died to prove anything");
}

/// Every third container does not wait for its turn: the lock is politeness, and must not matter.
fn conf(world: &impl Place, container: usize) -> Value {
    let lock_wait_ms = if container.is_multiple_of(3) { 1 } else { 20_000 };
    world.conf(&json!({"assign_ipv6": true, "lock_wait_ms": lock_wait_ms}))
}

fn name(container: usize) -> String {
    format!("c{container}")
}

/// A small generator of random numbers; each thread has its own.
struct Dice(u64);

impl Dice {
    /// Returns a number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % sides
    }
}
