//! `ringfence explain`: which pools a workload would draw from and why, or why an address was given.
//!
//! A workload is explained by what allocates: the plugin's own request, planned to its end and not carried out.

mod question;
mod trace;

use std::fs;
use std::net::IpAddr;

use ipam_core::inventory::{AddressState, Inventory};
use ipam_core::ip::Family;
use ipam_core::plan::DryRun;
use ipam_etcd::embedded::Create;

use super::apply::read_text;
use super::{Context, who};
use crate::args;
use crate::cause::Cause;
use crate::connect::Connection;
use crate::exit::{Exit, verdict};
use crate::netconf::NetConf;
use crate::render::{Decision, Explained, Holding};
use question::{Question, families};

/// Explains an address in use, or a workload that does not exist yet.
pub(super) async fn run(context: &mut Context, args: &args::Explain) -> Result<Exit, Cause> {
    match args.ip {
        Some(ip) => address(context, ip).await,
        None => workload(context, args).await,
    }
}

/// Tells who holds an address, and which level chose its pool.
async fn address(context: &mut Context, ip: IpAddr) -> Result<Exit, Cause> {
    let reading = context.connect(Create::Never)?.look().await?;
    let held = reading.inventory.who(ip).filter(|address| address.state == AddressState::Used);
    let items = held.iter().map(|a| Explained(Holding::of(a, context.now))).collect();
    context.show(&reading.report(items))?;
    let Some(address) = held else {
        context.note(&who::absence(&reading.inventory, ip));
        return Ok(Exit::No);
    };
    if address.attribute("pool-source").is_none() {
        context.note("nobody recorded why: another program gave this address");
    }
    Ok(Exit::Done)
}

/// Tells what would happen to a workload, family by family.
async fn workload(context: &mut Context, args: &args::Explain) -> Result<Exit, Cause> {
    let conf = match &args.cni_conf {
        Some(path) => NetConf::read(&read_text(path)?)?,
        None => NetConf::default(),
    };
    let question = Question::read(args, conf, host_name)?;
    for key in &question.unread {
        context.note(&format!("annotation {key} names no pools and is not read"));
    }
    let connection = context.connect(Create::Never)?;
    let reading = connection.look().await?;
    let (mut decisions, mut exits) = (Vec::new(), Vec::new());
    for family in families(args, &question.conf) {
        let (decision, exit) = decide(&connection, &question, family, &reading.inventory).await?;
        decisions.push(decision);
        exits.push(exit);
    }
    context.show(&reading.report(decisions))?;
    context.note("this holds for workloads created from now on; nothing was changed");
    // All families or none: what is wrong beats what is only full.
    let worst = [Exit::No, Exit::Full].into_iter().find(|exit| exits.contains(exit));
    Ok(worst.unwrap_or(Exit::Done))
}

async fn decide(
    connection: &Connection,
    question: &Question,
    family: Family,
    inventory: &Inventory,
) -> Result<(Decision, Exit), Cause> {
    let levels = match question.levels(family) {
        Ok(levels) => levels,
        Err(mistake) => return Ok((trace::mistaken(family, mistake), Exit::No)),
    };
    let request = DryRun(question.request(family, levels.clone()));
    match connection.carry_out(&request).await {
        Ok(assigned) => {
            let binding = question.binding(inventory);
            Ok((trace::granted(family, &assigned, &levels, binding, inventory), Exit::Done))
        }
        Err(cause) => {
            let exit = verdict(&cause).exit;
            let Cause::Refused(refusal) = &cause else { return Err(cause) };
            let exit = if exit == Exit::Full { Exit::Full } else { Exit::No };
            Ok((trace::refused(family, refusal, cause.chain()), exit))
        }
    }
}

/// Returns the name under which this machine would be a node.
fn host_name() -> Result<String, Cause> {
    let fault =
        |source: std::io::Error| Cause::Machine { needed: "host name", source: source.into() };
    let name = fs::read_to_string("/proc/sys/kernel/hostname").map_err(fault)?;
    Ok(name.trim().to_lowercase())
}
