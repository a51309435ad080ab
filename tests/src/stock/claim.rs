//! The claim of a block in two phases: announce, create, confirm.

use ipam_core::ip::Cidr;
use ipam_core::model::{Affinity, AffinityState, Block, Owner, key};
use ipam_etcd::Store;

use super::verbs::Stored;
use super::{Fault, Stock};

impl<S: Store> Stock<'_, S> {
    /// Announces a claim: creates its row, or brings one that is not confirmed back to pending, which invalidates
    /// whoever is about to delete it.
    pub(super) async fn pending_affinity(
        &self,
        owner: &Owner,
        cidr: &Cidr,
    ) -> Result<Stored<Affinity>, Fault> {
        let row_key = key::affinity(owner, cidr);
        let pending = Affinity::in_state(AffinityState::Pending);
        match self.verbs.create(row_key.clone(), pending).await {
            Err(Fault::Exists(..)) => {}
            other => return other,
        }
        let row = self.verbs.get::<Affinity>(&row_key).await?;
        if row.value.state == AffinityState::Confirmed {
            return Ok(row);
        }
        self.in_state(row, AffinityState::Pending).await
    }

    /// Returns the block that a claim is on, finishing the claim where it was left half done.
    pub(super) async fn block_of(
        &self,
        owner: &Owner,
        cidr: &Cidr,
        row: Stored<Affinity>,
    ) -> Result<Stored<Block>, Fault> {
        let block = match self.verbs.get::<Block>(&key::block(cidr)).await {
            Ok(block) => block,
            Err(fault) if fault.is_not_found() => {
                let row = self.in_state(row, AffinityState::Pending).await?;
                // Only Windows looks at what it says, but it is read by all.
                self.config().await?;
                return self.claim_block(owner, cidr, row).await;
            }
            Err(fault) => return Err(fault),
        };
        if !block.value.is_affine_to(owner) {
            self.verbs.delete(&row).await?;
            return Err(Fault::StaleAffinity(*cidr));
        }
        if row.value.is_confirmed() {
            return Ok(block);
        }
        let row = self.in_state(row, AffinityState::Pending).await?;
        // Another process may be deleting the block; writing it makes that one look again.
        let mut fenced = block;
        fenced.value.sequence_number += 1;
        let fenced = self.verbs.update(fenced).await?;
        self.confirm(row).await?;
        Ok(fenced)
    }

    /// Creates the block of an announced claim, and confirms the claim.
    pub(super) async fn claim_block(
        &self,
        owner: &Owner,
        cidr: &Cidr,
        row: Stored<Affinity>,
    ) -> Result<Stored<Block>, Fault> {
        let block_key = key::block(cidr);
        let block = Block::new(*cidr, owner, self.clock.now(), 0)
            .map_err(|fault| Fault::other(fault.to_string()))?;
        let created = match self.verbs.create(block_key.clone(), block).await {
            Err(Fault::Exists(..)) => None,
            other => Some(other?),
        };
        if let Some(block) = created {
            self.confirm(row).await?;
            return Ok(block);
        }
        let found = self.verbs.get::<Block>(&block_key).await?;
        if found.value.is_affine_to(owner) {
            // Another process of this host was faster.
            self.confirm(row).await?;
            return Ok(found);
        }
        // That the row stays behind is only logged.
        drop(self.verbs.delete(&row).await);
        Err(Fault::ClaimConflict(*cidr))
    }

    /// Confirms a claim; that another process has done so is as good.
    async fn confirm(&self, row: Stored<Affinity>) -> Result<(), Fault> {
        let row_key = row.key.clone();
        let Err(fault) = self.in_state(row, AffinityState::Confirmed).await else {
            return Ok(());
        };
        let found = self.verbs.get::<Affinity>(&row_key).await;
        match found {
            Ok(row) if row.value.state == AffinityState::Confirmed => Ok(()),
            Ok(_) | Err(_) => Err(fault),
        }
    }

    pub(super) async fn in_state(
        &self,
        mut row: Stored<Affinity>,
        state: AffinityState,
    ) -> Result<Stored<Affinity>, Fault> {
        row.value.state = state;
        self.verbs.update(row).await
    }
}
