//! The configuration that allocators obey.

use serde::{Deserialize, Serialize};

use super::json::{Unknown, is_false, is_zero, null_as_default};
use super::{DecodeError, from_json, to_bytes};

/// The configuration at `/calico/ipam/v2/config`.
///
/// A key that is absent means "may claim blocks"; a value without the field means "may not", because the stock writer
/// leaves false values out.
///
/// Source: calico `libcalico-go/lib/backend/model/ipam_config.go`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// No address may be taken from a block that is affine to another host.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "null_as_default")]
    pub strict_affinity: bool,
    /// New blocks may be claimed.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "null_as_default")]
    pub auto_allocate_blocks: bool,
    /// The most blocks a host may claim in a family; 0 means [`Config::BLOCKS_PER_HOST_DEFAULT`].
    #[serde(
        rename = "maxBlocksPerHost",
        default,
        skip_serializing_if = "is_zero",
        deserialize_with = "null_as_default"
    )]
    pub max_blocks_per_host: i64,
    /// Whether virtual machines keep their addresses: `Enabled` (also when absent) or `Disabled`.
    #[serde(
        rename = "kubeVirtVMAddressPersistence",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub kube_virt_vm_address_persistence: Option<String>,
    /// How long a released address stays unusable, in seconds; negative means not at all.
    #[serde(
        rename = "ipCooldownSeconds",
        default,
        skip_serializing_if = "is_zero",
        deserialize_with = "null_as_default"
    )]
    pub ip_cooldown_seconds: i64,
    #[serde(flatten)]
    unknown: Unknown,
}

impl Config {
    /// The most blocks a host may claim in a family where nothing else is said.
    pub const BLOCKS_PER_HOST_DEFAULT: i64 = 20;

    /// Reads the value of the key.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Json`] with the key.
    pub fn decode(key: &str, value: &[u8]) -> Result<Self, DecodeError> {
        from_json(key, value)
    }

    /// Returns the bytes to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        to_bytes(self)
    }

    /// Returns how many blocks a host may claim in a family, given the request's own limit (0 for none).
    #[must_use]
    pub fn block_limit(&self, requested: i64) -> i64 {
        match (requested, self.max_blocks_per_host) {
            (r, g) if r > 0 && g > 0 => r.min(g),
            (r, _) if r > 0 => r,
            (_, g) if g > 0 => g,
            _ => Self::BLOCKS_PER_HOST_DEFAULT,
        }
    }
}

impl Default for Config {
    /// What holds when the key is absent.
    fn default() -> Self {
        Self {
            strict_affinity: false,
            auto_allocate_blocks: true,
            max_blocks_per_host: 0,
            kube_virt_vm_address_persistence: Some("Enabled".to_owned()),
            ip_cooldown_seconds: 0,
            unknown: Unknown::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_fields_are_false() {
        let config = Config::decode("k", b"{}").unwrap();
        assert!(!config.auto_allocate_blocks, "a present value without the field");
        assert!(Config::default().auto_allocate_blocks, "an absent key");
        assert_eq!(config.encode(), b"{}");
    }

    #[test]
    fn bytes_are_calicos() {
        for text in [
            r#"{"auto_allocate_blocks":true,"kubeVirtVMAddressPersistence":"Enabled"}"#,
            r#"{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":4,"kubeVirtVMAddressPersistence":"Enabled","ipCooldownSeconds":30}"#,
        ] {
            let config = Config::decode("k", text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(config.encode()).unwrap(), text);
        }
    }

    #[test]
    fn the_smaller_limit_wins_and_none_means_twenty() {
        for (requested, global, limit) in [(0, 0, 20), (0, 4, 4), (3, 0, 3), (3, 4, 3), (5, 4, 4)] {
            let config = Config { max_blocks_per_host: global, ..Config::default() };
            assert_eq!(config.block_limit(requested), limit);
        }
    }
}
