//! The figures as a table.

use super::Run;
use super::figures::{Calls, Figures};

/// A line of the table: its name, and what stands there for a phase.
type Row = (&'static str, fn(&Figures) -> String);

const ROWS: [Row; 22] = [
    ("addresses given / taken back", |of| format!("{} / {}", of.adds.count(), of.dels.count())),
    ("calls that failed", |of| of.failed.to_string()),
    ("reads", |of| of.meter.reads.to_string()),
    ("transactions applied", |of| of.meter.applied.to_string()),
    ("conflicts: transactions failed", |of| of.meter.failed.to_string()),
    ("  of them lost a race", |of| of.meter.lost.to_string()),
    ("conflicts per address", |of| format!("{:.4}", of.conflicts_per_address())),
    ("round trips of an ADD: mean", |of| mean(&of.adds)),
    ("round trips of an ADD: p99, most", |of| tail(&of.adds)),
    ("round trips of a DEL: mean", |of| mean(&of.dels)),
    ("round trips of a DEL: p99, most", |of| tail(&of.dels)),
    ("bytes sent per call", |of| per_call(of, of.meter.sent)),
    ("bytes written per call", |of| per_call(of, of.meter.written)),
    ("bytes read per call", |of| per_call(of, of.meter.read)),
    ("seconds", |of| format!("{:.1}", of.elapsed.as_secs_f64())),
    ("transactions per second", |of| format!("{:.0}", of.transactions_per_second())),
    ("99 of 100 calls end within, ms", |of| {
        of.adds.milliseconds_p99().max(of.dels.milliseconds_p99()).to_string()
    }),
    ("keys stored", |of| of.stored.keys.to_string()),
    ("blocks / handles", |of| format!("{} / {}", of.stored.blocks, of.stored.handles)),
    ("MB stored: keys and values", |of| megabytes(of.stored.bytes as f64)),
    ("largest value / node's memory, KB", |of| {
        let kilobytes = |bytes: usize| bytes as f64 / 1e3;
        format!("{:.1} / {:.1}", kilobytes(of.stored.value_max), kilobytes(of.remembered_max))
    }),
    ("MB in etcd's file / of it in use", |of| match of.file {
        Some([file, used]) => format!("{} / {}", megabytes(file as f64), megabytes(used as f64)),
        None => String::new(),
    }),
];

/// Prints what a run came to.
#[allow(clippy::print_stdout, reason = "this is what the command is for")]
pub fn print(run: &Run) {
    let size = &run.size;
    println!(
        "\n{} nodes, {} pods on each, pool {}, {} nodes restart at a time, seed {}",
        size.nodes, size.pods, size.pool, size.at_once, size.seed
    );
    println!("{}", line("", run.phases.iter().map(|of| of.name.to_owned())));
    for (name, show) in ROWS {
        let cells: Vec<String> = run.phases.iter().map(show).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            println!("{}", line(name, cells.into_iter()));
        }
    }
    for of in &run.phases {
        if let Some(why) = &of.why {
            println!("{}: {} calls failed, the first with {why}", of.name, of.failed);
        }
    }
    for wrong in &run.wrong {
        println!("WRONG: {wrong}");
    }
    if run.wrong.is_empty() {
        println!("no finding, no address twice, none lost");
    }
}

fn line(name: &str, cells: impl Iterator<Item = String>) -> String {
    let start = format!("| {name:<34} |");
    cells.fold(start, |line, cell| format!("{line} {cell:>18} |"))
}

fn mean(calls: &Calls) -> String {
    if calls.count() == 0 { "-".to_owned() } else { format!("{:.3}", calls.trips_mean()) }
}

fn tail(calls: &Calls) -> String {
    if calls.count() == 0 {
        return "-".to_owned();
    }
    format!("{}, {}", calls.trips_p99(), calls.trips_max())
}

fn per_call(of: &Figures, bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / of.calls().max(1) as f64)
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1}", bytes / 1e6)
}
