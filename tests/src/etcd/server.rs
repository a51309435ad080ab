//! One server.

use std::fs::{File, read_to_string};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::auth::{self, User};
use super::ctl::Ctl;
use super::http;
use super::metrics::Metrics;
use super::options::Options;
use super::process;
use super::slot::Slot;

/// A server alone needs a tenth of a second, three of them half a second.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
const STARTS_MAX: u32 = 5;

/// A real etcd, killed and removed when dropped.
#[derive(Debug)]
pub struct Etcd {
    options: Options,
    member: Member,
    child: Mutex<Option<Child>>,
    has_users: AtomicBool,
    /// Last, so that the folder goes when nobody writes there any more.
    slot: Slot,
}

/// A server's part in its cluster.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// Every member as `name=url`, with commas between them.
    pub(super) cluster: String,
    pub(super) heartbeat_ms: u32,
    pub(super) election_ms: u32,
}

impl Etcd {
    /// Starts a server in the usual way.
    ///
    /// # Panics
    ///
    /// As [`Options::start`].
    #[must_use]
    pub fn start() -> Self {
        Options::default().start()
    }

    pub(super) fn alone(options: &Options) -> Self {
        retry(|| {
            let slot = Slot::take();
            let cluster = format!("alone=http://127.0.0.1:{}", slot.peer_port());
            let name = "alone".to_owned();
            let member = Member { name, cluster, heartbeat_ms: 10, election_ms: 100 };
            let etcd = Self::spawned(options.clone(), slot, member);
            etcd.await_health()?;
            Ok(etcd)
        })
    }

    /// Starts a server without waiting for it.
    pub(super) fn spawned(options: Options, slot: Slot, member: Member) -> Self {
        let (child, has_users) = (Mutex::default(), AtomicBool::default());
        let etcd = Self { options, member, child, has_users, slot };
        etcd.spawn();
        etcd
    }

    /// Returns the URL for clients.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme(), self.address())
    }

    /// Returns host and port for clients.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", self.options.listen.host(), self.slot.client_port())
    }

    /// Returns the number of the server's process.
    ///
    /// # Panics
    ///
    /// If it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child().as_ref().expect("the server runs").id()
    }

    /// Kills the server, as a power cut would.
    ///
    /// # Panics
    ///
    /// If that is not possible.
    pub fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            child.kill().expect("the server is killed");
            child.wait().expect("the server has ended");
        }
    }

    /// Stops the server in its tracks: connections stay open, nothing is answered.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn stop(&self) {
        process::stop(self.child().as_ref().expect("the server runs"));
    }

    /// Lets a stopped server go on.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn resume(&self) {
        process::resume(self.child().as_ref().expect("the server runs"));
    }

    /// Kills the server if it runs, starts it again with the same data and ports, and waits until it is healthy.
    ///
    /// # Panics
    ///
    /// If it does not become healthy.
    pub fn restart(&self) {
        self.kill();
        self.spawn();
        self.await_health().unwrap_or_else(|problem| panic!("{problem}"));
    }

    /// Says whether the server answers and has a leader.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let page = http::get(self.slot.metrics_port(), "/health");
        page.is_ok_and(|page| page.contains(r#""health":"true""#))
    }

    /// Returns what the server counted, if it answers.
    #[must_use]
    pub fn try_metrics(&self) -> Option<Metrics> {
        http::get(self.slot.metrics_port(), "/metrics").ok().map(Metrics::new)
    }

    /// Returns what the server counted.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.try_metrics().expect("the server answers")
    }

    /// Returns a client of this server that may do everything.
    #[must_use]
    pub fn client(&self) -> Ctl {
        self.client_at(self.endpoint())
    }

    /// Returns a client that reaches this server, or others like it, at other URLs: through a proxy for example.
    #[must_use]
    pub fn client_at(&self, endpoints: impl Into<String>) -> Ctl {
        let mut client = Ctl::new(endpoints);
        if let Some(tls) = &self.options.tls {
            client = client.tls(&tls.authority, Some(tls.admin.clone()));
        }
        if self.has_users.load(Ordering::Relaxed) { client.user(auth::ROOT) } else { client }
    }

    /// Runs `etcdctl` as somebody who may do everything, and returns what it printed.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn ctl(&self, args: &[&str]) -> String {
        let printed = self.client().run(args);
        printed.unwrap_or_else(|complaint| panic!("etcdctl {}: {complaint}", args.join(" ")))
    }

    /// Makes users, and requires of everyone to be one of them. [`Self::ctl`] is root from now on.
    ///
    /// # Panics
    ///
    /// If a command fails.
    pub fn enable_auth(&self, users: &[User<'_>]) {
        auth::enable(self, users);
        self.has_users.store(true, Ordering::Relaxed);
    }

    /// Waits until the server is healthy.
    pub(super) fn await_health(&self) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.is_healthy() {
                return Ok(());
            }
            let ended = self
                .child()
                .as_mut()
                .is_none_or(|child| child.try_wait().is_ok_and(|end| end.is_some()));
            if ended {
                return Err(format!("etcd ended at once:\n{}", self.log()));
            }
            sleep(POLL);
        }
        Err(format!("etcd was not healthy within {PATIENCE:?}:\n{}", self.log()))
    }

    fn spawn(&self) {
        let program = self.options.version.program().expect("this version of etcd is here");
        let log = File::options().create(true).append(true).open(self.slot.log());
        let log = log.expect("the log can be written");
        let mut command = process::bound_command(&program);
        command.args(self.flags()).args(&self.options.flags).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log can be written")).stderr(log);
        *self.child() = Some(process::spawn(command).expect("etcd starts"));
    }

    fn flags(&self) -> Vec<String> {
        let peer = format!("http://127.0.0.1:{}", self.slot.peer_port());
        let metrics = format!("http://127.0.0.1:{}", self.slot.metrics_port());
        let member = &self.member;
        let mut flags = vec![
            format!("--name={}", member.name),
            format!("--data-dir={}", self.slot.data().display()),
            format!("--listen-client-urls={}", self.endpoint()),
            format!("--advertise-client-urls={}", self.endpoint()),
            format!("--listen-metrics-urls={metrics}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster={}", member.cluster),
            format!("--heartbeat-interval={}", member.heartbeat_ms),
            format!("--election-timeout={}", member.election_ms),
            "--logger=zap".to_owned(),
            "--log-level=error".to_owned(),
        ];
        if let Some(tls) = &self.options.tls {
            flags.extend([
                format!("--cert-file={}", tls.server.certificate.display()),
                format!("--key-file={}", tls.server.key.display()),
                format!("--trusted-ca-file={}", tls.authority.display()),
                "--client-cert-auth".to_owned(),
            ]);
        }
        flags
    }

    fn scheme(&self) -> &'static str {
        if self.options.tls.is_some() { "https" } else { "http" }
    }

    fn log(&self) -> String {
        read_to_string(self.slot.log()).unwrap_or_default()
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Etcd {
    #[allow(clippy::print_stderr, reason = "the test runner shows it beside the failure")]
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("the log of etcd at {}:\n{}", self.endpoint(), self.log());
        }
    }
}

/// Starts something again, elsewhere, if it does not become healthy.
pub(super) fn retry<T>(start: impl Fn() -> Result<T, String>) -> T {
    let mut problem = String::new();
    for _ in 0..STARTS_MAX {
        match start() {
            Ok(started) => return started,
            Err(text) => problem = text,
        }
    }
    panic!("{problem}");
}
