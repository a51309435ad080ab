//! What a view knows of one key.

use super::Kv;

/// What is known of one key, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// What is known.
    pub(super) what: What,
    /// Whether nobody has checked it against the store.
    pub(super) is_remembered: bool,
}

/// What is known of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It does not exist.
    Absent,
    /// It exists; only that was asked.
    Counted,
    /// It exists; the value was not read.
    Listed(Kv),
    /// It has this value.
    Whole(Kv),
    /// It has this value if others that are remembered are right.
    Presumed(Kv),
}

/// What can be said of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known<'v> {
    /// Nothing.
    Nothing,
    /// It does not exist.
    Absent,
    /// It exists; the value was not read.
    Exists,
    /// It exists with this value.
    Value(&'v Kv),
}

impl Entry {
    /// Notes what the store has answered.
    pub(super) fn read(what: What) -> Self {
        Self { what, is_remembered: false }
    }

    /// Notes what is only remembered.
    pub(super) fn remembered(what: What) -> Self {
        Self { what, is_remembered: true }
    }

    /// Returns the key with its numbers, and with its value where that was read.
    pub(super) fn kv(&self) -> Option<&Kv> {
        match &self.what {
            What::Listed(kv) | What::Whole(kv) | What::Presumed(kv) => Some(kv),
            What::Absent | What::Counted => None,
        }
    }

    /// Returns what can be said of the key.
    pub(super) fn known(&self) -> Known<'_> {
        match &self.what {
            What::Whole(kv) | What::Presumed(kv) => Known::Value(kv),
            What::Listed(_) | What::Counted => Known::Exists,
            What::Absent => Known::Absent,
        }
    }
}
