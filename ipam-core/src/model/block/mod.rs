//! The stored block: which of its addresses are taken, by whom, and in which order the free ones come.

mod attributes;
mod cursor;
mod fault;
mod record;
mod stored;
mod written;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::ip::{Cidr, Ordinal};
use crate::kv::{Kv, Value};

use super::json::{Unknown, null_as_default, text, text_keyed, unsigned};
use super::{DecodeError, Owner, Timestamp, key};

pub use attributes::Attributes;
pub use fault::BlockFault;
pub use record::Record;

use fault::size_of;

/// An allocation block.
///
/// The fields stand in the order in which Calico writes them. Decoding checks the rules K1 to K4 of
/// `docs/stored-format.md`, which every reader relies on without looking; encoding checks them again.
///
/// Source: calico `libcalico-go/lib/backend/model/block.go`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Block {
    /// The addresses of the block; the same as in its key.
    #[serde(deserialize_with = "text::deserialize")]
    pub cidr: Cidr,
    /// Who claimed it, as `host:<node>` or `virtual:<name>`; `None` once given up while addresses were in use.
    #[serde(default)]
    pub affinity: Option<String>,
    /// When it was claimed; absent in blocks older than this field.
    #[serde(default)]
    pub affinity_claim_time: Option<Timestamp>,
    /// For each ordinal `None` (free) or an index into `attributes`.
    pub allocations: Vec<Option<usize>>,
    /// The free ordinals, first in first out: taken from the front, given back at the end.
    #[serde(default, deserialize_with = "queue")]
    pub unallocated: Vec<Ordinal>,
    /// Metadata that ordinals share; `None` in a block from which nothing was ever taken.
    #[serde(default)]
    pub attributes: Option<Vec<Record>>,
    /// Starts at the creation time in nanoseconds since 1970 and grows by one with each change.
    #[serde(rename = "sequenceNumber", default, deserialize_with = "unsigned")]
    pub sequence_number: u64,
    /// For each ordinal in use the block's sequence number as it was before the change that took it.
    #[serde(
        rename = "sequenceNumberForAllocation",
        default,
        deserialize_with = "text_keyed::deserialize"
    )]
    pub sequence_number_for_allocation: Option<BTreeMap<Ordinal, u64>>,
    /// Always false in etcd.
    #[serde(default, deserialize_with = "null_as_default")]
    pub deleted: bool,
    /// An ancient alias of `affinity`, kept and never interpreted.
    #[serde(rename = "hostAffinity", default)]
    pub host_affinity: Option<String>,
    #[serde(flatten)]
    unknown: Unknown,
}

impl Block {
    /// Makes a block that nobody has taken anything from.
    ///
    /// The sequence number starts at `now`, or just above `known` where an earlier life of the block counted further.
    ///
    /// # Errors
    ///
    /// [`BlockFault::TooLarge`].
    pub fn new(cidr: Cidr, owner: &Owner, now: Timestamp, known: u64) -> Result<Self, BlockFault> {
        let size = size_of(&cidr)?;
        Ok(Self {
            cidr,
            affinity: Some(owner.to_string()),
            affinity_claim_time: Some(now.truncated()),
            allocations: vec![None; size],
            unallocated: (0..size).filter_map(Ordinal::new).collect(),
            attributes: None,
            sequence_number: now.sequence_base().max(known.saturating_add(1)),
            sequence_number_for_allocation: Some(BTreeMap::new()),
            deleted: false,
            host_affinity: None,
            unknown: Unknown::new(),
        })
    }

    /// Reads the value of a key.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] with the key: the block must not be used, and must not be written.
    pub fn decode(key: &str, value: &[u8]) -> Result<Self, DecodeError> {
        let block = Self::read(value)
            .map_err(|source| DecodeError::Json { key: key.to_owned(), source })?;
        block.check_key(key)?;
        block.check().map_err(|source| DecodeError::Block { key: key.to_owned(), source })?;
        Ok(block)
    }

    /// Reads a stored block as [`Block::decode`] does, unless its value has been understood before.
    ///
    /// It is kept as long as the value is, so this is not for those who look through all blocks.
    ///
    /// # Errors
    ///
    /// As [`Block::decode`].
    pub fn of(kv: &Kv) -> Result<Arc<Self>, DecodeError> {
        let block = kv.value.understood(|value| Self::decode(&kv.key, value))?;
        block.check_key(&kv.key)?;
        Ok(block)
    }

    /// Returns a stored block that is to be changed: a copy of what [`Block::of`] returns where that is known, and else what
    /// is read, which nobody keeps.
    ///
    /// # Errors
    ///
    /// As [`Block::decode`].
    pub fn to_change(kv: &Kv) -> Result<Self, DecodeError> {
        let Some(block) = kv.value.known::<Self>() else {
            return Self::decode(&kv.key, &kv.value);
        };
        block.check_key(&kv.key)?;
        Ok(Self::clone(&block))
    }

    /// Returns the value to store, which need not be read again to be understood.
    ///
    /// # Panics
    ///
    /// As [`Block::encode`].
    #[must_use]
    pub fn into_value(self) -> Value {
        let bytes = self.encode();
        debug_assert_eq!(Self::read(&bytes).ok().as_ref(), Some(&self), "it is read as it was");
        Value::meaning(bytes, self)
    }

    /// Returns the bytes to store.
    ///
    /// # Panics
    ///
    /// If the block breaks the rules that [`Block::decode`] checks: that would be a fault of this library, and
    /// storing it would crash every reader.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let fault = self.check().err();
        assert!(fault.is_none(), "a plan made a damaged block of {}: {fault:?}", self.cidr);
        written::write(self)
    }

    /// Checks the rule K1.
    fn check_key(&self, key: &str) -> Result<(), DecodeError> {
        if *key::block(&self.cidr) == *key {
            return Ok(());
        }
        let source = BlockFault::OtherCidr { cidr: self.cidr, key: key.to_owned() };
        Err(DecodeError::Block { key: key.to_owned(), source })
    }

    /// Reads a value without checking the rules of a block.
    fn read(value: &[u8]) -> Result<Self, serde_json::Error> {
        let written = str::from_utf8(value).ok().and_then(written::read);
        written.map_or_else(|| serde_json::from_slice(value), Ok)
    }

    /// Returns the metadata records.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        self.attributes.as_deref().unwrap_or_default()
    }

    /// Returns the metadata of an ordinal, `None` where it is free.
    #[must_use]
    pub fn record_of(&self, ordinal: Ordinal) -> Option<&Record> {
        let index = (*self.allocations.get(ordinal.index())?)?;
        self.records().get(index)
    }

    /// Walks the ordinals that are not free, with their metadata.
    pub fn taken(&self) -> impl Iterator<Item = (Ordinal, &Record)> {
        self.allocations
            .iter()
            .enumerate()
            .filter_map(|(at, index)| Some((Ordinal::new(at)?, self.records().get((*index)?)?)))
    }

    /// Walks the ordinals in cooldown, with the time at which each was released.
    pub fn cooling(&self) -> impl Iterator<Item = (Ordinal, Timestamp)> {
        self.taken().filter_map(|(ordinal, record)| Some((ordinal, record.released_at()?)))
    }

    /// Returns the sequence number under which an ordinal was taken; 0 where none is stored.
    #[must_use]
    pub fn sequence_of(&self, ordinal: Ordinal) -> u64 {
        let numbers = self.sequence_number_for_allocation.as_ref();
        numbers.and_then(|numbers| numbers.get(&ordinal)).copied().unwrap_or(0)
    }

    /// Says whether the block is claimed by this owner.
    #[must_use]
    pub fn is_affine_to(&self, owner: &Owner) -> bool {
        self.affinity.as_deref().and_then(Owner::parse).as_ref() == Some(owner)
    }
}

/// Reads the queue of free ordinals from a list of numbers, or from `null`.
fn queue<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Ordinal>, D::Error> {
    let numbers = Option::<Vec<usize>>::deserialize(deserializer)?.unwrap_or_default();
    let checked = numbers.into_iter().map(|number| {
        let no_ordinal = || D::Error::custom(format_args!("{number} is not an ordinal"));
        Ordinal::new(number).ok_or_else(no_ordinal)
    });
    checked.collect()
}

/// Blocks as they are stored, for tests.
#[cfg(test)]
mod examples {
    pub(super) const KEY: &str = "/calico/ipam/v2/assignment/ipv4/block/10.65.0.8-29";
    pub(super) const FRESH: &str = r#"{"cidr":"10.65.0.8/29","affinity":"host:node-a","affinity_claim_time":"2026-08-22T10:15:30Z","allocations":[null,null,null,null,null,null,null,null],"unallocated":[0,1,2,3,4,5,6,7],"attributes":null,"sequenceNumber":1787393730987654321,"sequenceNumberForAllocation":{},"deleted":false}"#;
    pub(super) const USED: &str = r#"{"cidr":"10.65.0.8/29","affinity":"host:node-a","affinity_claim_time":"2026-08-22T10:15:30Z","allocations":[0,1,2,null,null,null,null,null],"unallocated":[3,4,5,6,7],"attributes":[{"handle_id":"ipip-tunnel-addr-node-a","secondary":{"node":"node-a","type":"ipipTunnelAddress"}},{"handle_id":"k8s-pod-network.9f2c1d","secondary":{"namespace":"default","node":"node-a","pod":"web-0","timestamp":"2026-08-22 10:16:02.123456789 +0000 UTC"}},{"releasedAt":"2026-08-22T10:20:00Z"}],"sequenceNumber":1787393730987654325,"sequenceNumberForAllocation":{"0":1787393730987654321,"1":1787393730987654322,"2":1787393730987654324},"deleted":false}"#;
}

#[cfg(test)]
mod tests {
    use super::examples::{FRESH, KEY, USED};
    use super::*;
    use crate::kv::Revision;

    #[test]
    fn bytes_survive_decoding_and_encoding() {
        let unaffine = r#"{"cidr":"fd00:10:65::40/127","affinity":null,"allocations":[null,null],"unallocated":[0,1],"attributes":[],"sequenceNumber":1787393730987654400,"sequenceNumberForAllocation":{},"deleted":false}"#;
        let extra = r#"{"cidr":"10.65.0.8/32","affinity":null,"allocations":[0],"unallocated":[],"attributes":[{"handle_id":"h","colour":"b\u003cl\u003e"}],"sequenceNumber":18446744073709551615,"sequenceNumberForAllocation":null,"deleted":false,"hostAffinity":"x","later":{"z":1,"a":18446744073709551615}}"#;
        for (key, text) in [
            (KEY, FRESH),
            (KEY, USED),
            ("/calico/ipam/v2/assignment/ipv6/block/fd00:10:65::40-127", unaffine),
            ("/calico/ipam/v2/assignment/ipv4/block/10.65.0.8-32", extra),
        ] {
            let block = Block::decode(key, text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(block.encode()).unwrap(), text);
        }
    }

    #[test]
    fn a_block_is_understood_once_and_held_against_each_key() {
        let stored = |key: &str, value: Value| Kv {
            key: key.into(),
            value,
            create_revision: Revision(2),
            mod_revision: Revision(3),
            version: 1,
        };
        let read = stored(KEY, USED.into());
        let block = Block::of(&read).unwrap();
        assert!(Arc::ptr_eq(&block, &Block::of(&read).unwrap()));
        let written = stored(KEY, Block::clone(&block).into_value());
        assert_eq!(written.value, read.value);
        assert_eq!(Block::of(&written).unwrap(), block);
        assert_eq!(Block::to_change(&stored(KEY, USED.into())).unwrap(), *block);
        for kv in [read, written] {
            assert_eq!(Block::to_change(&kv).unwrap(), *block);
            let elsewhere = stored("/calico/ipam/v2/assignment/ipv4/block/10.65.0.0-29", kv.value);
            for read in [Block::of(&elsewhere).map(drop), Block::to_change(&elsewhere).map(drop)] {
                let error = read.expect_err("it is another block's");
                assert_eq!(error.key(), &*elsewhere.key);
            }
        }
        assert!(Block::of(&stored(KEY, USED.replace("[0,1,2,", "[0,1,3,").into())).is_err());
    }

    #[test]
    fn a_new_block_is_calicos() {
        let now = "2026-08-22T10:15:30.987654321Z".parse().unwrap();
        let owner = Owner::Host("node-a".to_owned());
        let block = Block::new(Cidr::parse("10.65.0.8/29").unwrap(), &owner, now, 0).unwrap();
        assert_eq!(String::from_utf8(block.encode()).unwrap(), FRESH);
        let later = Block::new(block.cidr, &owner, now, u64::MAX - 1).unwrap();
        assert_eq!(later.sequence_number, u64::MAX, "never below an earlier life");
    }

    #[test]
    fn old_shapes_are_read() {
        let old = r#" {"cidr":"10.65.0.8/31","affinity":"host:n","strictAffinity":false,"allocations":[0,null],"unallocated":[1],"attributes":[{"handle_id":null,"secondary":null}]} "#;
        let block =
            Block::decode("/calico/ipam/v2/assignment/ipv4/block/10.65.0.8-31", old.as_bytes())
                .unwrap();
        assert_eq!(block.sequence_number, 0);
        assert_eq!(block.sequence_of(Ordinal::new(0).unwrap()), 0);
        assert_eq!(block.taken().count(), 1);
    }

    #[test]
    fn damaged_blocks_are_refused_with_their_key() {
        for (what, text) in [
            ("short", USED.replace("[0,1,2,null,null,null,null,null]", "[0,1,2,null]")),
            ("dangling", USED.replace("[0,1,2,", "[0,1,3,")),
            ("a record before the first", USED.replace("[0,1,2,", "[0,-1,2,")),
            ("taken and free", USED.replace("[3,4,5,6,7]", "[2,3,4,5,6,7]")),
            ("free twice", USED.replace("[3,4,5,6,7]", "[3,3,4,5,6,7]")),
            ("neither", USED.replace("[3,4,5,6,7]", "[3,4,5,6]")),
            ("no ordinal", USED.replace("[3,4,5,6,7]", "[3,4,5,6,7,8]")),
            ("other network", USED.replace("10.65.0.8/29", "10.65.0.16/29")),
            ("null network", USED.replace("\"10.65.0.8/29\"", "null")),
            ("a double", USED.replace("1787393730987654325", "1.5e18")),
            ("negative", USED.replace("1787393730987654325", "-1")),
            ("attribute that is no text", USED.replace("\"web-0\"", "7")),
            ("too large", USED.replace("10.65.0.8/29", "10.0.0.0/8")),
            ("cut off", USED.chars().take(300).collect()),
            ("no allocations", FRESH.replace("[null,null,null,null,null,null,null,null]", "null")),
        ] {
            let error = Block::decode(KEY, text.as_bytes()).expect_err(what);
            assert_eq!(error.key(), KEY, "{what}");
        }
    }
}
