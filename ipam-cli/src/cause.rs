//! What stops a command.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use ipam_core::refusal::Refusal;
use ipam_etcd::migrate::MigrateError;
use ipam_etcd::{DriveError, SettingsError, StoreError};

use crate::api_config::ApiConfigError;
use crate::install::InstallError;
use crate::manifest::ManifestError;
use crate::netconf::NetConfError;

/// What stops a command before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    /// The command line does not have the form that it must have.
    #[error("{message}")]
    CommandLine {
        /// What is wrong with it.
        message: String,
        /// What was probably meant.
        tip: Option<String>,
    },
    /// An argument has no meaning.
    #[error(transparent)]
    Usage(UsageError),
    /// Addresses would be freed, and nobody can be asked.
    #[error("{why}")]
    Unconfirmed {
        /// Why nothing was done.
        why: &'static str,
    },
    /// A file that was named cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A manifest cannot be understood.
    #[error(transparent)]
    Manifest(Box<ManifestError>),
    /// A network configuration cannot be understood.
    #[error(transparent)]
    NetConf(Box<NetConfError>),
    /// A file with settings cannot be read.
    #[error("{} cannot be read", path.display())]
    SettingsFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file that should hold a password is empty.
    #[error("{} holds no password", path.display())]
    NoPassword {
        /// The file.
        path: PathBuf,
    },
    /// A file with settings cannot be understood.
    #[error("{} cannot be understood", path.display())]
    ApiConfig {
        /// The file.
        path: PathBuf,
        /// The mistake.
        source: Box<ApiConfigError>,
    },
    /// The settings name no store.
    #[error(transparent)]
    Settings(SettingsError),
    /// The store did not do it.
    #[error(transparent)]
    Store(StoreError),
    /// A limit was reached on the way.
    #[error(transparent)]
    GaveUp(DriveError),
    /// It must not be done.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// An export would be empty: a firewall would open everything, or close everything.
    #[error("no address of {} is left to export", pools.join(", "))]
    NothingToExport {
        /// The pools.
        pools: Vec<String>,
    },
    /// A store was not copied.
    #[error(transparent)]
    Migrate(Box<MigrateFailure>),
    /// The file of an export cannot be replaced; it is as it was.
    #[error("{} cannot be replaced", path.display())]
    OutFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The plugin is not installed, or not removed.
    #[error(transparent)]
    Install(Box<InstallError>),
    /// The machine does not give what every run needs.
    #[error("this machine gives no {needed}")]
    Machine {
        /// What is needed.
        needed: &'static str,
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Standard output does not take what was printed.
    #[error("standard output takes no more")]
    Output(#[source] io::Error),
    /// This program broke one of its own rules.
    #[error("{what}")]
    Bug {
        /// Which rule, and where.
        what: String,
    },
}

/// An argument that has no meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UsageError {
    /// Text is no network.
    #[error("{given:?} is not a network of the form address/length")]
    Network {
        /// The text.
        given: String,
    },
    /// A network has bits behind its prefix.
    #[error("{given} has bits set behind its prefix")]
    HostBits {
        /// The text.
        given: String,
        /// The network that was probably meant.
        masked: String,
    },
    /// A list of pools has a mistake.
    #[error("{flag} {mistake}")]
    PoolList {
        /// The flag.
        flag: &'static str,
        /// The mistake, as the end of a sentence that begins with the flag.
        mistake: String,
    },
    /// Text cannot name a namespace or a network.
    #[error("{given:?} cannot name a namespace")]
    Namespace {
        /// The text.
        given: String,
    },
    /// Text cannot name a handle.
    #[error("{given:?} is neither an address, nor NAMESPACE/POD, nor a handle")]
    Holder {
        /// The text.
        given: String,
    },
    /// Two arguments say the same thing.
    #[error("{first} and {second} both name the pools of {family}")]
    Twice {
        /// The one.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// The family.
        family: ipam_core::ip::Family,
    },
    /// A store would be copied into itself.
    #[error("{from} and {to} are the same store")]
    SameStore {
        /// The one.
        from: String,
        /// The other, as it was named.
        to: String,
    },
    /// Several pools need a name for what they become together.
    #[error("{pools} pools become one set, and nobody says how it is called")]
    SetName {
        /// How many pools there are.
        pools: usize,
    },
}

/// Why a store was not copied, and what to do about what may be there of the copy.
#[derive(Debug)]
pub(crate) struct MigrateFailure {
    /// Why.
    pub(crate) error: MigrateError,
    /// What empties the target, as a shell takes it.
    pub(crate) emptying: String,
}

impl fmt::Display for MigrateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for MigrateFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl Cause {
    /// Takes what clap says apart: what is wrong, and a tip where it has one; how to call the command is left out.
    pub(crate) fn from_clap(text: &str) -> Self {
        let said = text.split("\nUsage:").next().unwrap_or_default();
        let (message, tip) = match said.split_once("tip: ") {
            Some((message, tip)) => (message, Some(tip.to_owned())),
            None => (said, None),
        };
        let message = message.strip_prefix("error: ").unwrap_or(message).to_owned();
        Self::CommandLine { message, tip }
    }

    /// Returns the error and what lies below it in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        text
    }
}

impl From<DriveError> for Cause {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Refused(refusal) => Self::Refused(refusal),
            DriveError::Store(error) => Self::Store(error),
            DriveError::Exhausted { .. } => Self::GaveUp(error),
        }
    }
}

impl From<Refusal> for Cause {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<SettingsError> for Cause {
    fn from(error: SettingsError) -> Self {
        Self::Settings(error)
    }
}

impl From<StoreError> for Cause {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<MigrateFailure> for Cause {
    fn from(failure: MigrateFailure) -> Self {
        let MigrateFailure { error, emptying } = failure;
        match error {
            MigrateError::Store(error) => Self::Store(error),
            error @ (MigrateError::Nothing { .. }
            | MigrateError::Occupied { .. }
            | MigrateError::NotABeginning { .. }
            | MigrateError::Stopped { .. }) => {
                Self::Migrate(Box::new(MigrateFailure { error, emptying }))
            }
        }
    }
}

impl From<InstallError> for Cause {
    fn from(error: InstallError) -> Self {
        Self::Install(Box::new(error))
    }
}

impl From<UsageError> for Cause {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

impl From<ManifestError> for Cause {
    fn from(error: ManifestError) -> Self {
        Self::Manifest(Box::new(error))
    }
}

impl From<NetConfError> for Cause {
    fn from(error: NetConfError) -> Self {
        Self::NetConf(Box::new(error))
    }
}
