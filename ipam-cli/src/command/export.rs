//! `ringfence export`: the ranges of pools in the words of a firewall.

use ipam_core::inventory::PoolEntry;
use ipam_etcd::embedded::Create;

use super::Context;
use crate::args::{Export, ExportNft};
use crate::cause::{Cause, UsageError};
use crate::exit::Exit;
use crate::export::{self, Names, Precision, Selection};
use crate::warning::Warning;

/// Writes one network in each line.
pub(super) async fn plain(context: &mut Context, args: &Export) -> Result<Exit, Cause> {
    let selection = select(context, args).await?;
    put(context, args, &selection, &export::plain(&selection.ranges))
}

/// Writes a file for nftables.
pub(super) async fn nft(context: &mut Context, args: &ExportNft) -> Result<Exit, Cause> {
    let set = match (&args.name, args.export.pools.as_slice()) {
        (Some(name), _) => name.clone(),
        (None, [pool]) => export::name_from(pool),
        (None, pools) => return Err(UsageError::SetName { pools: pools.len() }.into()),
    };
    let selection = select(context, &args.export).await?;
    let names = Names { table: args.table.clone(), set, pools: args.export.pools.clone() };
    put(context, &args.export, &selection, &export::nft(&names, &selection))
}

async fn select(context: &mut Context, args: &Export) -> Result<Selection, Cause> {
    let reading = context.connect(Create::Never)?.look().await?;
    let mut pools: Vec<&PoolEntry> = Vec::with_capacity(args.pools.len());
    for name in &args.pools {
        pools.push(context.pool(&reading, name)?);
    }
    let precision = if args.exact { Precision::Exact } else { Precision::Aggregate };
    let selection = Selection::of(&reading.inventory, &pools, precision).map_err(Cause::Refused)?;
    let hidden = pools.iter().flat_map(|pool| hidden(pool));
    context.warn(&reading.warnings.iter().cloned().chain(hidden).collect::<Vec<_>>());
    if selection.ranges.is_empty() && !args.allow_empty {
        return Err(Cause::NothingToExport { pools: args.pools.clone() });
    }
    Ok(selection)
}

fn put(
    context: &mut Context,
    args: &Export,
    selection: &Selection,
    text: &str,
) -> Result<Exit, Cause> {
    let count = selection.ranges.to_cidrs().len();
    match &args.out {
        None => context.data(text)?,
        Some(path) => {
            export::replace(path, text)
                .map_err(|source| Cause::OutFile { path: path.clone(), source })?;
            context.note(&format!("{} replaced; networks: {count}", path.display()));
        }
    }
    Ok(Exit::Done)
}

/// Tells why a firewall would not see the addresses of a pool.
fn hidden(pool: &PoolEntry) -> Vec<Warning> {
    let (spec, name) = (&pool.stored.spec, &pool.name);
    let mut warnings = Vec::new();
    if spec.nat_outgoing {
        let message = format!(
            "pool {name} has natOutgoing: the firewall would see the addresses of the nodes, not those of the pool"
        );
        warnings.push(Warning { code: "RF-W0601", message });
    }
    for (field, mode) in [("ipipMode", &spec.ipip_mode), ("vxlanMode", &spec.vxlan_mode)] {
        if !mode.is_empty() && mode != "Never" {
            let message = format!(
                "pool {name} has {field} {mode}: a firewall between the nodes would see their addresses"
            );
            warnings.push(Warning { code: "RF-W0602", message });
        }
    }
    warnings
}
