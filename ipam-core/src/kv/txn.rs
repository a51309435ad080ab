//! Transactions: compares, and what to do when they hold or fail.

use super::{Key, Range, Read, ReadReply, Revision, Value};

/// A condition on the stored state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compare {
    /// The key was changed last at exactly this revision; [`Revision::ABSENT`] means that it does not exist.
    Key {
        /// The key.
        key: Key,
        /// Its last change.
        mod_revision: Revision,
    },
    /// No key of the range was created or changed after this revision. Deletions go unnoticed.
    Range {
        /// The keys.
        range: Range,
        /// The revision at which the range was read.
        newest: Revision,
    },
    /// The key holds exactly these bytes; false where it does not exist.
    Value {
        /// The key.
        key: Key,
        /// Its bytes.
        value: Value,
    },
}

impl Compare {
    /// Returns the keys that the condition looks at.
    #[must_use]
    pub fn range(&self) -> Range {
        match self {
            Self::Key { key, .. } | Self::Value { key, .. } => Range::key(key.clone()),
            Self::Range { range, .. } => range.clone(),
        }
    }
}

/// One step of a transaction's branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Stores a value.
    Put {
        /// Where.
        key: Key,
        /// Which bytes.
        value: Value,
    },
    /// Removes a key; no error where it does not exist.
    Delete {
        /// Which.
        key: Key,
    },
    /// Reads a range.
    Read(Read),
}

impl Op {
    /// Stores a value.
    #[must_use]
    pub fn put(key: impl Into<Key>, value: impl Into<Value>) -> Self {
        Self::Put { key: key.into(), value: value.into() }
    }

    /// Removes a key.
    #[must_use]
    pub fn delete(key: impl Into<Key>) -> Self {
        Self::Delete { key: key.into() }
    }

    /// Returns the key that the step writes, `None` for a read.
    #[must_use]
    pub fn written_key(&self) -> Option<&Key> {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => Some(key),
            Self::Read(_) => None,
        }
    }
}

/// An all-or-nothing change under conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// All must hold for `then` to be carried out; none means always.
    pub compares: Vec<Compare>,
    /// Carried out together when every compare holds. A key may be written once.
    pub then: Vec<Op>,
    /// Read when a compare fails.
    pub otherwise: Vec<Read>,
}

impl Txn {
    /// The most entries that each list may hold, etcd's default for `--max-txn-ops`.
    pub const OPS_MAX: usize = 128;

    /// Reads several ranges at one revision.
    #[must_use]
    pub fn read(reads: impl IntoIterator<Item = Read>) -> Self {
        Self { then: reads.into_iter().map(Op::Read).collect(), ..Self::default() }
    }

    /// Says whether the transaction can change anything.
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.then.iter().any(|op| op.written_key().is_some())
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnReply {
    /// Whether every compare held, so that `then` was carried out.
    pub succeeded: bool,
    /// The store's revision after the transaction; all its writes carry it.
    pub revision: Revision,
    /// The answers of the reads in the branch that was taken, in their order.
    pub reads: Vec<ReadReply>,
}

impl TxnReply {
    /// Returns about how many bytes the answer takes on the wire: keys, values, and the numbers beside them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        const PER_KEY: usize = 24;
        const PER_READ: usize = 12;
        let of_kv = |kv: &super::Kv| kv.key.len() + kv.value.len() + PER_KEY;
        let of_read = |read: &ReadReply| PER_READ + read.kvs.iter().map(of_kv).sum::<usize>();
        self.reads.iter().map(of_read).sum::<usize>().try_into().unwrap_or(u64::MAX)
    }
}
