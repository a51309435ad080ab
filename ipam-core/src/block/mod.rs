//! One block: a value goes in, a changed value comes out.
//!
//! Nothing here knows where the block is stored or who else looks at it. Each function that changes something
//! returns the new block with its sequence number grown by one.

mod assign;
mod collect;
mod host_reserved;
mod owners;
mod release;

pub use host_reserved::HostReserved;
pub use owners::{Expected, OwnerChange, OwnerChanges, OwnersError, PodName, Role};
pub use release::{Freed, ReleaseError, Target};

use crate::model::{Block, Record};

/// The handle of ordinals that Windows nodes set aside; no handle object exists for it.
const WINDOWS_RESERVED_HANDLE: &str = "windows-reserved-ipam-handle";

/// Says whether nobody holds an address of the block.
///
/// Ordinals that Windows sets aside do not count; ordinals in cooldown do.
#[must_use]
pub fn is_empty(block: &Block) -> bool {
    block.taken().all(|(_, record)| is_set_aside(record))
}

/// Says whether a record belongs to ordinals that Windows sets aside.
#[must_use]
pub fn is_set_aside(record: &Record) -> bool {
    record.handle_id().is_some_and(|id| id.eq_ignore_ascii_case(WINDOWS_RESERVED_HANDLE))
}

/// Returns the block without an owner: it stays until its last address is released.
#[must_use]
pub fn without_owner(mut block: Block) -> Block {
    block.affinity = None;
    block.affinity_claim_time = None;
    block.sequence_number = block.sequence_number.saturating_add(1);
    block
}
