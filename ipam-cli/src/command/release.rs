//! `ringfence release`: taking addresses from those who hold them.

use std::io::{self, IsTerminal};

use ipam_core::block::Target;
use ipam_core::inventory::{Address, Inventory};
use ipam_core::plan::{self, AddressTarget, ReleaseAddresses};
use ipam_etcd::embedded::Create;

use super::Context;
use super::who::Subject;
use crate::args;
use crate::cause::{Cause, UsageError};
use crate::connect::Connection;
use crate::exit::Exit;
use crate::render::{Held, Holding, Released, Report};

/// Shows who holds the addresses, asks, and releases them if nothing has changed meanwhile.
pub(super) async fn run(context: &mut Context, args: &args::Release) -> Result<Exit, Cause> {
    let subjects = subjects(args)?;
    let connection = context.connect(Create::Never)?;
    let reading = connection.look().await?;
    let held = held(&reading.inventory, &subjects);
    if held.is_empty() {
        context.note("nobody holds such an address; nothing was released");
        context.show(&reading.report(nobody(&subjects, &[])))?;
        return Ok(Exit::No);
    }
    let items = held.iter().map(|address| Held(Holding::of(address, context.now))).collect();
    let shown = reading.report(items).to_table();
    if args.yes {
        context.note(shown.trim_end());
    } else {
        context.printer.problem(shown.trim_end());
        confirm(context, held.len())?;
    }
    let targets = held.iter().map(target).collect();
    let released = release(context, &connection, targets).await?;
    let exit = if released.released.is_empty() { Exit::No } else { Exit::Done };
    let mut items: Vec<Released> =
        released.released.iter().map(|(ip, holder)| Released::from(*ip, holder)).collect();
    items.extend(nobody(&subjects, &held));
    items.extend(released.unallocated.into_iter().map(Released::nobody));
    context.show(&Report::new(context.written(), items))?;
    Ok(exit)
}

/// Releases the addresses in as many transactions as it takes; tells what was done before one fails.
async fn release(
    context: &mut Context,
    connection: &Connection,
    targets: Vec<AddressTarget>,
) -> Result<plan::Released, Cause> {
    let count = targets.len();
    let mut all = plan::Released::default();
    for request in ReleaseAddresses::in_parts(targets) {
        match connection.carry_out(&request).await {
            Ok(part) => {
                all.released.extend(part.released);
                all.unallocated.extend(part.unallocated);
            }
            Err(error) => {
                if !all.released.is_empty() {
                    let done = all.released.len();
                    context.note(&format!(
                        "{done} of {count} addresses were released before this failed"
                    ));
                }
                return Err(error);
            }
        }
    }
    Ok(all)
}

fn subjects(args: &args::Release) -> Result<Vec<Subject>, UsageError> {
    let mut subjects: Vec<Subject> = Vec::new();
    for ip in &args.ip {
        if !subjects.contains(&Subject::Address(*ip)) {
            subjects.push(Subject::Address(*ip));
        }
    }
    for (text, wants_pod) in [(&args.handle, false), (&args.pod, true)] {
        let Some(text) = text else { continue };
        let subject = Subject::read(text)?;
        if matches!(subject, Subject::Pod { .. }) != wants_pod
            || matches!(subject, Subject::Address(_))
        {
            return Err(UsageError::Holder { given: text.clone() });
        }
        subjects.push(subject);
    }
    Ok(subjects)
}

fn held<'i>(inventory: &'i Inventory, subjects: &[Subject]) -> Vec<Address<'i>> {
    subjects.iter().flat_map(|subject| subject.held(inventory)).collect()
}

/// Returns the addresses that were named and that nobody holds.
fn nobody(subjects: &[Subject], held: &[Address<'_>]) -> Vec<Released> {
    let addresses = subjects.iter().filter_map(|subject| match subject {
        Subject::Address(ip) => Some(*ip),
        Subject::Pod { .. } | Subject::Handle(_) => None,
    });
    addresses.filter(|ip| !held.iter().any(|held| held.ip == *ip)).map(Released::nobody).collect()
}

/// What was shown is what may be released, and nothing that took its place.
fn target(address: &Address<'_>) -> AddressTarget {
    let conditions =
        Target { handle: address.handle().map(str::to_owned), sequence: Some(address.sequence) };
    AddressTarget { ip: address.ip, conditions }
}

/// Asks whether to go on. The number has to be typed: it cannot be confirmed without having looked.
fn confirm(context: &mut Context, count: usize) -> Result<(), Cause> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let why =
            "releasing takes addresses from running workloads, and nobody is there to confirm it";
        return Err(Cause::Unconfirmed { why });
    }
    context.printer.prompt(&format!(
        "whoever still uses these addresses will share them with others; type {count} to release them: "
    ));
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    if read.is_ok() && answer.trim() == count.to_string() {
        return Ok(());
    }
    Err(Cause::Unconfirmed { why: "it was not confirmed; nothing was released" })
}
