//! What became of the files of an installation.

use std::path::Path;

use serde::Serialize;

use super::Item;

/// What became of a file, or would.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstalledItem {
    path: String,
    /// In a word.
    result: &'static str,
    /// Whether nothing was done.
    dry_run: bool,
}

impl InstalledItem {
    /// Makes the item.
    pub(crate) fn new(path: &Path, result: &'static str, dry_run: bool) -> Self {
        Self { path: path.display().to_string(), result, dry_run }
    }
}

impl Item for InstalledItem {
    const KIND: &'static str = "Installation";
    const HEADINGS: &'static [&'static str] = &["PATH", "RESULT"];

    fn rows(&self) -> Vec<Vec<String>> {
        let would = if self.dry_run { "would be " } else { "" };
        vec![vec![self.path.clone(), format!("{would}{}", self.result)]]
    }
}
