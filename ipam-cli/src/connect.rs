//! How a store is asked.

use std::time::Duration;

use ipam_core::inventory::Inventory;
use ipam_core::kv::{Range, Read, Revision, Txn};
use ipam_core::model::{DecodeError, Timestamp, key};
use ipam_core::plan::{Request, Snapshot};
use ipam_etcd::embedded::Create;
use ipam_etcd::{AnyStore, Store, StoreSettings, drive};
use tracing::debug;

use crate::cause::Cause;
use crate::render::{Item, Report, Stamp};
use crate::warning::Warning;

/// A store that is ready to be asked.
#[derive(Debug)]
pub(crate) struct Connection {
    store: AnyStore,
    deadline: Duration,
    now: Timestamp,
}

/// Everything that a store holds, sorted, and when that was true.
#[derive(Debug)]
pub(crate) struct Reading {
    /// What it holds, as an allocator sees it now.
    pub(crate) inventory: Inventory,
    /// When it was true.
    pub(crate) stamp: Stamp,
    /// What could not be understood.
    pub(crate) warnings: Vec<Warning>,
}

impl Connection {
    /// Opens a store.
    ///
    /// # Errors
    ///
    /// [`Cause::Store`] where it cannot be used, or does not answer within `deadline`.
    pub(crate) fn open(
        settings: &StoreSettings,
        create: Create,
        deadline: Duration,
        now: Timestamp,
    ) -> Result<Self, Cause> {
        let store = AnyStore::open(settings, create, deadline, None)?;
        debug!(store = store.name(), "opened");
        Ok(Self { store, deadline, now })
    }

    /// Carries a request out.
    ///
    /// # Errors
    ///
    /// [`Cause::Refused`], [`Cause::Store`] and [`Cause::GaveUp`].
    pub(crate) async fn carry_out<R: Request>(&self, request: &R) -> Result<R::Reply, Cause> {
        let driven = drive(&self.store, request, self.now, self.deadline).await?;
        debug!(
            round_trips = driven.round_trips,
            conflicts = driven.conflicts,
            bytes_read = driven.bytes_read,
            "carried out"
        );
        Ok(driven.reply)
    }

    /// Reads everything at one revision.
    ///
    /// This does not go through [`drive`], which does not tell the revision: there is nothing to plan and nothing to
    /// try again in a single read.
    ///
    /// # Errors
    ///
    /// [`Cause::Store`].
    pub(crate) async fn snapshot(&self) -> Result<(Snapshot, Revision), Cause> {
        let txn = Txn::read(key::ROOTS.map(|root| Read::values(Range::prefix(root))));
        let reply = self.store.txn(&txn, self.deadline).await?;
        let kvs: Vec<_> = reply.reads.into_iter().flat_map(|read| read.kvs).collect();
        debug!(revision = reply.revision.0, keys = kvs.len(), "read everything");
        Ok((Snapshot { kvs }, reply.revision))
    }

    /// Reads everything and sorts it.
    ///
    /// # Errors
    ///
    /// [`Cause::Store`].
    pub(crate) async fn look(&self) -> Result<Reading, Cause> {
        let (snapshot, revision) = self.snapshot().await?;
        let (inventory, errors) = Inventory::read(&snapshot);
        Ok(Reading {
            inventory: inventory.collected(self.now),
            stamp: Stamp { revision: Some(revision), at: self.now },
            warnings: errors.iter().map(unreadable).collect(),
        })
    }
}

impl Reading {
    /// Makes a report about what was read; it is not complete where something was left out.
    pub(crate) fn report<T: Item>(&self, items: Vec<T>) -> Report<T> {
        let mut report =
            Report::new(self.stamp, items).with_warnings(self.warnings.iter().cloned());
        report.complete = report.warnings.is_empty();
        report
    }
}

fn unreadable(error: &DecodeError) -> Warning {
    let message = format!("the value of {} is left out: it cannot be understood", error.key());
    Warning { code: "RF-W0201", message }
}
