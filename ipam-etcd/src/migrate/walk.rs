//! Going through everything below the roots of a store, key by key.

use std::time::Duration;
use std::vec;

use ipam_core::kv::{Kv, Projection, Txn};

use super::page::Pages;
use super::persist::persist;
use crate::store::{Store, StoreError};

/// A walk from the first key to the last. It reads in pages, so it sees each key as it is when its page is read.
#[derive(Debug)]
pub(super) struct Walk<'s, S> {
    store: &'s S,
    deadline: Duration,
    pages: Pages,
    page: vec::IntoIter<Kv>,
}

impl<'s, S: Store> Walk<'s, S> {
    /// Begins before the first key.
    pub(super) fn of(store: &'s S, projection: Projection, deadline: Duration) -> Self {
        Self { store, deadline, pages: Pages::of(projection), page: Vec::new().into_iter() }
    }

    /// Returns the next key, `None` behind the last one.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub(super) async fn next(&mut self) -> Result<Option<Kv>, StoreError> {
        loop {
            if let Some(kv) = self.page.next() {
                return Ok(Some(kv));
            }
            let Some(read) = self.pages.next() else { return Ok(None) };
            let outcome = persist(self.store, &Txn::read([read]), self.deadline).await;
            for page in outcome.reply?.reads {
                self.pages.pass(&page);
                self.page = page.kvs.into_iter();
            }
        }
    }
}
