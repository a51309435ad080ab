//! The way between processes and the store, on which every request waits until its turn comes.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ipam_core::kv::{Txn, TxnReply};
use ipam_etcd::{Store, StoreError};

/// The store's name in messages.
pub(crate) const STORE: &str = "simulated store";

/// Requests that processes have sent, and replies that wait for them.
#[derive(Debug, Default)]
pub(crate) struct Network {
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    sent: u64,
    /// By process and number.
    waiting: BTreeMap<(usize, u64), Call>,
}

/// A request on its way.
#[derive(Debug)]
struct Call {
    txn: Txn,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It was not carried out yet.
    Sent,
    /// It was, and its reply is on the way.
    Answered(Result<TxnReply, StoreError>),
    /// Its reply has come.
    Arrived(Result<TxnReply, StoreError>),
}

/// A request whose turn it is.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Its number.
    pub(crate) call: u64,
    /// What is asked; `None` where it was carried out, and only its reply is to come.
    pub(crate) txn: Option<Txn>,
}

impl Network {
    /// Returns the oldest request of a process that has no reply yet.
    pub(crate) fn turn(&self, process: usize) -> Option<Turn> {
        self.lock().of(process).find_map(|((_, call), waiting)| match waiting.state {
            State::Sent => Some(Turn { call: *call, txn: Some(waiting.txn.clone()) }),
            State::Answered(_) => Some(Turn { call: *call, txn: None }),
            State::Arrived(_) => None,
        })
    }

    /// Says whether a process waits for the store, and not for a time to pass.
    pub(crate) fn is_asked_by(&self, process: usize) -> bool {
        let is_under_way = |call: &Call| match call.state {
            State::Sent | State::Answered(_) => true,
            State::Arrived(_) => false,
        };
        self.lock().of(process).any(|(_, call)| is_under_way(call))
    }

    /// Puts a reply to a process on the way.
    pub(crate) fn answer(&self, process: usize, number: u64, reply: Result<TxnReply, StoreError>) {
        if let Some(call) = self.lock().waiting.get_mut(&(process, number)) {
            call.state = State::Answered(reply);
        }
    }

    /// Lets a reply arrive at a process.
    pub(crate) fn deliver(&self, process: usize, number: u64) {
        let mut calls = self.lock();
        let Some(mut call) = calls.waiting.remove(&(process, number)) else { return };
        if let State::Answered(reply) = call.state {
            call.state = State::Arrived(reply);
        }
        calls.waiting.insert((process, number), call);
    }

    /// Forgets what a process that is no more has sent.
    pub(crate) fn forget(&self, process: usize) {
        self.lock().waiting.retain(|(of, _), _| *of != process);
    }

    fn send(&self, process: usize, txn: &Txn) -> u64 {
        let mut calls = self.lock();
        calls.sent += 1;
        let number = calls.sent;
        calls.waiting.insert((process, number), Call { txn: txn.clone(), state: State::Sent });
        number
    }

    fn receive(&self, process: usize, number: u64) -> Option<Result<TxnReply, StoreError>> {
        let mut calls = self.lock();
        let call = calls.waiting.remove(&(process, number))?;
        match call.state {
            State::Arrived(reply) => Some(reply),
            State::Sent | State::Answered(_) => {
                calls.waiting.insert((process, number), call);
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    fn of(&self, process: usize) -> impl Iterator<Item = (&(usize, u64), &Call)> {
        self.waiting.range((process, 0)..=(process, u64::MAX))
    }
}

/// The store as a process sees it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    network: Arc<Network>,
    process: usize,
}

impl Link {
    pub(crate) fn new(network: &Arc<Network>, process: usize) -> Self {
        Self { network: Arc::clone(network), process }
    }
}

impl Store for Link {
    async fn txn(&self, txn: &Txn, _deadline: Duration) -> Result<TxnReply, StoreError> {
        let number = self.network.send(self.process, txn);
        // Whoever delivers the reply polls the process, so no waker is needed.
        let reply = || self.network.receive(self.process, number);
        poll_fn(|_| reply().map_or(Poll::Pending, Poll::Ready)).await
    }

    fn name(&self) -> String {
        STORE.to_owned()
    }
}
