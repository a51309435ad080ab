//! `ringfence usage`: how full the pools are.

use ipam_etcd::embedded::Create;

use super::Context;
use crate::cause::Cause;
use crate::exit::Exit;
use crate::render::UsageItem;

/// Shows how full each pool is, and what lies in no pool.
pub(super) async fn run(context: &mut Context) -> Result<Exit, Cause> {
    let reading = context.connect(Create::Never)?.look().await?;
    let report = reading.report(reading.inventory.usage().iter().map(UsageItem::of).collect());
    context.show(&report)?;
    if report.items.is_empty() {
        context.note("there is no pool; make one: ringfence pool create NAME CIDR");
    }
    Ok(Exit::Done)
}
