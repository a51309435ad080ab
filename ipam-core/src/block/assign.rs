//! Taking addresses from a block.

use std::net::IpAddr;

use crate::ip::Ordinal;
use crate::model::{Block, Record};

impl Block {
    /// Takes up to `count` addresses from the front of the queue, passing over those that are not `usable`.
    ///
    /// Addresses that are passed over keep their place. Returns the changed block and the ordinals in the order in
    /// which they were taken; none means that nothing changed.
    ///
    /// Source: calico `libcalico-go/lib/ipam/ipam_block.go::autoAssign`.
    #[must_use]
    pub fn take(
        mut self,
        count: usize,
        record: &Record,
        usable: impl Fn(IpAddr) -> bool,
    ) -> (Self, Vec<Ordinal>) {
        let mut taken = Vec::new();
        let mut kept = Vec::with_capacity(self.unallocated.len());
        for ordinal in std::mem::take(&mut self.unallocated) {
            if taken.len() < count && usable(self.cidr.address_at(ordinal)) {
                taken.push(ordinal);
            } else {
                kept.push(ordinal);
            }
        }
        self.unallocated = kept;
        if taken.is_empty() {
            return (self, taken);
        }
        (self.hand_out(&taken, record), taken)
    }

    /// Takes one address, wherever it stands in the queue; `None` where it is not free.
    ///
    /// Source: calico `libcalico-go/lib/ipam/ipam_block.go::assign`.
    #[must_use]
    pub fn take_ordinal(mut self, ordinal: Ordinal, record: &Record) -> Option<Self> {
        let at = self.unallocated.iter().position(|free| *free == ordinal)?;
        self.unallocated.remove(at);
        Some(self.hand_out(&[ordinal], record))
    }

    /// Counts the free addresses that are `usable`.
    #[must_use]
    pub fn count_free(&self, usable: impl Fn(IpAddr) -> bool) -> usize {
        self.unallocated.iter().filter(|ordinal| usable(self.cidr.address_at(**ordinal))).count()
    }

    /// Points ordinals that have left the queue at one record, under the sequence number before this change.
    fn hand_out(mut self, ordinals: &[Ordinal], record: &Record) -> Self {
        let records = self.attributes.get_or_insert_default();
        let index = records.iter().position(|known| known.is_written_like(record));
        let index = index.unwrap_or_else(|| {
            records.push(record.clone());
            records.len() - 1
        });
        let numbers = self.sequence_number_for_allocation.get_or_insert_default();
        for ordinal in ordinals {
            if let Some(allocation) = self.allocations.get_mut(ordinal.index()) {
                *allocation = Some(index);
            }
            numbers.insert(*ordinal, self.sequence_number);
        }
        self.sequence_number = self.sequence_number.saturating_add(1);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::Cidr;
    use crate::model::{Attributes, Owner, Timestamp};

    fn block() -> Block {
        let owner = Owner::Host("n".to_owned());
        let now = Timestamp::from_nanos(1000);
        Block::new(Cidr::parse("10.0.0.0/30").unwrap(), &owner, now, 0).unwrap()
    }

    fn record(handle: &str) -> Record {
        Attributes::new(Some(handle.to_owned()), None).into()
    }

    fn indexes(ordinals: &[Ordinal]) -> Vec<usize> {
        ordinals.iter().map(|ordinal| ordinal.index()).collect()
    }

    #[test]
    fn addresses_come_from_the_front_and_the_passed_over_keep_their_place() {
        let reserved: IpAddr = "10.0.0.1".parse().unwrap();
        let (block, taken) = block().take(2, &record("a"), |ip| ip != reserved);
        assert_eq!(indexes(&taken), [0, 2]);
        assert_eq!(indexes(&block.unallocated), [1, 3]);
        assert_eq!(block.sequence_number, 1001);
        assert_eq!(block.sequence_of(taken[1]), 1000);
        assert_eq!(block.records().len(), 1, "one call shares one record");
        let (block, taken) = block.take(5, &record("a"), |ip| ip != reserved);
        assert_eq!((indexes(&taken), block.sequence_number), (vec![3], 1002));
        assert_eq!(block.records().len(), 1, "an equal record is shared");
        let (same, taken) = block.clone().take(1, &record("b"), |ip| ip != reserved);
        assert!(taken.is_empty());
        assert_eq!(same, block, "nothing taken, nothing changed");
    }

    #[test]
    fn one_address_is_taken_from_anywhere_and_only_once() {
        let ordinal = Ordinal::new(2).unwrap();
        let block = block().take_ordinal(ordinal, &record("a")).unwrap();
        assert_eq!(indexes(&block.unallocated), [0, 1, 3]);
        assert!(block.take_ordinal(ordinal, &record("b")).is_none());
    }
}
