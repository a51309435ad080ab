//! Finding a block to take addresses from: one of the host's own, a new one, or an empty one of another host.

use std::collections::{BTreeMap, VecDeque};

use ipam_core::block::is_empty;
use ipam_core::ip::{Cidr, RangeSet};
use ipam_core::model::{Affinity, Block, Config, Owner, Timestamp, key};
use ipam_core::pool::Pool;
use ipam_etcd::Store;

use super::verbs::Stored;
use super::{Fault, RETRIES, Stock};

/// Where the keys of the blocks of both families begin.
const BLOCKS: &str = "/calico/ipam/v2/assignment/";
/// How long a block is left to the host that claimed it, even if it is empty.
const RECLAIM_AGE_SECONDS: i64 = 60;

/// A search for blocks in one family.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) owner: Owner,
    pub(super) config: Config,
    pub(super) reserved: RangeSet,
    /// The pools in the order in which they are tried.
    pub(super) pools: Vec<Pool>,
    /// The blocks that the host has a claim on and that were not tried yet.
    pub(super) own: VecDeque<Cidr>,
    /// How many blocks the host has.
    pub(super) owned: i64,
    /// How many it may have.
    pub(super) limit: i64,
}

impl Search {
    /// Returns a block as the allocator sees it: what has cooled down is free.
    pub(super) fn collected(&self, block: Block, now: Timestamp) -> Block {
        block.collected(now, self.config.ip_cooldown_seconds)
    }

    fn has_room(&self, block: &Block) -> bool {
        block.count_free(|ip| !self.reserved.contains(ip)) > 0
    }
}

impl<S: Store> Stock<'_, S> {
    /// Returns a block with room that belongs to the host, claiming one where needed.
    pub(super) async fn find_or_claim(&self, search: &mut Search) -> Result<Stored<Block>, Fault> {
        while let Some(cidr) = search.own.pop_front() {
            if search.reserved.covers(&cidr) {
                continue;
            }
            if let Some(block) = self.own_block(search, &cidr).await {
                return Ok(block);
            }
        }
        if search.owned >= search.limit {
            return Err(Fault::BlockLimit);
        }
        if !search.config.auto_allocate_blocks {
            return Err(Fault::other("failed to find or claim a block"));
        }
        let block = self.claim_new(search).await?;
        search.owned += 1;
        Ok(block)
    }

    /// Returns a block that the host has a claim on; `None` where it cannot be used, whatever the reason.
    async fn own_block(&self, search: &Search, cidr: &Cidr) -> Option<Stored<Block>> {
        for _ in 0..RETRIES {
            let row_key = key::affinity(&search.owner, cidr);
            let row = self.verbs.get::<Affinity>(&row_key).await.ok()?;
            match self.block_of(&search.owner, cidr, row).await {
                Ok(block) => {
                    let seen = search.collected(block.value.clone(), self.clock.now());
                    return search.has_room(&seen).then_some(block);
                }
                Err(fault) if fault.is_conflict() => {}
                Err(_) => return None,
            }
        }
        None
    }

    async fn claim_new(&self, search: &Search) -> Result<Stored<Block>, Fault> {
        for _ in 0..RETRIES {
            let cidr = self.find_usable(search).await?;
            if let Some(block) = self.claim_found(search, &cidr).await? {
                let seen = search.collected(block.value.clone(), self.clock.now());
                if search.has_room(&seen) {
                    return Ok(block);
                }
                return Err(Fault::other("the claimed block has no free addresses"));
            }
        }
        Err(Fault::other("Max retries hit"))
    }

    /// Claims the block that was found; `None` where somebody else was faster and another one must be found.
    async fn claim_found(
        &self,
        search: &Search,
        cidr: &Cidr,
    ) -> Result<Option<Stored<Block>>, Fault> {
        for _ in 0..RETRIES {
            let row = match self.pending_affinity(&search.owner, cidr).await {
                Ok(row) => row,
                Err(fault) if fault.is_conflict() => continue,
                Err(fault) => return Err(fault),
            };
            match self.block_of(&search.owner, cidr, row).await {
                Ok(block) => return Ok(Some(block)),
                Err(fault) if fault.is_conflict() => {}
                Err(Fault::ClaimConflict(_) | Fault::StaleAffinity(_)) => return Ok(None),
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }

    /// Finds a block that does not exist, or is the host's and has room; failing that, takes one back that is empty.
    async fn find_usable(&self, search: &Search) -> Result<Cidr, Fault> {
        let stored = self.verbs.list::<Block>(BLOCKS).await?;
        let blocks: BTreeMap<Cidr, Block> =
            stored.into_iter().map(|stored| (stored.value.cidr, stored.value)).collect();
        let now = self.clock.now();
        let mut empty = Vec::new();
        for pool in &search.pools {
            for cidr in super::pools::walk(pool, &search.owner, now) {
                if search.reserved.covers(&cidr) {
                    continue;
                }
                let Some(block) = blocks.get(&cidr) else {
                    return Ok(cidr);
                };
                let seen = search.collected(block.clone(), now);
                if !search.has_room(&seen) {
                    continue;
                }
                if seen.is_affine_to(&search.owner) {
                    return Ok(cidr);
                }
                if is_empty(&seen) {
                    empty.push(block);
                }
            }
        }
        for block in empty {
            if self.take_back(block).await {
                return Ok(block.cidr);
            }
        }
        Err(Fault::NoFreeBlocks)
    }

    /// Releases another host's claim on a block that was empty when it was listed and is not new.
    async fn take_back(&self, block: &Block) -> bool {
        let limit = self.clock.now().minus_seconds(RECLAIM_AGE_SECONDS);
        if block.affinity_claim_time.is_some_and(|claimed| claimed > limit) {
            return false;
        }
        let Some(owner) = block.affinity.as_deref().and_then(Owner::parse) else {
            return false;
        };
        let listed = Some(block.sequence_number);
        self.release_block_affinity(&owner, &block.cidr, true, listed).await.is_ok()
    }
}
