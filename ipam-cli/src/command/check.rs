//! `ringfence check`: whether the stored data is sound, and mending it.

use std::time::Duration;

use ipam_core::check::{Finding, Remedy, Repair, Severity, check};
use ipam_etcd::embedded::Create;

use super::Context;
use crate::args;
use crate::cause::Cause;
use crate::connect::Connection;
use crate::exit::Exit;
use crate::render::{FindingItem, Report, Stamp};

/// Judges the store; notes alone are no reason to act.
pub(super) async fn run(context: &mut Context, args: args::Check) -> Result<Exit, Cause> {
    let connection = context.connect(Create::Never)?;
    if args.repair {
        mend(context, &connection, Duration::from_secs(args.grace)).await?;
    }
    let (snapshot, revision) = connection.snapshot().await?;
    let findings = check(&snapshot, context.now);
    let stamp = Stamp { revision: Some(revision), at: context.now };
    context.show(&Report::new(stamp, findings.iter().map(FindingItem::of).collect()))?;
    let grave = findings.iter().filter(|finding| finding.rule.severity() != Severity::Note).count();
    let notes = findings.len() - grave;
    let keys = snapshot.kvs.len();
    context.note(&format!("{keys} keys at revision {revision}: {grave} findings, {notes} notes"));
    Ok(if grave > 0 { Exit::No } else { Exit::Done })
}

/// Mends what can be mended at any time, and then, after a while, what nobody has worked on meanwhile.
async fn mend(
    context: &mut Context,
    connection: &Connection,
    grace: Duration,
) -> Result<(), Cause> {
    let at_once =
        repairs(context, connection, |remedy| matches!(remedy, Remedy::AtOnce(_))).await?;
    carry_out(context, connection, &at_once).await?;
    let aged = repairs(context, connection, |remedy| matches!(remedy, Remedy::Aged(_))).await?;
    if aged.is_empty() {
        return Ok(());
    }
    let (count, seconds) = (aged.len(), grace.as_secs());
    context.note(&format!("waiting {seconds} s: nodes may be at work on {count} of the findings"));
    tokio::time::sleep(grace).await;
    carry_out(context, connection, &aged).await
}

/// Returns what mends the findings of now that are `wanted`, with what each of them does.
async fn repairs(
    context: &Context,
    connection: &Connection,
    wanted: impl Fn(Remedy) -> bool,
) -> Result<Vec<(Repair, String)>, Cause> {
    let (snapshot, _) = connection.snapshot().await?;
    let findings = check(&snapshot, context.now);
    let findings = findings.iter().filter(|finding| wanted(finding.rule.remedy()));
    Ok(findings
        .filter_map(|finding| Some((Repair::of(finding, &snapshot)?, told(finding))))
        .collect())
}

fn told(finding: &Finding) -> String {
    let what = finding.rule.remedy().what().unwrap_or_default();
    format!("{} {}: {what}", finding.rule.code(), finding.subject)
}

async fn carry_out(
    context: &mut Context,
    connection: &Connection,
    repairs: &[(Repair, String)],
) -> Result<(), Cause> {
    for (repair, told) in repairs {
        if connection.carry_out(repair).await? {
            context.note(&format!("mended {told}"));
        } else {
            context.note(&format!("left alone, since it has changed: {told}"));
        }
    }
    Ok(())
}
