//! One connection to one member.

use std::net::SocketAddr;
use std::time::Duration;
use std::vec::IntoIter;
use std::{fs, io};

use etcd_client::{Client, ConnectOptions, KvClient};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint as Dial, Identity};
use tower::{Service, ServiceExt, service_fn};

use super::cork::Cork;
use super::fault::Fault;
use super::token::{Token, carrying};
use crate::names::look_up;
use crate::settings::{Endpoint, EtcdSettings, Login, Pem, TlsSettings};

const CERTIFICATE: &str = "CERTIFICATE";
const KEY: &str = "PRIVATE KEY";

/// A connection that has been made, and logged in where there is a user.
pub(super) struct Connection {
    /// Which of the endpoints it leads to.
    pub(super) at: usize,
    pub(super) kv: KvClient,
}

/// Connects to an endpoint within `deadline`.
pub(super) async fn connect(
    settings: &EtcdSettings,
    at: usize,
    token: &Token,
    deadline: Duration,
) -> Result<Connection, Fault> {
    let endpoint = settings
        .endpoints
        .get(at)
        .ok_or_else(|| Fault::Other { endpoint: String::new(), message: "no endpoint".into() })?;
    let connecting = attempt(settings, endpoint, at, token);
    match tokio::time::timeout(deadline, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(Fault::Unreachable {
            endpoint: endpoint.url.clone(),
            waited_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
        }),
    }
}

async fn attempt(
    settings: &EtcdSettings,
    endpoint: &Endpoint,
    at: usize,
    token: &Token,
) -> Result<Connection, Fault> {
    let channel = dial(endpoint, settings.tls.as_ref())?
        .connect_with_connector(tcp().map_response(corked))
        .await
        .map_err(|error| Fault::of_transport(endpoint, &error))?;
    let client = match &settings.login {
        None => Client::from_channel(etcd_client::Channel::Tonic(channel), None).await,
        // Apart, as it is large, and most have no login.
        Some(login) => Box::pin(log_in(channel, login, token)).await,
    };
    let client = client.map_err(|error| Fault::of_client(endpoint, settings, &error))?;
    // The largest answer is a whole store, which only its reader can judge.
    let kv = client.kv_client().max_decoding_message_size(usize::MAX);
    Ok(Connection { at, kv })
}

/// Logs in, unless there is a token from an earlier login.
async fn log_in(
    channel: tonic::transport::Channel,
    login: &Login,
    token: &Token,
) -> Result<Client, etcd_client::Error> {
    let has_token = token.get().is_some();
    let channel = carrying(channel, token.clone());
    if has_token {
        return Client::from_channel(channel, None).await;
    }
    let options = ConnectOptions::new().with_user(&login.user, login.password.expose());
    match Client::from_channel(channel.clone(), Some(options)).await {
        // etcd without authentication takes calls of anybody, those of a user too.
        Err(etcd_client::Error::GRpcStatus(status))
            if status.code() == Code::FailedPrecondition =>
        {
            Client::from_channel(channel, None).await
        }
        client => client,
    }
}

/// Makes connections of TCP, with our own way to look names up.
fn tcp() -> HttpConnector<
    impl Clone + Send + Service<Name, Response = IntoIter<SocketAddr>, Error = io::Error, Future: Send>,
> {
    let resolver = service_fn(|name: Name| async move {
        look_up(name.as_str().to_owned()).await.map(Vec::into_iter)
    });
    let mut connector = HttpConnector::new_with_resolver(resolver);
    connector.enforce_http(false);
    // A request is small and somebody waits for it.
    connector.set_nodelay(true);
    connector
}

fn corked(stream: TokioIo<TcpStream>) -> TokioIo<Cork<TcpStream>> {
    TokioIo::new(Cork::new(stream.into_inner()))
}

fn dial(endpoint: &Endpoint, tls: Option<&TlsSettings>) -> Result<Dial, Fault> {
    let other = |message: String| Fault::Other { endpoint: endpoint.url.clone(), message };
    let dial = Dial::from_shared(endpoint.url.clone()).map_err(|error| other(error.to_string()))?;
    let Some(tls) = tls else { return Ok(dial) };
    let mut config = ClientTlsConfig::new().domain_name(host(&endpoint.url));
    config = match &tls.ca {
        Some(ca) => {
            config.ca_certificate(Certificate::from_pem(read(ca, "CA certificate", CERTIFICATE)?))
        }
        None => config.with_native_roots(),
    };
    if let Some((certificate, key)) = &tls.identity {
        let certificate = read(certificate, "certificate", CERTIFICATE)?;
        let key = read(key, "key", KEY)?;
        config = config.identity(Identity::from_pem(certificate, key));
    }
    dial.tls_config(config).map_err(|error| Fault::BadCertificates { cause: innermost(&error) })
}

/// Returns the host of a URL as certificates name it.
fn host(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, authority)| authority);
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Reads what a line must announce as `label`; before it may stand of which kind it is.
fn read(pem: &Pem, what: &'static str, label: &'static str) -> Result<Vec<u8>, Fault> {
    let (bytes, place) = match pem {
        Pem::Inline(text) => (text.expose().as_bytes().to_vec(), "the settings".to_owned()),
        Pem::File(path) => {
            let place = path.display().to_string();
            let bytes = fs::read(path).map_err(|source| Fault::Unreadable {
                what,
                place: place.clone(),
                source,
            })?;
            (bytes, place)
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut announced = text.lines().filter_map(|line| line.trim().strip_prefix("-----BEGIN "));
    let ending = format!("{label}-----");
    if !announced.any(|announced| announced.ends_with(&ending)) {
        return Err(Fault::NoPem { what, place, label });
    }
    Ok(bytes)
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_a_certificate_names() {
        for (url, expected) in [
            ("https://etcd-1.example:2379", "etcd-1.example"),
            ("https://[fd00::1]:2379", "fd00::1"),
            ("https://127.0.0.1:2379", "127.0.0.1"),
            ("https://localhost", "localhost"),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
    }
}
