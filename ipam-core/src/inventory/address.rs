//! One address that is not free.

use std::net::IpAddr;

use crate::ip::{Cidr, Ordinal};
use crate::model::{Attributes, Block, Owner, Timestamp};
use crate::plan::Holder;

/// An address that is in use or in cooldown.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The address.
    pub ip: IpAddr,
    /// Its block.
    pub block: Cidr,
    /// The pool that its block lies in, `None` where there is none any more.
    pub pool: Option<&'a str>,
    /// Who claimed its block, as stored; `None` where nobody has a claim.
    pub affinity: Option<&'a str>,
    /// Whether it is in use.
    pub state: AddressState,
    /// Under which sequence number it was taken, 0 where none is stored.
    pub sequence: u64,
    record: &'a Attributes,
}

/// Why an address is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// Somebody holds it.
    Used,
    /// It was released, and nobody gets it yet.
    Cooling,
}

impl AddressState {
    /// Returns the word that is shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Cooling => "cooling",
        }
    }
}

impl<'a> Address<'a> {
    pub(super) fn new(
        block: &'a Block,
        pool: Option<&'a str>,
        ordinal: Ordinal,
        record: &'a Attributes,
    ) -> Self {
        Self {
            ip: block.cidr.address_at(ordinal),
            block: block.cidr,
            pool,
            affinity: block.affinity.as_deref(),
            state: state_of(record),
            sequence: block.sequence_of(ordinal),
            record,
        }
    }

    /// Returns who holds it, with all that is known of the owner; nobody for one in cooldown.
    #[must_use]
    pub fn holder(&self) -> Holder {
        Holder::of(self.record)
    }

    /// Returns the handle that holds it.
    #[must_use]
    pub fn handle(&self) -> Option<&'a str> {
        self.record.handle()
    }

    /// Returns one attribute of its owner, such as `pod`, `namespace` or `node`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        self.record.owner_attribute(name)
    }

    /// Returns when it was taken, as its owner's attribute `timestamp` tells; when it was released, if it is cooling.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        match self.state {
            AddressState::Used => from_go_text(self.attribute("timestamp")?),
            AddressState::Cooling => self.record.released_at,
        }
    }

    /// Says whether a node uses it that another node claimed the block of.
    ///
    /// A block that no node claimed is nobody's to borrow from, and who does not say where it runs is not judged.
    #[must_use]
    pub fn is_borrowed(&self) -> bool {
        is_borrowed(self.affinity.and_then(Owner::parse).as_ref(), self.record)
    }
}

/// Says why an address with this record is not free.
pub(super) fn state_of(record: &Attributes) -> AddressState {
    match record.released_at {
        None => AddressState::Used,
        Some(_) => AddressState::Cooling,
    }
}

/// Says whether an address with this record, in a block of this owner, is borrowed.
pub(super) fn is_borrowed(owner: Option<&Owner>, record: &Attributes) -> bool {
    let Some(Owner::Host(host)) = owner else {
        return false;
    };
    let in_use = state_of(record) == AddressState::Used;
    in_use && record.owner_attribute("node").is_some_and(|node| node != host)
}

/// Reads the text of Go's `time.String`, such as `2026-08-22 10:16:02.123 +0000 UTC`.
///
/// What stands behind the offset (the zone's name, and Go's monotonic clock in text of a running process) adds nothing.
fn from_go_text(text: &str) -> Option<Timestamp> {
    let mut parts = text.split_whitespace();
    let (date, clock, offset) = (parts.next()?, parts.next()?, parts.next()?);
    let (hours, minutes) = offset.split_at_checked(3)?;
    format!("{date}T{clock}{hours}:{minutes}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_plugins_record_is_read() {
        for (text, expected) in [
            ("2026-08-22 10:15:30.123456789 +0000 UTC", Some("2026-08-22T10:15:30Z")),
            ("2026-08-22 10:15:30 +0000 UTC", Some("2026-08-22T10:15:30Z")),
            ("2026-08-22 12:15:30.5 +0200 CEST m=+0.012", Some("2026-08-22T10:15:30Z")),
            ("2026-08-22 05:45:30 -0430 -0430", Some("2026-08-22T10:15:30Z")),
            ("2026-08-22T10:15:30Z", None),
            ("2026-08-22 10:15:30", None),
            ("yesterday at noon", None),
            ("", None),
        ] {
            let read = from_go_text(text).map(|time| time.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let now = Timestamp::from_nanos(1_787_393_730_987_654_321);
        assert_eq!(from_go_text(&now.to_go_text()), Some(now));
    }
}
