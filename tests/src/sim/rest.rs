//! Whether a store at rest is sound once what can be mended is mended, and empty once everybody has left.

use ipam_core::check::{Finding, Repair, Severity, check};
use ipam_core::model::key::{self, Named};
use ipam_core::model::{HandleId, Timestamp};
use ipam_core::plan::{CollectCold, HandleTarget, Release, Snapshot};
use ipam_etcd::drive;

use super::Violation;
use super::judge::{Author, Change};
use super::operation::By;
use super::process::DEADLINE;
use super::run::Run;
use crate::transition::Moment;

/// How often everything is mended before it must be sound.
const ROUNDS_MAX: usize = 10;
/// Longer than any operation and any cooldown.
const GRACE_NANOS: i64 = 3_600_000_000_000 * 4;

/// Mends, lets everybody leave, mends again, and judges.
pub(super) async fn judge(run: &mut Run) -> Result<(), Violation> {
    run.world.pass(GRACE_NANOS);
    collect_cold(run).await?;
    mended(run, "at rest").await?;
    run.tell_lost("after the repairs")?;
    for handle in handles(&run.world.snapshot().kvs) {
        leave(run, &handle).await?;
    }
    run.world.pass(GRACE_NANOS);
    mended(run, "in the end").await?;
    let left = handles(&run.world.snapshot().kvs);
    if left.is_empty() { Ok(()) } else { Err(wrong(format!("in the end {left:?} hold something"))) }
}

async fn leave(run: &mut Run, handle: &str) -> Result<(), Violation> {
    run.world.told.leave(handle);
    let targets = vec![HandleTarget::all(HandleId::new(handle).expect("a handle"))];
    let request = Release { targets, host: None };
    let before = run.world.snapshot();
    let done = drive(&run.world.store, &request, run.world.latest(), DEADLINE).await;
    done.map_err(|error| wrong(format!("the DEL of {handle} fails: {error:?}")))?;
    judge_change(run, before, Some(handle))?;
    if run.world.held_by(handle).is_empty() {
        return Ok(());
    }
    Err(wrong(format!("the DEL of {handle} leaves something")))
}

async fn mended(run: &mut Run, when: &str) -> Result<(), Violation> {
    for _ in 0..ROUNDS_MAX {
        let now = run.world.latest();
        let snapshot = run.world.snapshot();
        let findings = check(&snapshot, now);
        let repairs = findings.iter().filter_map(|finding| Repair::of(finding, &snapshot));
        let repairs: Vec<Repair> = repairs.collect();
        if repairs.is_empty() {
            break;
        }
        for repair in &repairs {
            run.tally.repair(repair.rule());
            mend(run, repair, now).await?;
        }
    }
    let findings = check(&run.world.snapshot(), run.world.latest());
    let what: Vec<String> = findings.iter().map(|finding| format!("{when}: {finding}")).collect();
    if what.is_empty() { Ok(()) } else { Err(Violation { what }) }
}

/// A collector frees what has cooled down, also where nobody allocates any more.
async fn collect_cold(run: &mut Run) -> Result<(), Violation> {
    let before = run.world.snapshot();
    for block in Moment::of(&before.kvs).blocks.into_keys() {
        let before = run.world.snapshot();
        let request = CollectCold { block };
        let done = drive(&run.world.store, &request, run.world.latest(), DEADLINE).await;
        done.map_err(|error| wrong(format!("{request:?} fails: {error:?}")))?;
        judge_change(run, before, None)?;
    }
    Ok(())
}

/// A repair is a change like any other, and leaves nothing wrong that was right.
async fn mend(run: &mut Run, repair: &Repair, now: Timestamp) -> Result<(), Violation> {
    let before = run.world.snapshot();
    let done = drive(&run.world.store, repair, now, DEADLINE).await;
    done.map_err(|error| wrong(format!("{repair:?} fails: {error:?}")))?;
    let known = check(&before, now);
    let is_new = |finding: &Finding| {
        finding.rule.severity() < Severity::Note
            && !known.iter().any(|old| (old.rule, &old.subject) == (finding.rule, &finding.subject))
    };
    let fresh = check(&run.world.snapshot(), now).into_iter().filter(is_new);
    let what: Vec<String> = fresh.map(|finding| format!("{repair:?} makes {finding}")).collect();
    if what.is_empty() { judge_change(run, before, None) } else { Err(Violation { what }) }
}

fn judge_change(run: &mut Run, before: Snapshot, handle: Option<&str>) -> Result<(), Violation> {
    let now = run.world.latest();
    let author = Author {
        by: By::Ours,
        host: "admin",
        handle,
        adds_for: None,
        earliest: now,
        latest: now,
        cooldown: run.world.cooldown(),
    };
    let change = Change::between(before, run.world.snapshot());
    let what = run.judge.judge(&change, &author, &run.layout, &run.world);
    if what.is_empty() { Ok(()) } else { Err(Violation { what }) }
}

fn wrong(what: String) -> Violation {
    Violation { what: vec![what] }
}

/// Returns every handle that exists, or that an address names.
fn handles(kvs: &[ipam_core::kv::Kv]) -> Vec<String> {
    let mut handles: Vec<String> = kvs
        .iter()
        .filter_map(|kv| match key::parse(&kv.key) {
            Some(Named::Handle(id)) => Some(id),
            _ => None,
        })
        .collect();
    for block in Moment::of(kvs).blocks.values() {
        handles
            .extend(block.taken().filter_map(|(_, record)| record.handle().map(ToOwned::to_owned)));
    }
    handles.sort();
    handles.dedup();
    handles
}
