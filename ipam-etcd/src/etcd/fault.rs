//! What is wrong with an endpoint, told as what, why, and how to mend it.

use std::error::Error;
use std::io;

use rustls::{CertificateError, InvalidMessage};
use tonic::Status;

use crate::settings::{Endpoint, EtcdSettings};

/// What is wrong with an endpoint of etcd, and how to mend it.
///
/// It is the source of the [`StoreError`](crate::StoreError) that an etcd store returns.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing listens there.
    #[error("{endpoint} refuses connections: start etcd there, or name another endpoint")]
    Refused {
        /// The endpoint.
        endpoint: String,
    },
    /// Its name is not known.
    #[error("the host of {endpoint} is not known ({cause}): correct the name, or name its address")]
    Unresolved {
        /// The endpoint.
        endpoint: String,
        /// What the resolver said.
        cause: String,
    },
    /// No connection within the time.
    #[error(
        "{endpoint} gave no connection within {waited_ms} ms: check its name, the way to it and its firewall, or name another endpoint"
    )]
    Unreachable {
        /// The endpoint.
        endpoint: String,
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// The connection was made, and then there was no answer.
    #[error(
        "{endpoint} did not answer within {waited_ms} ms: see with 'etcdctl endpoint health' whether it has a leader and its disk is fast enough"
    )]
    Silent {
        /// The endpoint.
        endpoint: String,
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// The connection broke.
    #[error("the connection to {endpoint} broke: {cause}")]
    Broken {
        /// The endpoint.
        endpoint: String,
        /// What the system said.
        cause: String,
    },
    /// It does not speak TLS.
    #[error("{endpoint} does not speak TLS: write http:// where etcd serves plain text")]
    NotTls {
        /// The endpoint.
        endpoint: String,
    },
    /// It speaks TLS only, or is no etcd: that looks alike.
    #[error(
        "{endpoint} closes connections without an answer: write https:// where etcd serves TLS, or name the port for clients"
    )]
    NotPlain {
        /// The endpoint.
        endpoint: String,
    },
    /// Its certificate is signed by somebody unknown.
    #[error(
        "the certificate of {endpoint} is signed by an authority that is not trusted here: name the right one as CA certificate"
    )]
    UnknownAuthority {
        /// The endpoint.
        endpoint: String,
    },
    /// Its certificate is out of date.
    #[error(
        "the certificate of {endpoint} has expired: renew it at the server, or correct the clock here"
    )]
    Expired {
        /// The endpoint.
        endpoint: String,
    },
    /// Its certificate is for others.
    #[error(
        "the certificate of {endpoint} does not name that host: use a name that it holds, or issue one that holds this name"
    )]
    WrongName {
        /// The endpoint.
        endpoint: String,
    },
    /// Another fault of TLS.
    #[error("no TLS with {endpoint}: {cause}")]
    Tls {
        /// The endpoint.
        endpoint: String,
        /// What TLS said.
        cause: String,
    },
    /// It wants a client certificate.
    #[error("{endpoint} asks for a client certificate, and none is set: set certificate and key")]
    NoClientCertificate {
        /// The endpoint.
        endpoint: String,
    },
    /// It does not accept the client certificate.
    #[error(
        "{endpoint} does not accept our client certificate ({cause}): use one that its CA signed and that is in date"
    )]
    ClientCertificate {
        /// The endpoint.
        endpoint: String,
        /// What the server said.
        cause: &'static str,
    },
    /// A file of certificates or keys cannot be read.
    #[error("the {what} in {place} cannot be read: check the path and its permissions")]
    Unreadable {
        /// What it should hold.
        what: &'static str,
        /// Where it is.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file of certificates or keys holds something else.
    #[error("{place} holds no {what} in PEM: it must have a line -----BEGIN {label}-----")]
    NoPem {
        /// What it should hold.
        what: &'static str,
        /// Where it is.
        place: String,
        /// How that begins.
        label: &'static str,
    },
    /// Certificate or key cannot be used.
    #[error(
        "certificate and key cannot be used ({cause}): check that they belong together and that the key has no passphrase"
    )]
    BadCertificates {
        /// What TLS said.
        cause: String,
    },
    /// User or password is wrong.
    #[error("{endpoint} does not accept user {user:?} with this password: correct them")]
    WrongPassword {
        /// The endpoint.
        endpoint: String,
        /// The user.
        user: String,
    },
    /// It wants a user.
    #[error(
        "{endpoint} asks who we are, and no user is set: set user and password, or a client certificate with a user's name"
    )]
    NoUser {
        /// The endpoint.
        endpoint: String,
    },
    /// The user may not do this.
    #[error(
        "{endpoint} does not permit this to {who}: give its role what docs/etcd-roles.md lists"
    )]
    NotPermitted {
        /// The endpoint.
        endpoint: String,
        /// Who we are to it.
        who: String,
    },
    /// Its database is full.
    #[error(
        "{endpoint} takes no more data, its database has reached its quota: compact and defragment it, then 'etcdctl alarm disarm'"
    )]
    Full {
        /// The endpoint.
        endpoint: String,
    },
    /// It holds a key that is no text.
    #[error(
        "{endpoint} holds a key that is no text: \"{key}\"; nobody who knows Calico's keys writes such, so delete it"
    )]
    NoText {
        /// The endpoint.
        endpoint: String,
        /// The key, with escapes for what cannot be shown.
        key: String,
    },
    /// It answers in a way that etcd does not.
    #[error("{endpoint} does not answer as etcd 3.4 or later does: {message}")]
    Foreign {
        /// The endpoint.
        endpoint: String,
        /// What it said.
        message: String,
    },
    /// Something else, in its own words.
    #[error("{endpoint}: {message}")]
    Other {
        /// The endpoint.
        endpoint: String,
        /// What was said.
        message: String,
    },
    /// Each of several endpoints has a fault.
    #[error("none of {} endpoints can be used: {}", faults.len(), list(faults))]
    All {
        /// What is wrong with each.
        faults: Vec<Fault>,
    },
}

/// What a fault means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    /// Trying again soon may help.
    Passing,
    /// It is we who are not let in.
    Denial,
    /// Somebody must mend it.
    Lasting,
}

impl Fault {
    /// Reads what went wrong while a connection was made.
    pub(super) fn of_transport(endpoint: &Endpoint, error: &(dyn Error + 'static)) -> Self {
        let endpoint = endpoint.url.clone();
        if let Some(error) = find::<rustls::Error>(error) {
            return Self::of_tls(endpoint, error);
        }
        if chain(error).any(|error| error.to_string() == "tls handshake eof") {
            return Self::NotTls { endpoint };
        }
        let Some(io) = find::<io::Error>(error) else {
            return Self::Broken { endpoint, cause: innermost(error) };
        };
        if io.kind() == io::ErrorKind::ConnectionRefused {
            return Self::Refused { endpoint };
        }
        if chain(error).any(|error| error.to_string() == "dns error") {
            return Self::Unresolved { endpoint, cause: io.to_string() };
        }
        Self::Broken { endpoint, cause: innermost(error) }
    }

    /// Reads what a call came to.
    pub(super) fn of_status(endpoint: &Endpoint, settings: &EtcdSettings, status: &Status) -> Self {
        let url = endpoint.url.clone();
        let message = status.message();
        let user = settings.login.as_ref().map(|login| login.user.clone());
        if message.contains("authentication failed, invalid user ID or password") {
            return Self::WrongPassword { endpoint: url, user: user.unwrap_or_default() };
        }
        if message.contains("user name is empty") {
            return Self::NoUser { endpoint: url };
        }
        if message.contains("permission denied") {
            let of_certificate = || "the user of our certificate".to_owned();
            let who = user.map_or_else(of_certificate, |user| format!("user {user:?}"));
            return Self::NotPermitted { endpoint: url, who };
        }
        if message.contains("database space exceeded") {
            return Self::Full { endpoint: url };
        }
        if let Some(alert) = alert(status) {
            return Self::of_alert(url, settings, alert);
        }
        if message.starts_with("grpc-status header missing")
            || status.code() == tonic::Code::Unimplemented
        {
            return Self::Foreign { endpoint: url, message: message.to_owned() };
        }
        match status.source() {
            Some(source) => Self::Broken { endpoint: url, cause: innermost(source) },
            None => Self::Other { endpoint: url, message: message.to_owned() },
        }
    }

    /// Reads what a login came to.
    pub(super) fn of_client(
        endpoint: &Endpoint,
        settings: &EtcdSettings,
        error: &etcd_client::Error,
    ) -> Self {
        if let etcd_client::Error::GRpcStatus(status) = error {
            return Self::of_status(endpoint, settings, status);
        }
        Self::Other { endpoint: endpoint.url.clone(), message: error.to_string() }
    }

    /// Says whether trying again soon may help.
    pub(super) fn is_passing(&self) -> bool {
        self.nature() == Nature::Passing
    }

    /// Says whether it is we who are not let in.
    pub(super) fn is_denial(&self) -> bool {
        self.nature() == Nature::Denial
    }

    fn nature(&self) -> Nature {
        match self {
            Self::Refused { .. }
            | Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Broken { .. }
            | Self::Other { .. } => Nature::Passing,
            Self::NoClientCertificate { .. }
            | Self::ClientCertificate { .. }
            | Self::WrongPassword { .. }
            | Self::NoUser { .. }
            | Self::NotPermitted { .. } => Nature::Denial,
            Self::All { faults } if faults.iter().any(Self::is_passing) => Nature::Passing,
            Self::All { faults } if faults.iter().all(Self::is_denial) => Nature::Denial,
            Self::All { .. }
            | Self::Unresolved { .. }
            | Self::NotTls { .. }
            | Self::NotPlain { .. }
            | Self::UnknownAuthority { .. }
            | Self::Expired { .. }
            | Self::WrongName { .. }
            | Self::Tls { .. }
            | Self::Unreadable { .. }
            | Self::NoPem { .. }
            | Self::BadCertificates { .. }
            | Self::Full { .. }
            | Self::NoText { .. }
            | Self::Foreign { .. } => Nature::Lasting,
        }
    }

    /// What TLS says before a connection is there is about the server.
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "what is not told apart is told in its own words"
    )]
    fn of_tls(endpoint: String, error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
                Self::NotTls { endpoint }
            }
            rustls::Error::InvalidCertificate(fault) => match fault {
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    Self::UnknownAuthority { endpoint }
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    Self::Expired { endpoint }
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Self::WrongName { endpoint },
                other => Self::Tls { endpoint, cause: other.to_string() },
            },
            other => Self::Tls { endpoint, cause: other.to_string() },
        }
    }

    /// What a server says by TLS once the connection is there is about us.
    fn of_alert(endpoint: String, settings: &EtcdSettings, alert: &'static str) -> Self {
        if settings.tls.as_ref().is_some_and(|tls| tls.identity.is_some()) {
            Self::ClientCertificate { endpoint, cause: alert }
        } else {
            Self::NoClientCertificate { endpoint }
        }
    }

    /// Tells of a connection that broke before anything came through it what that often means.
    pub(super) fn before_any_answer(self, settings: &EtcdSettings) -> Self {
        if let Self::Broken { endpoint, .. } = &self
            && settings.tls.is_none()
        {
            return Self::NotPlain { endpoint: endpoint.clone() };
        }
        self
    }
}

/// What a server says by TLS of a client's certificate, before it takes anything from that client.
const ALERTS: [(&str, &str); 10] = [
    ("AccessDenied", "access denied"),
    ("BadCertificate", "bad certificate"),
    ("CertificateExpired", "expired"),
    ("CertificateRequired", "certificate required"),
    ("CertificateRevoked", "revoked"),
    ("CertificateUnknown", "certificate unknown"),
    ("DecryptError", "bad signature"),
    ("HandshakeFailure", "handshake failure"),
    ("UnknownCA", "unknown CA"),
    ("UnsupportedCertificate", "unsupported certificate"),
];

/// Finds what a server said by TLS of our certificate. The layers in between keep only its text.
fn alert(error: &(dyn Error + 'static)) -> Option<&'static str> {
    chain(error).find_map(|error| {
        let text = error.to_string();
        let (_, alert) = text.split_once("received fatal alert: ")?;
        let name = alert.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        ALERTS.iter().find_map(|(alert, words)| (*alert == name).then_some(*words))
    })
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Walks an error and its causes; what an I/O error wraps counts as one.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    chain(error).find_map(|error| error.downcast_ref::<E>())
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}
