//! Which keys a read covers, and how much of each it wants.

use super::{Key, Kv, Revision};

/// A set of keys: exactly one, or all from `start` up to but excluding `end`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    start: Key,
    end: Option<Key>,
}

impl Range {
    /// Covers one key.
    #[must_use]
    pub fn key(key: impl Into<Key>) -> Self {
        Self { start: key.into(), end: None }
    }

    /// Covers every key that starts with `prefix`.
    ///
    /// Keys are compared by their bytes, so the end is the prefix with its last character moved on by one. All
    /// prefixes here end in `/` or another ASCII character; one that cannot be moved on covers itself only.
    #[must_use]
    pub fn prefix(prefix: impl Into<String>) -> Self {
        let mut end = prefix.into();
        let start = Key::from(end.as_str());
        match end.pop().and_then(|last| char::from_u32(u32::from(last) + 1)) {
            Some(next) => {
                end.push(next);
                Self { start, end: Some(end.into()) }
            }
            None => Self { start, end: None },
        }
    }

    /// Covers the keys from `start` up to but excluding `end`; nothing where `end` is not above `start`.
    #[must_use]
    pub fn between(start: impl Into<Key>, end: impl Into<Key>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// Returns the first key that is covered.
    #[must_use]
    pub fn start(&self) -> &Key {
        &self.start
    }

    /// Returns the first key behind the range, `None` where it covers one key.
    #[must_use]
    pub fn end(&self) -> Option<&str> {
        self.end.as_deref()
    }

    /// Says whether `key` is covered.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        match &self.end {
            None => key == &*self.start,
            Some(end) => key >= &*self.start && key < &**end,
        }
    }
}

/// How much of each key a read brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Projection {
    /// Keys, revisions and values.
    Values,
    /// Keys and revisions; the values stay empty.
    Keys,
    /// Only how many there are.
    Count,
}

/// One read of a range.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Read {
    /// The keys it covers.
    pub range: Range,
    /// How much of each key it wants.
    pub projection: Projection,
    /// The most keys to return, in key order; 0 means all.
    pub limit: u32,
}

impl Read {
    /// Reads the values of a range.
    #[must_use]
    pub fn values(range: Range) -> Self {
        Self { range, projection: Projection::Values, limit: 0 }
    }

    /// Reads the keys of a range without their values.
    #[must_use]
    pub fn keys(range: Range) -> Self {
        Self { range, projection: Projection::Keys, limit: 0 }
    }

    /// Counts the keys of a range.
    #[must_use]
    pub fn count(range: Range) -> Self {
        Self { range, projection: Projection::Count, limit: 0 }
    }
}

/// What a read found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadReply {
    /// The keys in order, at most as many as the limit; empty for a count.
    pub kvs: Vec<Kv>,
    /// How many keys the range holds, whatever the limit.
    pub count: u64,
    /// The store's revision at which this was true.
    pub revision: Revision,
}
