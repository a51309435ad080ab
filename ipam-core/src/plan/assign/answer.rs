//! The answer to an assignment.

use std::fmt;
use std::net::IpAddr;

use crate::ip::{Cidr, Family};
use crate::pool::{AddressRules, Choice, Level, Pool};
use crate::refusal::Dropped;

use super::super::seek::{How, Shortage, Take};

/// The addresses that were given.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// Each with its block and pool, in the order of the families.
    pub addresses: Vec<Assignment>,
    /// How the pools of each family were chosen.
    pub decisions: Vec<Decision>,
    /// The families that were given fewer than were asked for, where that is no reason to refuse.
    pub short: Vec<Short>,
    /// Whether the handle held them already.
    pub replayed: bool,
}

/// One address that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The address.
    pub ip: IpAddr,
    /// Its block.
    pub block: Cidr,
    /// Its pool.
    pub pool: String,
    /// The network of its pool.
    pub pool_cidr: Cidr,
    /// The gateway of its pool.
    pub gateway: Option<IpAddr>,
    /// Where it comes from; `None` where the handle held it already.
    pub how: Option<How>,
}

/// How the pools of a family were chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The family.
    pub family: Family,
    /// The level that won.
    pub level: Level,
    /// Who that is, in words.
    pub named_by: String,
    /// The chosen pools in the order in which they are tried.
    pub pools: Vec<String>,
    /// The pools that were passed over.
    pub dropped: Vec<Dropped>,
    /// The required binding that the choice was held against.
    pub held_to: Option<String>,
}

/// A family that was given fewer addresses than were asked for. Its text is that of stock Calico.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// The family.
    pub family: Family,
    /// How many were given.
    pub given: usize,
    /// How many were asked for.
    pub requested: usize,
    /// Why there are no more.
    pub why: Shortage,
    /// The networks of the pools that were searched.
    pub pools: Vec<Cidr>,
    /// The handle of what the host sets aside in each block.
    pub host_reserved: Option<String>,
}

impl Short {
    /// Returns the reason in the words of stock Calico; none where it has none.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        self.why.message(&self.pools)
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, given, requested, .. } = self;
        write!(f, "Assigned {given} out of {requested} requested {family} addresses")?;
        if let Some(message) = self.message() {
            write!(f, "; {message}")?;
        }
        match &self.host_reserved {
            Some(handle) => write!(f, "; HostReservedAttr: {handle}"),
            None => Ok(()),
        }
    }
}

impl Decision {
    pub(super) fn of(family: Family, choice: &Choice) -> Self {
        Self {
            family,
            level: choice.level,
            named_by: choice.named_by.clone(),
            pools: choice.pools.iter().map(|pool| pool.name.clone()).collect(),
            dropped: choice.dropped.clone(),
            held_to: choice.held_to.clone(),
        }
    }
}

impl Assignment {
    pub(super) fn of(
        pool: &Pool,
        rules: &AddressRules,
        block: Cidr,
        ip: IpAddr,
        how: Option<How>,
    ) -> Self {
        Self {
            ip,
            block,
            pool: pool.name.clone(),
            pool_cidr: pool.cidr,
            gateway: rules.gateway(&pool.cidr),
            how,
        }
    }

    /// Returns what was taken from a block.
    pub(super) fn all_of<'t>(
        take: &'t Take,
        rules: &'t AddressRules,
    ) -> impl Iterator<Item = Self> + 't {
        let cidr = take.block.cidr;
        take.ordinals.iter().map(move |ordinal| {
            Self::of(&take.pool, rules, cidr, cidr.address_at(*ordinal), Some(take.how))
        })
    }
}
