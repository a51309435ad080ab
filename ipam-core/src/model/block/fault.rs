//! What makes a block unfit for use.

use crate::ip::{Cidr, Ordinal};

use super::Block;

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
    /// Checks the rules K1 to K4 that every reader relies on.
    pub(super) fn check(&self) -> Result<(), BlockFault> {
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

pub(super) fn size_of(cidr: &Cidr) -> Result<usize, BlockFault> {
    let size = cidr.size();
    if size > u128::from(Ordinal::BLOCK_SIZE_MAX) {
        return Err(BlockFault::TooLarge { size });
    }
    usize::try_from(size).map_err(|_| BlockFault::TooLarge { size })
}
