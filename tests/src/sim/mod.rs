//! A cluster in one thread: nodes of ours and stock Calico nodes share one store, everything goes wrong that can, and after
//! every change of the store it is asked whether that may be.
//!
//! One seed decides everything: which nodes and pools there are, what happens, whose request comes next, and what goes
//! wrong. So a seed that fails fails again, and what it does not need to fail can be left out one by one.
//!
//! Processes are the product's own: requests that are planned by `ipam-core` and carried out by the driver of `ipam-etcd`.
//! Only what lies below them is simulated: the store is the model in memory, every request waits until its turn comes, and
//! time passes when the schedule says so. Stock nodes are the stand-ins of [`crate::stock`].
//!
//! A compaction is not among the faults: no request of the product names a revision of the past, so nothing that a
//! compaction removes can be asked for. On a real etcd a test shows it.

mod admin;
mod allowed;
mod answer;
mod fault;
mod judge;
mod layout;
mod log;
mod operation;
mod process;
mod rest;
mod run;
mod shrink;
mod start;
mod sweep;
mod tally;
mod world;

use std::fmt;
use std::panic::{self, AssertUnwindSafe};

pub use fault::{Fault, Faults};
pub use log::Log;
pub use shrink::shrink;
pub use sweep::sweep;
pub use tally::Tally;

/// How many operations a run has if nothing else is said.
pub const LENGTH: usize = 200;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What decides everything.
    pub seed: u64,
    /// How many operations are drawn.
    pub length: usize,
    /// Which of them happen, by number; `None` for all.
    pub kept: Option<Vec<usize>>,
    /// Faults of the network and of processes that do not strike in this run.
    pub spared: Vec<Fault>,
}

impl Options {
    /// Runs all of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, length: LENGTH, kept: None, spared: Vec::new() }
    }

    pub(crate) fn keeps(&self, at: usize) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.contains(&at))
    }
}

/// The arguments of the command that repeats the run.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--seed {}", self.seed)?;
        if self.length != LENGTH {
            write!(f, " --length {}", self.length)?;
        }
        if let Some(kept) = &self.kept {
            let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
            write!(f, " --only {}", kept.join(","))?;
        }
        if !self.spared.is_empty() {
            let spared: Vec<String> = self.spared.iter().map(ToString::to_string).collect();
            write!(f, " --spare {}", spared.join(","))?;
        }
        Ok(())
    }
}

/// What must not happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What, in words.
    pub what: Vec<String>,
}

/// How a run went.
#[derive(Debug)]
pub struct Report {
    /// What happened, in numbers.
    pub tally: Tally,
    /// What happened, step by step, where that was asked for.
    pub log: Log,
    /// What must not happen.
    pub violation: Option<Violation>,
}

/// Carries a run out.
#[must_use]
pub fn simulate(options: &Options) -> Report {
    carry_out(options, Log::default())
}

/// Carries a run out, and keeps what happens step by step.
#[must_use]
pub fn narrate(options: &Options) -> Report {
    carry_out(options, Log::kept())
}

fn carry_out(options: &Options, log: Log) -> Report {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let run = AssertUnwindSafe(|| runtime.block_on(run::run(options, log)));
    match panic::catch_unwind(run) {
        Ok((tally, log, violation)) => Report { tally, log, violation },
        // Its seed is told and its steps are made fewer, as those of any other fault.
        Err(cause) => {
            let text = cause.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or_default();
            let violation = Some(Violation { what: vec![format!("the run panicked: {text}")] });
            Report { tally: Tally::default(), log: Log::default(), violation }
        }
    }
}

/// Returns how to repeat a run that fails, as small as it can be made, and what happens in it.
#[must_use]
pub fn explain(options: &Options) -> String {
    let small = shrink(options);
    let report = narrate(&small);
    let what = report.violation.map_or_else(Vec::new, |violation| violation.what);
    format!(
        "repeat it with: cargo run -p ipam-tests --bin ringfence-sim -- {small}\n{}\n{}",
        report.log.lines().join("\n"),
        what.join("\n"),
    )
}
