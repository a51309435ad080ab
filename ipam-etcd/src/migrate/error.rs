//! Why there is no copy, and what there is instead.

use std::fmt;

use ipam_core::kv::{Key, Revision};

use crate::store::StoreError;

/// Why a copy was not made, or not finished.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A store did not answer before anything was written.
    #[error(transparent)]
    Store(StoreError),
    /// There is nothing to copy.
    #[error("{store} holds nothing that could be copied")]
    Nothing {
        /// The source.
        store: String,
    },
    /// The target holds something; nothing was written.
    #[error("{store} is not empty: it holds {keys} keys, the first is {first}")]
    Occupied {
        /// The target.
        store: String,
        /// How many keys it holds.
        keys: u64,
        /// The first of them.
        first: Key,
    },
    /// What the target holds is not the beginning of this source; nothing was written.
    #[error("{store} does not hold the beginning of this copy: {key} differs")]
    NotABeginning {
        /// The target.
        store: String,
        /// The first key that is not as in the source, or not there.
        key: Key,
    },
    /// The copy ended early, or cannot be vouched for.
    #[error("{store} holds {held} of the source")]
    Stopped {
        /// The target.
        store: String,
        /// What it holds now.
        held: Held,
        /// Why.
        #[source]
        why: Stop,
    },
}

/// How much of a copy a target holds: the first keys of the source, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// So many keys at least.
    pub keys: u64,
    /// So many more, all or none of them: nobody knows.
    pub unsure: u64,
    /// How many the source has.
    pub of: u64,
}

/// Why a copy ended early, or cannot be vouched for.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// A store did not answer.
    #[error(transparent)]
    Store(StoreError),
    /// The source did not stand still, so what was read of it never was the whole at any time.
    #[error("{store} was changed while it was copied: {}, revision {from} became {to}", Changed(key.as_deref()))]
    Changed {
        /// The source.
        store: String,
        /// A key that was made or changed; `None` where some have gone.
        key: Option<Key>,
        /// The revision at the first look.
        from: Revision,
        /// The revision when it was found out.
        to: Revision,
    },
    /// Somebody else writes into the target.
    #[error("somebody else has put {key} into {store}")]
    Taken {
        /// The target.
        store: String,
        /// The key.
        key: Key,
    },
    /// What was read back is not what was written.
    #[error("{store} does not hold what was put into it{}", At(key.as_deref()))]
    Differs {
        /// The target.
        store: String,
        /// The first key that differs, is missing, or should not be there; `None` where it was gone again.
        key: Option<Key>,
    },
}

impl Held {
    /// Says whether the target is as it was.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.keys == 0 && self.unsure == 0
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, unsure, of } = self;
        match unsure {
            0 => write!(f, "the first {keys} of {of} keys"),
            unsure => write!(f, "the first {keys} of {of} keys, and perhaps {unsure} more,"),
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<StoreError> for MigrateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

struct Changed<'a>(Option<&'a str>);

impl fmt::Display for Changed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(key) => write!(f, "{key} is newer"),
            None => f.write_str("keys have gone"),
        }
    }
}

struct At<'a>(Option<&'a str>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(key) => write!(f, ": {key} differs"),
            None => Ok(()),
        }
    }
}
