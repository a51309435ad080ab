//! `ringfence ips`: the addresses that are in use or in cooldown.

use ipam_core::inventory::Address;
use ipam_core::ip::Cidr;
use ipam_etcd::embedded::Create;

use super::{Context, network};
use crate::args::Ips;
use crate::cause::Cause;
use crate::exit::Exit;
use crate::render::{Holding, Listed};
use crate::warning::Warning;

/// Lists addresses.
pub(super) async fn run(context: &mut Context, args: &Ips) -> Result<Exit, Cause> {
    let filter = Filter { args, cidr: args.cidr.as_deref().map(network).transpose()? };
    let reading = context.connect(Create::Never)?.look().await?;
    if let Some(name) = &args.pool {
        context.pool(&reading, name)?;
    }
    let limit = args.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut found = reading.inventory.addresses().filter(|address| filter.lets_through(address));
    let listed = found.by_ref().take(limit);
    let items = listed.map(|address| Listed(Holding::of(&address, context.now))).collect();
    let left = found.count();
    let cut = (left > 0).then(|| Warning {
        code: "RF-W0501",
        message: format!("{left} more addresses are not shown; raise --limit"),
    });
    let mut report = reading.report(items).with_warnings(cut);
    report.complete = report.warnings.is_empty();
    context.show(&report)?;
    if report.items.is_empty() {
        context.note("no such address is in use or in cooldown");
        return Ok(Exit::No);
    }
    Ok(Exit::Done)
}

struct Filter<'a> {
    args: &'a Ips,
    cidr: Option<Cidr>,
}

impl Filter<'_> {
    fn lets_through(&self, address: &Address<'_>) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&self.args.pool, address.pool)
            && is(&self.args.node, address.attribute("node"))
            && is(&self.args.namespace, address.attribute("namespace"))
            && self.cidr.is_none_or(|cidr| cidr.contains(address.ip))
    }
}
