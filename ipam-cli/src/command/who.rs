//! `ringfence who`: who holds an address, or what a pod or a handle holds.

use std::net::IpAddr;

use ipam_core::inventory::{Address, AddressState, Inventory};
use ipam_core::model::HandleId;
use ipam_etcd::embedded::Create;

use super::Context;
use crate::args::Who;
use crate::cause::{Cause, UsageError};
use crate::exit::Exit;
use crate::render::{Held, Holding};

/// Tells who holds an address, or what somebody holds.
pub(super) async fn run(context: &mut Context, args: &Who) -> Result<Exit, Cause> {
    let subject = Subject::read(&args.subject)?;
    let reading = context.connect(Create::Never)?.look().await?;
    let held = subject.held(&reading.inventory);
    let items = held.iter().map(|address| Held(Holding::of(address, context.now))).collect();
    context.show(&reading.report(items))?;
    if !held.is_empty() {
        return Ok(Exit::Done);
    }
    let note = match subject {
        Subject::Address(ip) => absence(&reading.inventory, ip),
        Subject::Pod { namespace, name } => format!("pod {namespace}/{name} holds no address"),
        Subject::Handle(handle) => format!("handle {handle} holds no address"),
    };
    context.note(&note);
    Ok(Exit::No)
}

/// Whoever, or whatever, is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// An address.
    Address(IpAddr),
    /// A pod.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A handle.
    Handle(String),
}

impl Subject {
    /// Reads an address, `NAMESPACE/POD`, or a handle: no handle has a slash.
    pub(super) fn read(text: &str) -> Result<Self, UsageError> {
        if let Ok(ip) = text.parse() {
            return Ok(Self::Address(ip));
        }
        let none = || UsageError::Holder { given: text.to_owned() };
        match text.split_once('/') {
            None => HandleId::new(text).map(|id| Self::Handle(id.to_string())).map_err(|_| none()),
            Some((namespace, name))
                if namespace.is_empty() || name.is_empty() || name.contains('/') =>
            {
                Err(none())
            }
            Some((namespace, name)) => {
                Ok(Self::Pod { namespace: namespace.to_owned(), name: name.to_owned() })
            }
        }
    }

    /// Returns the addresses that are held: the one that is asked about, or those of whoever is.
    pub(super) fn held<'i>(&self, inventory: &'i Inventory) -> Vec<Address<'i>> {
        let in_use = |address: &Address<'_>| address.state == AddressState::Used;
        match self {
            Self::Address(ip) => inventory.who(*ip).filter(in_use).into_iter().collect(),
            Self::Pod { namespace, name } => {
                let is_its = |address: &Address<'_>| {
                    address.attribute("namespace") == Some(namespace)
                        && address.attribute("pod") == Some(name)
                };
                inventory.addresses().filter(in_use).filter(is_its).collect()
            }
            Self::Handle(handle) => {
                let is_its = |address: &Address<'_>| address.handle() == Some(handle);
                inventory.addresses().filter(in_use).filter(is_its).collect()
            }
        }
    }
}

/// Tells what is known of an address that nobody holds.
pub(super) fn absence(inventory: &Inventory, ip: IpAddr) -> String {
    if let Some(cooling) = inventory.who(ip) {
        let since = cooling.since().map(|time| format!(" since {time}")).unwrap_or_default();
        return format!("{ip} is in cooldown{since}; nobody holds it");
    }
    let around = |entry: &&ipam_core::inventory::PoolEntry| {
        entry.effective.as_ref().is_some_and(|pool| pool.cidr.contains(ip))
    };
    let place = match inventory.pools.iter().find(around) {
        Some(pool) => format!("lies in pool {}", pool.name),
        None => "lies in no pool".to_owned(),
    };
    let reserved = if inventory.reserved().contains(ip) { ", is reserved" } else { "" };
    format!("{ip} is not assigned; it {place}{reserved}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_told_by_its_form() {
        let pod = |namespace: &str, name: &str| {
            Some(Subject::Pod { namespace: namespace.to_owned(), name: name.to_owned() })
        };
        let address = |text: &str| Some(Subject::Address(text.parse().unwrap()));
        for (text, expected) in [
            ("10.0.0.1", address("10.0.0.1")),
            ("fd00::1", address("fd00::1")),
            ("fin/a", pod("fin", "a")),
            ("k8s-pod-network.9f2c1d", Some(Subject::Handle("k8s-pod-network.9f2c1d".to_owned()))),
            ("10.0.0.1/32", pod("10.0.0.1", "32")),
            ("/a", None),
            ("fin/", None),
            ("a/b/c", None),
            ("", None),
            ("a\nb", None),
        ] {
            assert_eq!(Subject::read(text).ok(), expected, "{text:?}");
        }
    }
}
