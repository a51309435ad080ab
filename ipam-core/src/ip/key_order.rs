//! The blocks of a pool in the order of their keys.
//!
//! Stores sort keys by their text, in which `10.0.128.0-26` comes before `10.0.64.0-26`. A run of blocks in this order is a
//! range of keys, so one question tells how many of them exist.

use std::net::IpAddr;
use std::ops::Range;

use super::{Cidr, Family};

/// Pools of IPv6 with more blocks are not put in order: nobody fills them.
const SORTED_MAX: u128 = 1 << 16;

/// The blocks of a pool, ranked by the text of their keys.
#[derive(Clone, Debug)]
pub struct KeyOrder {
    pool: Cidr,
    block_prefix: u8,
    ranks: Ranks,
}

#[derive(Clone, Debug)]
enum Ranks {
    /// For each octet its values in the order of their texts. A rank is a number with these digits.
    Octets([Vec<u8>; 4]),
    /// Block indexes, sorted.
    Sorted(Vec<u128>),
}

impl KeyOrder {
    /// Ranks the blocks of a pool; `None` for a pool of IPv6 that is too large for that.
    #[must_use]
    pub fn of(pool: &Cidr, block_prefix: u8) -> Option<Self> {
        let ranks = match pool.first_address() {
            IpAddr::V4(first) => Ranks::Octets(octets(first.octets(), pool.prefix(), block_prefix)),
            IpAddr::V6(_) => Ranks::Sorted(sorted(pool, block_prefix)?),
        };
        Some(Self { pool: *pool, block_prefix, ranks })
    }

    /// Returns how many blocks there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        match &self.ranks {
            Ranks::Octets(octets) => octets.iter().map(|values| length(values.len())).product(),
            Ranks::Sorted(indexes) => length(indexes.len()),
        }
    }

    /// Says whether there is no block at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the block of a rank.
    #[must_use]
    pub fn block(&self, rank: u64) -> Option<Cidr> {
        match &self.ranks {
            Ranks::Octets(octets) => {
                let mut rest = rank;
                let mut address = [0; 4];
                for (octet, values) in address.iter_mut().zip(octets).rev() {
                    let radix = length(values.len()).max(1);
                    *octet = *values.get(usize::try_from(rest % radix).ok()?)?;
                    rest /= radix;
                }
                if rest > 0 {
                    return None;
                }
                Cidr::around(IpAddr::from(address), self.block_prefix).ok()
            }
            Ranks::Sorted(indexes) => {
                let index = *indexes.get(usize::try_from(rank).ok()?)?;
                self.pool.block_at(self.block_prefix, index)
            }
        }
    }

    /// Returns the longest runs of ranks between whose keys no other pool's can lie.
    ///
    /// Where the network of the pool ends inside an octet, as in 10.16.0.0/12, keys of others lie between those of its
    /// values: `10.2.…` between `10.19.…` and `10.20.…`.
    #[must_use]
    pub fn runs(&self) -> Vec<Range<u64>> {
        let len = self.len();
        let count = match &self.ranks {
            Ranks::Octets(octets) if !self.pool.prefix().is_multiple_of(8) => octets
                .get(usize::from(self.pool.prefix() / 8))
                .map_or(1, |values| length(values.len())),
            Ranks::Octets(_) | Ranks::Sorted(_) => 1,
        };
        let size = len / count.max(1);
        (0..count).map(|run| run * size..(run + 1) * size).collect()
    }
}

/// Returns the values of each octet of the block addresses of a pool, sorted as texts.
fn octets(first: [u8; 4], pool_prefix: u8, block_prefix: u8) -> [Vec<u8>; 4] {
    let mut at = 0;
    first.map(|base| {
        let (begin, end) = (at, at + 8);
        at = end;
        // The bits of this octet that tell blocks apart lie between the prefixes.
        let from = pool_prefix.clamp(begin, end);
        let to = block_prefix.clamp(from, end);
        let step = 1_u32 << (end - to);
        let values = (0..1_u32 << (to - from)).map(|n| u32::from(base) + n * step);
        let mut values: Vec<u8> = values.filter_map(|value| u8::try_from(value).ok()).collect();
        values.sort_by_key(u8::to_string);
        values
    })
}

fn sorted(pool: &Cidr, block_prefix: u8) -> Option<Vec<u128>> {
    debug_assert_eq!(pool.family(), Family::V6);
    let count = pool.block_count(block_prefix);
    if count > SORTED_MAX {
        return None;
    }
    let mut indexes: Vec<u128> = (0..count).collect();
    indexes.sort_by_cached_key(|index| {
        pool.block_at(block_prefix, *index).map(|block| block.key_text())
    });
    Some(indexes)
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(pool: &str, block_prefix: u8) -> KeyOrder {
        KeyOrder::of(&Cidr::parse(pool).unwrap(), block_prefix).unwrap()
    }

    fn texts(order: &KeyOrder) -> Vec<String> {
        (0..order.len()).map(|rank| order.block(rank).unwrap().key_text()).collect()
    }

    #[test]
    fn every_block_has_one_rank_in_the_order_of_its_text() {
        for (pool, block_prefix) in [
            ("10.0.0.0/24", 26),
            ("10.0.0.0/16", 24),
            ("10.0.0.0/15", 20),
            ("10.16.0.0/12", 22),
            ("192.168.7.128/25", 32),
            ("192.168.7.64/26", 26),
            ("10.0.0.0/17", 28),
            ("fd00:20::/112", 122),
            ("fd00::a:0/110", 124),
            ("1:2:3:4:5:6:7:0/112", 120),
            ("fd00::/120", 128),
        ] {
            let order = order(pool, block_prefix);
            let cidr = Cidr::parse(pool).unwrap();
            assert_eq!(u128::from(order.len()), cidr.block_count(block_prefix), "{pool}");
            let texts = texts(&order);
            assert!(texts.is_sorted(), "{pool}: {texts:?}");
            let mut unique = texts.clone();
            unique.dedup();
            assert_eq!(unique.len(), texts.len(), "{pool}");
            assert!(texts.iter().all(|t| cidr.covers(&Cidr::from_key_text(t).unwrap())), "{pool}");
            assert_eq!(order.block(order.len()), None, "{pool}");
        }
    }

    #[test]
    fn large_pools_of_ipv6_are_not_ranked() {
        assert!(KeyOrder::of(&Cidr::parse("fd00::/64").unwrap(), 122).is_none());
        assert_eq!(order("10.0.0.0/8", 26).len(), 1 << 18, "those of IPv4 always are");
    }

    #[test]
    fn nothing_foreign_lies_in_a_run() {
        let order = order("10.16.0.0/12", 24);
        let runs = order.runs();
        assert_eq!((runs.len(), runs[0].clone()), (16, 0..256));
        let foreign = ["10.2.0.0-24", "10.200.7.0-24", "10.3.0.0-24", "10.30.0.0-20"];
        for run in runs {
            let first = order.block(run.start).unwrap().key_text();
            let last = order.block(run.end - 1).unwrap().key_text();
            for foreign in &foreign[..3] {
                assert!(!(first.as_str()..=last.as_str()).contains(foreign), "{first} {last}");
            }
        }
        let whole = self::order("10.0.0.0/16", 26).runs();
        assert_eq!((whole.len(), whole[0].clone()), (1, 0..1024));
    }
}
