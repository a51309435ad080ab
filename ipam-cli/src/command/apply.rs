//! `ringfence apply`: storing the resources of a manifest, all or none.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use ipam_core::plan::{Applied, ApplyOutcome, ApplyResources};
use ipam_etcd::embedded::Create;

use super::{Context, random};
use crate::args::Apply;
use crate::cause::Cause;
use crate::exit::Exit;
use crate::manifest;
use crate::render::{Outcome, Report};

/// Stores the resources of a manifest, and makes the store if there is none.
pub(super) async fn run(context: &mut Context, args: &Apply) -> Result<Exit, Cause> {
    let text = read_text(&args.file)?;
    let manifests = manifest::read(&text)?;
    let request = ApplyResources { manifests, create_only: false, random: random()? };
    let applied = context.connect(Create::IfMissing)?.carry_out(&request).await?;
    let items = applied.into_iter().map(outcome).collect();
    context.show(&Report::new(context.written(), items))?;
    Ok(Exit::Done)
}

/// Reads a file, or standard input where the name is `-`.
pub(super) fn read_text(path: &Path) -> Result<String, Cause> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_string(&mut text).map(drop)
    } else {
        fs::read_to_string(path).map(|content| text = content)
    };
    match read {
        Ok(()) => Ok(text),
        Err(source) => Err(Cause::File { path: path.to_owned(), source }),
    }
}

fn outcome(applied: Applied) -> Outcome {
    let result = match applied.outcome {
        ApplyOutcome::Created => "created",
        ApplyOutcome::Configured => "configured",
        ApplyOutcome::Unchanged => "unchanged",
    };
    Outcome { kind: applied.kind.name(), name: applied.name, result }
}
