//! Copying everything from one store into another, and proving the copy.
//!
//! What is copied is what lies below the [roots](ipam_core::model::key::ROOTS), byte for byte, whatever it means. The
//! source is only read. The target must hold nothing below the roots, and every write demands that its keys are absent,
//! so nothing is ever overwritten. Keys go over in their order: a copy that was cut short is the beginning of its source,
//! which is how it is recognised and continued, without a marker.
//!
//! No store is asked for a past revision. That the source stood still is shown at the end instead: no key below the
//! roots is newer than the first look, and as many are there as then. A change that leaves no such trace never showed
//! in what was read.

mod batch;
mod copy;
mod digest;
mod error;
mod page;
mod persist;
mod survey;
mod tally;
mod walk;

pub use copy::{Copied, Migration, Progress};
pub use digest::Digest;
pub use error::{Held, MigrateError, Stop};
pub use survey::Survey;
pub use tally::{Count, Tally, kind_of};
