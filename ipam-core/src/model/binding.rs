//! What Ringfence stores beside Calico's data: bindings of namespaces, and marks of pools.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::ip::Family;

use super::json::Unknown;
use super::{DecodeError, from_json, to_bytes};

/// Which pools a namespace draws from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// How strongly it holds.
    pub mode: BindingMode,
    /// IPv4 pools in order of preference; `None` says nothing about IPv4.
    #[serde(
        rename = "ipv4Pools",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "list"
    )]
    pub ipv4_pools: Option<Vec<String>>,
    /// IPv6 pools in order of preference; `None` says nothing about IPv6.
    #[serde(
        rename = "ipv6Pools",
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "list"
    )]
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

    /// Reads the value of a key. A binding that names no family, or in whose names a slip of the pen could hide one,
    /// is refused: it would be a fence with a hole.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Json`] with the key.
    pub fn decode(key: &str, value: &[u8]) -> Result<Self, DecodeError> {
        let binding: Self = from_json(key, value)?;
        let fault = |what: String| DecodeError::Json {
            key: key.to_owned(),
            source: serde_json::Error::custom(what),
        };
        if let Some(name) = misspelt(&binding.unknown, &["mode", "ipv4Pools", "ipv6Pools"]) {
            return Err(fault(format!("member {name:?} is misspelt")));
        }
        if binding.ipv4_pools.is_none() && binding.ipv6_pools.is_none() {
            return Err(fault("it names neither ipv4Pools nor ipv6Pools".to_owned()));
        }
        Ok(binding)
    }

    /// Returns the bytes to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        to_bytes(self)
    }
}

/// Reads a list that is there; `null` is none.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

/// Finds a member that differs from a known one in case or punctuation only.
fn misspelt<'a>(unknown: &'a Unknown, known: &[&str]) -> Option<&'a str> {
    let letters = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let mut names = unknown.keys().map(String::as_str);
    names.find(|name| known.iter().any(|known| letters(known) == letters(name)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_with_a_hole_is_refused() {
        for text in [
            r#"{"mode":"required"}"#,
            r#"{"mode":"required","ipv4Pools":null}"#,
            r#"{"mode":"required","ipv4pools":["a"]}"#,
            r#"{"mode":"required","IPv4_Pools":["a"],"ipv6Pools":[]}"#,
            r#"{"mode":"Required","ipv4Pools":["a"]}"#,
            r#"{"ipv4Pools":["a"]}"#,
        ] {
            assert!(Binding::decode("k", text.as_bytes()).is_err(), "{text}");
        }
        for text in ["{}", r#"{"Exclusive":true}"#, r#"{"exclusive":null}"#] {
            assert!(PoolMark::decode("k", text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn members_of_a_later_version_stay() {
        let text = r#"{"mode":"required","ipv4Pools":["a"],"until":"2027"}"#;
        let binding = Binding::decode("k", text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(binding.encode()).unwrap(), text);
    }
}
