//! A store between whose calls something else happens, and whose user may die at any of them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ipam_core::kv::{Txn, TxnReply};
use ipam_etcd::{Store, StoreError};

/// Where the user of a store dies: it gets an error from there on, and nothing that it does later counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// This call, counted from 1, is not carried out.
    Before(usize),
    /// This call is carried out, and its reply is lost.
    After(usize),
}

/// When what happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Right before this call, counted from 1, the intruder begins. It goes on until it ends or pauses.
    pub begins: Option<usize>,
    /// Right before this call the intruder goes on from its pause.
    pub resumes: Option<usize>,
    /// The user dies.
    pub crash: Option<Crash>,
}

/// Something that happens between two calls of somebody else.
pub type Intruder<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Wraps a store so that a script is kept.
pub struct Interleaved<'s, S> {
    store: &'s S,
    script: Script,
    calls: AtomicUsize,
    /// Which calls could change something.
    writes: Mutex<Vec<usize>>,
    intruder: Mutex<Option<Intruder<'s>>>,
    pause: Arc<Pause>,
}

impl<'s, S: Store> Interleaved<'s, S> {
    /// Wraps a store; the intruder pauses where `pause` says.
    #[must_use]
    pub fn new(
        store: &'s S,
        script: Script,
        intruder: Option<Intruder<'s>>,
        pause: Arc<Pause>,
    ) -> Self {
        let (calls, intruder) = (AtomicUsize::new(0), Mutex::new(intruder));
        Self { store, script, calls, writes: Mutex::default(), intruder, pause }
    }

    /// Returns how many calls were made.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Returns which calls, counted from 1, could change something.
    #[must_use]
    pub fn writes(&self) -> Vec<usize> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the intruder go on to its end, now that nobody makes calls any more; says whether there was one.
    pub async fn finish(&self) -> bool {
        let is_left = self.intruder.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        self.pause.end();
        self.let_in().await;
        is_left
    }

    async fn let_in(&self) {
        let intruder = self.intruder.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut intruder) = intruder else { return };
        let ended = poll_fn(|context| match intruder.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if self.pause.is_reached() => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        });
        if !ended.await {
            *self.intruder.lock().unwrap_or_else(PoisonError::into_inner) = Some(intruder);
        }
    }
}

impl<S: Store> Store for Interleaved<'_, S> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if txn.is_write() {
            self.writes.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        }
        if self.script.begins == Some(number) {
            self.let_in().await;
        }
        if self.script.resumes == Some(number) {
            self.pause.end();
            self.let_in().await;
        }
        match self.script.crash {
            Some(Crash::Before(at)) if number >= at => Err(self.dead()),
            Some(Crash::After(at)) if number > at => Err(self.dead()),
            Some(Crash::After(at)) if number == at => {
                self.store.txn(txn, deadline).await?;
                Err(self.dead())
            }
            Some(Crash::Before(_) | Crash::After(_)) | None => self.store.txn(txn, deadline).await,
        }
    }

    fn name(&self) -> String {
        self.store.name()
    }
}

impl<S: Store> Interleaved<'_, S> {
    fn dead(&self) -> StoreError {
        StoreError::Indeterminate { store: self.name(), source: "the process died".into() }
    }
}

/// Where an intruder waits for its counterpart to go on.
#[derive(Debug, Default)]
pub struct Pause {
    /// Right before which of the intruder's calls; 0 for never.
    before: usize,
    calls: AtomicUsize,
    is_waiting: AtomicBool,
    is_over: AtomicBool,
}

impl Pause {
    /// Waits right before a call of the intruder, counted from 1.
    #[must_use]
    pub fn before(call: usize) -> Arc<Self> {
        Arc::new(Self { before: call, ..Self::default() })
    }

    /// Does not wait.
    #[must_use]
    pub fn never() -> Arc<Self> {
        Arc::default()
    }

    /// Returns how many calls the intruder made.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.is_waiting.store(false, Ordering::Relaxed);
    }

    fn is_reached(&self) -> bool {
        self.is_waiting.load(Ordering::Relaxed)
    }

    /// Counts a call, and waits before it where it is the one.
    async fn pass(&self) {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if number != self.before {
            return;
        }
        // Whoever let the intruder in polls it again once the pause is over, so no waker is needed.
        poll_fn(|_| {
            if self.is_over.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            self.is_waiting.store(true, Ordering::Relaxed);
            Poll::Pending
        })
        .await;
    }
}

/// The store as an intruder sees it.
#[derive(Debug)]
pub struct Pausing<'s, S> {
    store: &'s S,
    pause: Arc<Pause>,
}

impl<'s, S: Store> Pausing<'s, S> {
    /// Wraps a store.
    #[must_use]
    pub fn new(store: &'s S, pause: Arc<Pause>) -> Self {
        Self { store, pause }
    }

    /// Returns the store that does not make anybody wait.
    #[must_use]
    pub fn beneath(&self) -> &'s S {
        self.store
    }
}

impl<S: Store> Store for Pausing<'_, S> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        self.pause.pass().await;
        self.store.txn(txn, deadline).await
    }

    fn name(&self) -> String {
        self.store.name()
    }
}
