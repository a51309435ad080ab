//! Giving a workload one address by name.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipam_core::ip::{Cidr, Ordinal};
use ipam_core::model::{Attributes, Block, HandleId, Owner, Record, key};
use ipam_core::pool::Use;
use ipam_etcd::Store;

use super::verbs::Stored;
use super::{Fault, RETRIES, Stock};

/// What `AssignIP` is asked for.
#[derive(Clone, Debug)]
pub struct AssignIp {
    /// The address.
    pub ip: IpAddr,
    /// The node.
    pub host: String,
    /// Under which handle; the library can do without one.
    pub handle: Option<HandleId>,
    /// What is stored with the address; the library can do without any.
    pub attributes: Option<BTreeMap<String, String>>,
}

impl<S: Store> Stock<'_, S> {
    /// Gives one address, wherever it lies; its block is claimed where it does not exist.
    ///
    /// # Errors
    ///
    /// [`Fault::Exists`] where somebody holds it, and whatever else stops it.
    pub async fn assign_ip(&self, request: &AssignIp) -> Result<(), Fault> {
        let pools = self.enabled_pools().await?;
        let outside = || Fault::other("The provided IP address is not in a configured pool\n");
        let pool = pools.iter().find(|pool| pool.cidr.contains(request.ip)).ok_or_else(outside)?;
        if !pool.allows(Use::Workload) {
            return Err(Fault::other("the pool does not allow this use"));
        }
        let config = self.config().await?;
        let cidr = Cidr::around(request.ip, pool.block_prefix).map_err(|_| outside())?;
        let ordinal = cidr.ordinal_of(request.ip).ok_or_else(outside)?;
        let owner = Owner::Host(request.host.clone());
        let record = Record::from(Attributes::new(
            request.handle.as_ref().map(ToString::to_string),
            request.attributes.clone(),
        ));
        for _ in 0..RETRIES {
            let block = match self.block_for(&owner, &cidr).await {
                Ok(block) => block,
                Err(fault) if fault.is_conflict() => continue,
                Err(fault) => return Err(fault),
            };
            if config.strict_affinity && !block.value.is_affine_to(&owner) {
                return Err(Fault::other(format!("block {cidr} is not affine to this host")));
            }
            let seen = block.value.clone().collected(self.clock.now(), config.ip_cooldown_seconds);
            let value = seen.take_ordinal(ordinal, &record).ok_or_else(|| in_use(request.ip))?;
            match self.write_one(request, &cidr, Stored { value, ..block }).await {
                // The count stays as it is, so that every conflict adds one.
                Err(fault) if fault.is_conflict() => {}
                other => return other,
            }
        }
        Err(Fault::other("Max retries hit - excessive concurrent IPAM requests"))
    }

    /// Returns the block of an address, claimed where it does not exist.
    async fn block_for(&self, owner: &Owner, cidr: &Cidr) -> Result<Stored<Block>, Fault> {
        match self.verbs.get::<Block>(&key::block(cidr)).await {
            Err(fault) if fault.is_not_found() => {}
            other => return other,
        }
        self.config().await?;
        let row = self.pending_affinity(owner, cidr).await?;
        match self.claim_block(owner, cidr, row).await {
            // Only a conflict over the row's announcement is tried again.
            Err(Fault::Conflict(text)) => Err(Fault::Unmet(text)),
            other => other,
        }
    }

    async fn write_one(
        &self,
        request: &AssignIp,
        cidr: &Cidr,
        block: Stored<Block>,
    ) -> Result<(), Fault> {
        if let Some(handle) = &request.handle {
            self.count_up(handle, *cidr, 1).await?;
        }
        let written = self.verbs.update(block).await.map(drop);
        if let (Err(fault), Some(handle)) = (&written, &request.handle)
            && !fault.is_conflict()
        {
            drop(self.count_down(handle, cidr, 1, None).await);
        }
        written
    }
}

fn in_use(ip: IpAddr) -> Fault {
    Fault::Exists(ip.to_string(), "Address already assigned in block")
}

/// Returns which ordinal of its block an address is, for callers that know the block.
pub(super) fn ordinal_in(cidr: &Cidr, ip: IpAddr) -> Ordinal {
    cidr.ordinal_of(ip).expect("an address of the block")
}
