//! Whom to believe that it is the API, and how to prove who asks: the TLS of a connection.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use kube::Config;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::credentials::{CredentialsError, identity};

/// Why no TLS is possible. No secret stands in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("certificate of the authority {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} holds no certificate in PEM")]
    Pem { path: PathBuf, source: pem::Error },
    #[error("the certificate of the authority cannot be used")]
    Authority(#[source] Error),
    #[error(
        "there is no certificate of an authority in what is named for it, or in the system where nothing is named"
    )]
    NoAuthority,
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("the certificate of the asker cannot be used")]
    Identity(#[source] Error),
    #[error("TLS cannot be spoken")]
    Tls(#[source] Error),
}

/// Makes the TLS of connections to an API; the newest HTTP that both sides speak is agreed on by it.
pub(crate) fn tls(config: &Config) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Tls)?;
    let builder = if config.accept_invalid_certs {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else {
        builder.with_root_certificates(authorities(config)?)
    };
    let mut tls = match identity(&config.auth_info)? {
        Some((chain, key)) => {
            builder.with_client_auth_cert(chain, key).map_err(TrustError::Identity)?
        }
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // No second connection lives long enough to profit.
    tls.resumption = Resumption::disabled();
    Ok(tls)
}

/// Returns the authorities that are named, or else those that the system trusts.
fn authorities(config: &Config) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &config.root_cert_file {
        for certificate in read(path)? {
            roots.add(certificate).map_err(TrustError::Authority)?;
        }
    } else if let Some(certificates) = &config.root_cert {
        for certificate in certificates {
            let certificate = CertificateDer::from(certificate.as_slice());
            roots.add(certificate).map_err(TrustError::Authority)?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() { Err(TrustError::NoAuthority) } else { Ok(roots) }
}

fn read(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let bytes = fs::read(path).map_err(|source| TrustError::File { path: path.clone(), source })?;
    let certificates: Result<_, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    certificates.map_err(|source| TrustError::Pem { path: path.clone(), source })
}

/// Believes anybody, as `insecure-skip-tls-verify` of a kubeconfig wants it. Who signs must still own the certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
