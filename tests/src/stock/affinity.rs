//! Giving claims on blocks up, and claiming blocks by name.

use ipam_core::block::{is_empty, without_owner};
use ipam_core::ip::{Cidr, Family};
use ipam_core::model::key::{self, Named};
use ipam_core::model::{Affinity, AffinityState, Block, Owner};
use ipam_core::pool::Pool;
use ipam_etcd::Store;

use super::verbs::Stored;
use super::{Fault, RETRIES, Stock};

impl<S: Store> Stock<'_, S> {
    /// Gives up an owner's claim on one block: marks it, deletes the block or its owner, deletes the claim.
    pub(super) async fn release_block_affinity(
        &self,
        owner: &Owner,
        cidr: &Cidr,
        must_be_empty: bool,
        listed: Option<u64>,
    ) -> Result<(), Fault> {
        let row = self.verbs.get::<Affinity>(&key::affinity(owner, cidr)).await?;
        let block = self.verbs.get::<Block>(&key::block(cidr)).await?;
        if listed.is_some_and(|listed| listed != block.value.sequence_number) {
            return Err(Fault::other(format!("{cidr} changed since it was listed")));
        }
        if block.value.affinity.is_some() && !block.value.is_affine_to(owner) {
            self.verbs.delete(&row).await?;
            return Err(Fault::ClaimConflict(*cidr));
        }
        if must_be_empty && !is_empty(&block.value) {
            return Err(Fault::NotEmpty(*cidr));
        }
        let row = self.in_state(row, AffinityState::PendingDeletion).await?;
        if is_empty(&block.value) {
            ignore_absent(self.verbs.delete(&block).await)?;
        } else {
            let value = without_owner(block.value.clone());
            self.verbs.update(Stored { value, ..block }).await?;
        }
        ignore_absent(self.verbs.delete(&row).await)
    }

    /// Gives up a host's claims on every block of a network.
    ///
    /// # Errors
    ///
    /// [`Fault::NotEmpty`] where a block holds addresses and should not, and whatever else stops it.
    pub async fn release_affinity(
        &self,
        cidr: &Cidr,
        host: &str,
        must_be_empty: bool,
    ) -> Result<(), Fault> {
        let owner = Owner::Host(host.to_owned());
        for cidr in self.blocks_of(cidr).await? {
            ignore_lost(self.release_again(&owner, &cidr, must_be_empty).await)?;
        }
        Ok(())
    }

    /// Gives up every claim of a host, as far as possible.
    ///
    /// # Errors
    ///
    /// The last thing that went wrong.
    pub async fn release_host_affinities(
        &self,
        host: &str,
        must_be_empty: bool,
    ) -> Result<(), Fault> {
        let owner = Owner::Host(host.to_owned());
        let mut last = Ok(());
        for family in Family::ALL {
            for cidr in self.claims(&owner, family).await? {
                let released = self.release_again(&owner, &cidr, must_be_empty).await;
                if let Err(fault) = ignore_lost(released) {
                    last = Err(fault);
                }
            }
        }
        last
    }

    /// Gives up every host's claims inside a network, empty or not.
    ///
    /// # Errors
    ///
    /// Whatever stops it.
    pub async fn release_pool_affinities(&self, pool: &Cidr) -> Result<(), Fault> {
        for _ in 0..RETRIES {
            let mut had_conflict = false;
            for row in self.verbs.list::<Affinity>(key::HOSTS).await? {
                let Some(Named::Affinity(owner, cidr)) = key::parse(&row.key) else { continue };
                if !pool.contains(cidr.first_address()) {
                    continue;
                }
                match self.release_again(&owner, &cidr, false).await {
                    Err(Fault::ClaimConflict(_)) => had_conflict = true,
                    other => ignore_lost(other)?,
                }
            }
            if !had_conflict {
                return Ok(());
            }
        }
        Err(Fault::other("Max retries hit"))
    }

    /// Claims every block of a network for a host; returns those that it got and those that others have.
    ///
    /// # Errors
    ///
    /// Whatever stops it.
    pub async fn claim_affinity(
        &self,
        cidr: &Cidr,
        host: &str,
    ) -> Result<(Vec<Cidr>, Vec<Cidr>), Fault> {
        let owner = Owner::Host(host.to_owned());
        let (mut claimed, mut failed) = (Vec::new(), Vec::new());
        let blocks = self.blocks_of(cidr).await?;
        self.config().await?;
        for cidr in blocks {
            match self.claim_again(&owner, &cidr).await {
                Ok(()) => claimed.push(cidr),
                Err(Fault::ClaimConflict(_)) => failed.push(cidr),
                Err(fault) => return Err(fault),
            }
        }
        Ok((claimed, failed))
    }

    /// Lists the blocks of a family that an owner has a claim on, whatever its state.
    pub(super) async fn claims(&self, owner: &Owner, family: Family) -> Result<Vec<Cidr>, Fault> {
        let rows = self.verbs.list::<Affinity>(&key::affinities(owner, family)).await?;
        let named = rows.iter().filter_map(|row| match key::parse(&row.key) {
            Some(Named::Affinity(_, cidr)) => Some(cidr),
            Some(
                Named::Block(_)
                | Named::Handle(_)
                | Named::Config
                | Named::Resource(..)
                | Named::Binding(_)
                | Named::PoolMark(_),
            )
            | None => None,
        });
        Ok(named.collect())
    }

    async fn claim_again(&self, owner: &Owner, cidr: &Cidr) -> Result<(), Fault> {
        for _ in 0..RETRIES {
            let row = match self.pending_affinity(owner, cidr).await {
                Ok(row) => row,
                Err(fault) if fault.is_conflict() => continue,
                Err(fault) => return Err(fault),
            };
            match self.claim_block(owner, cidr, row).await {
                Err(fault) if fault.is_conflict() => {}
                other => return other.map(drop),
            }
        }
        Err(Fault::other("Max retries hit"))
    }

    async fn release_again(
        &self,
        owner: &Owner,
        cidr: &Cidr,
        must_be_empty: bool,
    ) -> Result<(), Fault> {
        for _ in 0..RETRIES {
            match self.release_block_affinity(owner, cidr, must_be_empty, None).await {
                Err(fault) if fault.is_conflict() => {}
                other => return other,
            }
        }
        Err(Fault::other("Max retries hit"))
    }

    /// Returns the blocks of a network, which must lie in an enabled pool.
    async fn blocks_of(&self, cidr: &Cidr) -> Result<Vec<Cidr>, Fault> {
        let pools = self.enabled_pools().await?;
        let pool: &Pool = pools
            .iter()
            .find(|pool| pool.cidr.contains(cidr.first_address()))
            .ok_or_else(|| Fault::other(format!("{cidr} is not in a configured pool")))?;
        let count = cidr.block_count(pool.block_prefix);
        if count == 0 {
            return Err(Fault::other(format!("{cidr} is smaller than a block")));
        }
        Ok((0..count).filter_map(|index| cidr.block_at(pool.block_prefix, index)).collect())
    }
}

fn ignore_absent(result: Result<(), Fault>) -> Result<(), Fault> {
    match result {
        Err(fault) if fault.is_not_found() => Ok(()),
        other => other,
    }
}

/// A claim that is gone, or was somebody else's, needs no giving up.
fn ignore_lost(result: Result<(), Fault>) -> Result<(), Fault> {
    match result {
        Err(Fault::ClaimConflict(_) | Fault::NotFound(_)) => Ok(()),
        other => other,
    }
}
