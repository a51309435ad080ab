//! What is stored: Calico's keys and JSON values byte for byte, and Ringfence's own beside them.
//!
//! This is the only module that knows how a value looks in JSON. Each type decodes what Calico writes, keeps the
//! members that it does not know, and encodes to the bytes that Calico would have written. The formats are described
//! field by field in `docs/stored-format.md`.

mod affinity;
mod binding;
mod block;
mod cluster;
mod config;
mod handle;
mod json;
pub mod key;
mod node;
mod owner;
mod pool;
mod reservation;
mod resource;
mod time;

pub use affinity::{Affinity, AffinityState};
pub use binding::{Binding, BindingMode, PoolMark};
pub use block::{Attributes, Block, BlockFault, Record};
pub use cluster::{ClusterInformation, ClusterInformationSpec};
pub use config::Config;
pub use handle::{Handle, HandleId, HandleIdError};
pub use node::Node;
pub use owner::Owner;
pub use pool::{IpPool, IpPoolCondition, IpPoolSpec, IpPoolStatus};
pub use reservation::{IpReservation, IpReservationSpec};
pub use resource::{Metadata, Resource, ResourceKind, Uid};
pub use time::{Timestamp, TimestampError};

pub use json::to_bytes;

/// A stored value that cannot be understood; it is reported and never rewritten.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not the JSON that its key promises.
    #[error("the value of {key} is not what its key promises")]
    Json {
        /// Where it is stored.
        key: String,
        /// What the parser met.
        source: serde_json::Error,
    },
    /// It is a block that breaks its own rules.
    #[error("the block at {key} is damaged")]
    Block {
        /// Where it is stored.
        key: String,
        /// Which rule.
        source: BlockFault,
    },
    /// It is a handle without its map, which would crash Calico if it were counted up.
    #[error("the handle at {key} has no block map: its addresses can only be released by address")]
    NullHandle {
        /// Where it is stored.
        key: String,
    },
}

impl DecodeError {
    /// Returns the key of the value.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Json { key, .. } | Self::Block { key, .. } | Self::NullHandle { key } => key,
        }
    }
}

/// Reads JSON that a key promises to hold.
fn from_json<'a, T: serde::Deserialize<'a>>(key: &str, value: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(value)
        .map_err(|source| DecodeError::Json { key: key.to_owned(), source })
}
