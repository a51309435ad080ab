//! Why a request must not be carried out.

mod pool_fault;

pub use pool_fault::PoolFault;

use std::fmt;
use std::net::IpAddr;

use crate::block::{OwnersError, ReleaseError};
use crate::ip::{Cidr, Family};
use crate::model::DecodeError;
use crate::selector::SelectorError;

/// Why a request must not be carried out: the thing, the values that disagree, and the way out.
///
/// Where a pool is at fault, `named_by` says who named it, such as
/// `annotation cni.projectcalico.org/ipv4pools of the pod`.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A list names a pool that does not exist.
    #[error("{named_by}: there is no pool {name:?}{}", Nearest(nearest, enclosing.as_deref()))]
    UnknownPool {
        /// Who named it.
        named_by: String,
        /// The name, or network.
        name: String,
        /// Up to three existing pools with similar names.
        nearest: Vec<String>,
        /// The pool whose network contains the one that was named.
        enclosing: Option<String>,
    },
    /// A list names a pool that is switched off.
    #[error("{named_by}: pool {pool:?} is {why}; enable it or name another")]
    PoolDisabled {
        /// Who named it.
        named_by: String,
        /// The pool.
        pool: String,
        /// How it is switched off.
        why: &'static str,
    },
    /// A list for one family names a pool of the other.
    #[error("{named_by}: pool {pool:?} holds {found} addresses; name it in the list for {found}")]
    WrongFamily {
        /// Who named it.
        named_by: String,
        /// The pool.
        pool: String,
        /// Its family.
        found: Family,
    },
    /// A list names a pool that this workload may not draw from.
    #[error("{named_by}: pool {pool:?} is not permitted here: {why}")]
    PoolNotPermitted {
        /// Who named it.
        named_by: String,
        /// The pool.
        pool: String,
        /// Which rule forbids it.
        why: Forbidden,
    },
    /// A binding permits no pool of the family.
    #[error("{named_by}: no {family} pool is permitted; bind at least one, or switch {family} off")]
    NothingPermitted {
        /// The binding.
        named_by: String,
        /// The family.
        family: Family,
    },
    /// Nobody named a pool, and no automatic one selects the workload.
    #[error("no {family} pool selects this workload{}", Considered(dropped))]
    NoPoolSelects {
        /// The family.
        family: Family,
        /// The pools that were passed over.
        dropped: Vec<Dropped>,
    },
    /// A stored selector cannot be read, so nobody knows whom the pool selects.
    #[error("the {field} of pool {pool:?} cannot be read; correct it or disable the pool")]
    Selector {
        /// The pool.
        pool: String,
        /// Which of its selectors.
        field: &'static str,
        /// What is wrong.
        source: SelectorError,
    },
    /// Every permitted pool is used up.
    #[error(
        "{named_by}: no free {family} address is left in {}; release addresses or add a pool",
        List(pools)
    )]
    Exhausted {
        /// Who named the pools.
        named_by: String,
        /// The family.
        family: Family,
        /// The pools.
        pools: Vec<String>,
    },
    /// The host may not claim another block.
    #[error(
        "node {host:?} has claimed {claimed} {family} blocks of at most {limit}; raise the limit or release addresses"
    )]
    BlockLimit {
        /// The host.
        host: String,
        /// The family.
        family: Family,
        /// How many blocks it has.
        claimed: usize,
        /// How many it may have.
        limit: i64,
    },
    /// All blocks are taken, and strict affinity forbids to borrow.
    #[error(
        "no free {family} block is left for node {host:?} in {}, and strict affinity forbids to borrow",
        List(pools)
    )]
    StrictAffinity {
        /// The host.
        host: String,
        /// The family.
        family: Family,
        /// The pools.
        pools: Vec<String>,
    },
    /// The configuration forbids to claim blocks.
    #[error(
        "the blocks of node {host:?} are full, and the configuration forbids to claim another for {family}"
    )]
    ClaimsOff {
        /// The host.
        host: String,
        /// The family.
        family: Family,
    },
    /// An address lies in no pool that is on.
    #[error("address {ip} lies in no enabled pool")]
    AddressOutside {
        /// The address.
        ip: IpAddr,
    },
    /// An address lies in a pool that this workload may not draw from.
    #[error("address {ip} lies in pool {pool:?}; permitted here: {}", List(permitted))]
    AddressNotPermitted {
        /// The address.
        ip: IpAddr,
        /// Its pool.
        pool: String,
        /// The pools that are permitted.
        permitted: Vec<String>,
    },
    /// Somebody holds the address.
    #[error("address {ip} is in use by {holder}")]
    AddressInUse {
        /// The address.
        ip: IpAddr,
        /// Who holds it.
        holder: String,
    },
    /// The address is set aside.
    #[error("address {ip} cannot be given to a workload: it is {why}")]
    AddressSetAside {
        /// The address.
        ip: IpAddr,
        /// For what.
        why: &'static str,
    },
    /// The address was released a short while ago.
    #[error("address {ip} is in cooldown for another {seconds_left} s; wait, or ask for another")]
    AddressCooling {
        /// The address.
        ip: IpAddr,
        /// After how many seconds it is free again, at least 1.
        seconds_left: i64,
    },
    /// The address lies in another owner's block, and strict affinity is on.
    #[error("address {ip} lies in block {block} of {owner}, and strict affinity forbids to borrow")]
    AddressElsewhere {
        /// The address.
        ip: IpAddr,
        /// Its block.
        block: Cidr,
        /// Who claimed the block.
        owner: String,
    },
    /// The handle holds something else than what is asked for.
    #[error("handle {handle:?} is in use: {why}; delete the container first")]
    HandleInUse {
        /// The handle.
        handle: String,
        /// What it holds.
        why: String,
    },
    /// The gateway of a pool is held by a workload.
    #[error(
        "gateway {gateway} of pool {pool:?} is in use by {holder}; release it or choose another gateway"
    )]
    GatewayInUse {
        /// The gateway.
        gateway: IpAddr,
        /// The pool.
        pool: String,
        /// Who holds it.
        holder: String,
    },
    /// The gateway lies in none of the pools.
    #[error("gateway {gateway} lies outside pool {pool:?} with network {cidr}")]
    GatewayOutside {
        /// The gateway.
        gateway: IpAddr,
        /// The pool.
        pool: String,
        /// Its network.
        cidr: Cidr,
    },
    /// The node has no record.
    #[error("there is no node {name:?}")]
    UnknownNode {
        /// The node.
        name: String,
    },
    /// An administrator has locked the datastore.
    #[error("the datastore is locked: datastoreReady is false in ClusterInformation")]
    Locked,
    /// A stored value cannot be understood, and what was asked for depends on it.
    #[error("what is stored at {} cannot be used, and was left as it is; see ringfence check", .0.key())]
    Corrupt(#[source] DecodeError),
    /// An address may not be released.
    #[error("nothing was released")]
    Release(#[source] ReleaseError),
    /// Nobody holds the address.
    #[error("address {ip} is assigned to nobody: {why}; look up who holds which")]
    AddressUnassigned {
        /// The address.
        ip: IpAddr,
        /// Why not.
        why: Unassigned,
    },
    /// The owners of an address must not change like this.
    #[error("no owner was changed")]
    Owners(#[source] OwnersError),
    /// The handle holds no address, or there is no such handle.
    #[error("handle {handle:?} holds no address; look up which handle is meant")]
    HoldsNothing {
        /// The handle.
        handle: String,
    },
    /// A pool breaks a rule.
    #[error("pool {pool:?} is not valid")]
    Pool {
        /// The pool.
        pool: String,
        /// Which rule.
        source: PoolFault,
    },
    /// A pool would share addresses with another.
    #[error("cidr {cidr} of pool {pool:?} overlaps {other_cidr} of pool {other:?}")]
    PoolOverlap {
        /// The new pool.
        pool: String,
        /// Its network.
        cidr: Cidr,
        /// The pool that exists.
        other: String,
        /// Its network.
        other_cidr: Cidr,
    },
    /// Blocks of another size lie in the pool's network.
    #[error(
        "pool {pool:?} wants blocks of /{block_size}, but block {block} exists; use its size, or release its addresses first"
    )]
    BlockSizeClash {
        /// The pool.
        pool: String,
        /// The prefix length that it wants.
        block_size: u8,
        /// A block that exists.
        block: Cidr,
    },
    /// A field that cannot be changed would change.
    #[error("{field} of pool {pool:?} cannot change from {stored} to {given}; create another pool")]
    Immutable {
        /// The pool.
        pool: String,
        /// The field.
        field: &'static str,
        /// Its value.
        stored: String,
        /// The value that was given.
        given: String,
    },
    /// The object exists already.
    #[error("{kind} {name:?} exists already")]
    Exists {
        /// What it is.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The object does not exist.
    #[error("there is no {kind} {name:?}")]
    Missing {
        /// What it would be.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A pool still holds addresses.
    #[error("pool {pool:?} still holds {addresses} addresses in {blocks} blocks")]
    PoolInUse {
        /// The pool.
        pool: String,
        /// How many addresses are held.
        addresses: usize,
        /// In how many blocks.
        blocks: usize,
    },
    /// Bindings still name a pool.
    #[error("pool {pool:?} is named by the bindings of {}; unbind them first", List(namespaces))]
    PoolBound {
        /// The pool.
        pool: String,
        /// The namespaces.
        namespaces: Vec<String>,
    },
    /// The network cannot be claimed.
    #[error("{cidr} cannot be claimed: {why}")]
    Unclaimable {
        /// The network.
        cidr: Cidr,
        /// Why.
        why: &'static str,
    },
    /// The configuration would contradict itself.
    #[error("the configuration cannot be changed like this: {why}")]
    Configuration {
        /// Why.
        why: &'static str,
    },
    /// One request would change more than fits into one transaction.
    #[error("the request needs {ops} changes at once, the most is {max}; split it")]
    TooLarge {
        /// How many changes it needs.
        ops: usize,
        /// How many are allowed.
        max: usize,
    },
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::Corrupt(error)
    }
}

/// Why nobody holds an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unassigned {
    /// Nobody has taken an address of its block.
    NoBlock,
    /// It is free.
    Free,
    /// It was released a short while ago.
    Cooling,
}

impl fmt::Display for Unassigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBlock => "its block does not exist",
            Self::Free => "it is free",
            Self::Cooling => "it is in cooldown",
        })
    }
}

/// Which rule keeps a workload from a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The tenant's required binding does not list it.
    Binding {
        /// Whose binding, such as `namespace fin`.
        tenant: String,
        /// The pools that it lists.
        permitted: Vec<String>,
    },
    /// It is exclusive, and the tenant is not bound to it.
    Exclusive {
        /// Who asked, such as `namespace fin`; `None` for nobody in particular.
        tenant: Option<String>,
    },
    /// Its addresses are for something else.
    Use {
        /// The use that was asked for.
        wanted: &'static str,
    },
    /// Its blocks have no room for what the host sets aside in each.
    SmallBlocks {
        /// The prefix length of its blocks.
        prefix: u8,
        /// How many addresses the host sets aside.
        set_aside: usize,
    },
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binding { tenant, permitted } => {
                write!(f, "the required binding of {tenant} lists {}", List(permitted))
            }
            Self::Exclusive { tenant: Some(tenant) } => {
                write!(f, "it is exclusive, and no binding of {tenant} names it")
            }
            Self::Exclusive { tenant: None } => {
                write!(f, "it is exclusive, and nobody is bound to it")
            }
            Self::Use { wanted } => write!(f, "it is not allowed for the use {wanted}"),
            Self::SmallBlocks { prefix, set_aside } => write!(
                f,
                "its blocks of /{prefix} are too small for the {set_aside} addresses that the host sets aside in each"
            ),
        }
    }
}

/// A pool that was passed over, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The pool.
    pub pool: String,
    /// Why, as the end of a sentence that begins with the pool.
    pub why: String,
}

/// Names with commas between them.
struct List<'a>(&'a [String]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("none") } else { f.write_str(&self.0.join(", ")) }
    }
}

struct Nearest<'a>(&'a [String], Option<&'a str>);

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.1, self.0) {
            (Some(pool), _) => write!(f, "; a part of a pool cannot be named, the whole is {pool}"),
            (None, []) => Ok(()),
            (None, nearest) => write!(f, "; similar: {}", List(nearest)),
        }
    }
}

struct Considered<'a>(&'a [Dropped]);

impl fmt::Display for Considered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_MAX: usize = 5;
        if self.0.is_empty() {
            return f.write_str("; there is none of this family");
        }
        for (at, dropped) in self.0.iter().take(SHOWN_MAX).enumerate() {
            let before = if at == 0 { ": " } else { "; " };
            write!(f, "{before}{} {}", dropped.pool, dropped.why)?;
        }
        if self.0.len() > SHOWN_MAX {
            write!(f, "; and {} more", self.0.len() - SHOWN_MAX)
        } else {
            Ok(())
        }
    }
}
