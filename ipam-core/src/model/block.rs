//! The stored block: which of its addresses are taken, by whom, and in which order the free ones come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ip::{Cidr, Ordinal};

use super::json::{Unknown, null_as_default, text, text_keyed, unsigned};
use super::{DecodeError, HandleId, Owner, Record, Timestamp, from_json, key, to_bytes};

/// An allocation block.
///
/// The fields stand in the order in which Calico writes them. Decoding checks the rules K1 to K4 of
/// `docs/stored-format.md`, which every reader relies on without looking; encoding checks them again.
///
/// Source: calico `libcalico-go/lib/backend/model/block.go`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// The addresses of the block; the same as in its key.
    #[serde(with = "text")]
    pub cidr: Cidr,
    /// Who claimed it, as `host:<node>` or `virtual:<name>`; `None` once given up while addresses were in use.
    #[serde(default)]
    pub affinity: Option<String>,
    /// When it was claimed; absent in blocks older than this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity_claim_time: Option<Timestamp>,
    /// For each ordinal `None` (free) or an index into `attributes`.
    pub allocations: Vec<Option<usize>>,
    /// The free ordinals, first in first out: taken from the front, given back at the end.
    #[serde(with = "queue", default)]
    pub unallocated: Vec<Ordinal>,
    /// Metadata that ordinals share; `None` in a block from which nothing was ever taken.
    #[serde(default)]
    pub attributes: Option<Vec<Record>>,
    /// Starts at the creation time in nanoseconds since 1970 and grows by one with each change.
    #[serde(rename = "sequenceNumber", default, deserialize_with = "unsigned")]
    pub sequence_number: u64,
    /// For each ordinal in use the block's sequence number as it was before the change that took it.
    #[serde(rename = "sequenceNumberForAllocation", default, with = "text_keyed")]
    pub sequence_number_for_allocation: Option<BTreeMap<Ordinal, u64>>,
    /// Always false in etcd.
    #[serde(default, deserialize_with = "null_as_default")]
    pub deleted: bool,
    /// An ancient alias of `affinity`, kept and never interpreted.
    #[serde(rename = "hostAffinity", default, skip_serializing_if = "Option::is_none")]
    pub host_affinity: Option<String>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Metadata of one or more ordinals of a block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attributes {
    /// The handle that holds the ordinals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle_id: Option<String>,
    /// What is known of the active owner, such as `pod`, `namespace` and `node`.
    #[serde(default, skip_serializing_if = "no_pairs")]
    pub secondary: Option<BTreeMap<String, String>>,
    /// What is known of the other owner while a virtual machine moves.
    #[serde(rename = "alternateOwnerAttrs", default, skip_serializing_if = "no_pairs")]
    pub alternate_owner_attrs: Option<BTreeMap<String, String>>,
    /// When the ordinals were released: they are in cooldown, owned by nobody and not yet free.
    #[serde(rename = "releasedAt", default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    #[serde(flatten)]
    unknown: Unknown,
}

impl Attributes {
    /// Makes the record of an allocation.
    #[must_use]
    pub fn new(handle_id: Option<String>, secondary: Option<BTreeMap<String, String>>) -> Self {
        Self { handle_id, secondary, ..Self::default() }
    }

    /// Makes the record of ordinals in cooldown.
    #[must_use]
    pub fn cooling(released_at: Timestamp) -> Self {
        Self { released_at: Some(released_at), ..Self::default() }
    }

    /// Returns the handle as Calico compares it: an old defect left text behind a carriage return in some.
    #[must_use]
    pub fn handle(&self) -> Option<&str> {
        self.handle_id.as_deref().map(|id| id.split('\r').next().unwrap_or(id))
    }

    /// Returns one attribute of the active owner.
    #[must_use]
    pub fn owner_attribute(&self, name: &str) -> Option<&str> {
        self.secondary.as_ref()?.get(name).map(String::as_str)
    }
}

/// A rule that a block breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockFault {
    /// K1: the value speaks of another network than the key.
    #[error("it says {cidr}, its key says {key}")]
    OtherCidr {
        /// The network in the value.
        cidr: Cidr,
        /// The network in the key.
        key: String,
    },
    /// The block is larger than Calico allows.
    #[error("it holds {size} addresses, the most is {max}", max = Ordinal::BLOCK_SIZE_MAX)]
    TooLarge {
        /// How many addresses its network has.
        size: u128,
    },
    /// K2: the list of allocations has the wrong length.
    #[error("it lists {found} ordinals instead of {expected}")]
    Length {
        /// The length of the list.
        found: usize,
        /// The number of addresses.
        expected: usize,
    },
    /// K3: an ordinal is both taken and free, neither, or free twice.
    #[error("ordinal {ordinal} is listed as free {free} times and is {state}")]
    Queue {
        /// The ordinal.
        ordinal: usize,
        /// How often it is in the queue of free ordinals.
        free: usize,
        /// `taken` or `not taken`.
        state: &'static str,
    },
    /// K4: an ordinal points at metadata that does not exist.
    #[error("ordinal {ordinal} points at record {index} of {records}")]
    Dangling {
        /// The ordinal.
        ordinal: usize,
        /// Where it points.
        index: usize,
        /// How many records there are.
        records: usize,
    },
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
            affinity_claim_time: Some(now),
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
        let block: Self = from_json(key, value)?;
        let fault = |source| DecodeError::Block { key: key.to_owned(), source };
        if key::block(&block.cidr) != key {
            return Err(fault(BlockFault::OtherCidr { cidr: block.cidr, key: key.to_owned() }));
        }
        block.check().map_err(fault)?;
        Ok(block)
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
        to_bytes(self)
    }

    /// Says from the stored bytes alone that nothing is free in a block, and nothing will be when cooldowns end.
    ///
    /// To read a full block takes many times as long, and most blocks of a busy host are full. Inside a text of JSON a
    /// quotation mark is escaped, so these bytes can stand for nothing else. `false` proves nothing.
    #[must_use]
    pub fn is_full_as_stored(value: &[u8]) -> bool {
        let Ok(text) = str::from_utf8(value) else { return false };
        text.contains(r#""unallocated":[]"#) && !text.contains(r#""releasedAt""#)
    }

    /// Counts from the stored bytes alone the addresses that a handle holds in a block.
    ///
    /// It reads a small part of a block, and checks less: a guess, though a good one. A handle that JSON spells otherwise
    /// than it is, or that is not written where Calico writes it, counts nothing.
    #[must_use]
    pub fn count_as_stored(value: &[u8], handle: &HandleId) -> u64 {
        #[derive(Deserialize)]
        struct Sketch<'a> {
            allocations: Vec<Option<usize>>,
            #[serde(borrow)]
            attributes: Vec<&'a RawValue>,
        }
        let named = ["{\"handle_id\":\"", handle.as_str(), "\""].concat();
        let Ok(text) = str::from_utf8(value) else { return 0 };
        if !text.contains(&named) {
            return 0;
        }
        let Ok(sketch) = serde_json::from_str::<Sketch<'_>>(text) else { return 0 };
        let records = sketch.attributes.iter().map(|record| record.get().starts_with(&named));
        let are_held: Vec<bool> = records.collect();
        let indexes = sketch.allocations.into_iter().flatten();
        let held = indexes.filter(|index| are_held.get(*index) == Some(&true));
        u64::try_from(held.count()).unwrap_or(u64::MAX)
    }

    /// Says from the stored bytes alone that a block belongs to an owner. `false` proves nothing.
    #[must_use]
    pub fn is_affine_as_stored(value: &[u8], owner: &Owner) -> bool {
        let Ok(text) = str::from_utf8(value) else { return false };
        let Some((_, rest)) = text.split_once(r#","affinity":""#) else { return false };
        rest.strip_prefix(owner.to_string().as_str()).is_some_and(|rest| rest.starts_with('"'))
    }

    /// Returns the metadata records.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        self.attributes.as_deref().unwrap_or_default()
    }

    /// Returns the metadata of an ordinal, `None` where it is free.
    #[must_use]
    pub fn record_of(&self, ordinal: Ordinal) -> Option<&Attributes> {
        let index = (*self.allocations.get(ordinal.index())?)?;
        self.records().get(index).map(|record| &**record)
    }

    /// Walks the ordinals that are not free, with their metadata.
    pub fn taken(&self) -> impl Iterator<Item = (Ordinal, &Attributes)> {
        self.allocations
            .iter()
            .enumerate()
            .filter_map(|(at, index)| Some((Ordinal::new(at)?, &**self.records().get((*index)?)?)))
    }

    /// Walks the ordinals in cooldown, with the time at which each was released.
    pub fn cooling(&self) -> impl Iterator<Item = (Ordinal, Timestamp)> {
        // Most records need not be understood for that.
        let released: Vec<Option<Timestamp>> = self
            .records()
            .iter()
            .map(|record| record.may_be_cooling().then(|| record.released_at).flatten())
            .collect();
        self.allocations
            .iter()
            .enumerate()
            .filter_map(move |(at, index)| Some((Ordinal::new(at)?, (*released.get((*index)?)?)?)))
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

    /// Checks the rules K1 to K4 that every reader relies on.
    fn check(&self) -> Result<(), BlockFault> {
        let expected = size_of(&self.cidr)?;
        if self.allocations.len() != expected {
            return Err(BlockFault::Length { found: self.allocations.len(), expected });
        }
        let records = self.records().len();
        let mut free = vec![0_usize; expected];
        for ordinal in &self.unallocated {
            match free.get_mut(ordinal.index()) {
                Some(count) => *count += 1,
                None => return Err(queue_fault(ordinal.index(), 1, "not part of the block")),
            }
        }
        for (ordinal, (allocation, free)) in self.allocations.iter().zip(free).enumerate() {
            match allocation {
                Some(index) if *index >= records => {
                    return Err(BlockFault::Dangling { ordinal, index: *index, records });
                }
                Some(_) if free > 0 => return Err(queue_fault(ordinal, free, "taken")),
                None if free != 1 => return Err(queue_fault(ordinal, free, "not taken")),
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

fn queue_fault(ordinal: usize, free: usize, state: &'static str) -> BlockFault {
    BlockFault::Queue { ordinal, free, state }
}

fn size_of(cidr: &Cidr) -> Result<usize, BlockFault> {
    let size = cidr.size();
    if size > u128::from(Ordinal::BLOCK_SIZE_MAX) {
        return Err(BlockFault::TooLarge { size });
    }
    usize::try_from(size).map_err(|_| BlockFault::TooLarge { size })
}

#[expect(clippy::ref_option, reason = "serde hands out references")]
fn no_pairs(pairs: &Option<BTreeMap<String, String>>) -> bool {
    pairs.as_ref().is_none_or(BTreeMap::is_empty)
}

/// The queue of free ordinals as a list of numbers; `null` is read as empty and never written.
mod queue {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::ip::Ordinal;

    pub(super) fn serialize<S: Serializer>(queue: &[Ordinal], out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(queue.iter().map(|ordinal| ordinal.index()))
    }

    pub(super) fn deserialize<'de, D>(deserializer: D) -> Result<Vec<Ordinal>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let numbers = Option::<Vec<usize>>::deserialize(deserializer)?.unwrap_or_default();
        let checked = numbers.into_iter().map(|number| {
            Ordinal::new(number)
                .ok_or_else(|| D::Error::custom(format_args!("{number} is not an ordinal")))
        });
        checked.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "/calico/ipam/v2/assignment/ipv4/block/10.65.0.8-29";
    const FRESH: &str = r#"{"cidr":"10.65.0.8/29","affinity":"host:node-a","affinity_claim_time":"2026-08-22T10:15:30Z","allocations":[null,null,null,null,null,null,null,null],"unallocated":[0,1,2,3,4,5,6,7],"attributes":null,"sequenceNumber":1787393730987654321,"sequenceNumberForAllocation":{},"deleted":false}"#;
    const USED: &str = r#"{"cidr":"10.65.0.8/29","affinity":"host:node-a","affinity_claim_time":"2026-08-22T10:15:30Z","allocations":[0,1,2,null,null,null,null,null],"unallocated":[3,4,5,6,7],"attributes":[{"handle_id":"ipip-tunnel-addr-node-a","secondary":{"node":"node-a","type":"ipipTunnelAddress"}},{"handle_id":"k8s-pod-network.9f2c1d","secondary":{"namespace":"default","node":"node-a","pod":"web-0","timestamp":"2026-08-22 10:16:02.123456789 +0000 UTC"}},{"releasedAt":"2026-08-22T10:20:00Z"}],"sequenceNumber":1787393730987654325,"sequenceNumberForAllocation":{"0":1787393730987654321,"1":1787393730987654322,"2":1787393730987654324},"deleted":false}"#;

    #[test]
    fn a_full_block_is_told_by_its_bytes() {
        let full = USED.replace("[3,4,5,6,7]", "[]");
        for (value, expected) in [
            (USED.to_owned(), false),
            (full.clone(), false),
            (full.replace("releasedAt", "x"), true),
            (
                USED.replace("node-a\"", "\\\"unallocated\\\":[]\"").replace("releasedAt", "x"),
                false,
            ),
        ] {
            assert_eq!(Block::is_full_as_stored(value.as_bytes()), expected, "{value}");
        }
    }

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
    fn what_a_handle_holds_is_counted_in_the_text() {
        let block = Block::decode(KEY, USED.as_bytes()).unwrap();
        for (id, count) in [
            ("ipip-tunnel-addr-node-a", 1),
            ("k8s-pod-network.9f2c1d", 1),
            ("k8s-pod-network.9f2c", 0),
            ("node-a", 0),
            ("nobody", 0),
        ] {
            assert_eq!(Block::count_as_stored(USED.as_bytes(), &HandleId::new(id).unwrap()), count);
            assert_eq!(block.ordinals_of(id, |_| true).len(), usize::try_from(count).unwrap());
        }
        let twice = USED.replace("[0,1,2,null", "[0,1,1,2").replace("[3,4", "[4");
        let id = HandleId::new("k8s-pod-network.9f2c1d").unwrap();
        assert_eq!(Block::count_as_stored(twice.as_bytes(), &id), 2);
        for damaged in [USED.replace("[0,1,2,", "[0,-1,2,"), USED.chars().take(600).collect()] {
            assert_eq!(Block::count_as_stored(damaged.as_bytes(), &id), 0, "{damaged}");
        }
        assert_eq!(Block::count_as_stored(b"\xff", &id), 0);
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
