//! A history that is thrown away while requests are under way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ipam_core::ip::Family;
use ipam_core::kv::{Range, Read, Recollection, Txn, TxnReply};
use ipam_core::model::{Owner, Timestamp};
use ipam_core::plan::{Claims, ReleaseClaims, Replay, Request};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::{Memory, Store, StoreError, drive_from};
use ipam_tests::etcd::{Etcd, Options};

use super::requests::{DEADLINE, assert_sound, assign, ips, make_pools, release, store};
use super::{at, block_on};

/// A store that forgets its history right before each call.
struct Forgetful<'e> {
    store: EtcdStore,
    etcd: &'e Etcd,
    compactions: AtomicUsize,
}

impl Store for Forgetful<'_> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        // A revision cannot be compacted twice, so there must be a new one.
        self.etcd.ctl(&["put", "/elsewhere", "anything"]);
        let look = Txn::read([Read::keys(Range::key("/elsewhere"))]);
        let revision = self.store.txn(&look, deadline).await?.revision.to_string();
        self.etcd.ctl(&["compaction", "--physical", &revision]);
        self.compactions.fetch_add(1, Ordering::Relaxed);
        self.store.txn(txn, deadline).await
    }

    fn name(&self) -> String {
        self.store.name()
    }
}

/// A node that remembers from call to call.
struct Node<'e> {
    store: Forgetful<'e>,
    memory: Option<Recollection>,
}

impl Node<'_> {
    fn ask<R: Request>(&mut self, request: &R) -> R::Reply {
        let now = Timestamp::from_seconds(1000);
        let driven = drive_from(&self.store, request, self.memory.clone(), now, DEADLINE);
        let driven = block_on(driven).unwrap();
        match driven.memory {
            Memory::Unchanged => {}
            Memory::Lost => self.memory = None,
            Memory::New(memory) => self.memory = Some(memory),
        }
        driven.reply
    }
}

/// No request names a revision of the past, so it is as if nothing had been forgotten.
#[test]
fn nothing_depends_on_the_history() {
    let etcd = Options::default().start();
    let settings = at(&[etcd.endpoint()]);
    make_pools(&settings, &[("four", "10.0.0.0/27"), ("six", "fd00::/123")]);
    let forgetful =
        Forgetful { store: store(&settings), etcd: &etcd, compactions: AtomicUsize::new(0) };
    let mut node = Node { store: forgetful, memory: None };
    let add = |handle: &str| assign(handle, "n1", Replay::Same, &Family::ALL);
    let first = ips(&node.ask(&add("net.a")));
    assert_eq!(first.len(), 2);
    assert_eq!(ips(&node.ask(&add("net.a"))), first);
    let stale = node.memory.clone();
    let second = ips(&node.ask(&add("net.b")));
    assert!(second.iter().all(|ip| !first.contains(ip)), "{first:?} {second:?}");
    node.memory = stale;
    let third = ips(&node.ask(&add("net.c")));
    assert!(third.iter().all(|ip| !first.contains(ip) && !second.contains(ip)), "{third:?}");
    for (handle, count) in [("net.a", 2), ("net.b", 2), ("net.c", 2), ("net.c", 0)] {
        assert_eq!(node.ask(&release(handle)).len(), count, "{handle}");
    }
    let of = Claims::All(Owner::Host("n1".to_owned()));
    assert_eq!(node.ask(&ReleaseClaims { of, must_be_empty: true }).released.len(), 2);
    assert_sound(&node.store.store);
    assert!(node.store.compactions.load(Ordering::Relaxed) > 8, "each request made a call");
}
