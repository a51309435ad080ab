//! Taking addresses from blocks of other hosts, or of none.

use ipam_core::ip::Cidr;
use ipam_core::model::{HandleId, Record};
use ipam_etcd::Store;

use super::assign::{Given, Taking};
use super::find::Search;
use super::{RETRIES, Stock};

impl<S: Store> Stock<'_, S> {
    /// Walks the pools in the host's order and takes from every block that has room, until there is enough.
    pub(super) async fn borrow(
        &self,
        search: &Search,
        handle: Option<&HandleId>,
        record: &Record,
        given: &mut Given,
    ) {
        let mut exhausted = Vec::new();
        for pool in &search.pools {
            for cidr in super::pools::walk(pool, &search.owner, self.clock.now()) {
                if given.missing() == 0 {
                    return;
                }
                if !search.reserved.covers(&cidr) {
                    self.borrow_from(search, &cidr, handle, record, given).await;
                }
            }
            if given.missing() > 0 {
                exhausted.push(pool.cidr.to_string());
            }
        }
        if !exhausted.is_empty() {
            given.messages.push(format!("No IPs available in pools: [{}]", exhausted.join(" ")));
        }
    }

    async fn borrow_from(
        &self,
        search: &Search,
        cidr: &Cidr,
        handle: Option<&HandleId>,
        record: &Record,
        given: &mut Given,
    ) {
        let taking = Taking { count: given.missing(), handle, record, own_only: false };
        for _ in 0..RETRIES {
            let Some(block) = self.block_at(cidr).await else { return };
            match self.take_from(search, block, taking).await {
                Ok(taken) => {
                    given.addresses.extend(taken);
                    return;
                }
                Err(fault) if fault.is_conflict() => {}
                Err(_) => return,
            }
        }
    }
}
