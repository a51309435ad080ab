//! The plugin is killed around each of its calls to etcd; then a DEL leaves nothing behind.

use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipam_tests::etcd::{Fault, Moment, Proxy};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);
const MOMENTS: [Moment; 4] =
    [Moment::BeforeRequest, Moment::AfterRequest, Moment::BeforeReply, Moment::AfterReply];

/// Starts a call whose connection is cut at a moment, after which nothing passes any more, and kills it there. Says
/// whether it came that far.
fn killed_at(proxy: &Proxy, call: &Call, number: u64, at: Moment) -> bool {
    proxy.set_then(Fault::Cut { call: number, at }, Fault::Silence);
    let before = proxy.counts().cuts;
    let mut child: Child = call.start(Stdio::piped());
    let started = Instant::now();
    let came = loop {
        if proxy.counts().cuts > before {
            break true;
        }
        if child.try_wait().unwrap().is_some() {
            break false;
        }
        assert!(started.elapsed() < PATIENCE, "neither cut nor ended");
        sleep(Duration::from_millis(1));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    proxy.set(Fault::None);
    proxy.cut_connections();
    came
}

#[test]
fn whoever_dies_leaves_nothing_that_a_del_does_not_take_back() {
    let (mut deaths, mut commits) = (0, 0);
    for ipam in [single(), dual()] {
        for remembers in [false, true] {
            for at in MOMENTS {
                for number in 1..=4 {
                    let world = world();
                    let proxy = Proxy::to(&world.server().endpoint());
                    let netconf = world.netconf_at(&proxy.endpoint(), &ipam);
                    let done = |command: &str, container: &str| {
                        let answer = Call::new(command, container, &netconf).run();
                        assert!(answer.success, "{:?}", answer.json);
                    };
                    if remembers {
                        done("ADD", "before");
                    }
                    let held = world.taken();
                    let add = Call::new("ADD", "dead", &netconf);
                    deaths += u32::from(killed_at(&proxy, &add, number, at));
                    commits += u32::from(world.taken() != held);
                    assert!(world.findings().is_empty(), "{:?}", world.findings());
                    let del = Call::new("DEL", "dead", &netconf);
                    deaths += u32::from(killed_at(&proxy, &del, number, at));
                    assert!(world.findings().is_empty(), "{:?}", world.findings());
                    done("DEL", "dead");
                    assert_eq!(world.taken(), held, "{at:?} of call {number}, {ipam}");
                    let handles = world.contents();
                    let handles = handles.iter().filter(|kv| kv.key.contains("/handle/"));
                    assert_eq!(handles.count(), usize::from(remembers));
                    // What the dead remembered misleads nobody.
                    done("ADD", "after");
                    assert!(world.taken().len() > held.len());
                    assert!(world.findings().is_empty(), "{:?}", world.findings());
                }
            }
        }
    }
    assert!(deaths > 40, "{deaths} deaths only");
    assert!(commits > 4, "{commits} died after their commit only");
}
