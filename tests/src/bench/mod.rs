//! Measurements against references of the same run, one a file. `docs/benchmarks.md` says what each line means.
#![allow(clippy::cast_precision_loss, reason = "figures are rounded when they are printed")]

mod calls;
mod engine;
mod footprint;
mod growth;
mod local;
mod login;
mod nodes;
mod placement;
mod plan;
mod process;
mod recorder;
mod report;
pub mod request;
mod throughput;

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::etcd::Metrics;
use crate::world::World;
use report::Line;

/// Runs every measurement whose name holds `wanted`, and prints its lines as soon as they are there.
///
/// # Panics
///
/// If a measurement fails, or there is none of this name.
#[allow(clippy::print_stdout, reason = "this is what the program is for")]
pub fn run(wanted: &str) {
    let cni = std::env::var("CNI_BIN_DIR").unwrap_or_else(|_| "/usr/lib/cni".to_owned());
    let host_local = Path::new(&cni).join("host-local");
    assert!(host_local.is_file(), "{} does not exist: run `make setup`", host_local.display());
    let world = World::with_pools(&[("p", json!({"cidr": "10.20.0.0/16"}))]);
    let began = Instant::now();
    let measurements: [(&str, &dyn Fn() -> Vec<Line>); 10] = [
        ("embedded", &|| vec![local::add_and_del(&world, &host_local)]),
        ("plan", &plan::lines),
        ("process", &process::lines),
        ("kubernetes", &|| vec![process::line_with_api()]),
        ("login", &login::lines),
        ("burst", &|| local::bursts(&world, &host_local)),
        ("throughput", &throughput::lines),
        ("nodes", &nodes::lines),
        ("growth", &growth::lines),
        ("footprint", &|| {
            let mut lines = footprint::memory(&world);
            lines.push(footprint::size());
            lines
        }),
    ];
    let mut chosen = measurements.iter().filter(|(name, _)| name.contains(wanted)).peekable();
    assert!(chosen.peek().is_some(), "there is no measurement {wanted}");
    println!("{}", report::heading());
    for (_, measure) in chosen {
        measure().iter().for_each(Line::print);
    }
    println!(
        "\nmeasured in {:.0} s; what a line means: docs/benchmarks.md",
        began.elapsed().as_secs_f64()
    );
}

/// Returns the bytes of all messages that a server took from clients.
fn received_bytes(metrics: &Metrics) -> u64 {
    metrics.sum("etcd_network_client_grpc_received_bytes_total", &[])
}

/// Returns the bytes of all messages that a server sent to clients.
fn sent_bytes(metrics: &Metrics) -> u64 {
    metrics.sum("etcd_network_client_grpc_sent_bytes_total", &[])
}
