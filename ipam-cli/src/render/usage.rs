//! How full a pool is.

use ipam_core::inventory::Usage;
use serde::Serialize;

use super::pool::{Numbers, block_prefix, state};
use super::{Item, or_dash};

/// How full a pool is; without a name, how many addresses lie in no pool.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageItem {
    name: Option<String>,
    family: u8,
    cidr: Option<String>,
    block_size: Option<u8>,
    state: Option<&'static str>,
    #[serde(flatten)]
    numbers: Numbers,
}

impl UsageItem {
    /// Makes the item.
    pub(crate) fn of(usage: &Usage<'_>) -> Self {
        Self {
            name: usage.pool.map(|pool| pool.name.clone()),
            family: usage.family.number(),
            cidr: usage.cidr().map(|cidr| cidr.to_string()),
            block_size: usage.pool.and_then(block_prefix),
            state: usage.pool.map(state),
            numbers: Numbers::of(usage),
        }
    }
}

impl Item for UsageItem {
    const KIND: &'static str = "Usage";
    const HEADINGS: &'static [&'static str] =
        &["NAME", "CIDR", "TOTAL", "USED", "COOLING", "RESERVED", "BORROWED", "FREE", "USE%"];

    fn rows(&self) -> Vec<Vec<String>> {
        let numbers = &self.numbers;
        vec![vec![
            self.name.clone().unwrap_or_else(|| format!("(no pool, IPv{})", self.family)),
            or_dash(self.cidr.as_deref()),
            numbers.total.clone(),
            numbers.used.to_string(),
            numbers.cooling.to_string(),
            numbers.reserved.clone(),
            numbers.borrowed.to_string(),
            numbers.free.clone(),
            numbers.percentage(),
        ]]
    }
}
