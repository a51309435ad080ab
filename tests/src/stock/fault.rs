//! What goes wrong in a stock process, in Calico's words.

use ipam_core::ip::Cidr;
use ipam_core::kv::Key;
use ipam_core::model::key::{self, Named};
use ipam_core::model::{DecodeError, ResourceKind};
use ipam_etcd::StoreError;

/// Why an operation, or a step of it, failed.
///
/// The allocator tells these apart: what is tried again after one of them ends the call after another.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The key does not exist.
    #[error("resource does not exist: {0} with error: <nil>")]
    NotFound(String),
    /// It exists already, or is taken.
    #[error("resource already exists: {0} with error: {1}")]
    Exists(String, &'static str),
    /// The key was changed by somebody else; most loops try again.
    #[error("update conflict: {0}")]
    Conflict(String),
    /// A condition of a release does not hold. Calico gives it the type of a conflict, but does not try again.
    #[error("update conflict: {0}")]
    Unmet(String),
    /// A value cannot be understood.
    #[error("failed to parse datastore entry key={key}; value={value}: {why}")]
    Unparsable {
        /// Its key.
        key: Key,
        /// The value.
        value: String,
        /// What the parser says.
        why: String,
    },
    /// Another owner has the block.
    #[error("{0} is claimed by another owner")]
    ClaimConflict(Cidr),
    /// The claim was on a block of another owner, and was removed.
    #[error("the affinity to {0} is stale")]
    StaleAffinity(Cidr),
    /// The block holds addresses and should not.
    #[error("block '{0}' is not empty")]
    NotEmpty(Cidr),
    /// No block can be claimed any more.
    #[error("no free blocks")]
    NoFreeBlocks,
    /// The host has as many blocks as it may.
    #[error("cannot allocate new block due to per host block limit")]
    BlockLimit,
    /// Anything that no step treats in a way of its own.
    #[error("{0}")]
    Other(String),
    /// The store failed, as it does after a process died.
    #[error("the store failed")]
    Store(#[source] StoreError),
}

impl Fault {
    /// Makes a fault that is only ever shown.
    pub(super) fn other(text: impl Into<String>) -> Self {
        Self::Other(text.into())
    }

    pub(super) fn not_found(key: &str) -> Self {
        Self::NotFound(identifier(key))
    }

    pub(super) fn conflict(key: &str) -> Self {
        Self::Conflict(identifier(key))
    }

    pub(super) fn unparsable(key: &str, value: &[u8], error: &DecodeError) -> Self {
        let why = match error {
            DecodeError::Json { source, .. } if source.is_eof() => {
                "unexpected end of JSON input".to_owned()
            }
            DecodeError::Json { source, .. } => source.to_string(),
            DecodeError::Block { source, .. } => source.to_string(),
            DecodeError::NullHandle { .. } => error.to_string(),
        };
        let value = String::from_utf8_lossy(value).into_owned();
        Self::Unparsable { key: key.into(), value, why }
    }

    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }
}

/// Names a key as Calico's errors do.
fn identifier(key: &str) -> String {
    match key::parse(key) {
        Some(Named::Handle(id)) => format!("IPAMHandleKey(id={id})"),
        Some(Named::Resource(kind, name)) => resource(kind, &name),
        Some(Named::Block(cidr)) => format!("BlockKey(cidr={cidr})"),
        Some(Named::Affinity(owner, cidr)) => {
            format!("BlockAffinityKey(cidr={cidr}, host={})", owner.name())
        }
        Some(Named::Config | Named::Binding(_) | Named::PoolMark(_)) | None => key.to_owned(),
    }
}

fn resource(kind: ResourceKind, name: &str) -> String {
    format!("{}({name})", kind.name())
}
