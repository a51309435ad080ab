//! Nodes, what they remember, and who was told that he has what.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use fastrand::Rng;
use ipam_core::kv::Recollection;
use ipam_core::model::Timestamp;
use ipam_etcd::{Memory, cache};

use super::call::{Call, Ended, Verb};
use super::phase::Job;
use super::pod::Pod;
use super::size::Size;

/// The most wrongs that are kept: where one thing is wrong, thousands are.
const WRONGS_MAX: usize = 20;

/// A cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) size: Size,
    pub(super) nodes: Vec<Node>,
    pub(super) rng: Rng,
    held: BTreeMap<IpAddr, Pod>,
    made: u64,
    wrong: Vec<String>,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    /// The pods that run on it.
    pub(super) pods: Vec<Pod>,
    memory: Option<Recollection>,
}

impl Cluster {
    /// Makes nodes that nothing runs on.
    pub(super) fn new(size: &Size) -> Self {
        let node = |at| Node {
            name: format!("worker-{at:05}.fra1.example.net"),
            pods: Vec::new(),
            memory: None,
        };
        Self {
            size: size.clone(),
            nodes: (0..size.nodes).map(node).collect(),
            rng: Rng::with_seed(size.seed),
            held: BTreeMap::new(),
            made: 0,
            wrong: Vec::new(),
        }
    }

    /// Makes a pod that never was.
    pub(super) fn new_pod(&mut self) -> Pod {
        self.made += 1;
        Pod(self.made)
    }

    /// Begins what a node is to do; `None` where no plugin is called for it.
    pub(super) fn begin(&mut self, at: usize, job: Job, now: Timestamp) -> Option<Call> {
        let node = &mut self.nodes[at];
        let (verb, pod) = match job {
            Job::Add(pod) => (Verb::Add, pod),
            Job::Del(pod) => (Verb::Del, pod),
            Job::Restart => {
                node.memory = None;
                return None;
            }
        };
        let (host, memory) = (node.name.clone(), node.memory.clone());
        Some(Call { verb, pod, host, memory, now })
    }

    /// Notes what a plugin on a node told its caller, and what it left behind.
    pub(super) fn end(&mut self, at: usize, ended: &mut Ended) {
        let node = &mut self.nodes[at];
        match std::mem::replace(&mut ended.memory, Memory::Unchanged) {
            Memory::Unchanged => {}
            Memory::Lost => node.memory = None,
            Memory::New(memory) => node.memory = Some(memory),
        }
        let pod = ended.pod;
        match (ended.verb, &ended.addresses) {
            (Verb::Add, Ok(addresses)) => {
                node.pods.push(pod);
                if addresses.len() != 1 {
                    self.report(format!("{pod:?} was given {addresses:?}"));
                }
                for ip in addresses {
                    if let Some(other) = self.held.insert(*ip, pod) {
                        self.report(format!("{pod:?} was given {ip}, which {other:?} has"));
                    }
                }
            }
            (Verb::Del, Ok(addresses)) => {
                node.pods.retain(|other| *other != pod);
                let had: Vec<_> = addresses.iter().map(|ip| self.held.remove(ip)).collect();
                if had != [Some(pod)] {
                    self.report(format!("{pod:?} gave {addresses:?} back, of {had:?}"));
                }
            }
            (Verb::Add | Verb::Del, Err(_)) => {}
        }
    }

    /// Returns the addresses that pods hold, as they were told.
    pub(super) fn held(&self) -> BTreeSet<IpAddr> {
        self.held.keys().copied().collect()
    }

    /// Returns how many bytes the node that remembers most keeps in its file.
    pub(super) fn remembered_max(&self) -> usize {
        let memories = self.nodes.iter().filter_map(|node| node.memory.as_ref());
        memories.map(|memory| cache::encode(memory).len()).max().unwrap_or_default()
    }

    /// Notes what must not be.
    pub(super) fn report(&mut self, what: String) {
        if self.wrong.len() < WRONGS_MAX {
            self.wrong.push(what);
        }
    }

    pub(super) fn into_wrong(self) -> Vec<String> {
        self.wrong
    }
}
