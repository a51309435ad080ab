//! Why settings name no store.

use super::{EndpointFault, Origin};

/// Why settings name no store that could be used. No message holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Nobody says which store to use, and guessing would allocate from a private one.
    #[error("no datastore is named; set datastore_type to \"embedded\" or \"etcdv3\"")]
    Nothing,
    /// The type of store is not known.
    #[error("{origin} is {given:?}; it must be \"embedded\" or \"etcdv3\"")]
    UnknownType {
        /// Where the type was given.
        origin: Origin,
        /// The type that was given.
        given: String,
    },
    /// The name of a store cannot be understood.
    #[error("{origin} is {given:?}; a store is {}", names_of_stores(origin))]
    StoreName {
        /// Where the name was given.
        origin: Origin,
        /// The name that was given.
        given: String,
    },
    /// The cluster keeps its state in Kubernetes.
    #[error(
        "{origin} is \"kubernetes\"; this system keeps its state in etcd or in the embedded datastore"
    )]
    Kubernetes {
        /// Where the type was given.
        origin: Origin,
    },
    /// The store is an etcd cluster, and nobody says where it is.
    #[error("{origin} is set, but there are no endpoints of etcd; set {endpoints}")]
    NoEndpoints {
        /// What says that the store is etcd.
        origin: Origin,
        /// What the endpoints are called there.
        endpoints: String,
    },
    /// The list of endpoints has a mistake.
    #[error("{origin}: {fault}")]
    Endpoints {
        /// Where the list was given.
        origin: Origin,
        /// The mistake.
        fault: EndpointFault,
    },
    /// Endpoints are to be looked up.
    #[error(
        "{origin} is {given:?}; endpoints cannot be looked up in DNS: list them in {endpoints} instead"
    )]
    Discovery {
        /// Where the domain was given.
        origin: Origin,
        /// The domain.
        given: String,
        /// What the endpoints are called there.
        endpoints: String,
    },
    /// One of two settings that need each other is missing.
    #[error("{origin} is set without {missing}; set both or neither")]
    Alone {
        /// The one that is set.
        origin: Origin,
        /// What the other one is called there.
        missing: String,
    },
    /// Authorities are in the settings themselves, without a certificate of ours.
    #[error(
        "{origin} is set without {missing}; with both of them it counts, or name files instead"
    )]
    InlineAuthority {
        /// Where the authorities are.
        origin: Origin,
        /// What is missing.
        missing: String,
    },
    /// A certificate is in a file, and another in the settings themselves.
    #[error("{inline} and {file} are both set; use files, or values in the settings, not both")]
    InlineAndFile {
        /// The value.
        inline: Origin,
        /// The file.
        file: Origin,
    },
    /// What should be a certificate or a key is none.
    #[error(
        "{origin} does not hold what begins with \"-----BEGIN\"; to name a file use {file} instead"
    )]
    NotPem {
        /// Where the value is.
        origin: Origin,
        /// What the setting for a file is called there.
        file: String,
    },
    /// A path depends on the folder in which a process happens to run.
    #[error("{origin} is {path:?}; it must be an absolute path")]
    RelativePath {
        /// Where the path was given.
        origin: Origin,
        /// The path.
        path: String,
    },
    /// One source wants etcd, a weaker one the embedded store.
    #[error("{endpoints} names etcd, and {kind} the embedded store; remove one of them")]
    Contradiction {
        /// Where the endpoints were given.
        endpoints: Origin,
        /// Where the type was given.
        kind: Origin,
    },
    /// A time is none.
    #[error("{origin} is {given:?}; it must be a number of seconds from 1 to 3600")]
    Timeout {
        /// Where the time was given.
        origin: Origin,
        /// The time that was given.
        given: String,
    },
    /// A variable holds bytes that are no text.
    #[error("environment variable {name} must be UTF-8")]
    NotUtf8 {
        /// The variable.
        name: String,
    },
}

/// Returns what a store can be called at this place.
fn names_of_stores(origin: &Origin) -> &'static str {
    match origin {
        Origin::Argument(_) => "\"embedded\", \"embedded:PATH\", \"etcd\" or \"etcd:URL,URL\"",
        Origin::Flag(_)
        | Origin::Variable(_)
        | Origin::Ipam(_)
        | Origin::Top(_)
        | Origin::ConfigFile(..)
        | Origin::ApiConfig(..)
        | Origin::Implied(_)
        | Origin::Default => "\"embedded\", \"embedded:PATH\" or \"etcd\"",
    }
}
