//! What Ringfence stores beside Calico's data: bindings of namespaces, and marks of pools.

use serde::{Deserialize, Serialize};

use crate::ip::Family;

use super::json::{Unknown, is_false};
use super::{DecodeError, from_json, to_bytes};

/// Which pools a namespace draws from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// How strongly it holds.
    pub mode: BindingMode,
    /// IPv4 pools in order of preference; `None` says nothing about IPv4.
    #[serde(rename = "ipv4Pools", default, skip_serializing_if = "Option::is_none")]
    pub ipv4_pools: Option<Vec<String>>,
    /// IPv6 pools in order of preference; `None` says nothing about IPv6.
    #[serde(rename = "ipv6Pools", default, skip_serializing_if = "Option::is_none")]
    pub ipv6_pools: Option<Vec<String>>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// How strongly a binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BindingMode {
    /// Ranks as the namespace's annotation: a pod's own annotation beats it.
    Default,
    /// Fixes the permitted pools: whatever else is said may only narrow them.
    Required,
}

impl Binding {
    /// Makes a binding.
    #[must_use]
    pub fn new(
        mode: BindingMode,
        ipv4_pools: Option<Vec<String>>,
        ipv6_pools: Option<Vec<String>>,
    ) -> Self {
        Self { mode, ipv4_pools, ipv6_pools, unknown: Unknown::new() }
    }

    /// Returns the pools of a family, `None` where the binding says nothing about it.
    #[must_use]
    pub fn pools(&self, family: Family) -> Option<&[String]> {
        match family {
            Family::V4 => self.ipv4_pools.as_deref(),
            Family::V6 => self.ipv6_pools.as_deref(),
        }
    }

    /// Says whether the binding names a pool in either family.
    #[must_use]
    pub fn names(&self, pool: &str) -> bool {
        Family::ALL
            .iter()
            .filter_map(|family| self.pools(*family))
            .flatten()
            .any(|name| name == pool)
    }

    /// Reads the value of a key.
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
}

impl std::fmt::Display for BindingMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Required => "required",
        })
    }
}

/// What only Ringfence knows of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PoolMark {
    /// Only namespaces whose binding names the pool may draw from it, whatever an annotation says.
    #[serde(default, skip_serializing_if = "is_false")]
    pub exclusive: bool,
    #[serde(flatten)]
    unknown: Unknown,
}

impl PoolMark {
    /// Makes the mark of an exclusive pool.
    #[must_use]
    pub fn exclusive() -> Self {
        Self { exclusive: true, ..Self::default() }
    }

    /// Reads the value of a key.
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
}
