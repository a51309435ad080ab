//! How connections are encrypted, and as whom we show ourselves.

use std::path::PathBuf;

use super::Secret;

/// What TLS works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Who vouches for the servers; the authorities of the system if `None`.
    pub ca: Option<Pem>,
    /// Our certificate, and its key.
    pub identity: Option<(Pem, Pem)>,
}

/// Where something in the form PEM is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// In a file.
    File(PathBuf),
    /// In the settings themselves.
    Inline(Secret),
}
