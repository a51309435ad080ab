//! Giving a workload any addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipam_core::ip::{Cidr, Family};
use ipam_core::model::{Attributes, Block, HandleId, Owner, Record, key};
use ipam_core::pool::{Pool, Use};
use ipam_etcd::Store;

use super::find::Search;
use super::pools::{Chosen, Wanted, selects};
use super::verbs::Stored;
use super::{Fault, RETRIES, Stock};

/// What `AutoAssign` is asked for.
#[derive(Clone, Debug)]
pub struct AutoAssign {
    /// The node.
    pub host: String,
    /// Under which handle; the library can do without one.
    pub handle: Option<HandleId>,
    /// What is stored with each address.
    pub attributes: BTreeMap<String, String>,
    /// How many addresses of each family.
    pub counts: [(Family, usize); 2],
    /// The networks of the pools to draw from, of both families; none leaves the choice to the selectors.
    pub pools: Vec<Cidr>,
    /// The most blocks that the host may have for this; 0 leaves it to the configuration.
    pub blocks_max: i64,
}

/// What a family was given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The addresses, each with its block.
    pub addresses: Vec<(IpAddr, Cidr)>,
    /// How many were asked for.
    pub requested: usize,
    /// Why there are fewer.
    pub messages: Vec<String>,
}

/// What each family that was asked for was given.
pub type Shares = BTreeMap<Family, Given>;

impl Given {
    /// Returns the addresses as they are printed: each with the prefix length of its block.
    #[must_use]
    pub fn networks(&self) -> Vec<String> {
        self.addresses.iter().map(|(ip, block)| format!("{ip}/{}", block.prefix())).collect()
    }

    /// Says that there are fewer addresses than were asked for, and why; `None` where there are enough.
    #[must_use]
    pub fn shortage(&self, family: Family) -> Option<String> {
        let (given, requested) = (self.addresses.len(), self.requested);
        if given >= requested {
            return None;
        }
        let mut text = format!("Assigned {given} out of {requested} requested {family} addresses");
        let mut said = BTreeSet::new();
        for message in self.messages.iter().filter(|message| said.insert(*message)) {
            text.push_str("; ");
            text.push_str(message);
        }
        Some(text)
    }

    pub(super) fn missing(&self) -> usize {
        self.requested.saturating_sub(self.addresses.len())
    }
}

/// What is taken in one go from one block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taking<'a> {
    pub(super) count: usize,
    pub(super) handle: Option<&'a HandleId>,
    pub(super) record: &'a Record,
    /// Whether the block must be the host's own.
    pub(super) own_only: bool,
}

impl<S: Store> Stock<'_, S> {
    /// Gives addresses of both families, the one after the other.
    ///
    /// # Errors
    ///
    /// What stopped it; the addresses that were taken before stay taken and are returned in `shares`.
    pub async fn auto_assign(
        &self,
        request: &AutoAssign,
        shares: &mut Shares,
    ) -> Result<(), Fault> {
        for (family, count) in request.counts.iter().filter(|(_, count)| *count > 0) {
            let given = shares.entry(*family).or_default();
            given.requested = *count;
            self.assign_family(request, *family, given).await?;
        }
        Ok(())
    }

    async fn assign_family(
        &self,
        request: &AutoAssign,
        family: Family,
        given: &mut Given,
    ) -> Result<(), Fault> {
        let mut search = self.begin(request, family).await?;
        let record = Record::from(Attributes::new(
            request.handle.as_ref().map(ToString::to_string),
            Some(request.attributes.clone()),
        ));
        while given.missing() > 0 {
            let block = match self.find_or_claim(&mut search).await {
                Ok(block) => block,
                Err(Fault::NoFreeBlocks) => break,
                Err(fault) => {
                    if matches!(fault, Fault::BlockLimit) {
                        given.messages.push("Need to allocate an IPAM block but could not - limit of blocks reached for this node".to_owned());
                    }
                    return Err(fault);
                }
            };
            self.take_from_own(&search, block, request.handle.as_ref(), &record, given).await;
        }
        if given.missing() == 0 {
            return Ok(());
        }
        if search.config.strict_affinity {
            let why = "No more free affine blocks and strict affinity enabled";
            given.messages.push(why.to_owned());
            return Ok(());
        }
        self.borrow(&search, request.handle.as_ref(), &record, given).await;
        Ok(())
    }

    /// Reads everything that an allocation depends on, and gives up claims that the node should not have.
    async fn begin(&self, request: &AutoAssign, family: Family) -> Result<Search, Fault> {
        let config = self.config().await?;
        let reserved = self.reserved().await?;
        let labels = self.node_labels(&request.host).await?;
        let named: Vec<Cidr> =
            request.pools.iter().filter(|cidr| cidr.family() == family).copied().collect();
        let wanted = Wanted { family, host: &request.host, named: &named, usage: Use::Workload };
        let chosen = self.choose_pools(wanted, &labels).await?;
        let owner = Owner::Host(request.host.clone());
        let claims = self.claims(&owner, family).await?;
        let covered = |pools: &[Pool], cidr: &Cidr| {
            pools.iter().any(|pool| pool.cidr.contains(cidr.first_address()))
        };
        let (own, rest): (Vec<Cidr>, Vec<Cidr>) =
            claims.into_iter().partition(|cidr| covered(&chosen.allowed, cidr));
        for cidr in rest.iter().filter(|cidr| !covered(&chosen.for_other_uses, cidr)) {
            self.release_stale(&owner, cidr, &chosen, &labels).await?;
        }
        let blocks = i64::try_from(own.len()).expect("a count of blocks");
        let limit = config.block_limit(request.blocks_max);
        let pools = chosen.allowed;
        Ok(Search { owner, config, reserved, pools, own: own.into(), owned: blocks, limit })
    }

    /// Gives up an empty block whose pool does not select the node any more.
    async fn release_stale(
        &self,
        owner: &Owner,
        cidr: &Cidr,
        chosen: &Chosen,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        let mut pools = chosen.enabled.iter();
        let Some(pool) = pools.find(|pool| pool.cidr.contains(cidr.first_address())) else {
            return Ok(());
        };
        if selects(pool, labels)? {
            return Ok(());
        }
        for _ in 0..RETRIES {
            match self.release_block_affinity(owner, cidr, true, None).await {
                Ok(()) | Err(Fault::ClaimConflict(_) | Fault::NotEmpty(_) | Fault::NotFound(_)) => {
                    break;
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Takes what is missing from a block of the host; where that fails, the next block is tried.
    async fn take_from_own(
        &self,
        search: &Search,
        mut block: Stored<Block>,
        handle: Option<&HandleId>,
        record: &Record,
        given: &mut Given,
    ) {
        let own_only = search.config.strict_affinity;
        let taking = Taking { count: given.missing(), handle, record, own_only };
        for _ in 0..RETRIES {
            let block_key = block.key.clone();
            match self.take_from(search, block, taking).await {
                Ok(taken) => {
                    given.addresses.extend(taken);
                    return;
                }
                Err(fault) if fault.is_conflict() => {
                    let Ok(again) = self.verbs.get(&block_key).await else { return };
                    block = again;
                }
                Err(_) => {
                    let why = "Failed to assign IPs in newly allocated block";
                    given.messages.push(why.to_owned());
                    return;
                }
            }
        }
    }

    /// Takes up to as many addresses as asked for: counts them in the handle, then writes the block.
    pub(super) async fn take_from(
        &self,
        search: &Search,
        block: Stored<Block>,
        taking: Taking<'_>,
    ) -> Result<Vec<(IpAddr, Cidr)>, Fault> {
        let cidr = block.value.cidr;
        if taking.own_only && !block.value.is_affine_to(&search.owner) {
            return Err(Fault::other(format!("block {cidr} is not affine to this host")));
        }
        let seen = search.collected(block.value.clone(), self.clock.now());
        let usable = |ip| !search.reserved.contains(ip);
        let (value, ordinals) = seen.take(taking.count, taking.record, usable);
        if ordinals.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(handle) = taking.handle {
            // What is asked for is counted, not what the block gives: the rest is never taken back.
            self.count_up(handle, cidr, taking.count).await?;
        }
        if let Err(fault) = self.verbs.update(Stored { value, ..block }).await {
            if let Some(handle) = taking.handle {
                let count = u64::try_from(taking.count).expect("a count of addresses");
                drop(self.count_down(handle, &cidr, count, None).await);
            }
            return Err(fault);
        }
        Ok(ordinals.into_iter().map(|ordinal| (cidr.address_at(ordinal), cidr)).collect())
    }

    /// Reads a block; used where every failure means to go on to the next one.
    pub(super) async fn block_at(&self, cidr: &Cidr) -> Option<Stored<Block>> {
        self.verbs.get(&key::block(cidr)).await.ok()
    }
}
