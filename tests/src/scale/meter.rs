//! What a store is asked, in numbers.

use ipam_core::kv::{Compare, Op, Revision, Txn, TxnReply};

/// What a store was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// Transactions that can change nothing.
    pub reads: u64,
    /// Transactions that changed something.
    pub applied: u64,
    /// Transactions that would have, and whose compares failed.
    pub failed: u64,
    /// Those of them that lost a race: something that they looked at was changed since their call began. The others began
    /// with what was not true any more, or took a block for free without asking.
    pub lost: u64,
    /// Bytes of the keys and values that were sent, those that are compared included.
    pub sent: u64,
    /// Bytes of the keys and values that were stored.
    pub written: u64,
    /// Bytes of the answers.
    pub read: u64,
}

impl Meter {
    /// Counts a transaction of a call that began at a revision.
    pub(super) fn note(&mut self, txn: &Txn, reply: &TxnReply, began: Revision) {
        let written = written(txn);
        self.sent += written + txn.compares.iter().map(compared).sum::<u64>() + asked(txn);
        self.read += reply.bytes();
        match (txn.is_write(), reply.succeeded) {
            (false, _) => self.reads += 1,
            (true, true) => {
                self.applied += 1;
                self.written += written;
            }
            (true, false) => {
                self.failed += 1;
                let mut kvs = reply.reads.iter().flat_map(|read| &read.kvs);
                self.lost += u64::from(kvs.any(|kv| kv.mod_revision > began));
            }
        }
    }

    /// Adds what another has counted.
    pub(super) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.applied += other.applied;
        self.failed += other.failed;
        self.lost += other.lost;
        self.sent += other.sent;
        self.written += other.written;
        self.read += other.read;
    }

    /// Returns how many transactions there were.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.reads + self.applied + self.failed
    }
}

/// Returns the bytes of the keys and values that a transaction writes if it is applied.
pub(super) fn written(txn: &Txn) -> u64 {
    let of_op = |op: &Op| match op {
        Op::Put { key, value } => key.len() + value.len(),
        Op::Delete { key } => key.len(),
        Op::Read(_) => 0,
    };
    txn.then.iter().map(of_op).sum::<usize>() as u64
}

fn compared(compare: &Compare) -> u64 {
    let bytes = match compare {
        Compare::Key { key, .. } => key.len(),
        Compare::Range { range, .. } => range.start().len() + range.end().map_or(0, str::len),
        Compare::Value { key, value } => key.len() + value.len(),
    };
    bytes as u64
}

fn asked(txn: &Txn) -> u64 {
    let of_then = txn.then.iter().filter_map(|op| match op {
        Op::Read(read) => Some(read),
        Op::Put { .. } | Op::Delete { .. } => None,
    });
    let reads = of_then.chain(&txn.otherwise);
    reads.map(|read| read.range.start().len() + read.range.end().map_or(0, str::len)).sum::<usize>()
        as u64
}
