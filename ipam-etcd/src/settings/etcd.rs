//! How an etcd cluster is reached.

use super::{Endpoint, Secret, TlsSettings};

/// How an etcd cluster is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdSettings {
    /// Where its members listen: at least one, all of one scheme.
    pub endpoints: Vec<Endpoint>,
    /// What TLS works with; `None` where the endpoints are `http`.
    pub tls: Option<TlsSettings>,
    /// As whom we log in.
    pub login: Option<Login>,
}

/// A user of etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret,
}
