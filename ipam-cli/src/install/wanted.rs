//! A file that shall lie on the node.

use std::path::PathBuf;

/// Nobody but the owner may read what can hold a secret.
pub(super) const SECRET_MODE: u32 = 0o600;

/// A file that shall lie on the node.
pub(crate) struct Wanted {
    /// Where.
    pub(crate) path: PathBuf,
    /// What it holds; it may be a secret.
    pub(crate) bytes: Vec<u8>,
    /// Its permissions.
    pub(crate) mode: u32,
    /// Where what lies there before is kept; `None` where only what was installed may be replaced.
    pub(crate) aside: Option<PathBuf>,
}

impl Wanted {
    /// Wants a file at a place that is for it alone.
    pub(super) fn new(path: PathBuf, bytes: impl Into<Vec<u8>>, mode: u32) -> Self {
        Self { path, bytes: bytes.into(), mode, aside: None }
    }
}
