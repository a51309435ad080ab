//! The way to an API: one connection for all questions where HTTP/2 is spoken, one for each where it is not.

use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Request, StatusCode, Uri, request};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::Config;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use crate::Told;
use crate::credentials::{CredentialsError, authorization};
use crate::dial::{Dial, LookUp, ProxyError};
use crate::trust::{TrustError, tls};

/// The most bytes of an answer that are read. Annotations together have at most 256 KiB, an object 1.5 MiB.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Asks for the metadata alone; who does not know that form may send everything.
const METADATA_FIRST: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
/// Who asks, as the API's own log shows it.
const AGENT: &str = concat!("ringfence/", env!("CARGO_PKG_VERSION"));

/// Why no link can be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the server at {host:?} must be given as https://host:port, without a user")]
    Server { host: String },
    #[error("the server's name {name:?} cannot stand in a certificate")]
    Name { name: String, source: InvalidDnsNameError },
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// A way to an API, on which nothing has been sent yet.
pub(crate) struct Link {
    server: Uri,
    authorization: Option<HeaderValue>,
    dial: Dial,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    shared: Mutex<Option<http2::SendRequest<Empty<Bytes>>>>,
}

/// Who takes questions.
enum Sender {
    One(http1::SendRequest<Empty<Bytes>>),
    Many(http2::SendRequest<Empty<Bytes>>),
}

/// What goes over a connection, inside TLS or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Link {
    /// Makes ready to connect.
    pub(crate) fn to(config: &Config, look_up: LookUp) -> Result<Self, LinkError> {
        let server = config.cluster_url.clone();
        let is_secure = server.scheme() == Some(&Scheme::HTTPS);
        let is_known = is_secure || server.scheme() == Some(&Scheme::HTTP);
        let has_user = server.authority().is_some_and(|authority| authority.as_str().contains('@'));
        let Some(host) = server.host().filter(|_| is_known && !has_user) else {
            let host = server.host().unwrap_or_default().to_owned();
            return Err(LinkError::Server { host });
        };
        let name = config.tls_server_name.as_deref().unwrap_or(host);
        let secure = || {
            let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
            let valid = ServerName::try_from(bare)
                .map_err(|source| LinkError::Name { name: name.to_owned(), source })?;
            Ok::<_, LinkError>((TlsConnector::from(Arc::new(tls(config)?)), valid))
        };
        Ok(Self {
            authorization: authorization(&config.auth_info)?,
            dial: Dial::by(config.proxy_url.as_ref(), look_up)?,
            tls: is_secure.then(secure).transpose()?,
            shared: Mutex::new(None),
            server,
        })
    }

    /// Returns the URL of the server.
    pub(crate) fn server(&self) -> String {
        self.server.to_string().trim_end_matches('/').to_owned()
    }

    /// Asks for what lies at a path, and returns the status and the body of the answer. Where `anew` is set, a connection of
    /// before is not trusted.
    pub(crate) async fn ask(&self, path: &str, anew: bool) -> Result<(StatusCode, Bytes), Told> {
        let told = |error: http::Error| Told::by(&error);
        let answer = match self.sender(anew).await? {
            Sender::Many(mut many) => {
                let question = self.question(&format!("{}{path}", self.server()));
                many.send_request(question.body(Empty::new()).map_err(told)?).await
            }
            Sender::One(mut one) => {
                let path = format!("{}{path}", self.server.path().trim_end_matches('/'));
                let host = self.server.authority().map_or("", Authority::as_str);
                let question = self.question(&path).header(header::HOST, host);
                one.send_request(question.body(Empty::new()).map_err(told)?).await
            }
        };
        let answer = answer.map_err(|error| Told::by(&error))?;
        let status = answer.status();
        let body: Limited<Incoming> = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
        let body = body.collect().await.map_err(|error| Told::by(&*error))?;
        Ok((status, body.to_bytes()))
    }

    /// Returns who takes the next question. The first one connects, and the others wait to see whether they may share that.
    async fn sender(&self, anew: bool) -> Result<Sender, Told> {
        let mut shared = self.shared.lock().await;
        if let Some(many) = shared.as_ref().filter(|many| !anew && !many.is_closed()) {
            return Ok(Sender::Many(many.clone()));
        }
        // Large, and needed once; what waits for the other questions stays small.
        let sender = Box::pin(self.connect()).await?;
        if let Sender::Many(many) = &sender {
            *shared = Some(many.clone());
        }
        Ok(sender)
    }

    async fn connect(&self) -> Result<Sender, Told> {
        let stream = self.dial.connect(&self.server).await?;
        let Some((tls, name)) = &self.tls else { return spoken(Box::new(stream), false).await };
        let stream = tls.connect(name.clone(), stream).await.map_err(|error| Told::by(&error))?;
        let is_new = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        spoken(Box::new(stream), is_new).await
    }

    fn question(&self, url: &str) -> request::Builder {
        let question = Request::get(url)
            .header(header::ACCEPT, METADATA_FIRST)
            .header(header::USER_AGENT, AGENT);
        match &self.authorization {
            Some(authorization) => question.header(header::AUTHORIZATION, authorization),
            None => question,
        }
    }
}

/// Agrees on a version of HTTP with the other side. Whatever breaks later is told to who asks.
async fn spoken(stream: Box<dyn Stream>, is_new: bool) -> Result<Sender, Told> {
    let stream = TokioIo::new(stream);
    if is_new {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .map_err(|error| Told::by(&error))?;
        tokio::spawn(connection);
        return Ok(Sender::Many(sender));
    }
    let (sender, connection) = http1::handshake(stream).await.map_err(|error| Told::by(&error))?;
    tokio::spawn(connection);
    Ok(Sender::One(sender))
}
