//! Networks.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::str::FromStr;

use ipnetwork::IpNetwork;

use super::{Family, Ordinal, number_of};

/// A network in canonical form: the address has no bits behind the prefix.
///
/// IPv4-mapped IPv6 networks do not exist as values: Calico must never store one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    family: Family,
    first: u128,
    prefix: u8,
}

impl Cidr {
    /// How long the text of a network can be: an IPv6 address with all its digits, a separator and three digits.
    pub const TEXT_MAX: usize = 43;

    /// Makes the network of this prefix length around an address.
    ///
    /// # Errors
    ///
    /// [`CidrError::PrefixTooLong`] and [`CidrError::MappedIpv4`].
    pub fn around(ip: IpAddr, prefix: u8) -> Result<Self, CidrError> {
        let family = Family::of(ip);
        if prefix > family.bits() {
            return Err(CidrError::PrefixTooLong { prefix, bits: family.bits() });
        }
        if let IpAddr::V6(v6) = ip
            && v6.to_ipv4_mapped().is_some()
        {
            return Err(CidrError::MappedIpv4 { ip });
        }
        Ok(Self { family, first: number_of(ip) & mask(family, prefix), prefix })
    }

    /// Makes the network that holds one address.
    ///
    /// # Errors
    ///
    /// [`CidrError::MappedIpv4`].
    pub fn host(ip: IpAddr) -> Result<Self, CidrError> {
        Self::around(ip, Family::of(ip).bits())
    }

    /// Parses `address/length`, dropping bits behind the prefix.
    ///
    /// # Errors
    ///
    /// [`CidrError`], by what is wrong.
    pub fn parse(text: &str) -> Result<Self, CidrError> {
        let (cidr, _) = Self::parse_with_host_bits(text)?;
        Ok(cidr)
    }

    /// Parses `address/length` and says whether bits behind the prefix were dropped.
    ///
    /// # Errors
    ///
    /// [`CidrError`], by what is wrong.
    pub fn parse_with_host_bits(text: &str) -> Result<(Self, bool), CidrError> {
        let malformed = || CidrError::Malformed { text: text.chars().take(80).collect() };
        let (address, length) = text.split_once('/').ok_or_else(malformed)?;
        if length.is_empty() || !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(malformed());
        }
        let ip: IpAddr = address.parse().map_err(|_| malformed())?;
        let prefix: u8 = length.parse().map_err(|_| malformed())?;
        let cidr = Self::around(ip, prefix)?;
        Ok((cidr, cidr.first_address() != ip))
    }

    /// Parses a network, or a bare address as the network that holds just it.
    ///
    /// # Errors
    ///
    /// [`CidrError`], by what is wrong.
    pub fn parse_or_address(text: &str) -> Result<Self, CidrError> {
        match text.parse::<IpAddr>() {
            Ok(ip) => Self::host(ip),
            Err(_) => Self::parse(text),
        }
    }

    /// Returns the family.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Returns the prefix length in bits.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Returns the first address as a number.
    #[must_use]
    pub fn first(&self) -> u128 {
        self.first
    }

    /// Returns the last address as a number.
    #[must_use]
    pub fn last(&self) -> u128 {
        self.first | (self.family.last_number() & !mask(self.family, self.prefix))
    }

    /// Returns the first address.
    #[must_use]
    pub fn first_address(&self) -> IpAddr {
        self.address(self.first)
    }

    /// Returns the last address.
    #[must_use]
    pub fn last_address(&self) -> IpAddr {
        self.address(self.last())
    }

    /// Returns how many addresses the network holds; a /0 of IPv6 counts one too few, as 2^128 has no number.
    #[must_use]
    pub fn size(&self) -> u128 {
        (self.last() - self.first).saturating_add(1)
    }

    /// Says whether the address lies inside.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        Family::of(ip) == self.family && (self.first..=self.last()).contains(&number_of(ip))
    }

    /// Says whether the other network lies inside, or is the same.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.family == other.family && self.first <= other.first && other.last() <= self.last()
    }

    /// Says whether the networks share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Returns how many blocks of a prefix length fit; 0 where a block would be larger than the network.
    #[must_use]
    pub fn block_count(&self, block_prefix: u8) -> u128 {
        if block_prefix > self.family.bits() {
            return 0;
        }
        match block_prefix.checked_sub(self.prefix) {
            Some(bits) => 1_u128.checked_shl(u32::from(bits)).unwrap_or(u128::MAX),
            None => 0,
        }
    }

    /// Returns the block of a prefix length at an index below [`Cidr::block_count`].
    #[must_use]
    pub fn block_at(&self, block_prefix: u8, index: u128) -> Option<Self> {
        if index >= self.block_count(block_prefix) {
            return None;
        }
        let shift = u32::from(self.family.bits() - block_prefix);
        let offset = index.checked_shl(shift).unwrap_or(0);
        Some(Self { family: self.family, first: self.first | offset, prefix: block_prefix })
    }

    /// Returns the index of an address in the network, where the network is no larger than a block.
    #[must_use]
    pub fn ordinal_of(&self, ip: IpAddr) -> Option<Ordinal> {
        if !self.contains(ip) {
            return None;
        }
        usize::try_from(number_of(ip) - self.first).ok().and_then(Ordinal::new)
    }

    /// Returns the address at an index; the last one where the index is beyond the network.
    #[must_use]
    pub fn address_at(&self, ordinal: Ordinal) -> IpAddr {
        let offset = u128::try_from(ordinal.index()).unwrap_or(0);
        self.address((self.first + offset).min(self.last()))
    }

    /// Writes the network as it appears in a key, with `-` in place of `/`.
    #[must_use]
    pub fn key_text(&self) -> String {
        self.text('-')
    }

    /// Appends what [`Cidr::key_text`] writes.
    pub fn push_key_text(&self, text: &mut String) {
        self.push_text('-', text);
    }

    /// Reads the form that [`Cidr::key_text`] writes; `None` unless it is canonical.
    ///
    /// A block under another spelling of its network would be listed under one key and fetched under another.
    #[must_use]
    pub fn from_key_text(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('-')?;
        let ip: IpAddr = address.parse().ok()?;
        let prefix: u8 = length.parse().ok()?;
        let is_spelt_so = match (ip, length.as_bytes()) {
            (_, [b'+', ..] | [b'0', _, ..]) => false,
            // Of an IPv4 address there is one spelling.
            (IpAddr::V4(_), _) => true,
            (IpAddr::V6(ip), _) => ip.to_string() == address,
        };
        let cidr = Self::around(ip, prefix).ok()?;
        (is_spelt_so && cidr.first_address() == ip).then_some(cidr)
    }

    fn text(&self, separator: char) -> String {
        let mut text = String::with_capacity(Self::TEXT_MAX);
        self.push_text(separator, &mut text);
        text
    }

    fn push_text(&self, separator: char, text: &mut String) {
        match self.first_address() {
            // Every request makes dozens of these, and to have one formatted takes ten times as long.
            IpAddr::V4(ip) => {
                let [first, rest @ ..] = ip.octets();
                push_decimal(text, first);
                for octet in rest {
                    text.push('.');
                    push_decimal(text, octet);
                }
            }
            IpAddr::V6(ip) => {
                // Writing to a text cannot fail.
                let _ = write!(text, "{ip}");
            }
        }
        text.push(separator);
        push_decimal(text, self.prefix);
    }

    fn address(&self, number: u128) -> IpAddr {
        // The number is at most `last`, so the family has an address for it.
        self.family.address(number).unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text('/'))
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<IpNetwork> for Cidr {
    type Error = CidrError;

    /// Takes over what an edge parsed; bits behind the prefix are dropped.
    fn try_from(network: IpNetwork) -> Result<Self, Self::Error> {
        Self::around(network.ip(), network.prefix())
    }
}

/// Why something is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// The text does not have the form `address/length`.
    #[error("{text:?} is not a network of the form address/length")]
    Malformed {
        /// The text, cut to 80 characters.
        text: String,
    },
    /// The prefix is longer than an address of the family.
    #[error("prefix length {prefix} is above {bits}")]
    PrefixTooLong {
        /// The length that was given.
        prefix: u8,
        /// The longest of the family.
        bits: u8,
    },
    /// An IPv4 address in IPv6 clothing.
    #[error("{ip} is an IPv4-mapped IPv6 address")]
    MappedIpv4 {
        /// The address.
        ip: IpAddr,
    },
}

fn push_decimal(text: &mut String, number: u8) {
    if number >= 10 {
        push_decimal(text, number / 10);
    }
    text.push(char::from(b'0' + number % 10));
}

fn mask(family: Family, prefix: u8) -> u128 {
    let host_bits = u32::from(family.bits().saturating_sub(prefix));
    family.last_number() & u128::MAX.checked_shl(host_bits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).unwrap()
    }

    #[test]
    fn text_is_canonical() {
        for (text, canonical, host_bits) in [
            ("10.20.0.7/24", "10.20.0.0/24", true),
            ("10.20.0.0/24", "10.20.0.0/24", false),
            ("0.0.0.0/0", "0.0.0.0/0", false),
            ("FD00:0020::0001/64", "fd00:20::/64", true),
            ("::/0", "::/0", false),
            ("fd00::1/128", "fd00::1/128", false),
        ] {
            let (parsed, dropped) = Cidr::parse_with_host_bits(text).unwrap();
            assert_eq!((parsed.to_string().as_str(), dropped), (canonical, host_bits), "{text}");
            assert_eq!(Cidr::from_key_text(&parsed.key_text()), Some(parsed), "{text}");
        }
    }

    #[test]
    fn every_octet_and_length_is_written_as_it_is() {
        for octet in 0..=u8::MAX {
            let ip = std::net::Ipv4Addr::new(octet, 0, 255 - octet, octet);
            let network = Cidr::host(ip.into()).unwrap();
            assert_eq!(network.to_string(), format!("{ip}/32"));
            assert_eq!(network.key_text(), format!("{ip}-32"));
        }
        for prefix in 0..=128 {
            let network = Cidr::around("fd00::".parse().unwrap(), prefix).unwrap();
            let expected = format!("{}/{prefix}", network.first_address());
            assert_eq!(network.to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/+8",
            "x/8",
            "fd00::/129",
            "::ffff:10.0.0.0/120",
            "10.0.0.0/8/8",
            "10.0.0.01/32",
            " 10.0.0.0/8",
        ] {
            assert!(Cidr::parse(text).is_err(), "{text}");
        }
        for (what, text) in [
            ("host bits", "10.0.0.1-24"),
            ("host bits", "fd00::1-64"),
            ("a long spelling", "fd00:0::-64"),
            ("capitals", "FD00::-64"),
            ("a zero in front of an address", "10.0.0.01-32"),
            ("a zero in front of a length", "10.0.0.0-08"),
            ("a sign", "10.0.0.0-+8"),
            ("no length", "10.0.0.0-"),
            ("too long a length", "10.0.0.0-33"),
            ("a slash", "10.0.0.0/8"),
            ("two lengths", "10.0.0.0-8-8"),
            ("an IPv4 address inside of IPv6", "::ffff:10.0.0.0-120"),
        ] {
            assert_eq!(Cidr::from_key_text(text), None, "{what}: {text}");
        }
        assert!(Cidr::from_key_text("0.0.0.0-0").is_some(), "all addresses");
    }

    #[test]
    fn blocks_tile_the_network() {
        let pool = cidr("10.20.0.0/24");
        assert_eq!(pool.block_count(28), 16);
        assert_eq!(pool.block_at(28, 14), Some(cidr("10.20.0.224/28")));
        assert_eq!(pool.block_at(28, 16), None);
        assert_eq!(pool.block_count(23), 0);
        assert_eq!(cidr("fd00::/20").block_count(128), 1 << 108);
        assert_eq!(cidr("::/0").block_at(0, 0), Some(cidr("::/0")));
        assert_eq!(cidr("fd00::/64").block_at(122, 1), Some(cidr("fd00::40/122")));
    }

    #[test]
    fn ordinals_are_offsets() {
        let block = cidr("10.20.0.224/28");
        let ip: IpAddr = "10.20.0.227".parse().unwrap();
        let ordinal = block.ordinal_of(ip).unwrap();
        assert_eq!(ordinal.index(), 3);
        assert_eq!(block.address_at(ordinal), ip);
        assert_eq!(block.ordinal_of("10.20.0.240".parse().unwrap()), None);
        assert_eq!(cidr("fd00::/64").ordinal_of("fd00::1:0".parse().unwrap()), None);
    }

    #[test]
    fn covering_and_overlapping() {
        let outer = cidr("10.0.0.0/8");
        let inner = cidr("10.20.0.0/16");
        assert!(outer.covers(&inner) && !inner.covers(&outer) && inner.overlaps(&outer));
        assert!(!outer.overlaps(&cidr("11.0.0.0/8")) && !outer.overlaps(&cidr("::/0")));
        assert_eq!(cidr("0.0.0.0/0").size(), 1 << 32);
        assert_eq!(cidr("::/0").size(), u128::MAX);
    }
}
