//! What was copied from one store into another.

use std::time::Duration;

use ipam_etcd::migrate::Copied;
use serde::Serialize;

use super::Item;

/// A copy that is complete, and proven.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MigrationItem {
    from: String,
    to: String,
    /// How many keys both hold.
    keys: u64,
    /// How many bytes these have with their values.
    bytes: u64,
    kinds: Vec<Amount>,
    /// A SHA-256 over both.
    digest: String,
    /// How many keys were copied in this run; the others were there.
    copied: u64,
    elapsed_ms: u64,
    /// Whether both are locked.
    locked: bool,
    /// How many keys beside were not copied; null where nobody may look.
    left_behind: Option<u64>,
}

/// How much there is of a kind.
#[derive(Clone, Debug, Serialize)]
struct Amount {
    kind: String,
    keys: u64,
    bytes: u64,
}

impl MigrationItem {
    /// Makes the item.
    pub(crate) fn of(copied: &Copied, elapsed: Duration) -> Self {
        let total = copied.tally.total();
        let kind = |(kind, count): (&str, ipam_etcd::migrate::Count)| Amount {
            kind: kind.to_owned(),
            keys: count.keys,
            bytes: count.bytes,
        };
        Self {
            from: copied.source.store.clone(),
            to: copied.target.clone(),
            keys: total.keys,
            bytes: total.bytes,
            kinds: copied.tally.kinds().map(kind).collect(),
            digest: format!("sha256:{}", copied.digest),
            copied: total.keys.saturating_sub(copied.found),
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            locked: copied.source.is_locked,
            left_behind: copied.beside,
        }
    }
}

impl Item for MigrationItem {
    const KIND: &'static str = "Migration";
    const HEADINGS: &'static [&'static str] = &["PROPERTY", "VALUE"];

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let amount = |keys: u64, bytes: u64| format!("{keys} keys, {bytes} bytes");
        let mut rows = vec![row("from", self.from.clone()), row("to", self.to.clone())];
        rows.extend(self.kinds.iter().map(|kind| row(&kind.kind, amount(kind.keys, kind.bytes))));
        let seconds = format!("{}.{:03} s", self.elapsed_ms / 1000, self.elapsed_ms % 1000);
        rows.extend([
            row("all", amount(self.keys, self.bytes)),
            row("copied now", format!("{} keys", self.copied)),
            row("left behind", self.left_behind.map_or("-".to_owned(), |n| format!("{n} keys"))),
            row("locked", if self.locked { "yes" } else { "no" }.to_owned()),
            row("digest of both", self.digest.clone()),
            row("time", seconds),
        ]);
        rows
    }
}
