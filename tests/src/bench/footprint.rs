//! Memory and size.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use ipam_core::model::HandleId;
use ipam_core::plan::Held;
use serde_json::{Value, json};

use super::calls::NodeFiles;
use super::engine::{Node, make_pool, settings};
use super::report::Line;
use crate::binaries::binary;
use crate::etcd::{Options, Pki};
use crate::plugin::{Call, netconf};
use crate::world::{World, now};

const PIPE_BYTES: usize = 65_536;
const ROUNDS: usize = 9;
const MEMORY_MIB: f64 = 12.0;
const SIZE_MIB: f64 = 16.0;
const PATIENCE: Duration = Duration::from_secs(10);

/// Measures the peak of an ADD on both stores, the one in etcd with TLS.
pub(super) fn memory(world: &World) -> Vec<Line> {
    let on_file = peak(&netconf(&world.path(), &json!({})), |handle| {
        world.drive(&Held { handle }).expect("the store is read").is_some()
    });
    let pki = Pki::new();
    let etcd = Options::default().tls(&pki).start();
    let client = pki.client("node");
    let settings = settings(etcd.endpoint(), Some((&pki, &client)));
    make_pool(settings.clone(), "10.20.0.0/16");
    let mut reader = Node::new("reader", settings);
    let files = NodeFiles::of(&etcd.endpoint(), Some((&pki, &client)));
    let with_tls =
        peak(&files.conf, |handle| reader.drive(&Held { handle }, now()).reply.is_some());
    vec![
        Line::of_limit("peak memory of an ADD, embedded", on_file, MEMORY_MIB, "MiB"),
        Line::of_limit("peak memory of an ADD, etcd, TLS", with_tls, MEMORY_MIB, "MiB"),
    ]
}

/// Returns the highest peak of some calls, in MiB. Each is held up where it answers, with nobody to read that, so that its
/// peak can be read when it has done everything.
fn peak(conf: &Value, mut is_held: impl FnMut(HandleId) -> bool) -> f64 {
    let peaks = (0..ROUNDS).map(|round| {
        let container = format!("m{round}");
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(&vec![b' '; PIPE_BYTES]).expect("a pipe holds this much");
        let mut child = Call::new("ADD", &container, conf).start(Stdio::from(writer));
        let started = Instant::now();
        while !is_held(HandleId::new(format!("net.{container}.eth0")).expect("a handle")) {
            assert!(started.elapsed() < PATIENCE, "{container} gets no address");
            thread::sleep(Duration::from_millis(1));
        }
        // The answer is formatted within this time; then the process waits for the reader.
        thread::sleep(Duration::from_millis(50));
        let status =
            fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it is alive");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        drop(reader);
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes")
    });
    peaks.max().unwrap_or_default() as f64 / 1024.0
}

/// Measures the size of what is shipped.
pub(super) fn size() -> Line {
    let bytes: u64 = ["ringfence", "ringfence-ipam"]
        .iter()
        .map(|name| fs::metadata(binary(name)).expect("it was built").len())
        .sum();
    Line::of_limit("size of both binaries", bytes as f64 / 1024.0 / 1024.0, SIZE_MIB, "MiB")
}
