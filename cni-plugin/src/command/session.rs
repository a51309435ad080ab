//! A store, and the time that is left to use it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::try_join;
use ipam_core::model::Timestamp;
use ipam_core::plan::Request;
use ipam_etcd::embedded::Create;
use ipam_etcd::{AnyStore, Memory, NodeCache, StoreSettings, drive, drive_from};
use tracing::debug;

use crate::lock::HostLock;
use crate::log::{Phase, timed};
use crate::mode::Mode;
use crate::protocol::CniError;
use crate::refusal_code::{from_drive, from_store};
use crate::settings::Fields;

pub(super) struct Session {
    store: AnyStore,
    ends: Instant,
    lock_file: PathBuf,
    lock_wait: Duration,
    /// What this node remembers of the cluster; a file on this machine is as fast without.
    cache: Option<NodeCache>,
    mode: Mode,
}

impl Session {
    /// Opens the store that the settings name; the plugin never makes one.
    pub(super) fn open(fields: &Fields) -> Result<Self, CniError> {
        Self::open_within(fields, Duration::MAX)
    }

    /// Opens the store for a call that must not take longer than this, whatever the settings allow.
    pub(super) fn open_within(fields: &Fields, longest: Duration) -> Result<Self, CniError> {
        let (settings, timeout) = (fields.store()?, fields.timeout()?.min(longest));
        let ends = Instant::now() + timeout;
        let cache = match &settings {
            StoreSettings::Embedded { .. } => None,
            StoreSettings::Etcd(etcd) => Some(NodeCache::new(&fields.cache_folder()?, etcd)),
        };
        let store = AnyStore::open(&settings, Create::Never, timeout, cache.as_ref())
            .map_err(|error| from_store(&error))?;
        let (lock_file, lock_wait) = fields.lock()?;
        Ok(Self {
            store,
            ends,
            lock_file,
            lock_wait: lock_wait.min(timeout / 2),
            cache,
            mode: fields.mode(),
        })
    }

    pub(super) fn into_store(self) -> AnyStore {
        self.store
    }

    /// Carries out a request that writes, in turn with the other processes of this node, beginning with what the one
    /// before has left.
    pub(super) async fn drive_in_turn<R: Request>(
        &self,
        request: &R,
        now: Timestamp,
    ) -> Result<R::Reply, CniError> {
        // Others need not wait for our connection.
        let connected = timed(Phase::Store, self.store.connect(self.left())).await;
        connected.map_err(|error| from_store(&error))?;
        let began = Instant::now();
        let lock = HostLock::acquire(&self.lock_file, self.lock_wait);
        Phase::Lock.took(began);
        let recollection = self.cache.as_ref().and_then(NodeCache::recollection);
        debug!(held = lock.is_held(), remembers = recollection.is_some(), "taking a turn");
        // To be moved about, it is too large.
        let driven = Box::pin(drive_from(&self.store, request, recollection, now, self.left()));
        let driven = timed(Phase::Store, driven).await;
        self.remember_token();
        let driven = driven.map_err(|error| from_drive(&error, self.mode))?;
        debug!(
            round_trips = driven.round_trips,
            conflicts = driven.conflicts,
            bytes_read = driven.bytes_read,
            "carried out"
        );
        if let Some(cache) = &self.cache {
            match driven.memory {
                Memory::Unchanged => {}
                Memory::Lost => cache.forget(),
                Memory::New(recollection) => cache.remember(&recollection),
            }
        }
        Ok(driven.reply)
    }

    /// Carries out a request that changes nothing.
    pub(super) async fn drive<R: Request>(
        &self,
        request: &R,
        now: Timestamp,
    ) -> Result<R::Reply, CniError> {
        let driven = Box::pin(drive(&self.store, request, now, self.left()));
        let driven = timed(Phase::Store, driven).await;
        self.remember_token();
        Ok(driven.map_err(|error| from_drive(&error, self.mode))?.reply)
    }

    /// Waits for an answer that the request depends on, and connects meanwhile. The time for it is handed over.
    pub(super) async fn beside<T, F>(
        &self,
        question: impl FnOnce(Duration) -> F,
    ) -> Result<T, CniError>
    where
        F: Future<Output = Result<T, CniError>>,
    {
        let connected =
            async { self.store.connect(self.left()).await.map_err(|error| from_store(&error)) };
        // Most calls ask nobody, and what that takes is large.
        let asked = timed(Phase::Annotations, Box::pin(question(self.left())));
        let ((), answer) = try_join(connected, asked).await?;
        Ok(answer)
    }

    fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Keeps the token of a login that was made just now.
    fn remember_token(&self) {
        if let (Some(cache), Some(token)) = (&self.cache, self.store.new_token()) {
            cache.remember_token(&token);
        }
    }
}
