//! Runs the simulation: `ringfence-sim --seeds 1..20000`, or one seed step by step with `--seed N`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a command")]

use std::process::ExitCode;
use std::time::Instant;

use ipam_tests::sim::{Fault, LENGTH, Options, explain, narrate, sweep};

/// In so many runs everything happens.
const ENOUGH: u64 = 2_000;
const USAGE: &str = "usage: ringfence-sim --seeds FROM..TO [--explain COUNT] | --seed N [--length N] [--only N,N,…] [--spare FAULT,…]";

fn main() -> ExitCode {
    match parse(std::env::args().skip(1).collect()) {
        Ok(Task::One(options)) => one(&options),
        Ok(Task::Many(from, to, explained)) => many(from, to, explained),
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

enum Task {
    One(Options),
    Many(u64, u64, usize),
}

fn parse(args: Vec<String>) -> Result<Task, String> {
    let mut options = Options::of(0);
    let mut many = None;
    let mut explained = 3;
    let mut has_seed = false;
    let mut args = args.into_iter();
    while let Some(name) = args.next() {
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number =
            |text: &str| text.parse().map_err(|_| format!("{name}: {text:?} is no number"));
        match name.as_str() {
            "--seed" => (options.seed, has_seed) = (number(&value)?, true),
            "--length" => {
                options.length = usize::try_from(number(&value)?).unwrap_or(LENGTH);
            }
            "--explain" => explained = usize::try_from(number(&value)?).unwrap_or_default(),
            "--only" => {
                let kept: Result<Vec<usize>, String> = value
                    .split(',')
                    .map(|text| number(text).map(|n| usize::try_from(n).unwrap_or_default()))
                    .collect();
                options.kept = Some(kept?);
            }
            "--spare" => {
                let fault = |text: &str| {
                    Fault::named(text).ok_or_else(|| format!("{name}: {text:?} is no fault"))
                };
                options.spared = value.split(',').map(fault).collect::<Result<_, _>>()?;
            }
            "--seeds" => {
                let (from, to) = value.split_once("..").ok_or("--seeds: give FROM..TO")?;
                let (from, to) = (number(from)?, number(to)?);
                if from > to {
                    return Err(format!("--seeds: {from} is after {to}"));
                }
                many = Some((from, to));
            }
            _ => return Err(format!("{name} is not known")),
        }
    }
    match many {
        Some((from, to)) => Ok(Task::Many(from, to, explained)),
        None if has_seed => Ok(Task::One(options)),
        None => Err("give --seed or --seeds".to_owned()),
    }
}

fn one(options: &Options) -> ExitCode {
    let report = narrate(options);
    println!("{}", report.log.lines().join("\n"));
    match report.violation {
        Some(violation) => {
            println!("{}", violation.what.join("\n"));
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn many(from: u64, to: u64, explained: usize) -> ExitCode {
    let began = Instant::now();
    let (tally, failed) = sweep(from..to);
    let seconds = began.elapsed().as_secs_f64();
    println!("{tally}");
    println!(
        "{} seeds in {seconds:.1} s, {:.0} steps per second, {} failed",
        to - from,
        f64::from(u32::try_from(tally.steps).unwrap_or(u32::MAX)) / seconds,
        failed.len()
    );
    for options in failed.iter().take(explained) {
        println!("\n{}", explain(options));
    }
    println!("failed: {:?}", failed.iter().map(|options| options.seed).collect::<Vec<_>>());
    // In a few runs much does not happen.
    let missing = if to - from < ENOUGH { Vec::new() } else { tally.missing(to - from) };
    println!("{}", missing.join("\n"));
    if failed.is_empty() && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
