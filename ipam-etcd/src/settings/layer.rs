//! What one source says.

use std::fmt;

use super::{Origin, Setting};

/// A value that one source gives a setting.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    /// What is set.
    pub setting: Setting,
    /// The value as it was written. It may be a secret.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

/// What one source says. A source that says nothing about a setting leaves it to the weaker ones.
pub type Layer = Vec<Given>;

impl Given {
    /// Makes a value.
    #[must_use]
    pub fn new(setting: Setting, value: impl Into<String>, origin: Origin) -> Self {
        Self { setting, value: value.into(), origin }
    }

    /// Tells whether the value says nothing. A password of blanks is one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self.setting {
            Setting::EtcdPassword => self.value.is_empty(),
            Setting::DatastoreType
            | Setting::DatastorePath
            | Setting::EtcdEndpoints
            | Setting::EtcdDiscoverySrv
            | Setting::EtcdUsername
            | Setting::EtcdCaCertFile
            | Setting::EtcdCertFile
            | Setting::EtcdKeyFile
            | Setting::EtcdCaCert
            | Setting::EtcdCert
            | Setting::EtcdKey
            | Setting::Timeout => self.value.trim().is_empty(),
        }
    }

    /// Returns the value for a reader; of a secret only that there is one.
    #[must_use]
    pub fn shown(&self) -> &str {
        // A slip of the pen may have put a password before the '@' of an endpoint.
        let holds_password = self.setting == Setting::EtcdEndpoints && self.value.contains('@');
        if self.setting.is_secret() || holds_password { "<set>" } else { &self.value }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given")
            .field("setting", &self.setting)
            .field("value", &self.shown())
            .field("origin", &self.origin)
            .finish()
    }
}
