//! Reports: one model of what is told, and two faces of it.
//!
//! A command makes a [`Report`] of items and does not know how it will look. [`table`] shows it to people, and may
//! change with any release; [`json`] shows it to programs, and only ever gains fields.

mod address;
mod binding;
mod decision;
mod finding;
mod installation;
mod json;
mod migration;
mod outcome;
mod pool;
mod setting;
mod table;
mod usage;

pub(crate) use address::{Explained, Held, Holding, Listed};
pub(crate) use binding::BindingItem;
pub(crate) use decision::{BlockChoice, Decision, Step, StepVerdict};
pub(crate) use finding::FindingItem;
pub(crate) use installation::InstalledItem;
pub(crate) use json::{error_object, warning_object};
pub(crate) use migration::MigrationItem;
pub(crate) use outcome::{Outcome, Released, Version};
pub(crate) use pool::{Created, PoolDetails, PoolItem};
pub(crate) use setting::{SettingItem, SettingWithOrigin};
pub(crate) use usage::UsageItem;

use clap::ValueEnum;
use ipam_core::kv::Revision;
use ipam_core::model::Timestamp;
use serde::Serialize;

use crate::warning::Warning;

/// Which face a report shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// A JSON object for programs.
    Json,
}

/// What a command tells.
#[derive(Clone, Debug)]
pub(crate) struct Report<T> {
    /// What was found or done.
    pub(crate) items: Vec<T>,
    /// When it was true.
    pub(crate) stamp: Stamp,
    /// Whether these are all items that there are.
    pub(crate) complete: bool,
    /// What the reader should know besides.
    pub(crate) warnings: Vec<Warning>,
}

/// When a report was true.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    /// The revision of the store; `None` where something was written, or nothing was read.
    pub(crate) revision: Option<Revision>,
    /// The time of this machine.
    pub(crate) at: Timestamp,
}

/// One thing that a report tells of.
pub(crate) trait Item: Serialize {
    /// What it is, as a program reads it; a list of them is called after it.
    const KIND: &'static str;
    /// The headings of its columns; none for a plain line.
    const HEADINGS: &'static [&'static str];

    /// Returns what stands below the headings; most items fill one row.
    fn rows(&self) -> Vec<Vec<String>>;
}

impl<T: Item> Report<T> {
    /// Makes a report of all items that there are.
    pub(crate) fn new(stamp: Stamp, items: Vec<T>) -> Self {
        Self { items, stamp, complete: true, warnings: Vec::new() }
    }

    /// Adds warnings.
    pub(crate) fn with_warnings(mut self, warnings: impl IntoIterator<Item = Warning>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// Writes the report for people.
    pub(crate) fn to_table(&self) -> String {
        table::render(self)
    }

    /// Writes the report in a format.
    ///
    /// # Errors
    ///
    /// What the JSON writer says, if an item holds what JSON cannot.
    pub(crate) fn to_text(&self, format: Format) -> serde_json::Result<String> {
        match format {
            Format::Table => Ok(self.to_table()),
            Format::Json => json::render(self),
        }
    }
}

/// Returns text, or what stands for there being none.
fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests;
