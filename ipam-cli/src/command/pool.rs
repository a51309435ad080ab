//! `ringfence pool`: making, showing and deleting pools.

use ipam_core::inventory::{Inventory, PoolEntry};
use ipam_core::kv::Revision;
use ipam_core::model::{IpPool, IpPoolSpec, ResourceKind};
use ipam_core::plan::{ApplyResources, DeletePool, Manifest};
use ipam_core::pool::{Pool, validate};
use ipam_core::refusal::Refusal;
use ipam_etcd::embedded::Create;

use super::{Context, network, random, usage_of};
use crate::args::{Mode, PoolCreate, Purpose};
use crate::cause::Cause;
use crate::exit::Exit;
use crate::render::{Created, Outcome, PoolDetails, PoolItem, Report};

/// Makes a pool, and the store if it is the first one.
pub(super) async fn create(context: &mut Context, args: &PoolCreate) -> Result<Exit, Cause> {
    let pool = wanted(args)?;
    let request = ApplyResources {
        manifests: vec![Manifest::Pool(Box::new(pool.clone()), Some(args.exclusive))],
        create_only: true,
        random: random()?,
    };
    let connection = context.connect(Create::IfMissing)?;
    // What is told of the pool is read before it is made: nothing may fail once it exists.
    let mut reading = connection.look().await?;
    connection.carry_out(&request).await?;
    let item = add(&mut reading.inventory, pool, args.exclusive);
    let report = Report::new(context.written(), item.map(Created).into_iter().collect());
    context.show(&report.with_warnings(reading.warnings))?;
    Ok(Exit::Done)
}

/// Lists all pools.
pub(super) async fn list(context: &mut Context) -> Result<Exit, Cause> {
    let reading = context.connect(Create::Never)?.look().await?;
    let usage = reading.inventory.usage();
    let item = |entry: &PoolEntry| {
        let bound = bound_namespaces(&reading.inventory, &entry.name);
        PoolItem::of(entry, usage_of(&usage, &entry.name), bound)
    };
    let report = reading.report(reading.inventory.pools.iter().map(item).collect());
    context.show(&report)?;
    if report.items.is_empty() {
        context.note("there is no pool; make one: ringfence pool create NAME CIDR");
    }
    Ok(Exit::Done)
}

/// Shows one pool.
pub(super) async fn get(context: &mut Context, name: &str) -> Result<Exit, Cause> {
    let reading = context.connect(Create::Never)?.look().await?;
    let entry = context.pool(&reading, name)?;
    let usage = reading.inventory.usage();
    let bound = bound_namespaces(&reading.inventory, name);
    let item = PoolDetails(PoolItem::of(entry, usage_of(&usage, name), bound));
    context.show(&reading.report(vec![item]))?;
    Ok(Exit::Done)
}

/// Deletes a pool that nobody draws from.
pub(super) async fn delete(context: &mut Context, name: &str) -> Result<Exit, Cause> {
    let request = DeletePool { name: name.to_owned() };
    let connection = context.connect(Create::Never)?;
    // A pool with many empty blocks goes in several transactions.
    while !connection.carry_out(&request).await? {}
    let kind = ResourceKind::IpPool.name();
    let outcome = Outcome { kind, name: name.to_owned(), result: "deleted" };
    context.show(&Report::new(context.written(), vec![outcome]))?;
    Ok(Exit::Done)
}

/// Makes the pool that the arguments describe, with every default filled in.
fn wanted(args: &PoolCreate) -> Result<IpPool, Cause> {
    let mut spec = IpPoolSpec::default();
    spec.cidr = network(&args.cidr)?.to_string();
    spec.block_size = args.block_size.unwrap_or(0);
    spec.node_selector = args.node_selector.clone().unwrap_or_default();
    spec.namespace_selector = args.namespace_selector.clone().unwrap_or_default();
    spec.disabled = args.disabled;
    spec.nat_outgoing = args.nat;
    mode(args.ipip).clone_into(&mut spec.ipip_mode);
    mode(args.vxlan).clone_into(&mut spec.vxlan_mode);
    spec.allowed_uses.clone_from(&args.uses);
    if args.uses.is_empty() && !spec.namespace_selector.is_empty() {
        // Nobody can tell in which namespace the end of a tunnel is.
        spec.allowed_uses = vec!["Workload".to_owned()];
    }
    let manual = args.manual || args.purpose == Some(Purpose::Firewall);
    spec.assignment_mode = Some(if manual { "Manual" } else { "Automatic" }.to_owned());
    let pool = IpPool::new(ResourceKind::IpPool, &args.name, spec);
    let (pool, _) =
        validate(pool).map_err(|source| Refusal::Pool { pool: args.name.clone(), source })?;
    Ok(pool)
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Never => "Never",
        Mode::Always => "Always",
        Mode::CrossSubnet => "CrossSubnet",
    }
}

/// Adds a new pool to what was read, and returns what it looks like there.
fn add(inventory: &mut Inventory, stored: IpPool, exclusive: bool) -> Option<PoolItem> {
    let name = stored.metadata.name.clone();
    inventory.pools.push(PoolEntry {
        name: name.clone(),
        effective: Pool::read(&stored, exclusive),
        stored,
        mod_revision: Revision::ABSENT,
    });
    let usage = inventory.usage();
    let entry = inventory.pool(&name)?;
    Some(PoolItem::of(entry, usage_of(&usage, &name), Vec::new()))
}

fn bound_namespaces(inventory: &Inventory, pool: &str) -> Vec<String> {
    let bindings = inventory.bindings.iter().filter(|(_, binding)| binding.names(pool));
    bindings.map(|(namespace, _)| namespace.clone()).collect()
}
