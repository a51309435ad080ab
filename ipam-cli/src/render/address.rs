//! Who has an address.

use ipam_core::inventory::{Address, AddressState};
use ipam_core::model::Timestamp;
use ipam_core::plan::Holder;
use serde::Serialize;

use super::{Item, or_dash};

/// An address that is not free, and who has it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Holding {
    ip: String,
    state: &'static str,
    pool: Option<String>,
    block: String,
    node: Option<String>,
    handle: Option<String>,
    owner: Option<Owner>,
    since: Option<String>,
    sequence: u64,
    borrowed: bool,
    pool_source: Option<String>,
    source: &'static str,
    #[serde(skip)]
    age: Option<String>,
}

/// Who holds an address, in parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Owner {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
}

/// An address in a list of many.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Listed(pub(crate) Holding);

/// An address whose holder was asked for.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Held(pub(crate) Holding);

/// An address with the level that chose its pool.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Explained(pub(crate) Holding);

impl Holding {
    /// Makes the item; ages are counted until `now`.
    pub(crate) fn of(address: &Address<'_>, now: Timestamp) -> Self {
        let text = |name| address.attribute(name).map(str::to_owned);
        let since = address.since();
        Self {
            ip: address.ip.to_string(),
            state: address.state.word(),
            pool: address.pool.map(str::to_owned),
            block: address.block.to_string(),
            node: text("node"),
            handle: address.handle().map(str::to_owned),
            owner: match address.state {
                AddressState::Used => Owner::of(&address.holder()),
                AddressState::Cooling => None,
            },
            since: since.map(|since| since.to_string()),
            sequence: address.sequence,
            borrowed: address.is_borrowed(),
            pool_source: text("pool-source"),
            source: "live",
            age: since.map(|since| age(now.seconds() - since.seconds())),
        }
    }

    fn owner(&self) -> String {
        or_dash(self.owner.as_ref().map(Owner::text).as_deref())
    }
}

impl Owner {
    /// Takes an owner apart; `None` where nothing is known of it.
    pub(super) fn of(holder: &Holder) -> Option<Self> {
        let text = |name| holder.attribute(name).map(str::to_owned);
        let (kind, namespace, name) = match (text("namespace"), text("pod"), text("type")) {
            (Some(namespace), Some(pod), _) => ("pod".to_owned(), Some(namespace), pod),
            (_, _, Some(kind)) => (kind, None, text("node").unwrap_or_default()),
            (_, _, None) => ("handle".to_owned(), None, holder.handle.clone()?),
        };
        Some(Self { kind, namespace, name, uid: text("pod-uid") })
    }

    /// Writes the owner as `who` takes it.
    pub(super) fn text(&self) -> String {
        match (&self.namespace, self.kind.as_str()) {
            (Some(namespace), _) => format!("{namespace}/{}", self.name),
            (None, "handle") => self.name.clone(),
            (None, kind) => format!("{kind} of {}", or_dash(Some(&self.name))),
        }
    }
}

impl Item for Listed {
    const KIND: &'static str = "Address";
    const HEADINGS: &'static [&'static str] =
        &["IP", "STATE", "POOL", "BLOCK", "NODE", "OWNER", "AGE"];

    fn rows(&self) -> Vec<Vec<String>> {
        let held = &self.0;
        vec![vec![
            held.ip.clone(),
            held.state.to_owned(),
            or_dash(held.pool.as_deref()),
            held.block.clone(),
            or_dash(held.node.as_deref()),
            held.owner(),
            or_dash(held.age.as_deref()),
        ]]
    }
}

impl Item for Held {
    const KIND: &'static str = "Holding";
    const HEADINGS: &'static [&'static str] =
        &["IP", "OWNER", "NODE", "POOL", "BLOCK", "SINCE", "HANDLE"];

    fn rows(&self) -> Vec<Vec<String>> {
        let held = &self.0;
        vec![vec![
            held.ip.clone(),
            held.owner(),
            or_dash(held.node.as_deref()),
            or_dash(held.pool.as_deref()),
            held.block.clone(),
            or_dash(held.since.as_deref()),
            or_dash(held.handle.as_deref()),
        ]]
    }
}

impl Item for Explained {
    const KIND: &'static str = "Holding";
    const HEADINGS: &'static [&'static str] =
        &["IP", "OWNER", "NODE", "POOL", "POOL-SOURCE", "BLOCK", "SINCE"];

    fn rows(&self) -> Vec<Vec<String>> {
        let held = &self.0;
        vec![vec![
            held.ip.clone(),
            held.owner(),
            or_dash(held.node.as_deref()),
            or_dash(held.pool.as_deref()),
            or_dash(held.pool_source.as_deref()),
            held.block.clone(),
            or_dash(held.since.as_deref()),
        ]]
    }
}

/// Writes an age in its largest unit; a clock that is behind makes things new.
fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{}s", seconds.max(0)),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        86_400.. => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        for (seconds, text) in [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m"),
            (3600, "1h"),
            (86_399, "23h"),
            (86_400, "1d"),
            (86_400 * 400, "400d"),
        ] {
            assert_eq!(age(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn an_owner_is_what_its_attributes_say() {
        for (handle, attributes, text) in [
            (Some("h"), &[("namespace", "fin"), ("pod", "a"), ("node", "n1")][..], Some("fin/a")),
            (
                Some("h"),
                &[("type", "ipipTunnelAddress"), ("node", "n1")],
                Some("ipipTunnelAddress of n1"),
            ),
            (Some("h"), &[("type", "Manual")], Some("Manual of -")),
            (Some("h"), &[("node", "n1")], Some("h")),
            (None, &[("node", "n1")], None),
        ] {
            let pairs = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            let attributes: BTreeMap<String, String> = pairs.collect();
            let holder = Holder { handle: handle.map(str::to_owned), attributes };
            assert_eq!(Owner::of(&holder).map(|owner| owner.text()).as_deref(), text, "{holder:?}");
        }
    }
}
