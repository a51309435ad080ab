//! Writes for which etcd says it has no room.
//!
//! etcd applies the write that takes its database beyond the quota, and answers that there is no room for it. So that
//! answer is believed only where what the write compared is still as it was.

use std::sync::{Mutex, PoisonError};

use ipam_core::kv::{Compare, Op, Range, Read, Revision, Txn};

/// Asks whether a write could still be made: whoever made it changed what it compares. `None` where nothing tells.
pub(super) fn probe(txn: &Txn) -> Option<Txn> {
    let told_by = txn.then.iter().find(|op| is_seen(op, &txn.compares))?.written_key()?;
    // A transaction that reads nothing is answered by old values.
    let then = vec![Op::Read(Read::count(Range::key(told_by.clone())))];
    Some(Txn { compares: txn.compares.clone(), then, otherwise: txn.otherwise.clone() })
}

/// Says whether a compare fails once this was written.
fn is_seen(op: &Op, compares: &[Compare]) -> bool {
    compares.iter().any(|compare| match (op, compare) {
        (Op::Put { key: written, .. }, Compare::Key { key, .. }) => written == key,
        (Op::Delete { key: written }, Compare::Key { key, mod_revision }) => {
            written == key && *mod_revision != Revision::ABSENT
        }
        _ => false,
    })
}

/// The write that was refused last and may have been applied.
#[derive(Debug, Default)]
pub(super) struct Doubt(Mutex<Option<Txn>>);

impl Doubt {
    /// Says whether this write is known to be in doubt, and takes note that it is.
    ///
    /// When it is sent again its compares tell, as they do wherever a write is sent again.
    pub(super) fn was_known(&self, txn: &Txn) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.replace(txn.clone()).as_ref() == Some(txn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_compared_and_written_tells() {
        let compare = |key: &str, mod_revision| Compare::Key { key: key.into(), mod_revision };
        let put = |key: &str| Op::put(key, Vec::new());
        let delete = |key: &str| Op::delete(key);
        for (compares, then, tells) in [
            (vec![compare("a", Revision(7))], vec![put("a")], true),
            (vec![compare("a", Revision::ABSENT)], vec![put("a")], true),
            (vec![compare("a", Revision(7))], vec![put("b"), delete("a")], true),
            (vec![compare("a", Revision::ABSENT)], vec![delete("a")], false),
            (vec![compare("a", Revision(7))], vec![put("b")], false),
            (vec![], vec![put("a")], false),
        ] {
            let txn = Txn { compares, then, otherwise: Vec::new() };
            let probe = probe(&txn);
            assert_eq!(probe.is_some(), tells, "{txn:?}");
            assert!(probe.is_none_or(|probe| !probe.is_write()));
        }
    }
}
