//! Holding the store against the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::ip::Cidr;
use crate::model::Timestamp;
use crate::plan::{CollectCold, Holder};

use super::index::{Allocation, Host, Index};
use super::validity::Purpose;
use super::{Abandoned, Cluster, Fault, GoneNode, Grace, Leak, Memory, Pass, Proof, Sighting};

/// What is held against each other.
pub(super) struct Judge<'a> {
    pub(super) index: &'a Index,
    pub(super) cluster: &'a Cluster,
    pub(super) grace: Grace,
    pub(super) memory: &'a Memory,
    pub(super) now: Timestamp,
}

impl Judge<'_> {
    /// Judges every node that claims a block or has an address, then the blocks.
    pub(super) fn pass(&self) -> Pass {
        let mut pass = Pass {
            leaks: Vec::new(),
            cold: self.cold(),
            claims: Vec::new(),
            nodes: self.gone_nodes(),
            memory: Memory::default(),
            unreadable: Vec::new(),
        };
        let mut by_node: BTreeMap<String, Vec<Allocation<'_>>> = BTreeMap::new();
        for (node, _) in self.index.claimed() {
            by_node.entry(node).or_default();
        }
        for allocation in self.index.allocations() {
            if let Some(node) = allocation.attribute("node") {
                by_node.entry(node.to_owned()).or_default().push(allocation);
            }
        }
        for (node, allocations) in &by_node {
            match self.index.host(node, self.cluster) {
                Host::Living(name) => self.living(name, allocations, &mut pass),
                Host::Gone(name) => self.gone(node, name, allocations, &mut pass),
                Host::Foreign => {}
            }
        }
        self.keep_handles_whole(&mut pass.leaks);
        self.idle_blocks(&mut pass);
        pass
    }

    /// Judges the addresses of a node that lives; its tunnels live with it.
    fn living(&self, name: &str, allocations: &[Allocation<'_>], pass: &mut Pass) {
        for allocation in allocations.iter().filter(|a| a.purpose() == Purpose::Pod) {
            let Some(fault) = allocation.fault(Some(name), self.cluster) else { continue };
            let proof = self.suspect(allocation, &mut pass.memory);
            pass.leaks.extend(proof.map(|proof| leak(allocation, fault, proof)));
        }
    }

    /// Judges the addresses of a node that is gone. Its tunnels and claims go with the last thing that is in use there, which
    /// may show that the node is not gone at all.
    fn gone(
        &self,
        node: &str,
        name: Option<&str>,
        allocations: &[Allocation<'_>],
        pass: &mut Pass,
    ) {
        let mut is_used = false;
        let mut tunnels = Vec::new();
        for allocation in allocations {
            let fault = match allocation.purpose() {
                Purpose::Unknown => None,
                Purpose::Pod => allocation.fault(name, self.cluster),
                Purpose::Tunnel => {
                    tunnels.push(leak(allocation, Fault::NoNode, Proof::NodeGone));
                    continue;
                }
            };
            match fault {
                None => is_used = true,
                Some(fault) => pass.leaks.push(leak(allocation, fault, Proof::NodeGone)),
            }
        }
        if !is_used {
            pass.leaks.extend(tunnels);
            pass.claims.push(Abandoned::NodeGone { node: node.to_owned() });
        }
    }

    /// Remembers an address that nobody seems to use; returns the proof where it has looked like that for long enough.
    fn suspect(&self, allocation: &Allocation<'_>, memory: &mut Memory) -> Option<Proof> {
        let key = (allocation.ip, allocation.handle.to_owned());
        let earlier = self.memory.suspects.get(&key);
        let sighting = Sighting::resume(earlier, allocation.sequence, self.now);
        memory.suspects.insert(key, sighting);
        let machine = allocation.is_machine();
        let seconds = if machine { self.grace.machine_seconds } else { self.grace.leak_seconds };
        sighting.is_older_than(seconds, self.now).then_some(Proof::Since(sighting.since))
    }

    /// Drops the leaks whose handle holds anything else: a workload keeps all of its addresses or none.
    fn keep_handles_whole(&self, leaks: &mut Vec<Leak>) {
        let leaked: BTreeSet<(Cidr, IpAddr)> =
            leaks.iter().map(|leak| (leak.block, leak.ip)).collect();
        let kept = self.index.allocations().filter(|kept| !leaked.contains(&(kept.block, kept.ip)));
        let in_use: BTreeSet<&str> = kept.map(|kept| kept.handle).collect();
        leaks.retain(|leak| {
            leak.holder.handle.as_deref().is_some_and(|handle| !in_use.contains(handle))
        });
        leaks.sort_by_key(|leak| (leak.block, leak.ip));
    }

    /// Names the empty blocks that a node does not need: it keeps one.
    fn idle_blocks(&self, pass: &mut Pass) {
        let mut left: BTreeMap<String, usize> = BTreeMap::new();
        for (node, _) in self.index.claimed() {
            *left.entry(node).or_default() += 1;
        }
        for gone in &pass.claims {
            left.remove(gone.node());
        }
        for (node, block) in self.index.claimed() {
            let Some(blocks) = left.get_mut(&node).filter(|blocks| **blocks > 1) else { continue };
            if block.taken().next().is_some() || !self.may_shrink(&node) {
                continue;
            }
            let earlier = self.memory.idle.get(&block.cidr);
            let sighting = Sighting::resume(earlier, block.sequence_number, self.now);
            pass.memory.idle.insert(block.cidr, sighting);
            if sighting.is_older_than(self.grace.leak_seconds, self.now) {
                let since = sighting.since;
                pass.claims.push(Abandoned::Idle {
                    node,
                    block: block.cidr,
                    blocks: *blocks,
                    since,
                });
                *blocks -= 1;
            }
        }
    }

    /// Says whether empty blocks of a node may be given up: not while it is moved from Flannel, or nothing is known of it.
    fn may_shrink(&self, node: &str) -> bool {
        match self.index.host(node, self.cluster) {
            Host::Living(name) => !self.cluster.migrating.contains(name),
            Host::Gone(_) => true,
            Host::Foreign => false,
        }
    }

    fn cold(&self) -> Vec<CollectCold> {
        let cooldown = self.index.cooldown_seconds;
        let blocks = self.index.blocks.values();
        let due = blocks.filter(|block| block.has_cold(self.now, cooldown));
        due.map(|block| CollectCold { block: block.cidr }).collect()
    }

    fn gone_nodes(&self) -> Vec<GoneNode> {
        let gone = self.index.records().filter(|(_, name)| !self.cluster.nodes.contains(*name));
        let named = |(node, name): (&str, &str)| GoneNode {
            node: node.to_owned(),
            kubernetes: name.to_owned(),
        };
        gone.map(named).collect()
    }
}

fn leak(allocation: &Allocation<'_>, fault: Fault, proof: Proof) -> Leak {
    Leak {
        ip: allocation.ip,
        block: allocation.block,
        holder: Holder::of(allocation.record),
        sequence: allocation.sequence,
        fault,
        proof,
    }
}
