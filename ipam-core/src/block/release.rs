//! Giving addresses of a block back.

use std::collections::BTreeMap;

use crate::ip::Ordinal;
use crate::model::{Attributes, Block, Owner, Record, Timestamp};

/// Which of a block's addresses to release, and under which conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Only if this handle holds it.
    pub handle: Option<String>,
    /// Only if it was taken under this sequence number; a free address counts as 0.
    pub sequence: Option<u64>,
}

/// What a release changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Freed {
    /// The changed block.
    pub block: Block,
    /// The ordinals that were released, ascending.
    pub ordinals: Vec<Ordinal>,
    /// How many of them each handle held.
    pub by_handle: BTreeMap<String, u64>,
}

/// Why an address of a block may not be released.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// It was released, and perhaps taken again, since the caller looked.
    #[error("{ip} was taken under sequence number {found}, not {expected}")]
    Sequence {
        /// The address.
        ip: std::net::IpAddr,
        /// The number that the caller knows.
        expected: u64,
        /// The number that is stored.
        found: u64,
    },
    /// Somebody else holds it.
    #[error("{ip} is held by {found:?}, not by {expected:?}")]
    Handle {
        /// The address.
        ip: std::net::IpAddr,
        /// The handle that the caller named.
        expected: String,
        /// The handle that holds it; empty for none.
        found: String,
    },
}

impl Block {
    /// Releases every address that a handle holds, whose record is `wanted`, and that was taken under the sequence number,
    /// if one is given; `None` where there is none.
    ///
    /// The block must have been collected. Without a cooldown the addresses are free at once.
    ///
    /// Source: calico `libcalico-go/lib/ipam/ipam_block.go::releaseByHandle`.
    #[must_use]
    pub fn release_handle(
        self,
        handle: &str,
        wanted: impl Fn(&Record) -> bool,
        sequence: Option<u64>,
        now: Timestamp,
        cooldown_seconds: i64,
    ) -> Option<Freed> {
        let mut ordinals = self.ordinals_of(handle, wanted);
        ordinals
            .retain(|ordinal| sequence.is_none_or(|number| self.sequence_of(*ordinal) == number));
        (!ordinals.is_empty()).then(|| self.free(ordinals, now, cooldown_seconds))
    }

    /// Returns the ordinals that a handle holds and whose record is `wanted`, ascending.
    #[must_use]
    pub fn ordinals_of(&self, handle: &str, wanted: impl Fn(&Record) -> bool) -> Vec<Ordinal> {
        let is_wanted = |record: &Record| record.handle() == Some(handle) && wanted(record);
        let are_wanted: Vec<bool> = self.records().iter().map(is_wanted).collect();
        let taken = self.allocations.iter().enumerate();
        taken
            .filter(|(_, index)| index.is_some_and(|index| are_wanted.get(index) == Some(&true)))
            .filter_map(|(at, _)| Ordinal::new(at))
            .collect()
    }

    /// Releases single addresses; `None` where none of them was taken.
    ///
    /// The block must have been collected. One condition that does not hold refuses the whole request.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] with the first condition that does not hold.
    ///
    /// Source: calico `libcalico-go/lib/ipam/ipam_block.go::release`.
    pub fn release_ordinals(
        mut self,
        targets: &BTreeMap<Ordinal, Target>,
        now: Timestamp,
        cooldown_seconds: i64,
    ) -> Result<Option<Freed>, ReleaseError> {
        let mut ordinals = Vec::new();
        for (ordinal, target) in targets {
            if self.may_release(*ordinal, target)? {
                ordinals.push(*ordinal);
            }
        }
        if ordinals.is_empty() {
            return Ok(None);
        }
        let current = self.sequence_number;
        let numbers = self.sequence_number_for_allocation.get_or_insert_default();
        numbers.extend(ordinals.iter().map(|ordinal| (*ordinal, current)));
        Ok(Some(self.free(ordinals, now, cooldown_seconds)))
    }

    /// Says whether an address is held and may go; `Ok(false)` means that it is not held by anybody.
    fn may_release(&self, ordinal: Ordinal, target: &Target) -> Result<bool, ReleaseError> {
        let ip = self.cidr.address_at(ordinal);
        let found = self.sequence_of(ordinal);
        if let Some(expected) = target.sequence
            && expected != found
        {
            return Err(ReleaseError::Sequence { ip, expected, found });
        }
        let Some(record) = self.record_of(ordinal).filter(|record| record.released_at().is_none())
        else {
            return Ok(false);
        };
        if let Some(expected) = &target.handle
            && record.handle() != Some(expected)
        {
            let (expected, found) =
                (expected.clone(), record.handle().unwrap_or_default().to_owned());
            return Err(ReleaseError::Handle { ip, expected, found });
        }
        Ok(true)
    }

    /// Addresses of a virtual owner are free at once: Calico's controller of load balancers ends on one in cooldown, which has no
    /// handle.
    fn free(mut self, ordinals: Vec<Ordinal>, now: Timestamp, cooldown_seconds: i64) -> Freed {
        let mut by_handle = BTreeMap::new();
        for ordinal in &ordinals {
            if let Some(handle) = self.record_of(*ordinal).and_then(Record::handle_id) {
                *by_handle.entry(handle.to_owned()).or_insert(0) += 1;
            }
        }
        // Without a cooldown they would be free again at once.
        if self.has_virtual_owner() || cooldown_seconds <= 0 {
            for ordinal in &ordinals {
                self.set_free(*ordinal);
            }
        } else {
            self.cool_down(&ordinals, now);
        }
        let mut block = self.collected(now, cooldown_seconds);
        block.sequence_number = block.sequence_number.saturating_add(1);
        Freed { block, ordinals, by_handle }
    }

    fn has_virtual_owner(&self) -> bool {
        let owner = self.affinity.as_deref().and_then(Owner::parse);
        matches!(owner, Some(Owner::Virtual(_)))
    }

    fn cool_down(&mut self, ordinals: &[Ordinal], now: Timestamp) {
        let records = self.attributes.get_or_insert_default();
        records.push(Attributes::cooling(now).into());
        let cooling = records.len() - 1;
        for ordinal in ordinals {
            if let Some(allocation) = self.allocations.get_mut(ordinal.index()) {
                *allocation = Some(cooling);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block;
    use crate::ip::Cidr;

    const START: Timestamp = Timestamp::EPOCH;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn full() -> Block {
        let owner = Owner::Host("n".to_owned());
        let block = Block::new(Cidr::parse("10.0.0.0/30").unwrap(), &owner, START, 9).unwrap();
        let (block, _) =
            block.take(2, &Attributes::new(Some("a".to_owned()), None).into(), |_| true);
        block.take(2, &Attributes::new(Some("b".to_owned()), None).into(), |_| true).0
    }

    fn queue(block: &Block) -> Vec<usize> {
        block.unallocated.iter().map(|ordinal| ordinal.index()).collect()
    }

    #[test]
    fn without_cooldown_addresses_are_free_at_once_and_records_are_renumbered() {
        let freed = full().release_handle("a", |_| true, None, at(5), 0).unwrap();
        assert_eq!(queue(&freed.block), [0, 1]);
        assert_eq!(freed.by_handle, BTreeMap::from([("a".to_owned(), 2)]));
        assert_eq!(freed.block.allocations, [None, None, Some(0), Some(0)]);
        assert_eq!(freed.block.records().len(), 1);
        assert_eq!(freed.block.sequence_number, 13);
        assert_eq!(freed.block.sequence_of(Ordinal::new(0).unwrap()), 0);
        assert!(freed.block.clone().release_handle("a", |_| true, None, at(5), 0).is_none());
        let empty = freed.block.release_handle("b", |_| true, None, at(5), 0).unwrap().block;
        assert!(block::is_empty(&empty));
        assert_eq!(queue(&empty), [0, 1, 2, 3]);
    }

    #[test]
    fn in_cooldown_an_address_is_neither_held_nor_free() {
        let cooling = full().release_handle("a", |_| true, None, at(5), 30).unwrap().block;
        assert!(queue(&cooling).is_empty());
        assert!(!block::is_empty(&cooling));
        let again = BTreeMap::from([(Ordinal::new(0).unwrap(), Target::default())]);
        assert_eq!(cooling.clone().release_ordinals(&again, at(6), 30), Ok(None));
        assert!(queue(&cooling.clone().collected(at(34), 30)).is_empty());
        assert_eq!(queue(&cooling.clone().collected(at(35), 30)), [0, 1]);
        assert_eq!(
            queue(&cooling.collected(at(0), -1)),
            [0, 1],
            "a negative cooldown frees at once"
        );
    }

    #[test]
    fn an_address_of_a_virtual_owner_is_free_at_once() {
        let owner = Owner::Virtual("load-balancer".to_owned());
        let mut block = full();
        block.affinity = Some(owner.to_string());
        let freed = block.release_handle("a", |_| true, None, at(5), 30).unwrap();
        assert_eq!(queue(&freed.block), [0, 1]);
        assert_eq!((freed.ordinals.len(), freed.by_handle["a"]), (2, 2));
        assert!(freed.block.taken().all(|(_, record)| record.handle().is_some()));
    }

    #[test]
    fn a_condition_that_does_not_hold_refuses_everything() {
        let ordinals = [0, 2].map(|index| Ordinal::new(index).unwrap());
        let held_by = |handle: &str| Target { handle: Some(handle.to_owned()), sequence: None };
        let mixed = BTreeMap::from([(ordinals[0], held_by("a")), (ordinals[1], held_by("a"))]);
        assert!(matches!(
            full().release_ordinals(&mixed, at(5), 0),
            Err(ReleaseError::Handle { .. })
        ));
        let stale = Target { handle: None, sequence: Some(7) };
        let stale = BTreeMap::from([(ordinals[0], stale)]);
        assert!(matches!(
            full().release_ordinals(&stale, at(5), 0),
            Err(ReleaseError::Sequence { .. })
        ));
        let right = Target { handle: Some("a".to_owned()), sequence: Some(10) };
        let right = BTreeMap::from([(ordinals[0], right)]);
        let freed = full().release_ordinals(&right, at(5), 30).unwrap().unwrap();
        assert_eq!(freed.block.sequence_of(ordinals[0]), 12, "a release by address marks its time");
    }
}
