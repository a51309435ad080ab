//! `ringfence namespace`: which namespace draws from which pools.

use ipam_core::inventory::Inventory;
use ipam_core::ip::Family;
use ipam_core::model::{Binding, BindingMode};
use ipam_core::plan::{Bind, Unbind};
use ipam_core::pool::{PoolList, is_binding_name};
use ipam_etcd::embedded::Create;

use super::Context;
use crate::args::NamespaceBind;
use crate::cause::{Cause, UsageError};
use crate::exit::Exit;
use crate::render::{BindingItem, Outcome, Report};
use crate::warning::Warning;

/// Binds a namespace to pools.
pub(super) async fn bind(context: &mut Context, args: &NamespaceBind) -> Result<Exit, Cause> {
    let name = &args.name;
    if !is_binding_name(name) {
        return Err(UsageError::Namespace { given: name.clone() }.into());
    }
    let mode = if args.required { BindingMode::Required } else { BindingMode::Default };
    let v4 = pools("--ipv4pools", args.ipv4pools.as_deref())?;
    let v6 = pools("--ipv6pools", args.ipv6pools.as_deref())?;
    let binding = Binding::new(mode, v4, v6);
    let connection = context.connect(Create::Never)?;
    // What is told of the binding is read before it is made: nothing may fail once it exists.
    let reading = connection.look().await?;
    let request = Bind { tenant: name.clone(), binding: binding.clone() };
    let before = connection.carry_out(&request).await?;
    let open =
        Family::ALL.into_iter().filter_map(|f| unrestricted(&reading.inventory, name, &binding, f));
    let warnings = weakened(name, before.as_ref(), &binding).into_iter().chain(open);
    let report = Report::new(context.written(), vec![BindingItem::of(name, &binding)]);
    context.show(&report.with_warnings(warnings))?;
    Ok(Exit::Done)
}

/// Removes the binding of a namespace.
pub(super) async fn unbind(context: &mut Context, name: &str) -> Result<Exit, Cause> {
    context.connect(Create::Never)?.carry_out(&Unbind { tenant: name.to_owned() }).await?;
    let outcome = Outcome { kind: "Binding", name: name.to_owned(), result: "unbound" };
    context.show(&Report::new(context.written(), vec![outcome]))?;
    Ok(Exit::Done)
}

/// Lists all bindings.
pub(super) async fn list(context: &mut Context) -> Result<Exit, Cause> {
    let reading = context.connect(Create::Never)?.look().await?;
    let bindings = reading.inventory.bindings.iter();
    let report = reading.report(bindings.map(|(name, b)| BindingItem::of(name, b)).collect());
    context.show(&report)?;
    if report.items.is_empty() {
        context.note("no namespace is bound");
    }
    Ok(Exit::Done)
}

fn pools(flag: &'static str, text: Option<&str>) -> Result<Option<Vec<String>>, UsageError> {
    let Some(text) = text else { return Ok(None) };
    let mistake = |mistake: String| UsageError::PoolList { flag, mistake };
    match PoolList::parse_commas(text) {
        Ok(Some(list)) => Ok(Some(list.entries().to_vec())),
        Ok(None) => Err(mistake("names no pool".to_owned())),
        Err(error) => Err(mistake(error.to_string())),
    }
}

/// Tells of a binding that was required and is not any more.
fn weakened(name: &str, before: Option<&Binding>, binding: &Binding) -> Option<Warning> {
    let was_required = before.is_some_and(|before| before.mode == BindingMode::Required);
    if !was_required || binding.mode == BindingMode::Required {
        return None;
    }
    let message = format!(
        "the binding of {name} was required: annotations beat it from now on; add --required to keep the fence"
    );
    Some(Warning { code: "RF-W0302", message })
}

/// Tells of a family that a binding says nothing about although there are pools of it.
fn unrestricted(
    inventory: &Inventory,
    name: &str,
    binding: &Binding,
    family: Family,
) -> Option<Warning> {
    let mut pools = inventory.pools.iter().filter_map(|entry| entry.effective.as_ref());
    if binding.pools(family).is_some() || !pools.any(|pool| pool.family() == family) {
        return None;
    }
    let number = family.number();
    let message = format!(
        "{family} stays unrestricted: namespace {name} may draw from any {family} pool; add --ipv{number}pools"
    );
    Some(Warning { code: "RF-W0301", message })
}
