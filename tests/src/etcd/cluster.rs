//! Three servers that agree.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::metrics::Metrics;
use super::options::Options;
use super::server::{Etcd, Member, retry};
use super::slot::Slot;

/// Two members choose a leader within a second; a slow machine may need several rounds.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// A cluster of three real members on loopback, counted from 0.
#[derive(Debug)]
pub struct Cluster {
    members: Vec<Etcd>,
}

impl Cluster {
    /// Starts a cluster in the usual way.
    ///
    /// # Panics
    ///
    /// As [`Options::start_three`].
    #[must_use]
    pub fn start() -> Self {
        Options::default().start_three()
    }

    pub(super) fn of(options: &Options) -> Self {
        retry(|| {
            let slots = [Slot::take(), Slot::take(), Slot::take()];
            let name = |at: usize| format!("member-{at}");
            let urls = slots.iter().map(|slot| format!("http://127.0.0.1:{}", slot.peer_port()));
            let named = urls.enumerate().map(|(at, url)| format!("{}={url}", name(at)));
            let cluster = named.collect::<Vec<_>>().join(",");
            let member = |(at, slot)| {
                let (name, cluster) = (name(at), cluster.clone());
                let member = Member { name, cluster, heartbeat_ms: 20, election_ms: 200 };
                Etcd::spawned(options.clone(), slot, member)
            };
            let members: Vec<Etcd> = slots.into_iter().enumerate().map(member).collect();
            members.iter().try_for_each(Etcd::await_health)?;
            Ok(Self { members })
        })
    }

    /// Returns a member.
    #[must_use]
    pub fn member(&self, at: usize) -> &Etcd {
        &self.members[at]
    }

    /// Returns the URL of each member.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(Etcd::endpoint).collect()
    }

    /// Runs `etcdctl` with all members to choose from.
    ///
    /// # Errors
    ///
    /// As [`Ctl::run`](super::Ctl::run).
    pub fn ctl(&self, args: &[&str]) -> Result<String, String> {
        self.members[0].client_at(self.endpoints().join(",")).run(args)
    }

    /// Waits until just one of the members that answer says that it leads, and returns which.
    ///
    /// # Panics
    ///
    /// If there is none for long.
    #[must_use]
    pub fn leader(&self) -> usize {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let leads =
                |member: &Etcd| member.try_metrics().is_some_and(|m| Metrics::is_leader(&m));
            let leaders: Vec<usize> =
                (0..self.members.len()).filter(|at| leads(&self.members[*at])).collect();
            if let [leader] = leaders[..] {
                return leader;
            }
            sleep(POLL);
        }
        panic!("no leader within {PATIENCE:?}");
    }

    /// Kills a member, as [`Etcd::kill`].
    pub fn kill(&self, at: usize) {
        self.members[at].kill();
    }

    /// Stops a member in its tracks, as [`Etcd::stop`].
    pub fn stop(&self, at: usize) {
        self.members[at].stop();
    }

    /// Lets a member go on, as [`Etcd::resume`].
    pub fn resume(&self, at: usize) {
        self.members[at].resume();
    }

    /// Starts a member again and waits until it is healthy, as [`Etcd::restart`]; another one must run.
    pub fn restart(&self, at: usize) {
        self.members[at].restart();
    }
}
