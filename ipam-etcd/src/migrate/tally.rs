//! How much there is of each kind.

use std::collections::BTreeMap;

use ipam_core::model::key::{self, Named};

/// How many keys there are, and how many bytes they have with their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many keys.
    pub keys: u64,
    /// How many bytes, those of the keys included.
    pub bytes: u64,
}

/// How much there is of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    kinds: BTreeMap<String, Count>,
}

impl Tally {
    /// Counts a key.
    pub(super) fn add(&mut self, key: &str, value: &[u8]) {
        let count = self.kinds.entry(kind_of(key).to_owned()).or_default();
        count.keys += 1;
        count.bytes += u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX);
    }

    /// Returns each kind with how much there is of it, by name.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, Count)> {
        self.kinds.iter().map(|(kind, count)| (kind.as_str(), *count))
    }

    /// Returns how much there is in all.
    #[must_use]
    pub fn total(&self) -> Count {
        self.kinds.values().fold(Count::default(), |total, count| Count {
            keys: total.keys + count.keys,
            bytes: total.bytes + count.bytes,
        })
    }
}

/// Says of which kind a key is: of a resource how Calico calls several of it, `other` for what nobody here knows.
#[must_use]
pub fn kind_of(key: &str) -> &str {
    match key::parse(key) {
        Some(Named::Block(_)) => "blocks",
        Some(Named::Affinity(..)) => "claims",
        Some(Named::Handle(_)) => "handles",
        Some(Named::Config) => "config",
        Some(Named::Binding(_)) => "bindings",
        Some(Named::PoolMark(_)) => "pool marks",
        Some(Named::Resource(kind, _)) => kind.plural(),
        None => {
            let resource = key.strip_prefix(key::RESOURCE_ROOT);
            resource.and_then(|rest| rest.split_once('/')).map_or("other", |(plural, _)| plural)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_kind_whether_it_is_known_or_not() {
        for (key, kind) in [
            ("/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26", "blocks"),
            ("/calico/ipam/v2/host/n1/ipv4/block/10.0.0.0-26", "claims"),
            ("/calico/ipam/v2/virtual/lb/ipv4/block/10.0.0.0-26", "claims"),
            ("/calico/ipam/v2/handle/h", "handles"),
            ("/calico/ipam/v2/config", "config"),
            ("/calico/ipam/v2/host/n1", "other"),
            ("/calico/ipam/v2/handle/a/b", "other"),
            ("/calico/resources/v3/projectcalico.org/ippools/p", "ippools"),
            ("/calico/resources/v3/projectcalico.org/workloadendpoints/fin/x", "workloadendpoints"),
            ("/calico/resources/v3/projectcalico.org/tiers/default", "tiers"),
            ("/calico/resources/v3/projectcalico.org/x", "other"),
            ("/ringfence/v1/bindings/fin", "bindings"),
            ("/ringfence/v1/pools/p", "pool marks"),
            ("/ringfence/v1/journal/1", "other"),
        ] {
            assert_eq!(kind_of(key), kind, "{key}");
        }
    }

    #[test]
    fn keys_count_with_their_values() {
        let mut tally = Tally::default();
        tally.add("/ringfence/v1/bindings/a", b"12");
        tally.add("/ringfence/v1/bindings/b", b"");
        tally.add("/x", b"1");
        let kinds: Vec<_> = tally.kinds().collect();
        let bindings = Count { keys: 2, bytes: 50 };
        assert_eq!(kinds, [("bindings", bindings), ("other", Count { keys: 1, bytes: 3 })]);
        assert_eq!(tally.total(), Count { keys: 3, bytes: 53 });
    }
}
