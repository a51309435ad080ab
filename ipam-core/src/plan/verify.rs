//! Whether a handle holds what it was given.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::kv::{Lookup, Range, Read};
use crate::model::{Block, HandleId, ResourceKind, Timestamp, key};
use crate::pool::Pool;

use super::held::held_by;
use super::release_address::find_block;
use super::{Holder, Outcome, Planned, Request};

/// Asks whether a handle holds exactly these addresses. Those outside every pool are somebody else's business.
#[derive(Clone, Debug)]
pub struct Verify {
    /// The handle.
    pub handle: HandleId,
    /// What is known of the workload; an address under the handle that says otherwise is somebody else's.
    pub attributes: BTreeMap<String, String>,
    /// The addresses that it was given.
    pub addresses: Vec<IpAddr>,
}

/// How the store differs from what a handle was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Nobody holds an address.
    NotAllocated {
        /// The address.
        ip: IpAddr,
    },
    /// Somebody else holds an address.
    OtherHolder {
        /// The address.
        ip: IpAddr,
        /// Who.
        holder: Holder,
    },
    /// The handle holds an address that it was not given.
    Further {
        /// The address.
        ip: IpAddr,
    },
}

impl Request for Verify {
    /// The first difference, `None` where there is none.
    type Reply = Option<Mismatch>;

    fn plan(&self, lookup: &mut Lookup<'_>, _now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        let pools = Range::prefix(key::resources(ResourceKind::IpPool));
        lookup.require([
            Read::values(pools.clone()),
            Read::values(Range::key(key::handle(&self.handle))),
        ])?;
        let pools: Vec<Pool> =
            lookup.peek_scan(&pools)?.into_iter().filter_map(|kv| Pool::of(kv).ok()?).collect();
        for ip in &self.addresses {
            if pools.iter().any(|pool| pool.cidr.contains(*ip))
                && let Some(mismatch) = self.verify(lookup, *ip)?
            {
                return Ok(Outcome::Done(Some(mismatch)));
            }
        }
        let held = held_by(lookup, &self.handle)?.unwrap_or_default();
        let mut mine =
            held.into_iter().filter(|held| held.holder.differs_from(&self.attributes).is_none());
        let further = mine.find(|held| !self.addresses.contains(&held.ip));
        Ok(Outcome::Done(further.map(|held| Mismatch::Further { ip: held.ip })))
    }
}

impl Verify {
    fn verify(&self, lookup: &Lookup<'_>, ip: IpAddr) -> Planned<Option<Mismatch>> {
        let missing = Ok(Some(Mismatch::NotAllocated { ip }));
        let Some(cidr) = find_block(lookup, ip)? else {
            return missing;
        };
        let block_key = key::block(&cidr);
        let Some(kv) = lookup.peek(&block_key)? else {
            return missing;
        };
        let block = Block::decode(&block_key, &kv.value)?;
        let record = cidr.ordinal_of(ip).and_then(|ordinal| block.record_of(ordinal));
        match record.filter(|record| record.released_at().is_none()) {
            None => missing,
            Some(record) => {
                let holder = Holder::of(record);
                let is_mine = holder.handle.as_deref() == Some(self.handle.as_str())
                    && holder.differs_from(&self.attributes).is_none();
                Ok((!is_mine).then_some(Mismatch::OtherHolder { ip, holder }))
            }
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllocated { ip } => write!(f, "address {ip} is not allocated"),
            Self::OtherHolder { ip, holder } => write!(f, "address {ip} is held by {holder}"),
            Self::Further { ip } => write!(f, "address {ip} is held too, which prevResult lacks"),
        }
    }
}
