//! How a server is reached: by TCP, or by TCP through a proxy.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec::IntoIter;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tokio::net::TcpStream;
use tower::{Service, ServiceExt as _};

use crate::Told;

/// How the addresses of a host are looked up; their ports do not matter.
pub type LookUp = fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks names up in the way that is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names(LookUp);

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
    Directly(HttpConnector<Names>),
    Through(Tunnel<HttpConnector<Names>>),
}

impl Service<Name> for Names {
    type Response = IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<IntoIter<SocketAddr>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let found = (self.0)(name.as_str().to_owned());
        Box::pin(async move { found.await.map(Vec::into_iter) })
    }
}

impl Dial {
    /// Makes ready to connect, through a proxy where there is one.
    pub(crate) fn by(proxy: Option<&Uri>, look_up: LookUp) -> Result<Self, ProxyError> {
        let mut connector = HttpConnector::new_with_resolver(Names(look_up));
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
