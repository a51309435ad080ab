//! The stored reservation.

use serde::{Deserialize, Serialize};

use crate::ip::{Cidr, CidrError};

use super::Resource;
use super::json::{Unknown, null_as_default};

/// Addresses that are never handed out by themselves.
pub type IpReservation = Resource<IpReservationSpec>;

/// What a reservation says.
///
/// Source: calico `api/pkg/apis/projectcalico/v3/ipreservation.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IpReservationSpec {
    /// Networks, or bare addresses; other tools may have stored what is neither.
    #[serde(
        rename = "reservedCIDRs",
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub reserved_cidrs: Vec<String>,
    #[serde(flatten)]
    unknown: Unknown,
}

impl IpReservationSpec {
    /// Makes the reservation of some networks.
    #[must_use]
    pub fn new(reserved_cidrs: Vec<String>) -> Self {
        Self { reserved_cidrs, ..Self::default() }
    }

    /// Reads each entry that is not blank; bits behind a prefix are dropped.
    pub fn networks(&self) -> impl Iterator<Item = Result<Cidr, CidrError>> {
        let entries = self.reserved_cidrs.iter().map(|entry| entry.trim());
        entries.filter(|entry| !entry.is_empty()).map(Cidr::parse_or_address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_generously() {
        let entries =
            ["10.1.0.0/29", " 10.1.0.250 ", "", "10.1.0.7/24", "nonsense", "fd00:1::/125"];
        let spec = IpReservationSpec::new(entries.map(str::to_owned).to_vec());
        let read: Vec<_> = spec.networks().map(|cidr| cidr.map(|c| c.to_string()).ok()).collect();
        let some = |text: &str| Some(text.to_owned());
        let expected = [
            some("10.1.0.0/29"),
            some("10.1.0.250/32"),
            some("10.1.0.0/24"),
            None,
            some("fd00:1::/125"),
        ];
        assert_eq!(read, expected);
    }
}
