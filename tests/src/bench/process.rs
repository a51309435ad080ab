//! ADD as a process on etcd, call by call against a bare program that sends the same transaction.
//!
//! How the two are kept equal: first the plugin itself is called on a server behind a recorder, and the transaction that
//! each call commits is kept as bytes. Then two fresh servers are made alike, revision for revision. The plugin is called
//! on the one as before, and the bare program sends the recorded transaction of that call to the other, where each of
//! its compares holds, because that server has seen exactly the same; the bare program fails otherwise. So it sends the
//! same number of compares, writes and reads with the same keys and as many bytes. What etcd counted is printed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::calls::{NodeFiles, call, timed};
use super::engine::{make_pool, settings};
use super::placement::Apart;
use super::received_bytes;
use super::recorder::Recorder;
use super::report::{Goal, Line, median};
use super::request::{first_put, shape};
use crate::binaries::binary;
use crate::etcd::{Etcd, Identity, Options, Pki};

const WARM_UP: usize = 20;
/// Of the bare program's calls, every second one reads first.
const ROUNDS: usize = 420;
const POOL: &str = "10.20.0.0/16";

/// Measures without TLS, and with certificates of P-256.
pub(super) fn lines() -> Vec<Line> {
    let recorded = record();
    let mut lines = measure("ADD, process, etcd", &recorded, None);
    let pki = Pki::new();
    let client = pki.client("node");
    lines.extend(measure("ADD, process, etcd, TLS", &recorded, Some((&pki, &client))));
    lines
}

/// Returns the transaction of each call in turn; the first one is that of a node that knows nothing.
fn record() -> Vec<Vec<u8>> {
    let etcd = Etcd::start();
    make_pool(settings(etcd.endpoint(), None), POOL);
    let recorder = Recorder::to(etcd.address());
    let node = NodeFiles::of(&recorder.endpoint(), None);
    let plugin = binary("ringfence-ipam");
    for round in 0..=WARM_UP + ROUNDS {
        call(&plugin, "ADD", &container(round), &node.conf);
    }
    let requests = recorder.requests();
    assert_eq!(requests.len(), WARM_UP + ROUNDS + 1, "each call makes one connection");
    let last = |mut messages: Vec<Vec<u8>>| messages.pop().expect("each call sends something");
    requests.into_iter().map(last).collect()
}

/// The plugin's server and the bare program's, which see the same.
struct Twins<'a> {
    plugin: &'a Path,
    bare: &'a Path,
    node: NodeFiles,
    bare_endpoint: String,
    tls: Option<(&'a Pki, &'a Identity)>,
}

impl Twins<'_> {
    fn ours(&self, round: usize) -> Duration {
        call(self.plugin, "ADD", &container(round), &self.node.conf)
    }

    /// Sends what the plugin sent, after a read of the first key that it writes if that is wanted.
    fn bare(&self, request: &[u8], reads_first: bool) -> Duration {
        let file = self.node.folder().join("request");
        fs::write(&file, request).expect("the request is written");
        let mut program = Command::new(self.bare);
        program.arg(&self.bare_endpoint).arg(&file);
        if reads_first {
            program.arg("--read").arg(first_put(request).expect("it writes something"));
        }
        if let Some((pki, identity)) = self.tls {
            let files = [pki.authority(), &identity.certificate, &identity.key];
            program.arg("--tls").args(files);
        }
        timed(program, None)
    }
}

fn measure(name: &str, recorded: &[Vec<u8>], tls: Option<(&Pki, &Identity)>) -> Vec<Line> {
    let start = || {
        let options = Options::default();
        let etcd = tls.map_or(options.clone(), |(pki, _)| options.tls(pki)).start();
        make_pool(settings(etcd.endpoint(), tls), POOL);
        etcd
    };
    let (ours, theirs) = (start(), start());
    let (plugin, bare) = (binary("ringfence-ipam"), binary("ringfence-bare"));
    let twins = Twins {
        plugin: &plugin,
        bare: &bare,
        node: NodeFiles::of(&ours.endpoint(), tls),
        bare_endpoint: theirs.endpoint(),
        tls,
    };
    let _apart = Apart::from(&[&ours, &theirs]);
    let mut recorded = recorded.iter().enumerate();
    for (round, request) in recorded.by_ref().take(1) {
        twins.ours(round);
        twins.bare(request, false);
    }
    let before = [&ours, &theirs].map(received);
    let mut warm = Vec::new();
    for (round, request) in recorded.by_ref().take(WARM_UP) {
        twins.ours(round);
        twins.bare(request, false);
        warm.clone_from(request);
    }
    let bytes = [received(&ours) - before[0], received(&theirs) - before[1]];
    let calls_before = ours.metrics().reads_and_writes();
    let (mut add, mut one, mut two) = (Vec::new(), Vec::new(), Vec::new());
    for (round, request) in recorded {
        add.push(twins.ours(round));
        let reads_first = round % 2 == 1;
        let time = twins.bare(request, reads_first);
        if reads_first { two.push(time) } else { one.push(time) }
    }
    let trips = (ours.metrics().reads_and_writes() - calls_before) as f64 / add.len() as f64;
    let (add, one, two) = (median(add), median(one), median(two));
    let [compares, then, otherwise] = shape(&warm);
    let each = bytes.map(|bytes| format!("{} B", bytes / WARM_UP as u64));
    vec![
        Line::of_times(name, add, "bare, one transaction", one, Goal::AtMost(1.2)),
        Line::of_times(name, add, "bare, read and transaction", two, Goal::AtMost(1.0)),
        Line::of_note("  its request, as etcd counts", &each[0], format!("bare {}", each[1])),
        Line::of_note(
            "  compares, then, otherwise; round trips",
            format!("{compares}, {then}, {otherwise}; {trips:.3}"),
            "the same; 1",
        ),
    ]
}

/// Returns the bytes of all messages that a server took from clients.
fn received(etcd: &Etcd) -> u64 {
    received_bytes(&etcd.metrics())
}

fn container(round: usize) -> String {
    format!("c{round:05}")
}
