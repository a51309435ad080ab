//! Addresses that a host sets aside for itself in each block that it claims.

use crate::ip::Family;
use crate::model::{Attributes, Block, Record};

/// Addresses at both ends of each block that a host claims, which it sets aside for itself, as hosts that run Windows
/// must.
///
/// It counts when a block is made; a block that exists is used as it is. Nobody counts these addresses: there is no
/// object for their handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReserved {
    at_start: usize,
    at_end: usize,
    handle: String,
    note: String,
}

impl HostReserved {
    /// Sets `at_start` addresses at the start of each block and `at_end` at its end aside, under a handle and with a note;
    /// `None` where these are no addresses at all.
    #[must_use]
    pub fn new(
        at_start: usize,
        at_end: usize,
        handle: impl Into<String>,
        note: impl Into<String>,
    ) -> Option<Self> {
        let (handle, note) = (handle.into(), note.into());
        (at_start.saturating_add(at_end) > 0).then_some(Self { at_start, at_end, handle, note })
    }

    /// Returns the handle.
    #[must_use]
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// Returns how many addresses of each block are set aside.
    #[must_use]
    pub fn count(&self) -> usize {
        self.at_start.saturating_add(self.at_end)
    }

    /// Returns the longest prefix of a block that has room for them and for at least one address more, by the rule of
    /// Calico: a block must not be smaller than the next power of two above the number.
    ///
    /// Source: calico `libcalico-go/lib/ipam/ipam.go::getMaxPrefixLen`.
    #[must_use]
    pub fn longest_prefix(&self, family: Family) -> u8 {
        let bits = usize::BITS - self.count().leading_zeros();
        family.bits().saturating_sub(u8::try_from(bits).unwrap_or(u8::MAX))
    }
}

impl Block {
    /// Sets addresses of a block aside from which nothing was taken yet. They have no sequence number.
    ///
    /// Source: calico `libcalico-go/lib/ipam/ipam_block.go::newBlock`.
    #[must_use]
    pub fn with_host_reserved(mut self, reserved: &HostReserved) -> Self {
        let size = self.allocations.len();
        let end = size.saturating_sub(reserved.at_end);
        let is_reserved = |index: usize| index < reserved.at_start || index >= end;
        let note = [("note".to_owned(), reserved.note.clone())].into();
        let record = Attributes::new(Some(reserved.handle.clone()), Some(note));
        self.attributes = Some(vec![Record::from(record)]);
        self.unallocated.retain(|ordinal| !is_reserved(ordinal.index()));
        for (index, allocation) in self.allocations.iter_mut().enumerate() {
            *allocation = is_reserved(index).then_some(0);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::Cidr;
    use crate::model::{Owner, Timestamp};

    #[test]
    fn both_ends_of_a_new_block_are_set_aside() {
        let owner = Owner::Host("n".to_owned());
        let now = Timestamp::from_nanos(1000);
        let block = Block::new(Cidr::parse("10.0.0.0/30").unwrap(), &owner, now, 0).unwrap();
        let reserved = HostReserved::new(2, 1, "h", "why").unwrap();
        let block = block.with_host_reserved(&reserved);
        assert_eq!(block.allocations, [Some(0), Some(0), None, Some(0)]);
        let free: Vec<usize> = block.unallocated.iter().map(|ordinal| ordinal.index()).collect();
        assert_eq!((free, block.sequence_number), (vec![2], 1000));
        assert_eq!(reserved.longest_prefix(Family::V4), 30);
        assert!(!block.encode().is_empty(), "it keeps the rules of a block");
    }

    #[test]
    fn nothing_is_not_set_aside() {
        assert_eq!(HostReserved::new(0, 0, "h", ""), None);
        let windows = HostReserved::new(3, 1, "h", "").unwrap();
        assert_eq!(windows.longest_prefix(Family::V4), 29);
        assert_eq!(windows.longest_prefix(Family::V6), 125);
    }
}
