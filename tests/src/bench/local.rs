//! What needs no etcd, against `host-local`.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::calls::{NodeFiles, call, host_local_conf, installed};
use super::engine::{make_pool, settings};
use super::report::{Goal, Line, median};
use crate::etcd::Etcd;
use crate::plugin::netconf;
use crate::world::World;

const ROUNDS: usize = 300;
const WARM_UP: usize = 20;
const BURSTS: usize = 7;

/// Measures ADD and DEL as two processes on the embedded store. Both plugins run in turn, so that a machine that slows down
/// slows both.
pub(super) fn add_and_del(world: &World, host_local: &Path) -> Line {
    let data = tempfile::tempdir().expect("a folder for host-local");
    let theirs_conf = host_local_conf(data.path());
    let ours_conf = netconf(&world.path(), &json!({}));
    let programs = tempfile::tempdir().expect("a folder for the plugin");
    let ours_binary = installed("ringfence-ipam", programs.path());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS + WARM_UP {
        let container = format!("b{round}");
        let mine = pair(&ours_binary, &container, &ours_conf);
        let other = pair(host_local, &container, &theirs_conf);
        if round >= WARM_UP {
            ours.push(mine);
            theirs.push(other);
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let name = "ADD + DEL, embedded, full sync";
    Line::of_times(name, ours, "host-local", theirs, Goal::AtMost(1.0))
}

/// Measures 110 containers of one node, 16 at once, on both stores.
pub(super) fn bursts(world: &World, host_local: &Path) -> Vec<Line> {
    let etcd = Etcd::start();
    make_pool(settings(etcd.endpoint(), None), "10.20.0.0/16");
    let node = NodeFiles::plain(&etcd);
    let embedded = netconf(&world.path(), &json!({}));
    [("embedded", &embedded), ("etcd", &node.conf)]
        .map(|(store, conf)| {
            burst(&format!("burst of 110 ADD, 16 at once, {store}"), conf, host_local)
        })
        .into()
}

fn burst(name: &str, ours_conf: &Value, host_local: &Path) -> Line {
    let data = tempfile::tempdir().expect("a folder for host-local");
    let theirs_conf = host_local_conf(data.path());
    let programs = tempfile::tempdir().expect("a folder for the plugin");
    let ours_binary = installed("ringfence-ipam", programs.path());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..BURSTS {
        ours.push(all_at_once(&ours_binary, ours_conf, round));
        theirs.push(all_at_once(host_local, &theirs_conf, round));
    }
    Line::of_times(name, median(ours), "host-local", median(theirs), Goal::AtMost(2.0))
}

fn all_at_once(plugin: &Path, conf: &Value, round: usize) -> Duration {
    let started = Instant::now();
    thread::scope(|scope| {
        for lane in 0..16 {
            scope.spawn(move || {
                for container in (lane..110).step_by(16) {
                    call(plugin, "ADD", &format!("burst{round}-{container}"), conf);
                }
            });
        }
    });
    let elapsed = started.elapsed();
    for container in 0..110 {
        call(plugin, "DEL", &format!("burst{round}-{container}"), conf);
    }
    elapsed
}

fn pair(plugin: &Path, container: &str, conf: &Value) -> Duration {
    call(plugin, "ADD", container, conf) + call(plugin, "DEL", container, conf)
}
