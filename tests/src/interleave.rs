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

    /// Says whether anybody has to wait at all.
    #[must_use]
    pub fn pauses(&self) -> bool {
        self.pause.before > 0
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

#[cfg(test)]
mod tests {
    use ipam_core::kv::{Op, Range, Read};
    use ipam_etcd::ModelStore;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(1);

    fn put(key: &str) -> Txn {
        let put = Op::put(key, Vec::new());
        Txn { then: vec![put], ..Txn::default() }
    }

    /// Returns the keys in the order in which they were written.
    fn written(store: &ModelStore) -> Vec<String> {
        let mut keys: Vec<_> =
            store.with(|model| model.iter().map(|kv| (kv.mod_revision, kv.key.clone())).collect());
        keys.sort();
        keys.into_iter().map(|(_, key)| key.to_string()).collect()
    }

    /// Makes three calls `a1` to `a3`, with an intruder that makes calls `b1` and `b2`; returns how many of the first
    /// succeed.
    fn play(store: &ModelStore, script: Script, pauses_before: usize) -> usize {
        let pause = Pause::before(pauses_before);
        let own = Pausing::new(store, Arc::clone(&pause));
        let intruder: Intruder<'_> = Box::pin(async move {
            for key in ["b1", "b2"] {
                own.txn(&put(key), DEADLINE).await.unwrap();
            }
        });
        let wrapped = Interleaved::new(store, script, Some(intruder), pause);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut succeeded = 0;
            for key in ["a1", "a2", "a3"] {
                succeeded += usize::from(wrapped.txn(&put(key), DEADLINE).await.is_ok());
            }
            wrapped.finish().await;
            succeeded
        })
    }

    #[test]
    fn the_intruder_comes_where_the_script_says() {
        for (begins, resumes, pauses_before, order) in [
            (Some(1), None, 0, "b1 b2 a1 a2 a3"),
            (Some(3), None, 0, "a1 a2 b1 b2 a3"),
            (Some(1), Some(3), 2, "b1 a1 a2 b2 a3"),
            (Some(2), Some(3), 1, "a1 a2 b1 b2 a3"),
            (Some(2), Some(9), 2, "a1 b1 a2 a3 b2"),
            (Some(9), None, 0, "a1 a2 a3 b1 b2"),
        ] {
            let store = ModelStore::default();
            let script = Script { begins, resumes, crash: None };
            assert_eq!(play(&store, script, pauses_before), 3, "{script:?}");
            assert_eq!(written(&store).join(" "), order, "{script:?}");
        }
    }

    #[test]
    fn a_user_that_died_changes_nothing_more() {
        for (crash, succeeded, order) in [
            (Crash::Before(2), 1, "a1 b1 b2"),
            (Crash::After(2), 1, "a1 b1 b2 a2"),
            (Crash::Before(1), 0, "b1 b2"),
        ] {
            let store = ModelStore::default();
            let script = Script { begins: Some(2), resumes: None, crash: Some(crash) };
            assert_eq!(play(&store, script, 0), succeeded, "{crash:?}");
            assert_eq!(written(&store).join(" "), order, "{crash:?}");
        }
    }

    #[test]
    fn calls_and_writes_are_counted() {
        let store = ModelStore::default();
        let wrapped = Interleaved::new(&store, Script::default(), None, Pause::never());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let read = Txn::read([Read::values(Range::key("a"))]);
            for txn in [&read, &put("a"), &read] {
                wrapped.txn(txn, DEADLINE).await.unwrap();
            }
        });
        assert_eq!((wrapped.calls(), wrapped.writes()), (3, vec![2]));
    }
}
