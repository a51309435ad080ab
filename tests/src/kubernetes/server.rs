//! The listening side, and what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tempfile::TempDir;

use super::connection::serve;
use super::{Reply, kubeconfig};
use crate::etcd::{Identity, Pki};

/// The token that is good here.
const TOKEN: &str = "a-good-token";

/// A server of its own port, which ends with its value.
#[derive(Debug)]
pub struct ApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: u32,
    folder: TempDir,
    pki: Pki,
}

/// A question as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What was asked for.
    pub path: String,
    /// The value of the header `Authorization`.
    pub authorization: String,
}

/// What the connections need to know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    replies: Mutex<BTreeMap<String, VecDeque<Reply>>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    pub(super) is_over: AtomicBool,
}

impl ApiServer {
    /// Starts a server that knows of nothing yet, and speaks HTTP/2 to who wants it, as the real one does.
    ///
    /// # Panics
    ///
    /// If no port can be had.
    #[must_use]
    pub fn start() -> Self {
        Self::speaking(&[b"h2", b"http/1.1"])
    }

    /// Starts a server that speaks only HTTP/1.1, as behind some proxies.
    ///
    /// # Panics
    ///
    /// If no port can be had.
    #[must_use]
    pub fn start_old() -> Self {
        Self::speaking(&[])
    }

    fn speaking(protocols: &[&[u8]]) -> Self {
        let pki = Pki::new();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared::default());
        let tls = Arc::new(tls(&pki, protocols));
        let known = Arc::clone(&shared);
        let (tell, told) = channel();
        thread::spawn(move || {
            tell.send(own_thread()).expect("somebody waits for it");
            for stream in listener.incoming() {
                if known.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), tls, known) = (stream, Arc::clone(&tls), Arc::clone(&known))
                else {
                    continue;
                };
                known.connections.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || serve(stream, tls, &known));
            }
        });
        let folder = tempfile::tempdir().expect("a folder for kubeconfigs");
        let thread = told.recv().expect("it tells");
        Self { shared, address, thread, folder, pki }
    }

    /// Answers questions for a path with these in turn; the last is repeated for ever.
    pub fn answer(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let replies = replies.into_iter().collect();
        lock(&self.shared.replies).insert(path.to_owned(), replies);
    }

    /// Answers questions for a pod.
    pub fn pod(&self, namespace: &str, name: &str, reply: Reply) {
        self.answer(&format!("/api/v1/namespaces/{namespace}/pods/{name}"), [reply]);
    }

    /// Answers questions for a namespace.
    pub fn namespace(&self, name: &str, reply: Reply) {
        self.answer(&format!("/api/v1/namespaces/{name}"), [reply]);
    }

    /// Returns what was asked so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// Returns on how many connections anything was asked so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Writes a kubeconfig with a token that is good here.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of("kubeconfig", &json!({"token": TOKEN}))
    }

    /// Writes a kubeconfig whose user is described so.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    #[must_use]
    pub fn kubeconfig_of(&self, file: &str, user: &serde_json::Value) -> PathBuf {
        let kubeconfig = kubeconfig(&self.url(), self.authority(), user);
        let path = self.folder.path().join(file);
        fs::write(&path, kubeconfig.to_string()).expect("the kubeconfig is written");
        path
    }

    /// Returns the URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Returns host and port of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of the thread that listens, and whose CPUs those that answer have.
    #[must_use]
    pub fn thread(&self) -> u32 {
        self.thread
    }

    /// Returns the certificate of the authority that has signed the server's.
    #[must_use]
    pub fn authority(&self) -> &Path {
        self.pki.authority()
    }

    /// Makes a certificate that proves who asks, as the token does.
    #[must_use]
    pub fn client(&self) -> Identity {
        self.pki.client("it")
    }

    /// Returns the token that is good here.
    #[must_use]
    pub fn token(&self) -> &'static str {
        TOKEN
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // The listener sees it with the next connection.
        drop(std::net::TcpStream::connect(self.address));
    }
}

impl Shared {
    /// Takes note of a question, and returns what is answered to it.
    pub(super) fn reply(&self, seen: Seen, is_certified: bool) -> Reply {
        let is_known = is_certified || seen.authorization == format!("Bearer {TOKEN}");
        let path = seen.path.clone();
        lock(&self.seen).push(seen);
        if !is_known {
            return Reply::Status(401);
        }
        match lock(&self.replies).get_mut(&path) {
            None => Reply::Status(404),
            Some(replies) if replies.len() > 1 => replies.pop_front().unwrap_or(Reply::Cut),
            Some(replies) => replies.front().cloned().unwrap_or(Reply::Cut),
        }
    }
}

/// Returns the number of this thread, as the kernel counts them.
fn own_thread() -> u32 {
    let link = fs::read_link("/proc/thread-self").expect("a thread knows itself");
    let number = link.file_name().and_then(|name| name.to_str()?.parse().ok());
    number.expect("a number")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tls(pki: &Pki, protocols: &[&[u8]]) -> ServerConfig {
    let server = pki.server();
    let certificate = CertificateDer::from_pem_file(&server.certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&server.key).expect("a key");
    let authority = CertificateDer::from_pem_file(pki.authority()).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(authority).expect("a certificate of an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .expect("an authority for clients");
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|tls| {
            tls.with_client_cert_verifier(clients).with_single_cert(vec![certificate], key)
        })
        .expect("a certificate that fits its key");
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    tls
}
