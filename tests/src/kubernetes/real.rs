//! The real API server, on an etcd of its own.

use std::fs::{self, File, read_to_string};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::https::Https;
use super::program::program;
use crate::etcd::slot::Slot;
use crate::etcd::{Etcd, Pki, process};

/// It needs four seconds on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_secs(90);
/// Rules of a role hold a moment after they are stored.
const SETTLES: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);
/// The token of an administrator.
const ADMIN: &str = "an-administrators-token";

/// A server with users, tokens and roles as in a cluster; only what runs pods is missing. It ends with our process, however
/// that ends, and what it kept goes then.
#[derive(Debug)]
pub struct RealServer {
    address: SocketAddr,
    https: Https,
    pki: Pki,
    slot: Slot,
    etcd: Etcd,
}

impl RealServer {
    /// Returns the one server of this process, which is started for the first who asks. `None`, which is told, where its
    /// program is not here.
    ///
    /// # Panics
    ///
    /// If it does not become ready.
    #[must_use]
    pub fn here() -> Option<&'static Self> {
        static SERVER: LazyLock<Option<RealServer>> =
            LazyLock::new(|| program().map(|program| RealServer::start(&program)));
        SERVER.as_ref()
    }

    fn start(program: &Path) -> Self {
        let slot = Slot::take();
        fs::create_dir_all(slot.data()).expect("a folder for the server");
        let pki = Pki::inside(&slot.data());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, slot.client_port()));
        let https = Https::to(address, &pki);
        let server = Self { address, https, pki, slot, etcd: Etcd::start() };
        let mut child = server.spawn(program);
        server.await_readiness(&mut child);
        server
    }

    /// Returns the URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Returns the certificate of the authority that has signed the server's.
    #[must_use]
    pub fn authority(&self) -> &Path {
        self.pki.authority()
    }

    /// Returns the token of an administrator.
    #[must_use]
    pub fn token(&self) -> &'static str {
        ADMIN
    }

    /// Creates an object as an administrator, and returns it as it is stored.
    ///
    /// # Panics
    ///
    /// If the server refuses it.
    pub fn create(&self, object: &Value) -> Value {
        let (status, created) = self.ask(ADMIN, "POST", &collection(object), Some(object));
        assert_eq!(status, 201, "{object}: {created}");
        created
    }

    /// Asks as an administrator, and returns the object.
    ///
    /// # Panics
    ///
    /// If the server refuses it.
    pub fn admin(&self, method: &str, path: &str, object: Option<&Value>) -> Value {
        let (status, answer) = self.ask(ADMIN, method, path, object);
        assert!((200..300).contains(&status), "{method} {path}: {answer}");
        answer
    }

    /// Asks as whoever has a token, and returns the status and what is answered.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn ask(
        &self,
        token: &str,
        method: &str,
        path: &str,
        object: Option<&Value>,
    ) -> (u16, Value) {
        let answer = self.https.ask(method, path, token, object);
        let (status, body) = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        // Some pages are no objects.
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// Makes a token of a service account, as the kubelet does for a pod, that can be used for something that it may do.
    ///
    /// # Panics
    ///
    /// If it cannot be used within a while.
    #[must_use]
    pub fn token_of(&self, namespace: &str, account: &str, may_get: &str) -> String {
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        });
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let made = self.admin("POST", &path, Some(&request));
        let token = made["status"]["token"].as_str().expect("a token").to_owned();
        let started = Instant::now();
        // Nothing need exist for it to be allowed.
        while ![200, 404].contains(&self.ask(&token, "GET", may_get, None).0) {
            assert!(started.elapsed() < SETTLES, "{account} must not get {may_get}");
            sleep(POLL);
        }
        token
    }

    fn spawn(&self, program: &Path) -> Child {
        let log = File::create(self.slot.log()).expect("the log can be written");
        let mut command = process::bound_command(program);
        command.args(self.flags()).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log can be written")).stderr(log);
        process::spawn(command).expect("the server starts")
    }

    fn flags(&self) -> Vec<String> {
        let folder = self.slot.data();
        let tokens = folder.join("tokens.csv");
        let admin = format!("{ADMIN},admin,admin,system:masters\n");
        fs::write(&tokens, admin).expect("the tokens are written");
        let (server, signer) = (self.pki.server(), self.pki.client("tokens"));
        let flags = [
            ("etcd-servers", self.etcd.endpoint()),
            ("bind-address", self.address.ip().to_string()),
            ("advertise-address", self.address.ip().to_string()),
            ("secure-port", self.address.port().to_string()),
            ("endpoint-reconciler-type", "none".to_owned()),
            ("cert-dir", folder.display().to_string()),
            ("tls-cert-file", server.certificate.display().to_string()),
            ("tls-private-key-file", server.key.display().to_string()),
            ("token-auth-file", tokens.display().to_string()),
            ("authorization-mode", "RBAC".to_owned()),
            ("service-cluster-ip-range", "10.96.0.0/24".to_owned()),
            ("service-account-issuer", self.url()),
            ("service-account-signing-key-file", signer.key.display().to_string()),
            ("service-account-key-file", signer.certificate.display().to_string()),
            // It waits for accounts that only a controller makes.
            ("disable-admission-plugins", "ServiceAccount".to_owned()),
        ];
        flags.map(|(name, value)| format!("--{name}={value}")).into()
    }

    /// Waits until the server answers, and has the namespaces that every cluster has.
    fn await_readiness(&self, child: &mut Child) {
        let started = Instant::now();
        let is_there =
            |path| self.https.ask("GET", path, ADMIN, None).is_ok_and(|(status, _)| status == 200);
        while !is_there("/readyz") || !is_there("/api/v1/namespaces/kube-system") {
            let ended = child.try_wait().expect("it is ours");
            let log = || read_to_string(self.slot.log()).unwrap_or_default();
            assert!(ended.is_none(), "the API server ended at once:\n{}", log());
            assert!(started.elapsed() < PATIENCE, "the API server is not ready:\n{}", log());
            sleep(POLL);
        }
    }
}

/// Returns where objects like this one are made.
fn collection(object: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let version = text(&object["apiVersion"]).expect("an object has a version");
    let group = if version.contains('/') { "apis" } else { "api" };
    let namespace = text(&object["metadata"]["namespace"]);
    let inside = namespace.map(|name| format!("namespaces/{name}/")).unwrap_or_default();
    let kind = text(&object["kind"]).expect("an object has a kind").to_lowercase();
    format!("/{group}/{version}/{inside}{kind}s")
}
