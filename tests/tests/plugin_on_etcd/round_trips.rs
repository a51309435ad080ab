//! What a call costs, as etcd itself counts it.

use std::thread::sleep;
use std::time::Duration;

use ipam_tests::world::reservation;

use super::*;

/// How long etcd may take to count what it has answered.
const COUNTING: Duration = Duration::from_millis(60);

/// Makes a call and returns how many requests etcd has answered for it.
fn cost(world: &EtcdWorld, command: &str, container: &str, ipam: &Value) -> u64 {
    let answered = || {
        sleep(COUNTING);
        world.server().metrics().reads_and_writes()
    };
    let before = answered();
    done(world, command, container, ipam);
    answered() - before
}

#[test]
fn etcd_counts_what_was_promised() {
    for ipam in [single(), dual()] {
        let world = world();
        let cost = |command: &str, container: &str| cost(&world, command, container, &ipam);
        assert_eq!(cost("ADD", "a"), 3, "nothing is remembered, and there is no block");
        assert_eq!(cost("ADD", "b"), 1);
        assert_eq!(cost("DEL", "a"), 1);
        (0..7).for_each(|n| assert_eq!(cost("ADD", &format!("fill{n}")), 1));
        assert_eq!(cost("ADD", "next"), 1, "a new block");
        assert_eq!(cost("DEL", "next"), 1);
        world.apply(reservation("r", &["10.20.0.200/32"]));
        assert_eq!(cost("ADD", "stale"), 2, "what is remembered is old");
        assert_eq!(cost("DEL", "stale"), 1);
        forget(&world);
        assert_eq!(cost("ADD", "known"), 3, "room in a known block");
        forget(&world);
        assert_eq!(cost("DEL", "known"), 3);
        forget(&world);
        assert_eq!(cost("DEL", "nobody"), 1);
    }
}

fn forget(world: &EtcdWorld) {
    std::fs::remove_dir_all(world.cache()).unwrap();
}
