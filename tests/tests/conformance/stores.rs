//! The stores that the suite runs on.
//!
//! A further store is a function here that returns its factory, and a line of `suite!` in `main.rs`. The line of one that
//! is not on this machine is `None`.

use std::sync::Arc;
use std::time::Duration;

use ipam_core::kv::{Compare, Revision, Txn, TxnReply};
use ipam_etcd::embedded::{Create, EmbeddedStore};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::Endpoint;
use ipam_etcd::{EtcdSettings, ModelStore, Store, StoreError};
use ipam_tests::etcd::{Shared, Version};

use super::{DEADLINE, block_on, delete, put, run, then};

/// A store that holds nothing, and whose revisions are counted as though it had just been made: a shared server's go on
/// where the last test ended.
pub(crate) struct Fresh<S> {
    store: S,
    /// How much further the store's own revisions are.
    offset: u64,
    /// Opens the same data once more, and keeps what it lies in; missing for a store that has one handle only.
    open: Option<Open<S>>,
}

type Open<S> = Arc<dyn Fn() -> S + Send + Sync>;

/// Returns the factory of stores in memory.
pub(crate) fn model() -> impl Fn() -> Fresh<ModelStore> {
    || Fresh::new(ModelStore::default(), None)
}

/// Returns the factory of stores in memory that were used and emptied, as a shared server is.
pub(crate) fn used_model() -> impl Fn() -> Fresh<ModelStore> {
    || {
        let store = ModelStore::default();
        for op in [put("a", "1"), put("a", "2"), delete("a")].into_iter().cycle().take(30) {
            run(&store, &then([op]));
        }
        Fresh::new(store, None)
    }
}

/// Returns the factory of stores in a file.
pub(crate) fn embedded() -> impl Fn() -> Fresh<EmbeddedStore> {
    || {
        let folder = tempfile::tempdir().unwrap();
        let open = move || {
            let path = folder.path().join("store.db");
            EmbeddedStore::open(&path, Create::IfMissing, DEADLINE).unwrap()
        };
        Fresh::new(open(), Some(Arc::new(open)))
    }
}

/// Returns the factory of stores in a real etcd, if this version of it is here.
pub(crate) fn etcd(version: Version) -> Option<impl Fn() -> Fresh<EtcdStore>> {
    version.is_here().then_some(move || {
        let server = Shared::take(version);
        let open = move || EtcdStore::new(settings_of(&server), None);
        Fresh::new(open(), Some(Arc::new(open)))
    })
}

fn settings_of(server: &Shared) -> EtcdSettings {
    EtcdSettings { endpoints: vec![Endpoint { url: server.endpoint() }], tls: None, login: None }
}

impl<S: Store> Fresh<S> {
    pub(crate) fn new(store: S, open: Option<Open<S>>) -> Self {
        let revision = block_on(store.txn(&Txn::default(), DEADLINE)).unwrap().revision;
        Self { store, offset: revision.0 - Revision::INITIAL.0, open }
    }

    /// Returns another handle on the same data, as another process would have it, if the store has such.
    pub(crate) fn another(&self) -> Option<Self> {
        let open = self.open.clone()?;
        Some(Self { store: open(), offset: self.offset, open: Some(open) })
    }

    /// Closes the store and opens it again, if it can be.
    pub(crate) fn reopened(self) -> Self {
        let Self { store, offset, open } = self;
        let Some(open) = open else { return Self { store, offset, open } };
        drop(store);
        Self { store: open(), offset, open: Some(open) }
    }

    /// Returns how much further the store's own revisions are.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    fn as_the_store_counts(&self, txn: &Txn) -> Txn {
        let later = |revision: Revision| Revision(revision.0.saturating_add(self.offset));
        let compare = |compare: &Compare| match compare.clone() {
            Compare::Key { key, mod_revision: Revision::ABSENT } => {
                Compare::Key { key, mod_revision: Revision::ABSENT }
            }
            Compare::Key { key, mod_revision } => {
                Compare::Key { key, mod_revision: later(mod_revision) }
            }
            Compare::Range { range, newest } => Compare::Range { range, newest: later(newest) },
            value @ Compare::Value { .. } => value,
        };
        Txn { compares: txn.compares.iter().map(compare).collect(), ..txn.clone() }
    }

    fn as_we_count(&self, mut reply: TxnReply) -> TxnReply {
        let earlier = |revision: &mut Revision| revision.0 -= self.offset;
        earlier(&mut reply.revision);
        for read in &mut reply.reads {
            earlier(&mut read.revision);
            for kv in &mut read.kvs {
                earlier(&mut kv.create_revision);
                earlier(&mut kv.mod_revision);
            }
        }
        reply
    }
}

impl<S: Store> Store for Fresh<S> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        let reply = self.store.txn(&self.as_the_store_counts(txn), deadline).await?;
        Ok(self.as_we_count(reply))
    }

    fn name(&self) -> String {
        self.store.name()
    }
}

#[test]
fn stores_of_our_own_begin_at_the_initial_revision() {
    assert_eq!(model()().offset(), 0);
    assert_eq!(embedded()().offset(), 0);
    assert_eq!(used_model()().offset(), 30);
}
