//! Who asks: by a header of each question, by a certificate of each connection.

use std::fs;
use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::{HeaderValue, InvalidHeaderValue};
use kube::config::AuthInfo;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret;

/// Why what proves who asks cannot be used. No secret stands in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    #[error("{field} {path}")]
    File { field: &'static str, path: String, source: io::Error },
    #[error("{field} is no base64")]
    Base64 { field: &'static str, source: base64::DecodeError },
    #[error("{field} holds no {what} in PEM")]
    Pem { field: &'static str, what: &'static str, source: pem::Error },
    #[error("{given} is set without {missing}; a certificate and its key belong together")]
    Half { given: &'static str, missing: &'static str },
    #[error("{field} has characters that no header can have")]
    Header { field: &'static str, source: InvalidHeaderValue },
    #[error("it asks in the name of somebody else ({field}); give it credentials of its own")]
    Impersonation { field: &'static str },
}

/// A chain of certificates and the key of its first.
pub(crate) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Returns the header by which every question says who asks.
///
/// A name with its password beats a token, and that beats a file with one.
pub(crate) fn authorization(user: &AuthInfo) -> Result<Option<HeaderValue>, CredentialsError> {
    let others = [
        (user.impersonate.is_some(), "as"),
        (user.impersonate_uid.is_some(), "as-uid"),
        (user.impersonate_groups.is_some(), "as-groups"),
        (user.impersonate_user_extra.is_some(), "as-user-extra"),
    ];
    if let Some((_, field)) = others.into_iter().find(|(is_set, _)| *is_set) {
        return Err(CredentialsError::Impersonation { field });
    }
    let Some((field, text)) = proof(user)? else { return Ok(None) };
    let value = HeaderValue::from_str(&text);
    let mut value = value.map_err(|source| CredentialsError::Header { field, source })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Returns the certificates and the key by which each connection proves who asks.
pub(crate) fn identity(user: &AuthInfo) -> Result<Option<Identity>, CredentialsError> {
    const CERTIFICATE: &str = "client-certificate";
    const KEY: &str = "client-key";
    let inline = user.client_key_data.as_ref().map(ExposeSecret::expose_secret);
    let certificate = bytes(
        CERTIFICATE,
        user.client_certificate_data.as_deref(),
        user.client_certificate.as_ref(),
    )?;
    let key = bytes(KEY, inline, user.client_key.as_ref())?;
    let (certificate, key) = match (certificate, key) {
        (None, None) => return Ok(None),
        (Some(_), None) => {
            return Err(CredentialsError::Half { given: CERTIFICATE, missing: KEY });
        }
        (None, Some(_)) => {
            return Err(CredentialsError::Half { given: KEY, missing: CERTIFICATE });
        }
        (Some(certificate), Some(key)) => (certificate, key),
    };
    let fault = |field, what| move |source| CredentialsError::Pem { field, what, source };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificate).collect();
    let chain = chain.map_err(fault(CERTIFICATE, "certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(fault(KEY, "private key"))?;
    Ok(Some((chain, key)))
}

/// Returns the field that says who asks, and the text of the header for it.
fn proof(user: &AuthInfo) -> Result<Option<(&'static str, String)>, CredentialsError> {
    if let (Some(name), Some(password)) = (&user.username, &user.password) {
        let pair = BASE64_STANDARD.encode(format!("{name}:{}", password.expose_secret()));
        return Ok(Some(("username", format!("Basic {pair}"))));
    }
    if let Some(token) = &user.token {
        return Ok(Some(("token", format!("Bearer {}", token.expose_secret()))));
    }
    let Some(path) = &user.token_file else { return Ok(None) };
    let token = fs::read_to_string(path).map_err(unread("tokenFile", path))?;
    Ok(Some(("tokenFile", format!("Bearer {}", token.trim()))))
}

/// Returns what stands in the kubeconfig itself, or else in the file that it names.
fn bytes(
    field: &'static str,
    inline: Option<&str>,
    path: Option<&String>,
) -> Result<Option<Vec<u8>>, CredentialsError> {
    if let Some(inline) = inline {
        let bytes = BASE64_STANDARD.decode(inline.trim());
        return bytes.map(Some).map_err(|source| CredentialsError::Base64 { field, source });
    }
    path.map(|path| fs::read(path).map_err(unread(field, path))).transpose()
}

fn unread(field: &'static str, path: &str) -> impl FnOnce(io::Error) -> CredentialsError {
    let path = path.to_owned();
    move |source| CredentialsError::File { field, path, source }
}
