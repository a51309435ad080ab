//! Many nodes that fill up from one pool, all at once.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use ipam_core::check::{Severity, check};
use ipam_core::plan::ReadAll;

use super::engine::{Node, make_pool, settings};
use super::report::Line;
use crate::etcd::Etcd;
use crate::world::now;

const NODES: usize = 64;
const PODS: usize = 110;
/// 256 blocks of 64 addresses, of which each node needs two.
const POOL: &str = "10.64.0.0/18";
const CONFLICTS_PER_ADDRESS: f64 = 0.1;

/// Gives each node its pods one after the other, as a kubelet's lock would have it, but all nodes at once from nothing. A
/// failed call, an address given twice or an unsound store ends the run.
pub(super) fn lines() -> Vec<Line> {
    let etcd = Etcd::start();
    make_pool(settings(etcd.endpoint(), None), POOL);
    let start = Barrier::new(NODES);
    let began = Instant::now();
    let filled: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..NODES)
            .map(|node| {
                let (etcd, start) = (&etcd, &start);
                scope.spawn(move || {
                    let host = format!("node-{node:02}");
                    let mut node = Node::new(&host, settings(etcd.endpoint(), None));
                    start.wait();
                    let add = |pod| node.add(&format!("{host}-pod-{pod:03}"), 1);
                    (0..PODS).map(add).collect::<Vec<_>>()
                })
            })
            .collect();
        running.into_iter().flat_map(|node| node.join().expect("no call fails")).collect()
    });
    let elapsed = began.elapsed();
    let given = filled.iter().flat_map(|driven| &driven.reply.addresses);
    let addresses: BTreeSet<_> = given.map(|address| address.ip).collect();
    assert_eq!(addresses.len(), NODES * PODS, "nobody shares an address");
    let snapshot =
        Node::new("reader", settings(etcd.endpoint(), None)).drive(&ReadAll, now()).reply;
    let findings = check(&snapshot, now());
    let is_error = |severity| severity == Severity::Error;
    assert!(!findings.iter().any(|finding| is_error(finding.rule.severity())), "{findings:?}");
    let conflicts: u32 = filled.iter().map(|driven| driven.conflicts).sum();
    let trips: u32 = filled.iter().map(|driven| driven.round_trips).sum();
    let of_each = |sum: u32| f64::from(sum) / (NODES * PODS) as f64;
    vec![
        Line::of_limit(
            &format!("conflicts an address, {NODES} nodes x {PODS} pods"),
            of_each(conflicts),
            CONFLICTS_PER_ADDRESS,
            "",
        ),
        Line::of_note(
            "  addresses, failures, time",
            format!("{}, 0, {:.1} s", addresses.len(), elapsed.as_secs_f64()),
            format!("{:.3} round trips an address", of_each(trips)),
        ),
    ]
}
