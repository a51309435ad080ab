//! What is allowed, and easily overlooked.

use std::fmt;

use super::{Origin, Scheme};

/// Something in the settings that is allowed, and perhaps not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsWarning {
    /// Endpoints name both schemes.
    MixedSchemes {
        /// Where they are listed.
        origin: Origin,
        /// The scheme that holds for all.
        scheme: Scheme,
    },
    /// Certificates are named, and connections go without.
    TlsUnused {
        /// Where one of them is named.
        origin: Origin,
    },
    /// A password goes over connections that others can read.
    PlainPassword {
        /// Where the user is named.
        origin: Origin,
    },
    /// Endpoints are listed, and the store is the embedded one.
    EndpointsUnused {
        /// Where they are listed.
        endpoints: Origin,
        /// Where the store is chosen.
        kind: Origin,
    },
}

impl fmt::Display for SettingsWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MixedSchemes { origin, scheme } => {
                write!(
                    f,
                    "{origin} names http and https; {scheme}, of its first entry, holds for all"
                )
            }
            Self::TlsUnused { origin } => write!(
                f,
                "{origin} is not used: the endpoints begin with http, so nothing is encrypted"
            ),
            Self::PlainPassword { origin } => {
                write!(
                    f,
                    "{origin}: the password goes unencrypted, as the endpoints begin with http"
                )
            }
            Self::EndpointsUnused { endpoints, kind } => {
                write!(f, "{endpoints} is not used: {kind} names the embedded store")
            }
        }
    }
}
