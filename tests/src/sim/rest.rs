//! Whether a store at rest is sound once what can be mended is mended, and empty once everybody has left.

use ipam_core::check::{Repair, check};
use ipam_core::model::key::{self, Named};
use ipam_core::model::{HandleId, Timestamp};
use ipam_core::plan::{HandleTarget, Release};
use ipam_etcd::drive;

use super::Violation;
use super::process::DEADLINE;
use super::tally::Tally;
use super::world::World;
use crate::transition::Moment;

/// How often everything is mended before it must be sound.
const ROUNDS_MAX: usize = 10;
/// Longer than any operation and any cooldown.
const GRACE_NANOS: i64 = 3_600_000_000_000 * 4;

/// Mends, lets everybody leave, mends again, and judges.
pub(super) async fn judge(world: &World, tally: &mut Tally) -> Result<(), Violation> {
    world.pass(GRACE_NANOS);
    mended(world, tally, "at rest").await?;
    let snapshot = world.snapshot();
    for handle in handles(&snapshot.kvs) {
        let targets = vec![HandleTarget::all(HandleId::new(&handle).expect("a handle"))];
        let request = Release { targets, host: None };
        let done = drive(&world.store, &request, world.latest(), DEADLINE).await;
        done.map_err(|error| wrong(format!("the DEL of {handle} fails: {error:?}")))?;
    }
    world.pass(GRACE_NANOS);
    mended(world, tally, "in the end").await?;
    let snapshot = world.snapshot();
    let left = handles(&snapshot.kvs);
    if left.is_empty() { Ok(()) } else { Err(wrong(format!("in the end {left:?} hold something"))) }
}

async fn mended(world: &World, tally: &mut Tally, when: &str) -> Result<(), Violation> {
    for _ in 0..ROUNDS_MAX {
        let now = world.latest();
        let snapshot = world.snapshot();
        let findings = check(&snapshot, now);
        let repairs = findings.iter().filter_map(|finding| Repair::of(finding, &snapshot));
        let repairs: Vec<Repair> = repairs.collect();
        if repairs.is_empty() {
            break;
        }
        for repair in &repairs {
            tally.repair(repair.rule());
            mend(world, repair, now).await?;
        }
    }
    let findings = check(&world.snapshot(), world.latest());
    let what: Vec<String> = findings.iter().map(|finding| format!("{when}: {finding}")).collect();
    if what.is_empty() { Ok(()) } else { Err(Violation { what }) }
}

async fn mend(world: &World, repair: &Repair, now: Timestamp) -> Result<(), Violation> {
    let done = drive(&world.store, repair, now, DEADLINE).await;
    done.map(drop).map_err(|error| wrong(format!("{repair:?} fails: {error:?}")))
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
