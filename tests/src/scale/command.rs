//! `ringfence-scale`.

use std::process::ExitCode;
use std::time::Instant;

use super::{Ground, Size, print, run};

const USAGE: &str = "usage: ringfence-scale [--nodes N,N,…] [--pods N] [--burst N] [--at-once N] [--pool CIDR] [--seed N] [--store model|etcd]";

/// Runs each cluster that is asked for, and prints what it came to; without arguments, those of `docs/scale.md`.
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a command")]
#[must_use]
pub fn command(arguments: &[String]) -> ExitCode {
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let (sizes, ground) = match parse(arguments) {
        Ok(parsed) => parsed,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut is_sound = true;
    for size in sizes {
        let began = Instant::now();
        let run = run(&size, ground);
        print(&run);
        println!("in {:.0} s", began.elapsed().as_secs_f64());
        is_sound &= run.wrong.is_empty() && run.phases.iter().all(|of| of.failed == 0);
    }
    if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(arguments: &[String]) -> Result<(Vec<Size>, Ground), String> {
    let (mut nodes, mut seed, mut ground) = (vec![50, 500, 5_000], 7, Ground::Simulated);
    let (mut pods, mut burst, mut at_once, mut pool) = (None, None, None, None);
    let mut arguments = arguments.iter();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = |text: &str| match text.parse::<usize>() {
            Ok(number) if number > 0 => Ok(number),
            Ok(_) | Err(_) => Err(format!("{name}: {text:?} is no number above 0")),
        };
        match name.as_str() {
            "--nodes" => nodes = value.split(',').map(number).collect::<Result<_, _>>()?,
            "--pods" => pods = Some(number(value)?),
            "--burst" => burst = Some(number(value)?),
            "--at-once" => at_once = Some(number(value)?),
            "--pool" => pool = Some(value.clone()),
            "--seed" => seed = value.parse().map_err(|_| format!("{value:?} is no seed"))?,
            "--store" if value == "model" => ground = Ground::Simulated,
            "--store" if value == "etcd" => ground = Ground::Etcd,
            _ => return Err(format!("{name} {value} is not known")),
        }
    }
    let size = |nodes| {
        let mut size = Size::of(nodes, seed);
        size.pods = pods.unwrap_or(size.pods);
        size.burst = burst.unwrap_or(size.burst);
        size.at_once = at_once.unwrap_or(size.at_once);
        size.pool = pool.clone().unwrap_or_else(|| size.roomy_pool());
        size
    };
    Ok((nodes.into_iter().map(size).collect(), ground))
}
