//! Which store to use, as settings say it.

use std::path::PathBuf;
use std::time::Duration;

use crate::embedded::{Create, EmbeddedStore};
use crate::{AnyStore, StoreError};

/// Where the embedded store lies when nothing else is said.
pub const EMBEDDED_PATH: &str = "/var/lib/ringfence/store.db";

/// Which store to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreSettings {
    /// A file on this machine.
    Embedded {
        /// Where it lies.
        path: PathBuf,
    },
}

/// Why settings name no store that could be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Nobody says which store to use, and guessing would allocate from a private one.
    #[error("no datastore is named; set datastore_type to \"embedded\"")]
    Nothing,
    /// The store is an etcd cluster.
    #[error(
        "this version cannot use etcd yet (etcd_endpoints {endpoints:?}); set datastore_type to \"embedded\""
    )]
    Etcd {
        /// The endpoints.
        endpoints: String,
    },
    /// The type of store is not known.
    #[error("datastore_type is {given:?}; it must be \"embedded\" or \"etcdv3\"")]
    UnknownType {
        /// The type that was given.
        given: String,
    },
    /// The cluster keeps its state in Kubernetes.
    #[error(
        "datastore_type is \"kubernetes\"; this system keeps its state in etcd or in the embedded datastore"
    )]
    Kubernetes,
}

impl StoreSettings {
    /// Decides between stores by what is named; nothing is guessed.
    ///
    /// `path` is where the embedded store lies, [`EMBEDDED_PATH`] if `None`.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], by what is missing or contradicts.
    pub fn decide(
        datastore_type: Option<&str>,
        etcd_endpoints: Option<&str>,
        path: Option<&str>,
    ) -> Result<Self, SettingsError> {
        let endpoints = etcd_endpoints.filter(|endpoints| !endpoints.trim().is_empty());
        match (datastore_type.filter(|kind| !kind.is_empty()), endpoints) {
            (Some("embedded"), _) => Ok(Self::embedded(path)),
            (Some("kubernetes"), _) => Err(SettingsError::Kubernetes),
            (Some("etcdv3") | None, Some(endpoints)) => {
                Err(SettingsError::Etcd { endpoints: endpoints.to_owned() })
            }
            (Some("etcdv3"), None) => Err(SettingsError::Etcd { endpoints: String::new() }),
            (None, None) => Err(SettingsError::Nothing),
            (Some(given), _) => Err(SettingsError::UnknownType { given: given.to_owned() }),
        }
    }

    /// Names the embedded store at a path, [`EMBEDDED_PATH`] if `None`.
    #[must_use]
    pub fn embedded(path: Option<&str>) -> Self {
        Self::Embedded { path: PathBuf::from(path.unwrap_or(EMBEDDED_PATH)) }
    }

    /// Opens the store.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where it cannot be used, or does not answer within `deadline`.
    pub fn open(&self, create: Create, deadline: Duration) -> Result<AnyStore, StoreError> {
        match self {
            Self::Embedded { path } => {
                EmbeddedStore::open(path, create, deadline).map(AnyStore::Embedded)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_guessed() {
        let embedded = |path: &str| Ok(StoreSettings::Embedded { path: PathBuf::from(path) });
        let etcd = |endpoints: &str| Err(SettingsError::Etcd { endpoints: endpoints.to_owned() });
        for (kind, endpoints, path, expected) in [
            (Some("embedded"), None, None, embedded(EMBEDDED_PATH)),
            (Some("embedded"), None, Some("/x"), embedded("/x")),
            (None, None, Some("/x"), Err(SettingsError::Nothing)),
            (None, Some(" "), None, Err(SettingsError::Nothing)),
            (Some("etcdv3"), None, None, etcd("")),
            (None, Some("http://e"), None, etcd("http://e")),
            (Some("kubernetes"), None, None, Err(SettingsError::Kubernetes)),
            (
                Some("embeded"),
                None,
                None,
                Err(SettingsError::UnknownType { given: "embeded".to_owned() }),
            ),
        ] {
            assert_eq!(
                StoreSettings::decide(kind, endpoints, path),
                expected,
                "{kind:?} {endpoints:?}"
            );
        }
    }
}
