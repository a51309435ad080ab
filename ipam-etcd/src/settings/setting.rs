//! What can be set, and how each source calls it.

/// Something that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// Which kind of store: `embedded` or `etcdv3`.
    DatastoreType,
    /// Where the embedded store lies.
    DatastorePath,
    /// Where the members of the cluster listen.
    EtcdEndpoints,
    /// A domain whose DNS records list the members; not supported.
    EtcdDiscoverySrv,
    /// Whom we log in as.
    EtcdUsername,
    /// The password of the user.
    EtcdPassword,
    /// A file with who vouches for the servers.
    EtcdCaCertFile,
    /// A file with our certificate.
    EtcdCertFile,
    /// A file with the key of our certificate.
    EtcdKeyFile,
    /// Who vouches for the servers.
    EtcdCaCert,
    /// Our certificate.
    EtcdCert,
    /// The key of our certificate.
    EtcdKey,
    /// How long a command waits for the store, in seconds.
    Timeout,
}

/// The names of a setting.
struct Names {
    /// In the file of calicoctl.
    key: &'static str,
    /// In a network configuration.
    field: &'static str,
    /// In the environment, without a prefix.
    variable: Option<&'static str>,
    /// On the command line.
    flag: Option<&'static str>,
}

impl Setting {
    /// Everything that can be set, in the order in which it is shown.
    pub const ALL: [Self; 13] = [
        Self::DatastoreType,
        Self::DatastorePath,
        Self::EtcdEndpoints,
        Self::EtcdDiscoverySrv,
        Self::EtcdUsername,
        Self::EtcdPassword,
        Self::EtcdCaCertFile,
        Self::EtcdCertFile,
        Self::EtcdKeyFile,
        Self::EtcdCaCert,
        Self::EtcdCert,
        Self::EtcdKey,
        Self::Timeout,
    ];

    /// Returns its name in a file of calicoctl, such as `etcdEndpoints`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.names().key
    }

    /// Returns its name in a network configuration, such as `etcd_endpoints`.
    #[must_use]
    pub const fn field(self) -> &'static str {
        self.names().field
    }

    /// Returns its variable without a prefix, such as `ETCD_ENDPOINTS`.
    #[must_use]
    pub const fn variable(self) -> Option<&'static str> {
        self.names().variable
    }

    /// Returns its flag, such as `--etcd-endpoints`.
    #[must_use]
    pub const fn flag(self) -> Option<&'static str> {
        self.names().flag
    }

    /// Tells whether Calico knows the setting, so that its variables count.
    #[must_use]
    pub const fn is_calicos(self) -> bool {
        !matches!(self, Self::DatastorePath | Self::Timeout)
    }

    /// Tells whether nobody is shown the value.
    #[must_use]
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::EtcdPassword | Self::EtcdCaCert | Self::EtcdCert | Self::EtcdKey)
    }

    /// Tells whether the value is the path of a file.
    #[must_use]
    pub const fn is_path(self) -> bool {
        matches!(
            self,
            Self::DatastorePath | Self::EtcdCaCertFile | Self::EtcdCertFile | Self::EtcdKeyFile
        )
    }

    /// Tells whether the setting is of use with etcd only.
    #[must_use]
    pub const fn is_for_etcd(self) -> bool {
        !matches!(self, Self::DatastoreType | Self::DatastorePath | Self::Timeout)
    }

    const fn names(self) -> Names {
        const fn names(
            key: &'static str,
            field: &'static str,
            variable: Option<&'static str>,
            flag: Option<&'static str>,
        ) -> Names {
            Names { key, field, variable, flag }
        }
        match self {
            Self::DatastoreType => {
                names("datastoreType", "datastore_type", Some("DATASTORE_TYPE"), Some("--store"))
            }
            Self::DatastorePath => {
                names("datastorePath", "datastore_path", Some("DATASTORE_PATH"), Some("--store"))
            }
            Self::EtcdEndpoints => names(
                "etcdEndpoints",
                "etcd_endpoints",
                Some("ETCD_ENDPOINTS"),
                Some("--etcd-endpoints"),
            ),
            Self::EtcdDiscoverySrv => {
                names("etcdDiscoverySrv", "etcd_discovery_srv", Some("ETCD_DISCOVERY_SRV"), None)
            }
            Self::EtcdUsername => {
                names("etcdUsername", "etcd_username", Some("ETCD_USERNAME"), Some("--etcd-user"))
            }
            Self::EtcdPassword => names(
                "etcdPassword",
                "etcd_password",
                Some("ETCD_PASSWORD"),
                Some("--etcd-password-file"),
            ),
            Self::EtcdCaCertFile => names(
                "etcdCACertFile",
                "etcd_ca_cert_file",
                Some("ETCD_CA_CERT_FILE"),
                Some("--etcd-cacert"),
            ),
            Self::EtcdCertFile => {
                names("etcdCertFile", "etcd_cert_file", Some("ETCD_CERT_FILE"), Some("--etcd-cert"))
            }
            Self::EtcdKeyFile => {
                names("etcdKeyFile", "etcd_key_file", Some("ETCD_KEY_FILE"), Some("--etcd-key"))
            }
            Self::EtcdCaCert => names("etcdCACert", "etcd_ca_cert", None, None),
            Self::EtcdCert => names("etcdCert", "etcd_cert", None, None),
            Self::EtcdKey => names("etcdKey", "etcd_key", None, None),
            Self::Timeout => names("timeout", "timeout", Some("TIMEOUT"), Some("--timeout")),
        }
    }
}
