//! Addresses, networks and ordinals as checked integers.

mod cidr;
mod key_order;
mod order;
mod range;

pub use cidr::{Cidr, CidrError};
pub use key_order::KeyOrder;
pub use order::{BlockOrder, seed_of};
pub use range::RangeSet;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Tells IPv4 from IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in the order in which they are allocated.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// Returns the length of an address in bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// Returns the number that names the family in keys and results: 4 or 6.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// Returns the family of an address.
    #[must_use]
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Returns the highest address as a number.
    #[must_use]
    pub const fn last_number(self) -> u128 {
        match self {
            Self::V4 => u32::MAX as u128,
            Self::V6 => u128::MAX,
        }
    }

    /// Turns a number into the address it stands for; `None` above [`Family::last_number`].
    #[must_use]
    pub fn address(self, number: u128) -> Option<IpAddr> {
        match self {
            Self::V4 => u32::try_from(number).ok().map(|n| IpAddr::V4(Ipv4Addr::from(n))),
            Self::V6 => Some(IpAddr::V6(Ipv6Addr::from(number))),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IPv{}", self.number())
    }
}

/// Returns an address as a number, the same one that [`Family::address`] takes.
#[must_use]
pub fn number_of(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

/// The index of an address in its block, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal(u16);

impl Ordinal {
    /// The most addresses that a block may hold: a /20 or a /116.
    pub const BLOCK_SIZE_MAX: u32 = 4096;

    /// Wraps an index; `None` where no block is that large.
    #[must_use]
    pub fn new(index: usize) -> Option<Self> {
        let index = u16::try_from(index).ok()?;
        (u32::from(index) < Self::BLOCK_SIZE_MAX).then_some(Self(index))
    }

    /// Returns the index.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Ordinal {
    type Err = OrdinalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(Self::new).ok_or_else(|| OrdinalError { text: text.to_owned() })
    }
}

/// Text that is no ordinal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an ordinal below {max}", max = Ordinal::BLOCK_SIZE_MAX)]
pub struct OrdinalError {
    text: String,
}
