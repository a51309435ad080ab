//! Sets of addresses.

use std::net::IpAddr;

use super::{Cidr, Family, number_of};

/// A set of addresses of both families, kept as sorted runs that neither touch nor overlap.
///
/// Used for reservations, for the addresses that a network cannot use, and for exports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    v4: Vec<Run>,
    v6: Vec<Run>,
}

/// First and last address of a run, as numbers.
type Run = (u128, u128);

impl RangeSet {
    /// Makes a set without addresses.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether the set holds no address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Adds every address of a network.
    pub fn insert(&mut self, cidr: &Cidr) {
        self.insert_run(cidr.family(), (cidr.first(), cidr.last()));
    }

    /// Adds one address.
    pub fn insert_address(&mut self, ip: IpAddr) {
        let number = number_of(ip);
        self.insert_run(Family::of(ip), (number, number));
    }

    /// Takes every address of a network out.
    pub fn remove(&mut self, cidr: &Cidr) {
        let (first, last) = (cidr.first(), cidr.last());
        let runs = self.runs_mut(cidr.family());
        let mut kept = Vec::with_capacity(runs.len() + 1);
        for &(from, to) in runs.iter() {
            if to < first || from > last {
                kept.push((from, to));
                continue;
            }
            if from < first {
                kept.push((from, first - 1));
            }
            if to > last {
                kept.push((last + 1, to));
            }
        }
        *runs = kept;
    }

    /// Says whether an address is in the set.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let number = number_of(ip);
        self.runs(Family::of(ip)).iter().any(|&(from, to)| from <= number && number <= to)
    }

    /// Says whether every address of a network is in the set.
    #[must_use]
    pub fn covers(&self, cidr: &Cidr) -> bool {
        self.run_end(cidr).is_some()
    }

    /// Returns the last address of the run that covers a network, as a number; `None` where none covers it.
    #[must_use]
    pub fn run_end(&self, cidr: &Cidr) -> Option<u128> {
        let mut runs = self.runs(cidr.family()).iter();
        runs.find(|&&(from, to)| from <= cidr.first() && cidr.last() <= to).map(|&(_, to)| to)
    }

    /// Counts the addresses that the set and a network share; at most `u128::MAX`.
    #[must_use]
    pub fn count_in(&self, cidr: &Cidr) -> u128 {
        let (first, last) = (cidr.first(), cidr.last());
        let shared = self.runs(cidr.family()).iter().filter_map(|&(from, to)| {
            let (from, to) = (from.max(first), to.min(last));
            (from <= to).then(|| (to - from).saturating_add(1))
        });
        shared.fold(0, u128::saturating_add)
    }

    /// Returns the fewest networks that make up the set, IPv4 first, in ascending order.
    #[must_use]
    pub fn to_cidrs(&self) -> Vec<Cidr> {
        let mut cidrs = Vec::new();
        for family in Family::ALL {
            for &run in self.runs(family) {
                push_cidrs(family, run, &mut cidrs);
            }
        }
        cidrs
    }

    fn runs(&self, family: Family) -> &[Run] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn runs_mut(&mut self, family: Family) -> &mut Vec<Run> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    fn insert_run(&mut self, family: Family, (mut first, mut last): Run) {
        let runs = self.runs_mut(family);
        runs.retain(|&(from, to)| {
            let apart = to.saturating_add(1) < first || last.saturating_add(1) < from;
            if !apart {
                first = first.min(from);
                last = last.max(to);
            }
            apart
        });
        let at = runs.partition_point(|&(from, _)| from < first);
        runs.insert(at, (first, last));
    }
}

impl<'a> FromIterator<&'a Cidr> for RangeSet {
    fn from_iter<T: IntoIterator<Item = &'a Cidr>>(cidrs: T) -> Self {
        let mut set = Self::new();
        for cidr in cidrs {
            set.insert(cidr);
        }
        set
    }
}

/// Cuts a run into networks: each time the largest that starts at its first address and fits.
fn push_cidrs(family: Family, (mut first, last): Run, cidrs: &mut Vec<Cidr>) {
    loop {
        let aligned = if first == 0 { u32::from(family.bits()) } else { first.trailing_zeros() };
        let room = (last - first).saturating_add(1);
        let fits = if room == u128::MAX { 128 } else { room.ilog2() };
        let host_bits = aligned.min(fits).min(u32::from(family.bits()));
        let prefix = family.bits() - u8::try_from(host_bits).unwrap_or(0);
        let cidr = family.address(first).and_then(|ip| Cidr::around(ip, prefix).ok());
        let Some(cidr) = cidr else { return };
        cidrs.push(cidr);
        if cidr.last() >= last {
            return;
        }
        first = cidr.last() + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cidrs: &[&str]) -> RangeSet {
        cidrs.iter().map(|c| Cidr::parse(c).unwrap()).collect::<Vec<_>>().iter().collect()
    }

    fn texts(set: &RangeSet) -> Vec<String> {
        set.to_cidrs().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn neighbours_are_joined() {
        assert_eq!(texts(&set(&["10.0.0.0/25", "10.0.0.128/25"])), ["10.0.0.0/24"]);
        assert_eq!(texts(&set(&["10.0.0.2/32", "10.0.0.0/31", "10.0.0.3/32"])), ["10.0.0.0/30"]);
        assert_eq!(texts(&set(&["0.0.0.0/1", "128.0.0.0/1", "::/0"])), ["0.0.0.0/0", "::/0"]);
    }

    #[test]
    fn what_repeats_or_lies_inside_counts_once() {
        let once = ["10.0.0.0/24", "10.0.2.0/24", "2001:db8::/64"];
        let nested = ["10.0.0.64/26", "10.0.0.0/24", "10.0.0.7/32", "2001:db8::8/125"];
        let all: Vec<&str> = nested.into_iter().chain(once).chain(once).collect();
        assert_eq!(texts(&set(&all)), once);
        assert_eq!(texts(&set(&once)), once);
        assert!(texts(&set(&[])).is_empty());
    }

    #[test]
    fn what_is_taken_out_leaves_the_fewest_networks() {
        let mut pool = set(&["10.20.0.0/24", "2001:db8:20::/120"]);
        for carved in ["10.20.0.0/29", "10.20.0.250/32", "2001:db8:20::/125"] {
            pool.remove(&Cidr::parse(carved).unwrap());
        }
        assert_eq!(
            texts(&pool),
            [
                "10.20.0.8/29",
                "10.20.0.16/28",
                "10.20.0.32/27",
                "10.20.0.64/26",
                "10.20.0.128/26",
                "10.20.0.192/27",
                "10.20.0.224/28",
                "10.20.0.240/29",
                "10.20.0.248/31",
                "10.20.0.251/32",
                "10.20.0.252/30",
                "2001:db8:20::8/125",
                "2001:db8:20::10/124",
                "2001:db8:20::20/123",
                "2001:db8:20::40/122",
                "2001:db8:20::80/121",
            ]
        );
        assert_eq!(pool.count_in(&Cidr::parse("10.20.0.0/24").unwrap()), 247);
        assert_eq!(pool.count_in(&Cidr::parse("2001:db8:20::/120").unwrap()), 248);
    }

    #[test]
    fn covering_needs_every_address() {
        let reserved = set(&["10.0.0.0/30", "10.0.0.4/31"]);
        assert!(reserved.covers(&Cidr::parse("10.0.0.0/30").unwrap()));
        assert!(!reserved.covers(&Cidr::parse("10.0.0.0/29").unwrap()));
        assert!(reserved.contains("10.0.0.5".parse().unwrap()));
        assert!(!reserved.contains("10.0.0.6".parse().unwrap()));
        assert!(set(&["10.0.0.0/30", "10.0.0.4/30"]).covers(&Cidr::parse("10.0.0.0/29").unwrap()));
    }
}
