//! How a server is started.

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use super::cluster::Cluster;
use super::pki::{Identity, Pki};
use super::server::Etcd;
use super::version::Version;

/// Where a server listens for clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listen {
    /// At `127.0.0.1`.
    #[default]
    V4,
    /// At `::1`.
    V6,
    /// At whatever `localhost` means here.
    Localhost,
}

impl Listen {
    pub(super) fn host(self) -> &'static str {
        match self {
            Self::V4 => "127.0.0.1",
            Self::V6 => "[::1]",
            Self::Localhost => "localhost",
        }
    }
}

/// The files that a server with TLS is started with, and those that `etcdctl` speaks to it with, as user root.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) authority: PathBuf,
    pub(super) server: Identity,
    pub(super) admin: Identity,
    /// Keeps the files.
    _pki: Pki,
}

/// How a server is started: the system's version at 127.0.0.1 without TLS and users, unless said otherwise.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(super) version: Version,
    pub(super) listen: Listen,
    pub(super) tls: Option<Tls>,
    pub(super) flags: Vec<String>,
}

impl Options {
    /// Takes another version.
    #[must_use]
    pub fn version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// Listens elsewhere.
    #[must_use]
    pub fn listen(self, listen: Listen) -> Self {
        Self { listen, ..self }
    }

    /// Speaks TLS, and requires a certificate of each client.
    #[must_use]
    pub fn tls(self, pki: &Pki) -> Self {
        self.tls_as(pki, pki.server().clone())
    }

    /// Speaks TLS with another certificate than the usual one, and requires one of each client.
    #[must_use]
    pub fn tls_as(self, pki: &Pki, server: Identity) -> Self {
        let authority = pki.authority().to_owned();
        let admin = pki.client("root");
        Self { tls: Some(Tls { authority, server, admin, _pki: pki.clone() }), ..self }
    }

    /// Forgets who logged in after this time, in whole seconds; five minutes unless said otherwise.
    #[must_use]
    pub fn auth_token_ttl(self, ttl: Duration) -> Self {
        self.flag("auth-token-ttl", ttl.as_secs())
    }

    /// Sets how long a password is hashed: from 4, a few milliseconds, over 10, the usual 70 of them, to 31.
    #[must_use]
    pub fn bcrypt_cost(self, cost: u8) -> Self {
        self.flag("bcrypt-cost", cost)
    }

    /// Sets any flag of etcd's.
    #[must_use]
    pub fn flag(mut self, name: &str, value: impl Display) -> Self {
        self.flags.push(format!("--{name}={value}"));
        self
    }

    /// Starts a server and waits until it is healthy.
    ///
    /// # Panics
    ///
    /// If it does not become healthy.
    #[must_use]
    pub fn start(self) -> Etcd {
        Etcd::alone(&self)
    }

    /// Starts a cluster of three and waits until each member is healthy.
    ///
    /// # Panics
    ///
    /// If one does not become healthy.
    #[must_use]
    pub fn start_three(self) -> Cluster {
        Cluster::of(&self)
    }
}
