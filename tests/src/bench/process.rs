//! ADD as a process on etcd, call by call against a bare program that sends the same transaction.
//!
//! How the two are kept equal: first the plugin itself is called on a server behind a recorder, and the transaction that
//! each call commits is kept as bytes. Then two fresh servers are made alike, revision for revision. The plugin is called
//! on the one as before, and the bare program sends the recorded transaction of that call to the other, where each of
//! its compares holds, because that server has seen exactly the same; the bare program fails otherwise. So it sends the
//! same number of compares, writes and reads with the same keys and as many bytes. What etcd counted is printed.
//!
//! The node has about as many pods as a kubelet allows by default: when so many more have come, as many of the oldest go.
//! An ADD that follows such DELs is no warm one, and is shown apart.
//!
//! Where the Kubernetes API is asked, the bare program asks for the same two objects, both at once and while it connects.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::calls::{NodeFiles, call, call_for_pod, installed, timed};
use super::engine::{make_pool, settings};
use super::placement::Apart;
use super::received_bytes;
use super::recorder::Recorder;
use super::report::{Goal, Line, median, milliseconds};
use super::request::{first_put, shape};
use crate::binaries::binary;
use crate::etcd::{Etcd, Identity, Options, Pki};
use crate::kubernetes::{ApiServer, Reply};

const PODS: usize = 80;
/// So many pods come one after the other, then so many go.
const BATCH: usize = 20;
/// Of the bare program's calls, every second one reads first.
const ROUNDS: usize = 440;
/// So many more in the end are not timed; what they send is counted.
const COUNTED: usize = BATCH;
const POOL: &str = "10.20.0.0/16";

/// The pod that every container is of where the Kubernetes API is asked.
const POD: [&str; 2] = ["fin", "web"];

/// What is spoken with besides an etcd without TLS.
#[derive(Clone, Copy, Default)]
struct Partners<'a> {
    /// Whom etcd trusts, and who we are there.
    tls: Option<(&'a Pki, &'a Identity)>,
    /// Who is asked for annotations.
    api: Option<&'a ApiServer>,
}

/// The medians, and what etcd counted.
struct Figures {
    add: Duration,
    after_dels: Duration,
    /// The bare program with its transaction alone.
    one: Duration,
    /// The bare program that reads first.
    two: Duration,
    /// Bytes of a warm request, ours and the bare program's.
    bytes: [u64; 2],
    /// Round trips, warm and after DELs.
    trips: [f64; 2],
}

/// What was sent for a pod that came, and for those that went after it.
struct Turn {
    add: Vec<u8>,
    dels: Vec<Vec<u8>>,
}

/// Measures without TLS, and with certificates of P-256.
pub(super) fn lines() -> Vec<Line> {
    let recorded = record(Partners::default());
    let plain = measure(&recorded, Partners::default());
    let mut lines = told("ADD, process, etcd", &recorded, &plain);
    let pki = Pki::new();
    let client = pki.client("node");
    let partners = Partners { tls: Some((&pki, &client)), api: None };
    lines.extend(told("ADD, process, etcd, TLS", &recorded, &measure(&recorded, partners)));
    lines
}

/// Measures a call that asks the Kubernetes API for a pod, and for its namespace, which names the pool.
pub(super) fn line_with_api() -> Line {
    let api = ApiServer::start();
    let [namespace, name] = POD;
    let pools = json!({"cni.projectcalico.org/ipv4pools": "[\"p\"]"});
    api.namespace(namespace, Reply::namespace(namespace, &pools, &json!({})));
    api.pod(namespace, name, Reply::pod(namespace, name, &json!({})));
    let partners = Partners { tls: None, api: Some(&api) };
    let Figures { add, one, .. } = measure(&record(partners), partners);
    let name = "ADD, process, etcd, Kubernetes API";
    Line::of_times(name, add, "bare, two GETs, transaction", one, Goal::AtMost(1.2))
}

/// Returns what the plugin sends: first for a node that fills up, then for one that is as full as it gets.
fn record(partners: Partners<'_>) -> Vec<Turn> {
    let etcd = Etcd::start();
    make_pool(settings(etcd.endpoint(), None), POOL);
    let recorder = Recorder::to(etcd.address());
    let node = partners.node(&recorder.endpoint());
    let plugin = binary("ringfence-ipam");
    let rounds = 0..PODS + ROUNDS + COUNTED;
    for round in rounds.clone() {
        partners.call(&plugin, "ADD", round, &node);
        for oldest in oldest(round) {
            partners.call(&plugin, "DEL", oldest, &node);
        }
    }
    // Each call makes one connection, and what it sends last is what it commits.
    let mut sent = recorder.requests().into_iter().map(|mut messages| messages.pop());
    let mut next = || sent.next().flatten().expect("each call sends something");
    let mut turn = |round| Turn { add: next(), dels: oldest(round).map(|_| next()).collect() };
    let turns = rounds.map(&mut turn).collect();
    assert!(sent.next().is_none(), "each call makes one connection");
    turns
}

impl Partners<'_> {
    fn node(&self, endpoint: &str) -> NodeFiles {
        let mut node = NodeFiles::of(endpoint, self.tls);
        if let Some(api) = self.api {
            node.conf["ipam"]["kubernetes"] = json!({"kubeconfig": api.kubeconfig()});
        }
        node
    }

    /// Calls the plugin for the container of a round.
    fn call(&self, plugin: &Path, command: &str, round: usize, node: &NodeFiles) -> Duration {
        let container = container(round);
        match self.api {
            Some(_) => call_for_pod(plugin, command, &container, &node.conf, POD),
            None => call(plugin, command, &container, &node.conf),
        }
    }

    /// Tells the bare program of them. Of the API it is told for an ADD only, as DEL asks nobody.
    fn tell(&self, program: &mut Command, command: &str) {
        if let (Some(api), "ADD") = (self.api, command) {
            let [namespace, pod] = POD;
            let of_namespace = format!("/api/v1/namespaces/{namespace}");
            program.arg("--api").arg(api.address().to_string()).arg(api.authority());
            program.arg(api.token()).args([format!("{of_namespace}/pods/{pod}"), of_namespace]);
        }
        if let Some((pki, identity)) = self.tls {
            let files = [pki.authority(), &identity.certificate, &identity.key];
            program.arg("--tls").args(files);
        }
    }
}

/// The plugin's server and the bare program's, which see the same.
struct Twins<'a> {
    plugin: &'a Path,
    bare: &'a Path,
    node: NodeFiles,
    bare_endpoint: String,
    partners: Partners<'a>,
}

impl Twins<'_> {
    fn ours(&self, round: usize) -> Duration {
        self.partners.call(self.plugin, "ADD", round, &self.node)
    }

    /// Lets the oldest pods go on both sides.
    fn end(&self, round: usize, turn: &Turn) {
        for (oldest, request) in oldest(round).zip(&turn.dels) {
            self.partners.call(self.plugin, "DEL", oldest, &self.node);
            self.bare("DEL", request, false);
        }
    }

    /// Sends what the plugin sent, after a read of the first key that it writes if that is wanted.
    fn bare(&self, command: &str, request: &[u8], reads_first: bool) -> Duration {
        let file = self.node.folder().join("request");
        fs::write(&file, request).expect("the request is written");
        let mut program = Command::new(self.bare);
        program.arg(&self.bare_endpoint).arg(&file);
        if reads_first {
            program.arg("--read").arg(first_put(request).expect("it writes something"));
        }
        self.partners.tell(&mut program, command);
        timed(program, None)
    }
}

fn measure(recorded: &[Turn], partners: Partners<'_>) -> Figures {
    let start = || {
        let options = Options::default();
        let etcd = partners.tls.map_or(options.clone(), |(pki, _)| options.tls(pki)).start();
        make_pool(settings(etcd.endpoint(), partners.tls), POOL);
        etcd
    };
    let (ours, theirs) = (start(), start());
    let programs = tempfile::tempdir().expect("a folder");
    let [plugin, bare] =
        ["ringfence-ipam", "ringfence-bare"].map(|name| installed(name, programs.path()));
    let twins = Twins {
        plugin: &plugin,
        bare: &bare,
        node: partners.node(&ours.endpoint()),
        bare_endpoint: theirs.endpoint(),
        partners,
    };
    let apart = Apart::from(&[&ours, &theirs]);
    if let Some(api) = partners.api {
        apart.with_servers(api.thread());
    }
    let mut turns = recorded.iter().enumerate();
    for (round, turn) in turns.by_ref().take(PODS) {
        twins.ours(round);
        twins.bare("ADD", &turn.add, false);
    }
    let [add, after_dels, one, two] = time(&twins, turns.by_ref().take(ROUNDS));
    let (bytes, trips) = count(&twins, [&ours, &theirs], turns);
    Figures { add, after_dels, one, two, bytes, trips }
}

fn told(name: &str, recorded: &[Turn], figures: &Figures) -> Vec<Line> {
    let Figures { add, after_dels, one, two, bytes, trips: [warm, first] } = *figures;
    let [compares, then, otherwise] =
        recorded.last().map(|turn| shape(&turn.add)).unwrap_or_default();
    vec![
        Line::of_times(name, add, "bare, one transaction", one, Goal::AtMost(1.2)),
        Line::of_times(name, add, "bare, read and transaction", two, Goal::AtMost(1.0)),
        Line::of_note(
            "  its request, as etcd counts",
            format!("{} B", bytes[0]),
            format!("bare {} B", bytes[1]),
        ),
        Line::of_note(
            "  compares, then, otherwise; round trips",
            format!("{compares}, {then}, {otherwise}; {warm:.2}"),
            "the same; 1",
        ),
        Line::of_note(
            "  the first ADD after DELs",
            milliseconds(after_dels),
            format!("{first} round trips"),
        ),
    ]
}

/// Returns the medians of the plugin when warm and after DELs, of one transaction, and of a read and a transaction.
fn time<'t>(twins: &Twins<'_>, turns: impl Iterator<Item = (usize, &'t Turn)>) -> [Duration; 4] {
    let [mut add, mut after_dels, mut one, mut two] = [(); 4].map(|()| Vec::new());
    for (round, turn) in turns {
        let ours = if follows_dels(round) { &mut after_dels } else { &mut add };
        ours.push(twins.ours(round));
        let reads_first = round % 2 == 1;
        let bare = if reads_first { &mut two } else { &mut one };
        bare.push(twins.bare("ADD", &turn.add, reads_first));
        twins.end(round, turn);
    }
    [add, after_dels, one, two].map(median)
}

/// Returns the bytes of a warm call on both sides, and the round trips of one of ours when warm and after DELs.
fn count<'t>(
    twins: &Twins<'_>,
    servers: [&Etcd; 2],
    turns: impl Iterator<Item = (usize, &'t Turn)>,
) -> ([u64; 2], [f64; 2]) {
    let (mut bytes, mut trips) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for (round, turn) in turns {
        let before = servers.map(Etcd::metrics);
        twins.ours(round);
        twins.bare("ADD", &turn.add, false);
        let after = servers.map(Etcd::metrics);
        let took = after[0].reads_and_writes() - before[0].reads_and_writes();
        trips[usize::from(follows_dels(round))].push(took);
        if !follows_dels(round) {
            for (bytes, (before, after)) in bytes.iter_mut().zip(before.iter().zip(&after)) {
                bytes.push(received_bytes(after) - received_bytes(before));
            }
        }
        twins.end(round, turn);
    }
    let mean = |counts: &[u64]| counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    (bytes.map(median), trips.map(|trips| mean(&trips)))
}

/// Returns the pods that go after this one has come.
fn oldest(round: usize) -> Range<usize> {
    match round.checked_sub(PODS) {
        Some(past) if past % BATCH == BATCH - 1 => past + 1 - BATCH..past + 1,
        _ => 0..0,
    }
}

/// Says whether pods have gone just before this one comes.
fn follows_dels(round: usize) -> bool {
    round.checked_sub(1).is_some_and(|before| !oldest(before).is_empty())
}

fn container(round: usize) -> String {
    format!("c{round:05}")
}
