//! One connection: HTTP inside TLS, in the version that the two sides agree on.

use std::convert::Infallible;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

use super::Reply;
use super::server::{Seen, Shared};

/// The longest that anything is kept waiting.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// How much of an answer is promised that is cut off before it begins.
const CUT_LENGTH: usize = 1000;

type Chunk = Result<Frame<Bytes>, io::Error>;
type Body = StreamBody<stream::BoxStream<'static, Chunk>>;

/// Answers the questions of one connection until it ends.
pub(super) fn serve(stream: TcpStream, tls: Arc<ServerConfig>, shared: &Arc<Shared>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime for one connection");
    runtime.block_on(async {
        // Whatever goes wrong is seen, and judged, by who asks.
        let _ = converse(stream, tls, shared).await;
    });
}

async fn converse(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    shared: &Arc<Shared>,
) -> Result<(), Box<dyn std::error::Error>> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let stream = TlsAcceptor::from(tls).accept(stream).await?;
    let tls = stream.get_ref().1;
    let is_new = tls.alpn_protocol() == Some(b"h2");
    let is_certified = tls.peer_certificates().is_some();
    let answers = service_fn(|question| answer(question, is_certified, Arc::clone(shared)));
    if is_new {
        let server = http2::Builder::new(TokioExecutor::new());
        server.serve_connection(TokioIo::new(stream), answers).await?;
    } else {
        http1::Builder::new().serve_connection(TokioIo::new(stream), answers).await?;
    }
    Ok(())
}

async fn answer(
    question: Request<Incoming>,
    is_certified: bool,
    shared: Arc<Shared>,
) -> Result<Response<Body>, Infallible> {
    let authorization = question.headers().get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let path = question.uri().path().to_owned();
    let seen = Seen { path, authorization: authorization.to_owned() };
    let reply = shared.reply(seen, is_certified);
    if let Reply::Late(_, pause) = reply {
        wait(pause, &shared).await;
    } else if matches!(reply, Reply::Silence) {
        wait(SILENCE_MAX, &shared).await;
    }
    let (status, length, body) = match reply.answer() {
        Some((status, text)) => (status, text.len(), body(&reply, text, shared)),
        None => (200, CUT_LENGTH, stream::iter([Err(broken())]).boxed()),
    };
    let answer = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, length);
    Ok(answer.body(StreamBody::new(body)).expect("a sound head"))
}

fn body(reply: &Reply, text: String, shared: Arc<Shared>) -> stream::BoxStream<'static, Chunk> {
    if let Reply::Drip(_, pause) = reply {
        return dripping(text, *pause, shared).boxed();
    }
    stream::iter([Ok(Frame::data(Bytes::from(text)))]).boxed()
}

fn dripping(text: String, pause: Duration, shared: Arc<Shared>) -> impl Stream<Item = Chunk> {
    stream::iter(text.into_bytes()).then(move |byte| {
        let shared = Arc::clone(&shared);
        async move {
            wait(pause, &shared).await;
            Ok(Frame::data(Bytes::from(vec![byte])))
        }
    })
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

/// Waits, but not beyond the end of the server.
async fn wait(pause: Duration, shared: &Shared) {
    let ends = Instant::now() + pause;
    while Instant::now() < ends && !shared.is_over.load(Ordering::Relaxed) {
        sleep(pause.min(Duration::from_millis(20))).await;
    }
}
