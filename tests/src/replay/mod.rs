//! Replays what stock Calico was recorded to do, and compares step by step.
//!
//! A recording tells for each step what was called with which input, how it ended, and which keys it left behind. The
//! steps of Calico's IPAM plugin are done again here, by the planner and the driver on a store of one's choice.

mod alter;
mod calico;
mod command;
mod compare;
mod library;
mod meaning;
mod normal;
mod plugin;
mod recording;
mod run;

pub use alter::{in_value, raise_count, raise_number, swap_ordinals, unfinish};
pub use calico::{BadInput, Call, printed};
pub use command::command;
pub use compare::{Aspect, Difference};
pub(crate) use compare::{Keys, Runs, equal};
pub use library::{INTENDED, Intended, LibraryRecording, LibraryStep, Replayed, replay_library};
pub use meaning::{Failure, is_same};
pub use normal::Normaliser;
pub use plugin::{Place, prints_the_same, replay_through_plugin};
pub use recording::{Put, Recording, RecordingError, Step};
pub use run::{Mismatch, ReplayError, Summary, replay, replay_moving};
