//! What a firewall must know: the ranges of pools, in the words of the firewall.
//!
//! The same store gives the same text, byte for byte, so that a difference between two exports is a difference between
//! two states. Nothing here reads a store or writes a file, but for [`mod@replace`].

mod nft;
mod plain;
mod replace;

pub(crate) use nft::{Names, is_name, name_from, nft};
pub(crate) use plain::plain;
pub(crate) use replace::replace;

use ipam_core::inventory::{Inventory, PoolEntry};
use ipam_core::ip::{Cidr, RangeSet};
use ipam_core::kv::Revision;
use ipam_core::refusal::{PoolFault, Refusal};

/// The addresses that are exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The addresses.
    pub(crate) ranges: RangeSet,
    /// The highest revision of what they were made from: it grows whenever the text may change.
    pub(crate) serial: Revision,
}

/// How exact an export is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// The networks of the pools, neighbours joined: few lines, and every address that can ever be given.
    Aggregate,
    /// Without what is reserved.
    Exact,
}

impl Selection {
    /// Selects the addresses of pools, whether they are enabled or not: a pool that is drained still has pods.
    ///
    /// # Errors
    ///
    /// [`Refusal::Pool`] where the network of a pool is none.
    pub(crate) fn of(
        inventory: &Inventory,
        pools: &[&PoolEntry],
        precision: Precision,
    ) -> Result<Self, Box<Refusal>> {
        let mut selection = Self { ranges: RangeSet::new(), serial: Revision::ABSENT };
        for pool in pools {
            let fault = |source| Refusal::Pool {
                pool: pool.name.clone(),
                source: PoolFault::Cidr { source },
            };
            let network = Cidr::parse(&pool.stored.spec.cidr).map_err(fault)?;
            selection.ranges.insert(&network);
            selection.serial = selection.serial.max(pool.mod_revision);
        }
        match precision {
            Precision::Aggregate => {}
            Precision::Exact => selection.carve(inventory),
        }
        Ok(selection)
    }

    fn carve(&mut self, inventory: &Inventory) {
        for reservation in &inventory.reservations {
            for network in reservation.stored.spec.networks().flatten() {
                if self.ranges.count_in(&network) > 0 {
                    self.ranges.remove(&network);
                    self.serial = self.serial.max(reservation.mod_revision);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ipam_core::inventory::ReservationEntry;
    use ipam_core::model::{IpPool, IpPoolSpec, IpReservation, IpReservationSpec, ResourceKind};

    use super::*;

    fn inventory(pools: &[(&str, &str)], reservations: &[(&str, &[&str])]) -> Inventory {
        let mut inventory = Inventory::default();
        for (at, (name, cidr)) in pools.iter().enumerate() {
            let spec: IpPoolSpec =
                serde_json::from_value(serde_json::json!({"cidr": cidr})).unwrap();
            inventory.pools.push(PoolEntry {
                name: (*name).to_owned(),
                stored: IpPool::new(ResourceKind::IpPool, name, spec),
                effective: None,
                mod_revision: Revision(10 + u64::try_from(at).unwrap()),
            });
        }
        for (at, (name, cidrs)) in reservations.iter().enumerate() {
            let spec =
                IpReservationSpec::new(cidrs.iter().map(|cidr| (*cidr).to_owned()).collect());
            inventory.reservations.push(ReservationEntry {
                name: (*name).to_owned(),
                stored: IpReservation::new(ResourceKind::IpReservation, name, spec),
                mod_revision: Revision(20 + u64::try_from(at).unwrap()),
            });
        }
        inventory
    }

    #[test]
    fn selections_are_the_fewest_networks_and_know_their_serial() {
        let pools =
            [("fin", "10.20.0.0/25"), ("fin-2", "10.20.0.128/25"), ("six", "2001:db8:20::/120")];
        let carved = ["10.20.0.0/29", "10.20.0.250", "2001:db8:20::/125", "nonsense"];
        let inventory = inventory(&pools, &[("carved", &carved), ("elsewhere", &["10.0.0.0/16"])]);
        for (names, precision, cidrs, serial) in [
            (&["fin", "fin-2"][..], Precision::Aggregate, vec!["10.20.0.0/24"], 11),
            (&["fin-2", "fin", "fin"], Precision::Aggregate, vec!["10.20.0.0/24"], 11),
            (&["six", "fin"], Precision::Aggregate, vec!["10.20.0.0/25", "2001:db8:20::/120"], 12),
            (
                &["fin"],
                Precision::Exact,
                vec!["10.20.0.8/29", "10.20.0.16/28", "10.20.0.32/27", "10.20.0.64/26"],
                20,
            ),
            (
                &["six"],
                Precision::Exact,
                vec![
                    "2001:db8:20::8/125",
                    "2001:db8:20::10/124",
                    "2001:db8:20::20/123",
                    "2001:db8:20::40/122",
                    "2001:db8:20::80/121",
                ],
                20,
            ),
        ] {
            let pools: Vec<&PoolEntry> =
                names.iter().map(|name| inventory.pool(name).unwrap()).collect();
            let selection = Selection::of(&inventory, &pools, precision).unwrap();
            let texts: Vec<String> =
                selection.ranges.to_cidrs().iter().map(ToString::to_string).collect();
            assert_eq!(texts, cidrs, "{names:?}");
            assert_eq!(selection.serial, Revision(serial), "{names:?}");
        }
    }

    #[test]
    fn a_pool_without_a_network_is_not_passed_over() {
        let inventory = inventory(&[("fin", "10.20.0.0/24"), ("odd", "10.20.1.0")], &[]);
        let pools: Vec<&PoolEntry> = inventory.pools.iter().collect();
        let refusal = Selection::of(&inventory, &pools, Precision::Aggregate).unwrap_err();
        assert_eq!(refusal.to_string(), "pool \"odd\" is not valid");
    }
}
