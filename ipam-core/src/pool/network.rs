//! Addresses that a network cannot give to a workload.

use std::net::IpAddr;

use crate::ip::{Cidr, Family, RangeSet};

/// Which address of a pool's network is its gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gateway {
    /// None.
    #[default]
    None,
    /// The first that a host may have.
    First,
    /// The last that a host may have.
    Last,
    /// This one, in the pool that contains it.
    Address(IpAddr),
}

/// What a request leaves out of the pools it draws from, beside the reservations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressRules {
    /// Leave out the network's and the broadcast address (IPv4), and the anycast address of routers (IPv6).
    pub exclude_edges: bool,
    /// The gateway of the IPv4 pools.
    pub gateway_v4: Gateway,
    /// The gateway of the IPv6 pools.
    pub gateway_v6: Gateway,
}

impl AddressRules {
    /// Returns which address is the gateway of a family's pools.
    #[must_use]
    pub fn of(&self, family: Family) -> Gateway {
        match family {
            Family::V4 => self.gateway_v4,
            Family::V6 => self.gateway_v6,
        }
    }

    /// Returns a pool's gateway; `None` where there is none, or the network has no room for one.
    #[must_use]
    pub fn gateway(&self, pool: &Cidr) -> Option<IpAddr> {
        let number = match self.of(pool.family()) {
            Gateway::None => return None,
            Gateway::Address(ip) => return pool.contains(ip).then_some(ip),
            Gateway::First => pool.first() + u128::from(first_is_edge(pool)),
            Gateway::Last => pool.last() - u128::from(last_is_edge(pool)),
        };
        pool.family().address(number)
    }

    /// Returns every address of a pool that must not be given to a workload.
    #[must_use]
    pub fn excluded(&self, pool: &Cidr) -> RangeSet {
        let mut excluded = RangeSet::new();
        if self.exclude_edges {
            if first_is_edge(pool) {
                excluded.insert_address(pool.first_address());
            }
            if last_is_edge(pool) {
                excluded.insert_address(pool.last_address());
            }
        }
        if let Some(gateway) = self.gateway(pool) {
            excluded.insert_address(gateway);
        }
        excluded
    }
}

/// A network of two addresses or one has no edges (RFC 3021, RFC 6164).
fn first_is_edge(pool: &Cidr) -> bool {
    pool.size() > 2
}

/// IPv6 knows no broadcast.
fn last_is_edge(pool: &Cidr) -> bool {
    pool.family() == Family::V4 && pool.size() > 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_and_gateways_are_left_out() {
        for (pool, gateway, excluded, is) in [
            ("10.0.0.0/24", Gateway::First, vec!["10.0.0.0/31", "10.0.0.255/32"], Some("10.0.0.1")),
            (
                "10.0.0.0/24",
                Gateway::Last,
                vec!["10.0.0.0/32", "10.0.0.254/31"],
                Some("10.0.0.254"),
            ),
            ("10.0.0.0/24", Gateway::None, vec!["10.0.0.0/32", "10.0.0.255/32"], None),
            ("10.0.0.0/31", Gateway::First, vec!["10.0.0.0/32"], Some("10.0.0.0")),
            ("10.0.0.7/32", Gateway::None, vec![], None),
            ("fd00::/64", Gateway::First, vec!["fd00::/127"], Some("fd00::1")),
            (
                "fd00::/64",
                Gateway::Last,
                vec!["fd00::/128", "fd00::ffff:ffff:ffff:ffff/128"],
                Some("fd00::ffff:ffff:ffff:ffff"),
            ),
            ("fd00::/127", Gateway::None, vec![], None),
        ] {
            let cidr = Cidr::parse(pool).unwrap();
            let rules =
                AddressRules { exclude_edges: true, gateway_v4: gateway, gateway_v6: gateway };
            let texts: Vec<_> =
                rules.excluded(&cidr).to_cidrs().iter().map(ToString::to_string).collect();
            assert_eq!(texts, excluded, "{pool} {gateway:?}");
            assert_eq!(
                rules.gateway(&cidr).map(|ip| ip.to_string()).as_deref(),
                is,
                "{pool} {gateway:?}"
            );
        }
    }

    #[test]
    fn a_given_gateway_belongs_to_its_pool_only() {
        let ip = "10.0.0.9".parse().unwrap();
        let rules = AddressRules { gateway_v4: Gateway::Address(ip), ..AddressRules::default() };
        assert_eq!(rules.gateway(&Cidr::parse("10.0.0.0/24").unwrap()), Some(ip));
        assert_eq!(rules.gateway(&Cidr::parse("10.1.0.0/24").unwrap()), None);
        assert!(rules.excluded(&Cidr::parse("10.1.0.0/24").unwrap()).is_empty());
    }
}
