//! The least that a process must do to change something in etcd: connect, send one transaction, end.
//!
//! `ringfence-bare ENDPOINT REQUEST [--read KEY] [--api ADDRESS CA TOKEN PATH PATH] [--tls CA CERTIFICATE KEY]`: REQUEST is a
//! file with the bytes of a `TxnRequest` as the plugin sent it. With `--read`, a key is read first, as a program does that
//! remembers nothing. With `--api`, two objects of the Kubernetes API are asked for while it connects.

use std::process::ExitCode;
use std::sync::Arc;

use etcd_client::{Certificate, Client, ConnectOptions, Identity, TlsOptions};
use ipam_tests::bench::request::{Compares, decode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.is_ok_and(|runtime| runtime.block_on(run(&arguments)).is_some());
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns `None` where anything went wrong.
async fn run(arguments: &[String]) -> Option<()> {
    let [endpoint, request, options @ ..] = arguments else { return None };
    let (read, options) = match options {
        [flag, key, options @ ..] if flag == "--read" => (Some(key), options),
        options => (None, options),
    };
    let (api, tls) = match options {
        [flag, address, authority, token, pod, namespace, tls @ ..] if flag == "--api" => {
            (Some((Api::at(address, authority, token)?, [pod, namespace])), tls)
        }
        tls => (None, tls),
    };
    let mut options = ConnectOptions::new();
    if let [_, authority, certificate, key] = tls {
        let file = |path: &String| std::fs::read(path).ok();
        let authority = Certificate::from_pem(file(authority)?);
        let identity = Identity::from_pem(file(certificate)?, file(key)?);
        options = options.with_tls(TlsOptions::new().ca_certificate(authority).identity(identity));
    }
    let txn = decode(&std::fs::read(request).ok()?, Compares::Recorded)?;
    let asked = async {
        let Some((api, [pod, namespace])) = api else { return Some(()) };
        let (pod, namespace) = tokio::join!(api.get(pod), api.get(namespace));
        pod.and(namespace)
    };
    let (client, asked) = tokio::join!(Client::connect([endpoint], Some(options)), asked);
    asked?;
    let mut client = client.ok()?;
    if let Some(key) = read {
        client.get(key.as_str(), None).await.ok()?;
    }
    client.txn(txn).await.ok()?.succeeded().then_some(())
}

/// A Kubernetes API, and as much of HTTP as two questions need.
struct Api<'a> {
    address: &'a str,
    token: &'a str,
    tls: TlsConnector,
}

impl<'a> Api<'a> {
    fn at(address: &'a str, authority: &str, token: &'a str) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority).ok()?).ok()?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Some(Self { address, token, tls: TlsConnector::from(Arc::new(tls)) })
    }

    /// Asks for an object on a connection of its own.
    async fn get(&self, path: &str) -> Option<()> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let host = self.address.rsplit_once(':')?.0.to_owned();
        let mut stream = self.tls.connect(ServerName::try_from(host).ok()?, stream).await.ok()?;
        let question = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            self.address, self.token
        );
        stream.write_all(question.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            if stream.read_buf(&mut answer).await.ok()? == 0 {
                return None;
            }
        }
        answer.starts_with(b"HTTP/1.1 200 ").then_some(())
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some((head, body)) =
        str::from_utf8(answer).ok().and_then(|text| text.split_once("\r\n\r\n"))
    else {
        return false;
    };
    let mut lengths = head.lines().filter_map(|line| line.strip_prefix("content-length: "));
    lengths.next().is_some_and(|length| length.parse() == Ok(body.len()))
}
