//! Whether what is stored is sound, and what everybody was told.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipam_core::check::check;
use ipam_core::model::key::{Named, parse};
use ipam_core::model::{Block, Timestamp};
use ipam_core::plan::Snapshot;

use super::cluster::Cluster;

/// Judges a store after a phase: no finding, exactly the addresses that pods were told, and one handle for each.
pub(super) fn judge(cluster: &mut Cluster, snapshot: &Snapshot, now: Timestamp, phase: &str) {
    for finding in check(snapshot, now) {
        cluster.report(format!("after {phase}: {finding:?}"));
    }
    let (mut stored, mut handles) = (BTreeSet::new(), 0);
    for kv in &snapshot.kvs {
        match parse(&kv.key) {
            Some(Named::Block(_)) => match Block::decode(&kv.key, &kv.value) {
                Ok(block) => stored.extend(addresses(&block)),
                Err(error) => cluster.report(format!("after {phase}: {error}")),
            },
            Some(Named::Handle(_)) => handles += 1,
            Some(
                Named::Affinity(..)
                | Named::Config
                | Named::Resource(..)
                | Named::Binding(_)
                | Named::PoolMark(_),
            )
            | None => {}
        }
    }
    let told = cluster.held();
    let running: usize = cluster.nodes.iter().map(|node| node.pods.len()).sum();
    if stored != told || handles != told.len() || running != told.len() {
        cluster.report(format!(
            "after {phase}: {running} pods run, {} addresses were told, {} are stored, of {handles} handles",
            told.len(),
            stored.len(),
        ));
    }
}

fn addresses(block: &Block) -> impl Iterator<Item = IpAddr> {
    block.taken().map(|(ordinal, _)| block.cidr.address_at(ordinal))
}
