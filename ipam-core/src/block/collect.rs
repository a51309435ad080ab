//! Giving back what has been in cooldown for long enough, and tidying the metadata.

use crate::ip::Ordinal;
use crate::model::{Block, Timestamp};

impl Block {
    /// Returns the block as an allocator must see it: ordinals whose cooldown has passed are free again.
    ///
    /// Freed ordinals join the end of the queue in ascending order; records without ordinals are removed. With a
    /// negative cooldown every ordinal in cooldown is freed. The sequence number stays: whoever writes the block
    /// lets it grow.
    ///
    /// Source: calico `libcalico-go/lib/ipam/ipam_block.go::garbageCollect`.
    #[must_use]
    pub fn collected(mut self, now: Timestamp, cooldown_seconds: i64) -> Self {
        let cold: Vec<Ordinal> = self.cold(now, cooldown_seconds).collect();
        for ordinal in cold {
            self.set_free(ordinal);
        }
        self.without_unused_records()
    }

    /// Puts an ordinal at the end of the queue; its record stays.
    pub(super) fn set_free(&mut self, ordinal: Ordinal) {
        if let Some(allocation) = self.allocations.get_mut(ordinal.index()) {
            *allocation = None;
        }
        self.unallocated.push(ordinal);
        if let Some(numbers) = &mut self.sequence_number_for_allocation {
            numbers.remove(&ordinal);
        }
    }

    /// Says whether the cooldown of any ordinal has passed, so that [`Block::collected`] would free it.
    #[must_use]
    pub fn has_cold(&self, now: Timestamp, cooldown_seconds: i64) -> bool {
        self.cold(now, cooldown_seconds).next().is_some()
    }

    fn cold(&self, now: Timestamp, cooldown_seconds: i64) -> impl Iterator<Item = Ordinal> {
        let limit = now.minus_seconds(cooldown_seconds);
        let is_cold = move |at: Timestamp| cooldown_seconds < 0 || at <= limit;
        self.cooling().filter_map(move |(ordinal, at)| is_cold(at).then_some(ordinal))
    }

    fn without_unused_records(mut self) -> Self {
        let mut used = vec![false; self.records().len()];
        for index in self.allocations.iter().flatten() {
            if let Some(used) = used.get_mut(*index) {
                *used = true;
            }
        }
        if used.iter().all(|used| *used) {
            return self;
        }
        let mut next = 0;
        let new_index: Vec<usize> = used
            .iter()
            .map(|used| {
                let index = next;
                next += usize::from(*used);
                index
            })
            .collect();
        for index in self.allocations.iter_mut().flatten() {
            *index = new_index.get(*index).copied().unwrap_or(*index);
        }
        let mut used = used.into_iter();
        if let Some(records) = &mut self.attributes {
            records.retain(|_| used.next().unwrap_or(true));
        }
        self
    }
}
