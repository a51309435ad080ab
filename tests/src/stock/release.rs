//! Releasing everything that a handle holds.

use ipam_core::block::is_empty;
use ipam_core::ip::Cidr;
use ipam_core::model::{Block, Config, Handle, HandleId, Node, Owner, ResourceKind, key};
use ipam_core::pool::Pool;
use ipam_etcd::Store;

use super::pools::selects;
use super::verbs::Stored;
use super::{Fault, RETRIES, Stock};

impl<S: Store> Stock<'_, S> {
    /// Releases every address of a handle, block by block.
    ///
    /// # Errors
    ///
    /// [`Fault::NotFound`] where the handle does not exist, and whatever else stops it.
    pub async fn release_by_handle(&self, id: &HandleId) -> Result<(), Fault> {
        let handle = self.verbs.get::<Handle>(&key::handle(id)).await?;
        let config = self.config().await?;
        // Calico visits the blocks in no order; the recordings show IPv4 first.
        for cidr in handle.value.blocks().keys() {
            self.release_from(id, cidr, &config).await?;
        }
        Ok(())
    }

    async fn release_from(&self, id: &HandleId, cidr: &Cidr, config: &Config) -> Result<(), Fault> {
        let cooldown = config.ip_cooldown_seconds;
        for _ in 0..RETRIES {
            let block = match self.verbs.get::<Block>(&key::block(cidr)).await {
                Ok(block) => block,
                Err(fault) if fault.is_not_found() => return Ok(()),
                Err(fault) => return Err(fault),
            };
            let now = self.clock.now();
            let seen = block.value.clone().collected(now, cooldown);
            let Some(freed) = seen.release_handle(id.as_str(), |_| true, None, now, cooldown)
            else {
                // The handle keeps its count, be it of addresses that are about to be taken.
                return Ok(());
            };
            let count = u64::try_from(freed.ordinals.len()).expect("a count of addresses");
            match self.write_freed(Stored { value: freed.block.clone(), ..block }).await {
                Ok(()) => {
                    // A count that stays too high is only logged.
                    drop(self.count_down(id, cidr, count, None).await);
                    self.leave_unselected(&freed.block).await;
                    return Ok(());
                }
                Err(fault) if fault.is_conflict() => {}
                Err(fault) => return Err(fault),
            }
        }
        Err(Fault::other("Max retries hit - excessive concurrent IPAM requests"))
    }

    /// Stores a block from which addresses were released; one that nobody owns goes with its last address.
    pub(super) async fn write_freed(&self, block: Stored<Block>) -> Result<(), Fault> {
        if block.value.affinity.is_some() || !is_empty(&block.value) {
            return self.verbs.update(block).await.map(drop);
        }
        match self.verbs.delete(&block).await {
            Err(fault) if fault.is_not_found() => Ok(()),
            other => other,
        }
    }

    /// Gives a block up if its pool does not select its node any more; what goes wrong is only logged.
    pub(super) async fn leave_unselected(&self, block: &Block) {
        let Some(owner @ Owner::Host(_)) = block.affinity.as_deref().and_then(Owner::parse) else {
            return;
        };
        let node_key = key::resource(ResourceKind::Node, owner.name());
        let Ok(node) = self.verbs.get::<Node>(&node_key).await else {
            return;
        };
        let Ok(pools) = self.enabled_pools().await else {
            return;
        };
        let labels = node.value.metadata.labels.unwrap_or_default();
        let inside = |pool: &&Pool| pool.cidr.covers(&block.cidr);
        let Some(pool) = pools.iter().find(inside) else {
            return;
        };
        if selects(pool, &labels).is_ok_and(|selects| !selects) {
            drop(self.release_block_affinity(&owner, &block.cidr, true, None).await);
        }
    }
}
