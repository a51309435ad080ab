//! The administrator's command line of Ringfence.
//!
//! `args` says what can be said, `command` does it with what `connect` opens, `render` shows it, and `cause`,
//! `exit` and `diagnose` tell what stops it. Nothing here decides who gets an address: that is `ipam-core`.

mod api_config;
mod args;
mod cause;
mod command;
mod connect;
mod diagnose;
mod exit;
mod export;
mod install;
mod manifest;
mod netconf;
mod one_line;
mod printer;
mod render;
mod sources;
mod warning;

use std::ffi::OsString;
use std::panic;
use std::path::Path;
use std::process::{self, ExitCode};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use clap::error::ErrorKind;
use ipam_core::model::Timestamp;
use ipam_etcd::LineLog;
use tracing::level_filters::LevelFilter;

use args::Arguments;
use cause::Cause;
use command::Context;
use exit::Exit;
use printer::Printer;
use render::Format;
use sources::Sources;

/// Carries out the command line `words`, the program's name first, and says how the process is to exit.
#[must_use]
pub fn main(words: &[OsString]) -> ExitCode {
    let wanted = wanted_format(words);
    panic::set_hook(Box::new(|panic| {
        let bug = Cause::Bug { what: panic.to_string() };
        let mut context = context(Format::Table, false);
        let exit = context.fail("go on: this program has a defect", &bug);
        // A release build aborts after this, so only here can the code be chosen.
        process::exit(exit.code().into())
    }));
    match Arguments::try_parse_from(words) {
        Ok(arguments) => run(&arguments),
        Err(error) => tell(&error, wanted),
    }
    .into()
}

/// Reads manifests and returns how many resources they hold: for feeding the parser.
///
/// # Errors
///
/// The first mistake, in words.
pub fn judge_manifests(text: &str) -> Result<usize, String> {
    manifest::read(text).map(|manifests| manifests.len()).map_err(|error| error.to_string())
}

/// Reads a file of calicoctl and returns how many settings it has: for feeding the parser.
///
/// # Errors
///
/// The first mistake, in words.
pub fn judge_api_config(text: &str) -> Result<usize, String> {
    let read = api_config::read(text, Path::new("calicoctl.cfg"));
    read.map(|config| config.layer.len()).map_err(|error| error.to_string())
}

fn run(arguments: &Arguments) -> Exit {
    let globals = &arguments.globals;
    trace(globals.verbose);
    let mut context =
        Context { sources: Sources::of(globals), ..context(globals.output, globals.quiet) };
    // One command waits for one thing at a time.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let done = runtime.block_on(command::run(&arguments.command, &mut context));
            // Somebody may still be looking a name up, and nobody waits for him.
            runtime.shutdown_background();
            done
        }
        Err(error) => {
            let cause = Cause::Machine { needed: "timers", source: error.into() };
            context.fail("start", &cause)
        }
    }
}

fn context(format: Format, quiet: bool) -> Context {
    Context { printer: Printer::standard(quiet), format, sources: Sources::default(), now: now() }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
}

fn trace(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let log = LineLog::new(level, vec![Box::new(std::io::stderr())]);
    // A process that has a log goes on with it.
    drop(log.start());
}

/// Tells what the command line asks for by itself, such as help, or what is wrong with it.
fn tell(error: &clap::Error, wanted: Format) -> Exit {
    let mut context = context(wanted, false);
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let printed = context.printer.data(&text).and_then(|()| context.printer.finish());
        let failed = |error| context.fail("show help", &Cause::Output(error));
        return printed.map_or_else(failed, |()| Exit::Done);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        context.printer.problem(text.trim_end());
        return Exit::Usage;
    }
    context.fail("understand the command line", &Cause::from_clap(&text))
}

/// Finds out how errors shall look although the command line is not understood.
fn wanted_format(words: &[OsString]) -> Format {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let separate = words.iter().zip(words.iter().skip(1));
    let mut pairs =
        separate.map(|(flag, value)| matches!(flag.as_str(), "-o" | "--output") && value == "json");
    let joined = ["-ojson", "-o=json", "--output=json"];
    let is_json = pairs.any(|is| is) || words.iter().any(|word| joined.contains(&word.as_str()));
    if is_json { Format::Json } else { Format::Table }
}
