//! `ringfence explain`: which pools a workload would draw from and why, or why an address was given.
//!
//! A workload is explained by what allocates: the plugin's own request, planned to its end and not carried out.

mod question;
mod trace;

use std::fs;
use std::net::IpAddr;

use ipam_core::inventory::AddressState;
use ipam_core::plan::DryRun;
use ipam_etcd::embedded::Create;

use super::apply::read_text;
use super::{Context, who};
use crate::args;
use crate::cause::Cause;
use crate::connect::Connection;
use crate::exit::Exit;
use crate::netconf::NetConf;
use crate::render::{Decision, Explained, Holding};
use question::{Question, families};
use trace::{refused, trace};

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
    match held {
        None => {
            context.printer.note(&who::absence(&reading.inventory, ip));
            Ok(Exit::No)
        }
        Some(address) => {
            if address.attribute("pool-source").is_none() {
                context.printer.note("nobody recorded why: another program gave this address");
            }
            Ok(Exit::Done)
        }
    }
}

/// Tells what would happen to a workload, family by family.
async fn workload(context: &mut Context, args: &args::Explain) -> Result<Exit, Cause> {
    let conf = match &args.cni_conf {
        Some(path) => NetConf::read(&read_text(path)?)?,
        None => NetConf::default_rules(),
    };
    let question = Question::read(args, conf, host_name)?;
    for key in &question.unread_annotations {
        context.printer.note(&format!("annotation {key} names no pools and is not read"));
    }
    let connection = context.connect(Create::Never)?;
    let reading = connection.look().await?;
    let mut decisions = Vec::new();
    let mut exits = Vec::new();
    for family in families(args, &question.conf, &reading.inventory) {
        let (decision, exit) = decide(&connection, &question, family, &reading.inventory).await?;
        decisions.push(decision);
        exits.push(exit);
    }
    context.show(&reading.report(decisions))?;
    context.printer.note("this holds for workloads that are created from now on; nothing was changed");
    // All families or none: what is wrong beats what is only full.
    let worst = [Exit::No, Exit::Full].into_iter().find(|exit| exits.contains(exit));
    Ok(worst.unwrap_or(Exit::Done))
}
