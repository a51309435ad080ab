//! `ringfence check`: whether the stored data is sound.

use ipam_core::check::{Severity, check};
use ipam_etcd::embedded::Create;

use super::Context;
use crate::cause::Cause;
use crate::exit::Exit;
use crate::render::{FindingItem, Report, Stamp};

/// Judges the store; notes alone are no reason to act.
pub(super) async fn run(context: &mut Context) -> Result<Exit, Cause> {
    let (snapshot, revision) = context.connect(Create::Never)?.snapshot().await?;
    let findings = check(&snapshot, context.now);
    let stamp = Stamp { revision: Some(revision), at: context.now };
    context.show(&Report::new(stamp, findings.iter().map(FindingItem::of).collect()))?;
    let grave = findings.iter().filter(|finding| finding.rule.severity() != Severity::Note).count();
    let notes = findings.len() - grave;
    let keys = snapshot.kvs.len();
    context.note(&format!("{keys} keys at revision {revision}: {grave} findings, {notes} notes"));
    Ok(if grave > 0 { Exit::No } else { Exit::Done })
}
