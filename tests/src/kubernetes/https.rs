//! Questions to a server over HTTPS, each on a connection of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::etcd::Pki;

/// The longest that the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server and whom to trust there.
#[derive(Debug)]
pub(super) struct Https {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Https {
    /// Makes ready to ask a server whose certificate this authority has signed.
    pub(super) fn to(address: SocketAddr, pki: &Pki) -> Self {
        let authority = CertificateDer::from_pem_file(pki.authority()).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(authority).expect("a certificate of an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions that are spoken")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { address, tls: Arc::new(tls) }
    }

    /// Asks, and returns the status and the body. The old version of the protocol keeps an answer in one piece.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        object: Option<&Value>,
    ) -> io::Result<(u16, String)> {
        let name = ServerName::from(self.address.ip());
        let connection =
            ClientConnection::new(Arc::clone(&self.tls), name).map_err(io::Error::other)?;
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(connection, stream);
        let body = object.map(Value::to_string).unwrap_or_default();
        let form = if method == "PATCH" { "merge-patch+json" } else { "json" };
        let length = body.len();
        let question = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/{form}\r\nContent-Length: {length}\r\n\r\n{body}",
            self.address
        );
        stream.write_all(question.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
    }
}
