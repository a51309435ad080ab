//! Certificates for tests, good and bad.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use tempfile::TempDir;

/// A certificate and its key, as files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key, in PKCS #8, readable for its owner only.
    pub key: PathBuf,
}

/// An authority with certificates for servers and clients, and an authority that nobody knows. The files go with the last
/// clone.
#[derive(Clone, Debug)]
pub struct Pki {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    authority: Authority,
    rogue: Authority,
    server: Identity,
    expired_server: Identity,
    issued: AtomicU32,
    folder: TempDir,
}

#[derive(Debug)]
struct Authority {
    certificate: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// Whether a certificate is still valid.
#[derive(Clone, Copy)]
enum Validity {
    Now,
    Expired,
}

impl Pki {
    /// Makes the authorities and the certificates of servers.
    ///
    /// # Panics
    ///
    /// If a file cannot be written.
    #[must_use]
    pub fn new() -> Self {
        Self::kept_in(tempfile::tempdir().expect("a folder for certificates"))
    }

    /// Makes them in a folder that goes with a folder of somebody's who outlives all tests.
    pub(crate) fn inside(folder: &Path) -> Self {
        Self::kept_in(tempfile::tempdir_in(folder).expect("a folder for certificates"))
    }

    fn kept_in(folder: TempDir) -> Self {
        let authority = Authority::new(folder.path(), "authority");
        let rogue = Authority::new(folder.path(), "rogue-authority");
        let server = |name, validity| {
            let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
            authority.issue(folder.path(), name, "etcd", names.to_vec(), validity)
        };
        let expired_server = server("expired-server", Validity::Expired);
        let server = server("server", Validity::Now);
        let issued = AtomicU32::default();
        Self { inner: Arc::new(Inner { authority, rogue, server, expired_server, issued, folder }) }
    }

    /// Returns the certificate of the authority that servers and clients trust.
    #[must_use]
    pub fn authority(&self) -> &Path {
        &self.inner.authority.certificate
    }

    /// Returns the certificate of the authority that nobody trusts.
    #[must_use]
    pub fn rogue_authority(&self) -> &Path {
        &self.inner.rogue.certificate
    }

    /// Returns a server's certificate, for `localhost`, `127.0.0.1` and `::1`.
    #[must_use]
    pub fn server(&self) -> &Identity {
        &self.inner.server
    }

    /// Returns a server's certificate that has expired.
    #[must_use]
    pub fn expired_server(&self) -> &Identity {
        &self.inner.expired_server
    }

    /// Issues a server's certificate for other hosts.
    #[must_use]
    pub fn server_for(&self, hosts: &[&str]) -> Identity {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        self.issue_for(&self.inner.authority, "etcd", hosts, Validity::Now)
    }

    /// Issues a client's certificate with a common name.
    #[must_use]
    pub fn client(&self, common_name: &str) -> Identity {
        self.issue(&self.inner.authority, common_name, Validity::Now)
    }

    /// Issues a client's certificate that has expired.
    #[must_use]
    pub fn expired_client(&self, common_name: &str) -> Identity {
        self.issue(&self.inner.authority, common_name, Validity::Expired)
    }

    /// Issues a client's certificate by the authority that nobody trusts.
    #[must_use]
    pub fn rogue_client(&self, common_name: &str) -> Identity {
        self.issue(&self.inner.rogue, common_name, Validity::Now)
    }

    fn issue(&self, authority: &Authority, common_name: &str, validity: Validity) -> Identity {
        self.issue_for(authority, common_name, Vec::new(), validity)
    }

    fn issue_for(
        &self,
        authority: &Authority,
        common_name: &str,
        names: Vec<String>,
        validity: Validity,
    ) -> Identity {
        let number = self.inner.issued.fetch_add(1, Ordering::Relaxed);
        let folder = self.inner.folder.path();
        authority.issue(folder, &format!("issued-{number}"), common_name, names, validity)
    }
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let key = new_key();
        let mut params = params(name, Vec::new(), Validity::Now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let signed = params.self_signed(&key).expect("the authority signs itself");
        let certificate = folder.join(format!("{name}.crt"));
        fs::write(&certificate, signed.pem()).expect("the certificate is written");
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn issue(
        &self,
        folder: &Path,
        name: &str,
        common_name: &str,
        names: Vec<String>,
        validity: Validity,
    ) -> Identity {
        let key = new_key();
        let mut params = params(common_name, names, validity);
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        // A server speaks to itself, too.
        if !params.subject_alt_names.is_empty() {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        let signed = params.signed_by(&key, &self.issuer).expect("the authority signs");
        let certificate = folder.join(format!("{name}.crt"));
        fs::write(&certificate, signed.pem()).expect("the certificate is written");
        let key_file = folder.join(format!("{name}.key"));
        write_secret(&key_file, &key.serialize_pem());
        Identity { certificate, key: key_file }
    }
}

fn params(common_name: &str, names: Vec<String>, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::new(names).expect("names of a server");
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, common_name);
    (params.not_before, params.not_after) = match validity {
        Validity::Now => (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1)),
        Validity::Expired => (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 1, 2)),
    };
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key")
}

fn write_secret(path: &Path, text: &str) {
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("the key is written");
}
