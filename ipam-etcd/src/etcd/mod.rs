//! A store in an etcd cluster, shared with whoever else knows its keys.
//!
//! A call goes to one member. Where that one cannot be reached or does not answer, the next one is asked, as long as the
//! deadline allows. A read may be repeated at will; a write whose outcome is unknown is told as
//! [`StoreError::Indeterminate`], and it is the caller's to send it again.

mod connection;
mod convert;
mod cork;
mod fault;
mod quota;
mod race;
mod token;

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ipam_core::kv::{Txn, TxnReply};
use tokio::sync::Mutex;
use tonic::{Code, Status};

pub use fault::Fault;

use connection::{Connection, connect};
use convert::Odd;
use quota::Doubt;
use token::Token;

use crate::settings::{Endpoint, EtcdSettings, Secret};
use crate::store::{Store, StoreError, check_shape};

/// How long the first attempt waits for an answer before the next member is asked; each further one waits twice as long.
const ANSWER_MS_MIN: u64 = 500;
/// The same where there is no next member to ask.
const ANSWER_MS_MIN_ALONE: u64 = 2000;
/// How long endpoints that cannot be reached are tried again where none of them can.
const GRACE: Duration = Duration::from_millis(400);
/// How long a read is repeated where every connection breaks before it brings an answer: the members may be failing.
const BREAKING_GRACE: Duration = Duration::from_millis(800);
/// How often one call logs in again because its token is not accepted.
const LOGINS_MAX: u32 = 2;
/// How often a server is asked why it broke a connection.
const KNOCKS_MAX: u32 = 20;
/// More silences than this do not lengthen the wait any further.
const SILENCES_MAX: u32 = 10;
/// How often the task of a connection has its turn before the greeting of HTTP/2 is on its way.
const GREETING_TURNS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(25);

/// A store in an etcd cluster.
pub struct EtcdStore {
    settings: EtcdSettings,
    token: Token,
    link: Mutex<Link>,
    /// How many attempts in a row had no answer.
    silences: AtomicU32,
    /// Whether there ever was one.
    has_answered: AtomicBool,
    doubt: Doubt,
}

/// The connection in use, and which endpoint is tried first for the next one.
struct Link {
    connection: Option<Arc<Connection>>,
    next: usize,
}

/// What one attempt came to.
enum Attempt {
    Answered(TxnReply),
    /// Nothing was changed, and nothing will be better soon.
    Failed(Fault),
    /// The token is not accepted any more; nothing was changed.
    TokenRefused,
    /// Nobody knows.
    Unknown(Fault),
}

impl EtcdStore {
    /// Names a cluster; the first call connects.
    ///
    /// `token` is one that an earlier store of the same user returned from [`EtcdStore::new_token`].
    #[must_use]
    pub fn new(settings: EtcdSettings, token: Option<Secret>) -> Self {
        // Processes that live for one call spread over the members by their ids.
        let next =
            usize::try_from(std::process::id()).unwrap_or(0) % settings.endpoints.len().max(1);
        Self {
            settings,
            token: Token::known(token),
            link: Mutex::new(Link { connection: None, next }),
            silences: AtomicU32::new(0),
            has_answered: AtomicBool::new(false),
            doubt: Doubt::default(),
        }
    }

    /// Returns the token of a login that this store has made, which spares the next store of the same user one.
    #[must_use]
    pub fn new_token(&self) -> Option<Secret> {
        self.token.made()
    }

    /// Connects, so that the first call need not.
    ///
    /// # Errors
    ///
    /// As of a call that changes nothing.
    pub async fn connect(&self, deadline: Duration) -> Result<(), StoreError> {
        let started = Instant::now();
        match self.connection(deadline).await {
            Ok(_) => {
                // What the connection has to say first leaves now, and is answered while the caller prepares its request.
                for _ in 0..GREETING_TURNS {
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            Err(fault) if fault.is_passing() => Err(self.unavailable(fault, started)),
            Err(fault) => Err(self.told(fault)),
        }
    }

    async fn carry_out(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        check_shape(txn)?;
        let started = Instant::now();
        let left = || deadline.saturating_sub(started.elapsed());
        let mut last = None;
        let mut logins = 0;
        loop {
            let connection = match self.connection(left()).await {
                Ok(connection) => connection,
                Err(fault) if !fault.is_passing() => return Err(self.told(fault)),
                // What kept it busy until the deadline says more than that nothing was left.
                Err(fault) if left().is_zero() => {
                    return Err(self.unavailable(last.unwrap_or(fault), started));
                }
                Err(fault) => return Err(self.unavailable(fault, started)),
            };
            let fault = match self.attempt(&connection, txn, left()).await {
                Attempt::Answered(reply) => {
                    self.has_answered.store(true, Ordering::Relaxed);
                    return Ok(reply);
                }
                Attempt::Failed(fault) => return Err(self.told(fault)),
                Attempt::TokenRefused => {
                    let fault = Fault::NoUser { endpoint: self.url(&connection) };
                    logins += 1;
                    if logins > LOGINS_MAX || self.settings.login.is_none() {
                        return Err(self.told(fault));
                    }
                    self.token.drop_it();
                    self.leave(&connection).await;
                    continue;
                }
                Attempt::Unknown(fault) => fault,
            };
            self.leave(&connection).await;
            let is_first = !self.has_answered.load(Ordering::Relaxed);
            if is_first
                && txn.is_write()
                && let Some(fault) =
                    Box::pin(self.denial_behind(&fault, connection.at, left())).await
            {
                return Err(self.told(fault));
            }
            let fault = if is_first { fault.before_any_answer(&self.settings) } else { fault };
            if txn.is_write() {
                let source = fault.into();
                return Err(StoreError::Indeterminate { store: self.name(), source });
            }
            if left() <= PAUSE || (!fault.is_passing() && started.elapsed() > BREAKING_GRACE) {
                return Err(self.unavailable(fault, started));
            }
            last = Some(fault);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(&self, connection: &Connection, txn: &Txn, left: Duration) -> Attempt {
        let silences = self.silences.load(Ordering::Relaxed);
        let waits = self.patience(silences).min(left);
        let started = Instant::now();
        let mut kv = connection.kv.clone();
        let attempt = match tokio::time::timeout(waits, kv.txn(convert::to_etcd(txn))).await {
            Ok(Ok(response)) => match convert::from_etcd(response) {
                Ok(reply) => Attempt::Answered(reply),
                // What a write reads is read where it was not made, or before it is.
                Err(Odd::Key(key)) => {
                    Attempt::Failed(Fault::NoText { endpoint: self.url(connection), key })
                }
                Err(Odd::Foreign) => Attempt::Unknown(Fault::Foreign {
                    endpoint: self.url(connection),
                    message: "it answers something else than was asked".to_owned(),
                }),
            },
            Ok(Err(etcd_client::Error::GRpcStatus(status))) => {
                let judged = self.judge(connection, &status);
                if let Attempt::Failed(fault @ Fault::Full { .. }) = judged {
                    Box::pin(self.doubt(connection, txn, fault, left)).await
                } else {
                    judged
                }
            }
            Ok(Err(error)) => Attempt::Unknown(Fault::Other {
                endpoint: self.url(connection),
                message: error.to_string(),
            }),
            Err(_) => {
                // Those that wait side by side are one silence.
                self.silences.fetch_max(silences + 1, Ordering::Relaxed);
                let waited_ms = u64::try_from(waits.as_millis()).unwrap_or(u64::MAX);
                Attempt::Unknown(Fault::Silent { endpoint: self.url(connection), waited_ms })
            }
        };
        // Where answers are slow the next one needs as long.
        if matches!(attempt, Attempt::Answered(_)) && started.elapsed() < self.patience(0) {
            self.silences.store(0, Ordering::Relaxed);
        }
        attempt
    }

    /// Finds out whether a connection broke because the server does not accept our certificate: it says so, and closes the
    /// connection at once, so that what it says may be lost.
    async fn denial_behind(&self, fault: &Fault, at: usize, left: Duration) -> Option<Fault> {
        if self.settings.tls.is_none() || !matches!(fault, Fault::Broken { .. }) {
            return None;
        }
        let started = Instant::now();
        for _ in 0..KNOCKS_MAX {
            let left = left.saturating_sub(started.elapsed());
            let connection = connect(&self.settings, at, &self.token, left).await.ok()?;
            match self.attempt(&connection, &Txn::default(), left).await {
                Attempt::Failed(fault) => return fault.is_denial().then_some(fault),
                Attempt::Unknown(Fault::Broken { .. }) => {}
                Attempt::Answered(_) | Attempt::TokenRefused | Attempt::Unknown(_) => return None,
            }
        }
        None
    }

    /// Finds out whether a write was applied that is said to have been refused for want of room.
    async fn doubt(
        &self,
        connection: &Connection,
        txn: &Txn,
        fault: Fault,
        left: Duration,
    ) -> Attempt {
        if !txn.is_write() {
            return Attempt::Failed(fault);
        }
        let Some(probe) = quota::probe(txn) else { return Attempt::Unknown(fault) };
        let mut kv = connection.kv.clone();
        let asked = kv.txn(convert::to_etcd(&probe));
        let reply = match tokio::time::timeout(left, asked).await {
            Ok(Ok(response)) => convert::from_etcd(response).ok(),
            Ok(Err(_)) | Err(_) => None,
        };
        match reply {
            Some(reply) if reply.succeeded => Attempt::Failed(fault),
            // That is what it would have been answered by now.
            Some(reply) if self.doubt.was_known(txn) => Attempt::Answered(reply),
            _ => Attempt::Unknown(fault),
        }
    }

    /// Says what a status means for the transaction that it answers.
    fn judge(&self, connection: &Connection, status: &Status) -> Attempt {
        // etcd says the last where a token cannot even be sent.
        let refusals =
            ["invalid auth token", "revision of auth store is old", "user name is empty"];
        let is_token = self.settings.login.is_some()
            && refusals.iter().any(|refusal| status.message().contains(refusal));
        if is_token {
            return Attempt::TokenRefused;
        }
        let fault = match self.settings.endpoints.get(connection.at) {
            Some(endpoint) => Fault::of_status(endpoint, &self.settings, status),
            None => Fault::Other { endpoint: String::new(), message: status.to_string() },
        };
        // What keeps a connection from coming about keeps a transaction from being received.
        if fault.is_denial() || is_refusal(status) {
            Attempt::Failed(fault)
        } else {
            Attempt::Unknown(fault)
        }
    }

    /// Returns the connection in use, or makes one.
    async fn connection(&self, deadline: Duration) -> Result<Arc<Connection>, Fault> {
        let started = Instant::now();
        let waited_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        let Ok(mut link) = tokio::time::timeout(deadline, self.link.lock()).await else {
            let endpoint = self.name();
            return Err(Fault::Unreachable { endpoint, waited_ms });
        };
        loop {
            if let Some(connection) = &link.connection {
                return Ok(connection.clone());
            }
            let left = deadline.saturating_sub(started.elapsed());
            match race::first(&self.settings, link.next, &self.token, left).await {
                Ok(connection) => link.connection = Some(Arc::new(connection)),
                Err(fault)
                    if fault.is_passing() && started.elapsed() < GRACE && !left.is_zero() =>
                {
                    tokio::time::sleep(PAUSE.min(left)).await;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Returns how long an answer is waited for after so many silences.
    fn patience(&self, silences: u32) -> Duration {
        let is_alone = self.settings.endpoints.len() == 1;
        let shortest = if is_alone { ANSWER_MS_MIN_ALONE } else { ANSWER_MS_MIN };
        Duration::from_millis(shortest << silences.min(SILENCES_MAX))
    }

    /// Gives a connection up, so that the next attempt goes to the next endpoint.
    async fn leave(&self, connection: &Connection) {
        let mut link = self.link.lock().await;
        if link.connection.as_ref().is_some_and(|current| current.at == connection.at) {
            link.connection = None;
            link.next = (connection.at + 1) % self.settings.endpoints.len().max(1);
        }
    }

    fn url(&self, connection: &Connection) -> String {
        self.settings.endpoints.get(connection.at).map(|e| e.url.clone()).unwrap_or_default()
    }

    fn unavailable(&self, fault: Fault, started: Instant) -> StoreError {
        StoreError::Unavailable {
            store: self.name(),
            waited_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            source: fault.into(),
        }
    }

    fn told(&self, fault: Fault) -> StoreError {
        let store = self.name();
        if fault.is_denial() {
            StoreError::Denied { store, source: fault.into() }
        } else {
            StoreError::Unusable { store, source: fault.into() }
        }
    }
}

/// Says whether etcd itself refuses something, which it does before it does anything.
fn is_refusal(status: &Status) -> bool {
    // What has a source was made here of a connection's end, whatever its code.
    status.source().is_none()
        && matches!(
            status.code(),
            Code::InvalidArgument
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::ResourceExhausted
                | Code::FailedPrecondition
                | Code::OutOfRange
                | Code::Unimplemented
        )
}

impl Store for EtcdStore {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        self.carry_out(txn, deadline).await
    }

    fn name(&self) -> String {
        let urls: Vec<&str> = self.settings.endpoints.iter().map(Endpoint::as_str).collect();
        format!("etcd store {}", urls.join(","))
    }
}

impl fmt::Debug for EtcdStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdStore").field("settings", &self.settings).finish_non_exhaustive()
    }
}
