//! The way between processes and the store, on which every request waits until its turn comes.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ipam_core::kv::{Txn, TxnReply};
use ipam_etcd::{Store, StoreError};

/// The store's name in messages.
pub(super) const STORE: &str = "simulated store";

/// Requests that processes have sent, and replies that wait for them.
#[derive(Debug, Default)]
pub(super) struct Network {
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    sent: u64,
    waiting: BTreeMap<u64, Call>,
}

/// A request on its way.
#[derive(Debug)]
struct Call {
    process: usize,
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
pub(super) struct Turn {
    /// Its number.
    pub(super) call: u64,
    /// What is asked; `None` where it was carried out, and only its reply is to come.
    pub(super) txn: Option<Txn>,
}

impl Network {
    /// Returns the oldest request of a process that has no reply yet.
    pub(super) fn turn(&self, process: usize) -> Option<Turn> {
        let calls = self.lock();
        let mut waiting = calls.waiting.iter().filter(|(_, call)| call.process == process);
        waiting.find_map(|(number, call)| match call.state {
            State::Sent => Some(Turn { call: *number, txn: Some(call.txn.clone()) }),
            State::Answered(_) => Some(Turn { call: *number, txn: None }),
            State::Arrived(_) => None,
        })
    }

    /// Puts a reply on the way.
    pub(super) fn answer(&self, number: u64, reply: Result<TxnReply, StoreError>) {
        if let Some(call) = self.lock().waiting.get_mut(&number) {
            call.state = State::Answered(reply);
        }
    }

    /// Lets a reply arrive.
    pub(super) fn deliver(&self, number: u64) {
        let mut calls = self.lock();
        let Some(mut call) = calls.waiting.remove(&number) else { return };
        if let State::Answered(reply) = call.state {
            call.state = State::Arrived(reply);
        }
        calls.waiting.insert(number, call);
    }

    /// Forgets what a process that is no more has sent.
    pub(super) fn forget(&self, process: usize) {
        self.lock().waiting.retain(|_, call| call.process != process);
    }

    fn send(&self, process: usize, txn: &Txn) -> u64 {
        let mut calls = self.lock();
        calls.sent += 1;
        let number = calls.sent;
        calls.waiting.insert(number, Call { process, txn: txn.clone(), state: State::Sent });
        number
    }

    fn receive(&self, number: u64) -> Option<Result<TxnReply, StoreError>> {
        let mut calls = self.lock();
        let call = calls.waiting.remove(&number)?;
        match call.state {
            State::Arrived(reply) => Some(reply),
            State::Sent | State::Answered(_) => {
                calls.waiting.insert(number, call);
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store as a process sees it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    network: Arc<Network>,
    process: usize,
}

impl Link {
    pub(super) fn new(network: &Arc<Network>, process: usize) -> Self {
        Self { network: Arc::clone(network), process }
    }
}

impl Store for Link {
    async fn txn(&self, txn: &Txn, _deadline: Duration) -> Result<TxnReply, StoreError> {
        let number = self.network.send(self.process, txn);
        // Whoever delivers the reply polls the process, so no waker is needed.
        poll_fn(|_| self.network.receive(number).map_or(Poll::Pending, Poll::Ready)).await
    }

    fn name(&self) -> String {
        STORE.to_owned()
    }
}
