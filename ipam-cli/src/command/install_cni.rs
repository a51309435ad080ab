//! `ringfence install-cni`: the plugin on a node.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use super::Context;
use crate::args::InstallCni;
use crate::cause::Cause;
use crate::exit::Exit;
use crate::install::{Act, Folder, Found, InstallError, Plan, Record, look, plugin_path, wanted};
use crate::render::{InstalledItem, Report};
use crate::warning::Warning;

/// Says what is to be done, as the end of a sentence that begins with "cannot".
pub(super) fn task(args: &InstallCni) -> &'static str {
    if args.uninstall { "uninstall the plugin" } else { "install the plugin" }
}

/// Installs the plugin, or removes it.
pub(super) async fn run(context: &mut Context, args: &InstallCni) -> Result<Exit, Cause> {
    if args.uninstall {
        return uninstall(context, args);
    }
    if args.watch {
        return watch(context, args).await;
    }
    refuse_early(context, args)?;
    let folder = if args.dry_run { None } else { Some(Folder::take(&args.config_dir)?) };
    if !install(context, args, folder.as_ref(), Shown::Everything)? {
        context.note("nothing had to be changed");
    }
    Ok(Exit::Done)
}

/// What a report is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Everything,
    WhatChanged,
}

/// Refuses what must be refused before even a folder is made.
fn refuse_early(context: &Context, args: &InstallCni) -> Result<(), Cause> {
    let (wanted, _) = wanted(args, &context.sources.read()?)?;
    Plan::install(&wanted, Record::read(&args.config_dir)?)?;
    Ok(())
}

/// Installs once, and tells whether anything had to be changed. Without a folder nothing is.
fn install(
    context: &mut Context,
    args: &InstallCni,
    folder: Option<&Folder>,
    shown: Shown,
) -> Result<bool, Cause> {
    let (wanted, warnings) = wanted(args, &context.sources.read()?)?;
    let plan = Plan::install(&wanted, Record::read(&args.config_dir)?)?;
    let is_changed = !plan.is_done();
    if let Some(folder) = folder.filter(|_| is_changed) {
        plan.carry_out(folder)?;
    }
    match shown {
        Shown::Everything => show(context, &plan, folder.is_none(), warnings, |_| true)?,
        Shown::WhatChanged if is_changed => {
            show(context, &plan, false, warnings, is_change)?;
        }
        Shown::WhatChanged => {}
    }
    Ok(is_changed)
}

/// Installs again and again, until somebody says that it is enough.
async fn watch(context: &mut Context, args: &InstallCni) -> Result<Exit, Cause> {
    let no_signals =
        |source: std::io::Error| Cause::Machine { needed: "signals", source: source.into() };
    let mut end = signal(SignalKind::terminate()).map_err(no_signals)?;
    refuse_early(context, args)?;
    let Some(folder) = wait_for_turn(context, args, &mut end).await? else { return Ok(Exit::Done) };
    install(context, args, Some(&folder), Shown::Everything)?;
    context.printer.finish().map_err(Cause::Output)?;
    let mut told = String::new();
    while timeout(Duration::from_secs(args.interval), end.recv()).await.is_err() {
        let installed = install(context, args, Some(&folder), Shown::WhatChanged)
            .and_then(|_| context.printer.finish().map_err(Cause::Output));
        match installed {
            Ok(()) => told.clear(),
            Err(Cause::Output(error)) => return Err(Cause::Output(error)),
            // What stands in the way now may be gone at the next look; said once, it does not fill a log.
            Err(cause) if cause.chain() != told => {
                told = cause.chain();
                context.fail(task(args), &cause);
            }
            Err(_) => {}
        }
    }
    Ok(Exit::Done)
}

/// Takes the folder as soon as nobody else has it: while a DaemonSet is being updated, the pod before this one still does.
async fn wait_for_turn(
    context: &mut Context,
    args: &InstallCni,
    end: &mut Signal,
) -> Result<Option<Folder>, Cause> {
    const LOOK_AGAIN: Duration = Duration::from_millis(200);
    let mut is_told = false;
    loop {
        match Folder::take(&args.config_dir) {
            Err(InstallError::Busy { .. }) => {}
            taken => return Ok(Some(taken?)),
        }
        if !is_told {
            is_told = true;
            context.note("waiting for another ringfence install-cni to end");
        }
        if timeout(LOOK_AGAIN, end.recv()).await.is_ok() {
            return Ok(None);
        }
    }
}

fn uninstall(context: &mut Context, args: &InstallCni) -> Result<Exit, Cause> {
    let is_taken = !args.dry_run && args.config_dir.exists();
    let folder = is_taken.then(|| Folder::take(&args.config_dir)).transpose()?;
    let record = Record::read(&args.config_dir)?;
    if record.entries.is_empty() {
        let plugin = plugin_path(&args.bin_dir);
        if look(&plugin)? != Found::Nothing {
            return Err(InstallError::Foreign { path: plugin }.into());
        }
        context.note("nothing is installed");
    }
    let plan = Plan::uninstall(record)?;
    if let Some(folder) = folder {
        plan.carry_out(&folder)?;
        folder.leave()?;
    }
    show(context, &plan, args.dry_run, Vec::new(), is_change)?;
    Ok(Exit::Done)
}

fn is_change(act: &Act<'_>) -> bool {
    !matches!(act, Act::Leave)
}

fn show(
    context: &mut Context,
    plan: &Plan<'_>,
    dry_run: bool,
    warnings: Vec<Warning>,
    is_shown: impl Fn(&Act<'_>) -> bool,
) -> Result<(), Cause> {
    let steps = plan.steps.iter().filter(|step| is_shown(&step.act));
    let items = steps.map(|step| {
        let result = match &step.act {
            Act::Leave => "unchanged",
            Act::Make(_) => "created",
            Act::Replace(_) => "replaced",
            Act::Keep(_) => "kept",
            Act::Restore(_) => "restored",
            Act::Remove => "removed",
        };
        InstalledItem::new(&step.path, result, dry_run)
    });
    let report = Report::new(context.written(), items.collect()).with_warnings(warnings);
    context.show(&report)
}
