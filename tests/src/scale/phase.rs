//! What a cluster goes through.

use std::time::Duration;

use super::cluster::Cluster;
use super::pod::Pod;

/// How long a runtime needs between two pods of a node that restarts: it starts twenty a second.
const RESTART_PAUSE: Duration = Duration::from_millis(50);

/// Something that a node does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job {
    /// A pod comes.
    Add(Pod),
    /// A pod goes.
    Del(Pod),
    /// It restarts, and with that forgets what it remembered.
    Restart,
}

/// What happens to a cluster.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) name: &'static str,
    /// What each node does, one after the other, as the lock of a node has it.
    pub(super) jobs: Vec<Vec<Job>>,
    /// The nodes in the order in which they begin.
    pub(super) order: Vec<usize>,
    /// How many nodes are at work at a time.
    pub(super) at_once: usize,
    /// How long a node waits between two calls.
    pub(super) pause: Duration,
}

impl Phase {
    /// Every node gets its pods; all nodes begin with nothing, at the same moment, and never pause.
    pub(super) fn fill(cluster: &mut Cluster) -> Self {
        let pods = cluster.size.pods;
        let jobs = (0..cluster.nodes.len())
            .map(|_| (0..pods).map(|_| Job::Add(cluster.new_pod())).collect())
            .collect();
        Self::of("fill", cluster, jobs)
    }

    /// Every node in turn loses its pods and what it remembers, and gets as many new pods.
    pub(super) fn restart(cluster: &mut Cluster) -> Self {
        let mut jobs = Vec::new();
        for at in 0..cluster.nodes.len() {
            let going = cluster.shuffled_pods(at);
            let mut of_node: Vec<Job> = going.iter().copied().map(Job::Del).collect();
            of_node.push(Job::Restart);
            of_node.extend(going.iter().map(|_| Job::Add(cluster.new_pod())));
            jobs.push(of_node);
        }
        let phase = Self::of("restart", cluster, jobs);
        Self { at_once: cluster.size.at_once, pause: RESTART_PAUSE, ..phase }
    }

    /// Pods come to nodes as chance has it, all at the same moment.
    pub(super) fn burst(cluster: &mut Cluster) -> Self {
        let mut jobs = vec![Vec::new(); cluster.nodes.len()];
        for _ in 0..cluster.size.burst {
            let pod = cluster.new_pod();
            let at = cluster.rng.usize(..jobs.len());
            jobs[at].push(Job::Add(pod));
        }
        Self::of("burst", cluster, jobs)
    }

    /// Every pod goes.
    pub(super) fn empty(cluster: &mut Cluster) -> Self {
        let jobs = (0..cluster.nodes.len())
            .map(|at| cluster.shuffled_pods(at).into_iter().map(Job::Del).collect())
            .collect();
        Self::of("empty", cluster, jobs)
    }

    fn of(name: &'static str, cluster: &mut Cluster, jobs: Vec<Vec<Job>>) -> Self {
        let mut order: Vec<usize> = (0..jobs.len()).collect();
        cluster.rng.shuffle(&mut order);
        Self { name, at_once: jobs.len(), jobs, order, pause: Duration::ZERO }
    }
}

impl Cluster {
    fn shuffled_pods(&mut self, at: usize) -> Vec<Pod> {
        let mut pods = self.nodes[at].pods.clone();
        self.rng.shuffle(&mut pods);
        pods
    }
}
