//! Three members under load, of which one after the other is killed, or stopped and resumed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use ipam_core::ip::Family;
use ipam_core::plan::{Replay, Request};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::{DriveError, Driven, EtcdSettings};
use ipam_tests::etcd::{Cluster, Proxy};

use super::requests::{
    ask, assert_sound, assign, held, ips, is_unknown, make_pools, release, store,
};
use super::{at, tell};

const CLIENTS: usize = 16;
/// Four clients share a host, and so its blocks.
const HOSTS: usize = 4;
const HELD_MAX: usize = 3;
const DEADLINE: Duration = Duration::from_secs(10);
/// What a busy machine may add to a deadline.
const LATE: Duration = Duration::from_secs(2);
/// How often the connections of one of the proxies are cut.
const CUT_EVERY: Duration = Duration::from_millis(30);

/// What everybody was told.
#[derive(Default)]
struct Ledger {
    /// Who holds an address, of those who were told so and have not begun to give it back.
    holders: BTreeMap<String, String>,
    /// Handles that hold nothing: their ADD failed, or their DEL succeeded.
    empty: BTreeSet<String>,
    /// Handles of which nobody knows.
    unknown: BTreeSet<String>,
    tally: Tally,
}

/// How the calls ended.
#[derive(Default)]
struct Tally {
    added: u32,
    deleted: u32,
    failed: u32,
    unknown: u32,
    longest: Duration,
    conflicts: u32,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { added, deleted, failed, unknown, longest, conflicts } = self;
        write!(
            f,
            "{added} ADDs and {deleted} DELs, {failed} failed, {unknown} unknown, {conflicts} conflicts; the longest took {longest:.1?}"
        )
    }
}

/// One process after the other on a host, as the ledger sees them.
struct Client<'a> {
    number: usize,
    settings: EtcdSettings,
    ledger: &'a Mutex<Ledger>,
}

impl Client<'_> {
    /// Takes and gives back until told to stop. Every few calls a new process begins.
    fn run(&self, is_over: &AtomicBool) {
        let mut mine: Vec<(String, String)> = Vec::new();
        let mut process = store(&self.settings);
        for round in 0.. {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            if round % 5 == 4 {
                process = store(&self.settings);
            }
            if mine.len() < HELD_MAX && (mine.is_empty() || round % 2 == 0) {
                mine.extend(self.add(&process, &format!("c{}-{round}", self.number)));
            } else {
                self.del(&process, mine.remove(0));
            }
        }
    }

    fn add(&self, process: &EtcdStore, handle: &str) -> Option<(String, String)> {
        let host = format!("n{}", self.number % HOSTS);
        let request = assign(handle, &host, Replay::Again, &[Family::V4]);
        let driven = self.timed(process, &request);
        let mut ledger = self.ledger();
        match driven {
            Ok(driven) => {
                ledger.tally.added += 1;
                let ip = ips(&driven.reply).concat();
                let other = ledger.holders.insert(ip.clone(), handle.to_owned());
                assert_eq!(other, None, "{ip} was given to {handle} too");
                return Some((handle.to_owned(), ip));
            }
            Err(error) if is_unknown(&error) => ledger.unknown.insert(handle.to_owned()),
            Err(_) => ledger.empty.insert(handle.to_owned()),
        };
        None
    }

    fn del(&self, process: &EtcdStore, (handle, ip): (String, String)) {
        self.ledger().holders.remove(&ip);
        let driven = self.timed(process, &release(&handle));
        let mut ledger = self.ledger();
        match driven {
            Ok(_) => {
                ledger.tally.deleted += 1;
                ledger.empty.insert(handle);
            }
            Err(error) if is_unknown(&error) => {
                ledger.unknown.insert(handle);
            }
            Err(_) => {
                let other = ledger.holders.insert(ip.clone(), handle);
                assert_eq!(other, None, "{ip} was not given back, and given again");
            }
        }
    }

    /// Carries a request out, and asserts that it ends in time.
    fn timed<R: Request>(
        &self,
        process: &EtcdStore,
        request: &R,
    ) -> Result<Driven<R::Reply>, DriveError> {
        let started = Instant::now();
        let driven = ask(process, request, DEADLINE);
        let took = started.elapsed();
        assert!(took < DEADLINE + LATE, "a call took {took:?}");
        let tally = &mut self.ledger().tally;
        tally.longest = tally.longest.max(took);
        match &driven {
            Ok(driven) => tally.conflicts += driven.conflicts,
            Err(error) if is_unknown(error) => tally.unknown += 1,
            Err(_) => tally.failed += 1,
        }
        driven
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        // What another client found wrong must not hide behind this one's complaint.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the load when dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Members, and a proxy before each whose connections are cut all the time.
struct Stage {
    cluster: Cluster,
    proxies: Vec<Proxy>,
}

impl Stage {
    fn start() -> Self {
        let cluster = Cluster::start();
        let proxies = cluster.endpoints().iter().map(|endpoint| Proxy::to(endpoint)).collect();
        Self { cluster, proxies }
    }

    /// Describes how a client reaches the members: every other one through proxies.
    fn settings(&self, number: usize) -> EtcdSettings {
        let proxies = self.proxies.iter().map(Proxy::endpoint).collect();
        let mut urls = if number.is_multiple_of(2) { self.cluster.endpoints() } else { proxies };
        // Processes spread over the members; these are one process.
        urls.rotate_left(number % 3);
        at(&urls)
    }

    /// Cuts the connections of one proxy after the other for a while.
    fn cut_for(&self, ms: u64) {
        let started = Instant::now();
        for proxy in self.proxies.iter().cycle() {
            if started.elapsed() >= Duration::from_millis(ms) {
                return;
            }
            sleep(CUT_EVERY);
            proxy.cut_connections();
        }
    }

    /// Lets one member after the other fail, the leader first.
    fn run(&self) {
        self.cut_for(1500);
        let leader = self.cluster.leader();
        self.cluster.kill(leader);
        self.cut_for(2000);
        self.cluster.restart(leader);
        self.cut_for(1500);
        let leader = self.cluster.leader();
        self.cluster.stop(leader);
        self.cut_for(3000);
        self.cluster.resume(leader);
        self.cut_for(1500);
        let follower = (self.cluster.leader() + 1) % 3;
        self.cluster.stop(follower);
        self.cut_for(2000);
        self.cluster.resume(follower);
        self.cut_for(1000);
        let follower = (self.cluster.leader() + 2) % 3;
        self.cluster.kill(follower);
        self.cut_for(1500);
        self.cluster.restart(follower);
        self.cut_for(1500);
    }
}

/// Asserts that the store holds what everybody was told, gives all of it back, and asserts that nothing is left.
fn settle(cluster: &Cluster, settings: &EtcdSettings, ledger: &Ledger) {
    let store = store(settings);
    assert_sound(&store);
    for (ip, handle) in &ledger.holders {
        assert_eq!(held(&store, handle), [ip.as_str()], "{handle}");
    }
    for handle in &ledger.empty {
        assert_eq!(held(&store, handle), [""; 0], "{handle}");
    }
    for handle in ledger.holders.values().chain(&ledger.unknown) {
        ask(&store, &release(handle), DEADLINE).unwrap();
        assert_eq!(held(&store, handle), [""; 0], "{handle}");
    }
    assert_sound(&store);
    let handles = ["get", "/calico/ipam/v2/handle/", "--prefix", "--keys-only"];
    assert_eq!(cluster.ctl(&handles).unwrap().trim(), "");
}

#[test]
fn members_that_fail_under_load_cost_nobody_an_address() {
    let stage = Stage::start();
    let settings = at(&stage.cluster.endpoints());
    make_pools(&settings, &[("p", "10.0.0.0/23")]);
    let (ledger, is_over) = (Mutex::default(), AtomicBool::new(false));
    let started = Instant::now();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (ledger, is_over, settings) = (&ledger, &is_over, stage.settings(number));
            scope.spawn(move || Client { number, settings, ledger }.run(is_over));
        }
        // However the breaking ends, the clients do.
        let _ends = Ends(&is_over);
        stage.run();
    });
    let ledger: Ledger = ledger.into_inner().unwrap();
    tell(&format!("{CLIENTS} clients in {:.1?}: {}", started.elapsed(), ledger.tally));
    assert!(ledger.tally.added > 200, "there was no load");
    settle(&stage.cluster, &settings, &ledger);
}
