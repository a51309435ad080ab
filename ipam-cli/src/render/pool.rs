//! A pool: what is stored of it, and how full it is.

use ipam_core::inventory::{PoolEntry, Usage};
use serde::Serialize;

use super::{Item, or_dash};

/// A pool, as one row of a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolItem {
    name: String,
    family: Option<u8>,
    cidr: String,
    block_size: Option<u8>,
    state: &'static str,
    mode: String,
    exclusive: bool,
    allowed_uses: Vec<String>,
    nat_outgoing: bool,
    ipip_mode: String,
    vxlan_mode: String,
    #[serde(rename = "disableBGPExport")]
    disable_bgp_export: bool,
    node_selector: String,
    namespace_selector: String,
    bound_namespaces: Vec<String>,
    #[serde(flatten)]
    numbers: Option<Numbers>,
}

/// How the addresses of a pool are used.
///
/// What IPv6 lets grow beyond the numbers of other languages is a text of decimal digits, in every pool.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Numbers {
    /// How many addresses there are.
    pub(super) total: String,
    /// How many are in use.
    pub(super) used: u64,
    /// How many are in cooldown.
    pub(super) cooling: u64,
    /// How many a reservation sets aside.
    pub(super) reserved: String,
    reserved_in_use: u64,
    /// How many are used by a node that did not claim their block.
    pub(super) borrowed: u64,
    /// How many can still be given.
    pub(super) free: String,
    blocks: BlockNumbers,
    #[serde(skip)]
    permille: u32,
}

#[derive(Clone, Debug, Serialize)]
struct BlockNumbers {
    total: String,
    claimed: u64,
}

/// A pool with all that is known of it, one property in each row.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct PoolDetails(pub(crate) PoolItem);

/// A pool that was just made.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Created(pub(crate) PoolItem);

impl PoolItem {
    /// Makes the item; a pool whose network is none has no usage.
    pub(crate) fn of(
        entry: &PoolEntry,
        usage: Option<&Usage<'_>>,
        bound_namespaces: Vec<String>,
    ) -> Self {
        let spec = &entry.stored.spec;
        let or =
            |text: &str, default: &str| if text.is_empty() { default } else { text }.to_owned();
        let uses = spec.allowed_uses.clone();
        let pool = entry.effective.as_ref();
        Self {
            name: entry.name.clone(),
            family: pool.map(|pool| pool.family().number()),
            cidr: spec.cidr.clone(),
            block_size: block_prefix(entry),
            state: state(entry),
            mode: spec.assignment_mode.clone().unwrap_or_else(|| "Automatic".to_owned()),
            exclusive: pool.is_some_and(|pool| pool.exclusive),
            allowed_uses: if uses.is_empty() {
                vec!["Workload".to_owned(), "Tunnel".to_owned()]
            } else {
                uses
            },
            nat_outgoing: spec.nat_outgoing,
            ipip_mode: or(&spec.ipip_mode, "Never"),
            vxlan_mode: or(&spec.vxlan_mode, "Never"),
            disable_bgp_export: spec.disable_bgp_export,
            node_selector: or(&spec.node_selector, "all()"),
            namespace_selector: spec.namespace_selector.clone(),
            bound_namespaces,
            numbers: usage.map(Numbers::of),
        }
    }

    fn mode(&self) -> String {
        if self.exclusive { format!("{},exclusive", self.mode) } else { self.mode.clone() }
    }

    fn selector(&self) -> String {
        match self.namespace_selector.as_str() {
            "" => self.node_selector.clone(),
            namespaces => format!("{}; namespaces {namespaces}", self.node_selector),
        }
    }

    fn block(&self) -> String {
        or_dash(self.block_size.map(|prefix| format!("/{prefix}")).as_deref())
    }

    fn number(&self, number: impl Fn(&Numbers) -> String) -> String {
        or_dash(self.numbers.as_ref().map(number).as_deref())
    }
}

impl Numbers {
    pub(super) fn of(usage: &Usage<'_>) -> Self {
        Self {
            total: usage.total.to_string(),
            used: usage.used,
            cooling: usage.cooling,
            reserved: usage.reserved.to_string(),
            reserved_in_use: usage.reserved_in_use,
            borrowed: usage.borrowed,
            free: usage.free.to_string(),
            blocks: BlockNumbers {
                total: usage.blocks_total.to_string(),
                claimed: usage.blocks_claimed,
            },
            permille: usage.permille(),
        }
    }

    /// Writes how many percent are used or cooling; with one decimal below 10, where it matters.
    pub(super) fn percentage(&self) -> String {
        match self.permille {
            0 => "0%".to_owned(),
            permille @ 1..100 => format!("{}.{}%", permille / 10, permille % 10),
            permille => format!("{}%", permille / 10),
        }
    }
}

impl Item for PoolItem {
    const KIND: &'static str = "Pool";
    const HEADINGS: &'static [&'static str] =
        &["NAME", "CIDR", "BLOCK", "STATE", "MODE", "USED", "FREE", "USE%", "SELECTOR"];

    fn rows(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.name.clone(),
            or_dash(Some(&self.cidr)),
            self.block(),
            self.state.to_owned(),
            self.mode(),
            self.number(|numbers| numbers.used.to_string()),
            self.number(|numbers| numbers.free.clone()),
            self.number(Numbers::percentage),
            self.selector(),
        ]]
    }
}

impl Item for PoolDetails {
    const KIND: &'static str = PoolItem::KIND;
    const HEADINGS: &'static [&'static str] = &["PROPERTY", "VALUE"];

    fn rows(&self) -> Vec<Vec<String>> {
        let pool = &self.0;
        let blocks = |n: &Numbers| format!("{} of {}", n.blocks.claimed, n.blocks.total);
        let reserved = |n: &Numbers| match n.reserved_in_use {
            0 => n.reserved.clone(),
            taken => format!("{}, {taken} of them in use", n.reserved),
        };
        let properties = [
            ("name", pool.name.clone()),
            ("cidr", or_dash(Some(&pool.cidr))),
            ("block size", pool.block()),
            ("state", pool.state.to_owned()),
            ("mode", pool.mode()),
            ("uses", pool.allowed_uses.join(", ")),
            ("node selector", pool.node_selector.clone()),
            ("namespace selector", or_dash(Some(&pool.namespace_selector))),
            ("bound namespaces", or_dash(Some(&pool.bound_namespaces.join(", ")))),
            ("nat outgoing", pool.nat_outgoing.to_string()),
            ("encapsulation", format!("ipip {}, vxlan {}", pool.ipip_mode, pool.vxlan_mode)),
            ("bgp export", (!pool.disable_bgp_export).to_string()),
            ("addresses", pool.number(|n| n.total.clone())),
            ("used", pool.number(|n| format!("{} ({})", n.used, n.percentage()))),
            ("cooling", pool.number(|n| n.cooling.to_string())),
            ("reserved", pool.number(reserved)),
            ("borrowed", pool.number(|n| n.borrowed.to_string())),
            ("free", pool.number(|n| n.free.clone())),
            ("blocks claimed", pool.number(blocks)),
        ];
        properties.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
    }
}

impl Item for Created {
    const KIND: &'static str = PoolItem::KIND;
    const HEADINGS: &'static [&'static str] =
        &["NAME", "RESULT", "CIDR", "ADDRESSES", "BLOCKS", "BLOCK", "MODE"];

    fn rows(&self) -> Vec<Vec<String>> {
        let pool = &self.0;
        vec![vec![
            pool.name.clone(),
            "created".to_owned(),
            pool.cidr.clone(),
            pool.number(|numbers| numbers.total.clone()),
            pool.number(|numbers| numbers.blocks.total.clone()),
            pool.block(),
            pool.mode(),
        ]]
    }
}

/// Returns whether a pool gives addresses, or why not.
pub(super) fn state(entry: &PoolEntry) -> &'static str {
    match &entry.effective {
        Some(pool) => pool.disabled.unwrap_or("enabled"),
        None => "without network",
    }
}

/// Returns the prefix length of a pool's blocks.
pub(super) fn block_prefix(entry: &PoolEntry) -> Option<u8> {
    entry.effective.as_ref().map(|pool| pool.block_prefix)
}
