//! Connections that break at every moment of every call: an ADD gives what it was asked for once, a DEL leaves nothing.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use ipam_core::ip::Family;
use ipam_core::plan::{Assign, Replay};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::{DriveError, Store};
use ipam_tests::etcd::{Fault, Moment, Proxy, Shared, Version};

use super::at;
use super::requests::{
    DEADLINE, ask, assert_sound, assign, held, ips, is_unknown, make_pools, release, store,
};

const MOMENTS: [Moment; 5] = [
    Moment::BeforeRequest,
    Moment::AfterRequest,
    Moment::BeforeReply,
    Moment::InReply,
    Moment::AfterReply,
];
/// A request that takes more calls than this has gone astray.
const CALLS_MAX: u64 = 12;
/// A server may answer before the end of a request, which the client then has no reason to send.
const TRIES: u32 = 5;
const BOTH: [Family; 2] = [Family::V4, Family::V6];

/// A real etcd with pools, which is reached straight and through a proxy.
struct World {
    etcd: Shared,
    proxy: Proxy,
    direct: EtcdStore,
}

/// What is done, again and again, while something breaks.
struct Scene<'a> {
    families: &'a [Family],
    replay: Replay,
    /// Whether each ADD finds no block of its host.
    is_new_host: bool,
}

impl World {
    fn new() -> Self {
        let etcd = Shared::take(Version::System);
        let settings = at(&[etcd.endpoint()]);
        make_pools(&settings, &[("p", "10.0.0.0/20"), ("q", "fd00::/112")]);
        let proxy = Proxy::to(&etcd.endpoint());
        Self { direct: store(&settings), etcd, proxy }
    }

    /// Opens a store that is reached through the proxy, as a process does.
    fn broken(&self) -> EtcdStore {
        store(&at(&[self.proxy.endpoint()]))
    }

    /// Asks for addresses while a fault is set, gives them back while it is set again, and judges both. Says whether the
    /// fault cut a connection either time.
    fn add_and_del(&self, name: &str, scene: &Scene<'_>, fault: Fault) -> bool {
        let cuts = self.proxy.counts().cuts;
        let host = if scene.is_new_host { name } else { "host" };
        self.proxy.set(fault);
        let added = ask(&self.broken(), &scene.request(name, host), DEADLINE);
        self.proxy.set(Fault::None);
        let added = ips(&added.unwrap_or_else(|error| panic!("{name}: {error:?}")).reply);
        assert_eq!(added.len(), scene.families.len(), "{name}");
        assert_eq!(held(&self.direct, name), added, "{name}");
        self.proxy.set(fault);
        let deleted = ask(&self.broken(), &release(name), DEADLINE);
        self.proxy.set(Fault::None);
        deleted.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(held(&self.direct, name), [""; 0], "{name}");
        self.proxy.counts().cuts > cuts
    }

    /// Asserts that the store is sound and that nobody holds anything.
    fn assert_empty(&self) {
        assert_sound(&self.direct);
        let handles = ["get", "/calico/ipam/v2/handle/", "--prefix", "--keys-only"];
        assert_eq!(self.etcd.ctl(&handles).trim(), "");
    }
}

impl Scene<'_> {
    fn request(&self, name: &str, host: &str) -> Assign {
        assign(name, host, self.replay, self.families)
    }
}

/// Cuts every call of a scene at every moment, until there is no such call; returns how many calls there are.
fn cut_every_call(scene: &Scene<'_>) -> u64 {
    let world = World::new();
    for call in 1..CALLS_MAX {
        let is_cut = MOMENTS.map(|at| {
            (0..TRIES).any(|number| {
                let name = format!("{call}-{at:?}-{number}").to_lowercase();
                world.add_and_del(&name, scene, Fault::Cut { call, at })
            })
        });
        if is_cut == [false; MOMENTS.len()] {
            world.assert_empty();
            return call - 1;
        }
        assert_eq!(is_cut, [true; MOMENTS.len()], "call {call}");
    }
    panic!("there is no end of calls");
}

#[test]
fn a_call_that_is_cut_gives_one_address() {
    for replay in [Replay::Same, Replay::Again] {
        let scene = Scene { families: &[Family::V4], replay, is_new_host: false };
        assert!(cut_every_call(&scene) >= 3);
    }
}

#[test]
fn a_call_that_is_cut_gives_one_address_of_a_new_block() {
    for replay in [Replay::Same, Replay::Again] {
        let scene = Scene { families: &[Family::V4], replay, is_new_host: true };
        assert!(cut_every_call(&scene) >= 3);
    }
}

#[test]
fn a_call_that_is_cut_gives_one_address_of_each_family() {
    for is_new_host in [false, true] {
        let scene = Scene { families: &BOTH, replay: Replay::Again, is_new_host };
        assert!(cut_every_call(&scene) >= 3);
    }
}

#[test]
fn a_cut_anywhere_in_the_bytes_gives_one_address() {
    for is_new_host in [false, true] {
        let world = World::new();
        let scene = Scene { families: &BOTH, replay: Replay::Again, is_new_host };
        let before = world.proxy.counts().bytes_to_server;
        world.add_and_del("whole", &scene, Fault::None);
        let bytes = world.proxy.counts().bytes_to_server - before;
        for at in (0..bytes).step_by(usize::try_from(bytes / 40).unwrap()) {
            world.add_and_del(&format!("after-{at}"), &scene, Fault::CutAfterBytes(at));
        }
        world.assert_empty();
    }
}

/// A request is two pieces and a reply three, and a connection begins with some: nothing is answered within half a second.
const LATE: Duration = Duration::from_millis(200);

#[test]
fn a_way_there_slower_than_anybody_waits_gives_one_address() {
    let world = World::new();
    let scene = Scene { families: &[Family::V4], replay: Replay::Again, is_new_host: true };
    let fault = Fault::Delay { requests: LATE, replies: Duration::ZERO };
    world.add_and_del("late", &scene, fault);
    world.assert_empty();
}

#[test]
fn a_way_back_slower_than_anybody_waits_gives_one_address() {
    let world = World::new();
    let scene = Scene { families: &[Family::V4], replay: Replay::Again, is_new_host: false };
    let fault = Fault::Delay { requests: Duration::ZERO, replies: LATE };
    world.add_and_del("late", &scene, fault);
    world.assert_empty();
}

#[test]
fn a_store_waits_as_long_as_answers_take() {
    let world = World::new();
    world.proxy.set(Fault::Delay { requests: Duration::ZERO, replies: LATE });
    let store = world.broken();
    held(&store, "nobody");
    let before = world.proxy.counts().calls;
    for _ in 0..3 {
        held(&store, "nobody");
    }
    assert_eq!(world.proxy.counts().calls - before, 3, "none was given up and repeated");
}

#[test]
fn a_silence_that_passes_gives_one_address_and_one_that_stays_ends_in_time() {
    let world = World::new();
    let scene = Scene { families: &[Family::V4], replay: Replay::Again, is_new_host: true };
    for ms in [100, 700, 1500] {
        let name = format!("silent-{ms}");
        world.proxy.set(Fault::Silence);
        let added = thread::scope(|scope| {
            let waiting =
                scope.spawn(|| ask(&world.broken(), &scene.request(&name, &name), DEADLINE));
            thread::sleep(Duration::from_millis(ms));
            world.proxy.set(Fault::None);
            waiting.join().unwrap().unwrap()
        });
        assert_eq!(held(&world.direct, &name), ips(&added.reply));
        ask(&world.direct, &release(&name), DEADLINE).unwrap();
    }
    world.proxy.set(Fault::Silence);
    let (started, deadline) = (Instant::now(), Duration::from_secs(3));
    let error = ask(&world.broken(), &scene.request("never", "host"), deadline);
    assert!(matches!(error, Err(DriveError::Store(_))), "{error:?}");
    let took = started.elapsed();
    assert!(took < deadline + Duration::from_secs(2), "{took:?}");
    world.assert_empty();
}

#[test]
fn an_outcome_that_stays_unknown_is_told_as_such_and_settled_by_a_del() {
    let world = World::new();
    let scene = Scene { families: &[Family::V4], replay: Replay::Same, is_new_host: false };
    world.add_and_del("first", &scene, Fault::None);
    for (at, is_held) in [(Moment::BeforeRequest, false), (Moment::BeforeReply, true)] {
        // The write is the third call; afterwards nobody gets through.
        let name = format!("{at:?}").to_lowercase();
        world
            .proxy
            .set_then(Fault::Cut { call: calls_before_the_write(&world) + 1, at }, Fault::Refuse);
        let request = scene.request(&name, "host");
        let error = ask(&world.broken(), &request, Duration::from_secs(1)).unwrap_err();
        assert!(is_unknown(&error), "{error:?}");
        assert_eq!(held(&world.direct, &name).len(), usize::from(is_held));
        world.proxy.set(Fault::None);
        ask(&world.broken(), &release(&name), DEADLINE).unwrap();
    }
    world.assert_empty();
}

/// Counts the calls of an ADD in a known block without its last one.
fn calls_before_the_write(world: &World) -> u64 {
    let scene = Scene { families: &[Family::V4], replay: Replay::Same, is_new_host: false };
    let before = world.proxy.counts().calls;
    ask(&world.broken(), &scene.request("counted", "host"), DEADLINE).unwrap();
    let calls = world.proxy.counts().calls - before;
    ask(&world.direct, &release("counted"), DEADLINE).unwrap();
    calls - 1
}

#[test]
fn who_is_cut_while_another_draws_from_the_same_block_gets_an_address_of_its_own() {
    let world = World::new();
    for call in 1..=4 {
        for at in MOMENTS {
            let name = format!("{call}-{at:?}").to_lowercase();
            world.proxy.set(Fault::Cut { call, at });
            let (broken, direct) = thread::scope(|scope| {
                let (world, name) = (&world, &name);
                let broken = scope.spawn(move || take_three(&world.broken(), "broken", name));
                let direct = take_three(&world.direct, "direct", name);
                (broken.join().unwrap(), direct)
            });
            world.proxy.set(Fault::None);
            let all: BTreeSet<&String> = broken.iter().chain(&direct).collect();
            assert_eq!(all.len(), 6, "{name}: {broken:?} {direct:?}");
            assert_sound(&world.direct);
            for (who, ips) in [("broken", broken), ("direct", direct)] {
                for (number, ip) in ips.into_iter().enumerate() {
                    let handle = format!("{who}-{name}-{number}");
                    assert_eq!(held(&world.direct, &handle), [ip]);
                    ask(&world.direct, &release(&handle), DEADLINE).unwrap();
                }
            }
        }
    }
    assert!(world.proxy.counts().cuts >= 3 * MOMENTS.len() as u64);
    world.assert_empty();
}

/// Takes an address three times, each under a handle of its own, for the same host.
fn take_three(store: &impl Store, who: &str, name: &str) -> Vec<String> {
    let take = |number| {
        let handle = format!("{who}-{name}-{number}");
        let request = assign(&handle, "host", Replay::Again, &[Family::V4]);
        ips(&ask(store, &request, DEADLINE).unwrap().reply).concat()
    };
    (0..3).map(take).collect()
}
