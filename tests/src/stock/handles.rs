//! Counting addresses in handles: up before a block is written, down afterwards.

use ipam_core::ip::Cidr;
use ipam_core::model::{Handle, HandleId, key};
use ipam_etcd::Store;

use super::verbs::Stored;
use super::{Fault, RETRIES, Stock};

impl<S: Store> Stock<'_, S> {
    /// Counts addresses of a block before they are taken. Whatever goes wrong with a write is tried again, even where
    /// the write may have happened.
    pub(super) async fn count_up(
        &self,
        id: &HandleId,
        block: Cidr,
        count: usize,
    ) -> Result<(), Fault> {
        let handle_key = key::handle(id);
        let count = u64::try_from(count).expect("a count of addresses");
        for _ in 0..RETRIES {
            let written = match self.verbs.get::<Handle>(&handle_key).await {
                Ok(stored) if stored.value.is_null() => {
                    return Err(Fault::other("panic: assignment to entry in nil map"));
                }
                Ok(stored) => {
                    let value = stored.value.plus(block, count);
                    self.verbs.update(Stored { value, ..stored }).await
                }
                Err(fault) if fault.is_not_found() => {
                    let value = Handle::new().plus(block, count);
                    self.verbs.create(handle_key.clone(), value).await
                }
                Err(fault) => return Err(fault),
            };
            if written.is_ok() {
                return Ok(());
            }
        }
        Err(Fault::other("Max retries hit - excessive concurrent IPAM requests"))
    }

    /// Takes counted addresses of a block back; `known` is the handle as a list showed it.
    pub(super) async fn count_down(
        &self,
        id: &HandleId,
        block: &Cidr,
        count: u64,
        mut known: Option<Stored<Handle>>,
    ) -> Result<(), Fault> {
        let handle_key = key::handle(id);
        for _ in 0..RETRIES {
            let stored = match known.take() {
                Some(stored) => stored,
                None => self.verbs.get::<Handle>(&handle_key).await?,
            };
            let counted = stored.value.blocks().get(block).copied().unwrap_or(0);
            if counted == 0 || counted < count {
                return Err(Fault::other(format!("{block} is not linked to handle {id}")));
            }
            let value = stored.value.clone().minus(block, count);
            let written = if value.blocks().is_empty() {
                self.verbs.delete(&stored).await
            } else {
                self.verbs.update(Stored { value, ..stored }).await.map(drop)
            };
            match written {
                Err(fault) if fault.is_conflict() => {}
                other => return other,
            }
        }
        Err(Fault::other("Max retries hit - excessive concurrent IPAM requests"))
    }
}
