//! What goes over in one transaction: no more than any store takes, and only where nothing is yet.

use ipam_core::kv::{Compare, Key, Kv, Op, Range, Read, Revision, Txn, TxnReply, Value};

/// The most keys in one transaction; a store takes [`Txn::OPS_MAX`].
const KEYS_MAX: usize = 96;
/// About the most bytes in one transaction. etcd takes 1.5 MiB unless it is told otherwise; a slow line carries less before
/// a member of a cluster is given up.
const BYTES_MAX: usize = 256 * 1024;
/// What the numbers around a key and its value take on the wire, generously.
const PER_KEY: usize = 64;

/// Keys that go over together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    kvs: Vec<(Key, Value)>,
    bytes: usize,
}

impl Batch {
    /// Says whether a key fits in beside the others. The first one always does: it cannot go in parts.
    pub(super) fn has_room_for(&self, kv: &Kv) -> bool {
        self.kvs.is_empty()
            || (self.kvs.len() < KEYS_MAX && self.bytes + wire_bytes(kv) <= BYTES_MAX)
    }

    /// Takes in a key.
    pub(super) fn push(&mut self, kv: Kv) {
        self.bytes += wire_bytes(&kv);
        self.kvs.push((kv.key, kv.value));
    }

    /// Returns how many keys there are.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.kvs.len()).unwrap_or(u64::MAX)
    }

    /// Returns the transaction: every key is put if none is there; else it tells which are.
    pub(super) fn txn(&self) -> Txn {
        let absent = |(key, _): &(Key, Value)| Compare::Key {
            key: key.clone(),
            mod_revision: Revision::ABSENT,
        };
        let put = |(key, value): &(Key, Value)| Op::put(key.clone(), value.clone());
        let read = |(key, _): &(Key, Value)| Read::values(Range::key(key.clone()));
        Txn {
            compares: self.kvs.iter().map(absent).collect(),
            then: self.kvs.iter().map(put).collect(),
            otherwise: self.kvs.iter().map(read).collect(),
        }
    }

    /// Judges the answer to the transaction: all of it is there, or somebody else has put this key there.
    ///
    /// Where an earlier answer `was_lost`, the same transaction may have been applied then: its keys stand there with our
    /// values.
    pub(super) fn judge(&self, reply: &TxnReply, was_lost: bool) -> Result<(), Key> {
        if reply.succeeded {
            return Ok(());
        }
        let found: Vec<&Kv> = reply.reads.iter().flat_map(|read| &read.kvs).collect();
        let is_ours = found.len() == self.kvs.len()
            && found
                .iter()
                .zip(&self.kvs)
                .all(|(kv, (key, value))| kv.key == *key && kv.value == *value);
        if was_lost && is_ours {
            return Ok(());
        }
        let first = found.first().map(|kv| &kv.key);
        Err(first.or(self.kvs.first().map(|(key, _)| key)).cloned().unwrap_or_default())
    }
}

/// Returns about how many bytes a key takes in the transaction, where it stands in a compare, a put and a read.
fn wire_bytes(kv: &Kv) -> usize {
    3 * kv.key.len() + kv.value.len() + PER_KEY
}

#[cfg(test)]
mod tests {
    use ipam_core::kv::model::Model;

    use super::*;

    fn kv(key: &str, value: &[u8]) -> Kv {
        let revision = Revision(7);
        Kv {
            key: key.into(),
            value: value.to_vec().into(),
            create_revision: revision,
            mod_revision: revision,
            version: 3,
        }
    }

    fn batch(pairs: &[(&str, &str)]) -> Batch {
        let mut batch = Batch::default();
        for (key, value) in pairs {
            batch.push(kv(key, value.as_bytes()));
        }
        batch
    }

    fn holding(pairs: &[(&str, &str)]) -> Model {
        let mut model = Model::default();
        for (key, value) in pairs {
            model.put(*key, *value);
        }
        model
    }

    /// Returns how many of equal keys go over together.
    fn fitting(bytes: usize) -> usize {
        let mut batch = Batch::default();
        let one = kv("/k", &vec![b'x'; bytes]);
        while batch.has_room_for(&one) {
            batch.push(one.clone());
        }
        batch.kvs.len()
    }

    #[test]
    fn a_batch_is_bounded_in_keys_and_bytes() {
        assert_eq!(fitting(10), 96);
        assert_eq!(fitting(25_000), 10);
        assert_eq!(fitting(200_000), 1);
        assert_eq!(fitting(1_500_000), 1, "what cannot go in parts goes alone");
    }

    #[test]
    fn nothing_is_overwritten_and_who_stands_there_is_named() {
        let two = batch(&[("/a", "1"), ("/b", "2")]);
        for (there, expected) in [
            (&[][..], Ok(())),
            (&[("/b", "2")], Err("/b".into())),
            (&[("/a", "x"), ("/b", "y")], Err("/a".into())),
            (&[("/a", "1"), ("/b", "2")], Err("/a".into())),
        ] {
            let mut model = holding(there);
            let before = model.revision();
            let reply = model.apply(&two.txn()).unwrap();
            assert_eq!(two.judge(&reply, false), expected, "{there:?}");
            assert_eq!(model.revision() == before, expected.is_err(), "{there:?}");
        }
    }

    #[test]
    fn a_transaction_whose_answer_was_lost_is_recognised() {
        let two = batch(&[("/a", "1"), ("/b", "2")]);
        for (there, expected) in [
            (&[("/a", "1"), ("/b", "2")][..], Ok(())),
            (&[("/a", "1"), ("/b", "x")], Err("/a".into())),
            (&[("/b", "2")], Err("/b".into())),
        ] {
            let mut model = holding(there);
            let reply = model.apply(&two.txn()).unwrap();
            assert_eq!(two.judge(&reply, true), expected, "{there:?}");
        }
    }
}
