//! How a server is reached: by TCP, or by TCP through a proxy.

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use crate::Told;

/// A proxy of a kind that is not supported.
#[derive(Debug, thiserror::Error)]
#[error(
    "the proxy at {host:?} must be given as http://host:port, without a user; no other kind is supported"
)]
pub(crate) struct ProxyError {
    host: String,
}

/// How a server is reached.
#[derive(Debug)]
pub(crate) enum Dial {
    Directly(HttpConnector),
    Through(Tunnel<HttpConnector>),
}

impl Dial {
    /// Makes ready to connect, through a proxy where there is one.
    pub(crate) fn by(proxy: Option<&Uri>) -> Result<Self, ProxyError> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        // A question is small and somebody waits for it.
        connector.set_nodelay(true);
        let Some(proxy) = proxy else { return Ok(Self::Directly(connector)) };
        let has_user = proxy.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if proxy.scheme() != Some(&Scheme::HTTP) || has_user {
            return Err(ProxyError { host: proxy.host().unwrap_or_default().to_owned() });
        }
        Ok(Self::Through(Tunnel::new(proxy.clone(), connector)))
    }

    /// Connects to the host and the port of a server.
    pub(crate) async fn connect(&self, server: &Uri) -> Result<TcpStream, Told> {
        let stream = match self {
            Self::Directly(connector) => {
                connector.clone().oneshot(server.clone()).await.map_err(|error| Told::by(&error))?
            }
            Self::Through(tunnel) => {
                tunnel.clone().oneshot(server.clone()).await.map_err(|error| Told::by(&error))?
            }
        };
        Ok(stream.into_inner())
    }
}
