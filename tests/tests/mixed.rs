//! Our own operations between any two requests of a stock node's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use ipam_etcd::embedded::{Create, EmbeddedStore};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::Endpoint;
use ipam_etcd::{EtcdSettings, ModelStore, Store};
use ipam_tests::etcd::{Shared, Version};
use ipam_tests::mixed::{Depth, Explored, Ours, Scene, alone, explore, scenes};
use tokio::runtime::{Builder, Runtime};

const STACK_BYTES: usize = 32 << 20;

/// Explores scenes on stores that `fresh` makes, and shows every run that breaks a promise.
fn explore_all<S: Store>(
    scenes: &[Scene],
    ours: &[Ours],
    depth: Depth,
    fresh: impl Fn() -> S + Sync,
) -> Explored {
    let (mut total, mut broken) = (Explored::default(), Vec::new());
    let mut run = |runtime: &Runtime| {
        for scene in scenes {
            for ours in ours {
                match runtime.block_on(explore(scene, ours, depth, &fresh)) {
                    Ok(explored) => total = total + explored,
                    Err(runs) => broken.extend(runs),
                }
            }
        }
    };
    // The futures of a debug build on top of those of a real client are deep.
    thread::scope(|scope| {
        let deep = thread::Builder::new().stack_size(STACK_BYTES);
        let worker = deep.spawn_scoped(scope, || {
            run(&Builder::new_current_thread().enable_all().build().unwrap());
        });
        worker.unwrap().join().unwrap();
    });
    assert!(broken.is_empty(), "{} runs break a promise:\n{}", broken.len(), broken.join("\n"));
    total
}

#[test]
fn nothing_is_lost_between_any_two_requests_of_a_stock_node() {
    let explored = explore_all(&scenes(), &Ours::ALL, Depth::AtOnce, ModelStore::default);
    assert!(explored.runs > 6_000 && explored.replies[0] > 5_000, "{explored:?}");
    assert!(explored.stock[0] > 3_500 && explored.stock[1] > 2_000, "{explored:?}");
}

/// Half of the scenes each, so that the two run side by side.
#[test]
fn nothing_is_lost_if_we_read_before_and_write_after_a_stock_node_does() {
    let scenes = scenes();
    let explored = explore_all(&scenes[..11], &Ours::ALL, Depth::Split, ModelStore::default);
    assert!(explored.runs > 5_000 && explored.replies[0] > 4_500, "{explored:?}");
}

#[test]
fn nothing_is_lost_if_we_read_before_and_write_after_a_stock_node_does_in_other_scenes() {
    let scenes = scenes();
    let explored = explore_all(&scenes[11..], &Ours::ALL, Depth::Split, ModelStore::default);
    assert!(explored.runs > 5_000 && explored.replies[0] > 4_500, "{explored:?}");
}

/// How often a stock node asks a store, and how many of these requests write: as it was measured next to a real one, or
/// counted in Calico's source.
const REQUESTS: [(&str, usize, usize); 12] = [
    ("an own block", 10, 2),
    ("a fresh claim", 15, 6),
    ("dual stack, own blocks", 20, 4),
    ("dual stack, fresh claims", 30, 12),
    ("borrowing", 10, 2),
    ("taking an empty block back", 20, 9),
    ("a pending claim without a block", 14, 5),
    ("a pending claim on a block in use", 13, 5),
    ("one address of an own block", 6, 2),
    ("one address, fresh claim", 10, 5),
    ("a DEL", 9, 2),
    ("a DEL of both families", 15, 4),
];

#[test]
fn a_stock_node_asks_as_often_as_was_measured() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let scenes = scenes();
    for (name, calls, writes) in REQUESTS {
        let scene = scenes.iter().find(|scene| scene.name == name).unwrap();
        let made = runtime.block_on(alone(scene, &ModelStore::default()));
        assert_eq!((made.calls, made.writes.len()), (calls, writes), "{name}: {made:?}");
    }
}

/// Each run takes its own look at one server, which is emptied in between, so not every pair is run.
#[test]
fn every_scene_on_real_etcd() {
    let server = Shared::take(Version::System);
    let fresh = || {
        let endpoints = vec![Endpoint { url: server.endpoint() }];
        EtcdStore::new(EtcdSettings { endpoints, tls: None, login: None }, None)
    };
    let scenes = scenes();
    let mut total = Explored::default();
    for (at, scene) in scenes.iter().enumerate() {
        let ours = std::slice::from_ref(&Ours::ALL[at % Ours::ALL.len()]);
        total = total + explore_all(std::slice::from_ref(scene), ours, Depth::AtOnce, fresh);
    }
    assert!(total.runs > 500 && total.stock[1] > 100, "{total:?}");
}

/// The exploration asks nothing of a store but the trait.
#[test]
fn one_scene_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    let number = AtomicU32::new(0);
    let fresh = || {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let path = folder.path().join(format!("{number}.db"));
        EmbeddedStore::open(&path, Create::IfMissing, std::time::Duration::from_secs(10)).unwrap()
    };
    let ours = [Ours::AssignHere, Ours::ReleaseSameHandle];
    let explored = explore_all(&scenes()[1..2], &ours, Depth::AtOnce, fresh);
    assert!(explored.runs > 25, "{explored:?}");
}
