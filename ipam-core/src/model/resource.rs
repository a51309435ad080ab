//! The envelope around Calico's resources.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::kv::Kv;

use super::json::{Unknown, is_zero, null_as_default};
use super::{DecodeError, Timestamp, from_json, to_bytes};

/// The kinds of resources that are modelled here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A pool of addresses.
    IpPool,
    /// Addresses that are never handed out.
    IpReservation,
    /// A node of the cluster.
    Node,
    /// Facts about the cluster.
    ClusterInformation,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 4] =
        [Self::IpPool, Self::IpReservation, Self::Node, Self::ClusterInformation];

    /// Returns the kind as a manifest spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpPool => "IPPool",
            Self::IpReservation => "IPReservation",
            Self::Node => "Node",
            Self::ClusterInformation => "ClusterInformation",
        }
    }

    /// Returns the kind as a key spells it.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::IpPool => "ippools",
            Self::IpReservation => "ipreservations",
            Self::Node => "nodes",
            Self::ClusterInformation => "clusterinformations",
        }
    }

    /// Finds the kind that a key spells like this.
    #[must_use]
    pub fn from_plural(plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == plural)
    }
}

/// A resource: what it is, what it is called, and what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "Spec: Deserialize<'de> + Default, Status: Deserialize<'de>"))]
pub struct Resource<Spec, Status = Unknown> {
    /// The kind as a manifest spells it.
    pub kind: String,
    /// Always `projectcalico.org/v3`.
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// Name, identity, labels.
    pub metadata: Metadata,
    /// What is wanted.
    #[serde(default)]
    pub spec: Spec,
    /// What was observed; the kinds differ in whether it is written when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// The version that every resource carries.
pub(crate) const API_VERSION: &str = "projectcalico.org/v3";

impl<Spec, Status> Resource<Spec, Status> {
    /// Makes a resource without labels.
    #[must_use]
    pub fn new(kind: ResourceKind, name: &str, spec: Spec) -> Self {
        Self {
            kind: kind.name().to_owned(),
            api_version: API_VERSION.to_owned(),
            metadata: Metadata { name: name.to_owned(), ..Metadata::default() },
            spec,
            status: None,
            unknown: Unknown::new(),
        }
    }
}

impl<Spec, Status> Resource<Spec, Status>
where
    Spec: Serialize + DeserializeOwned + Default,
    Status: Serialize + DeserializeOwned,
{
    /// Reads a stored resource as [`Resource::decode`] does, unless its value has been understood before.
    ///
    /// # Errors
    ///
    /// As [`Resource::decode`].
    pub fn of(kv: &Kv) -> Result<Arc<Self>, DecodeError>
    where
        Self: Send + Sync + 'static,
    {
        kv.value.understood(|value| Self::decode(&kv.key, value))
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

/// Name, identity and labels of a resource, in Kubernetes' order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The last part of the key.
    #[serde(default)]
    pub name: String,
    /// The start of a name that the server completes.
    #[serde(rename = "generateName", default, skip_serializing_if = "String::is_empty")]
    pub generate_name: String,
    /// The namespace, for kinds that live in one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// A random identity, given at creation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Never stored: the revision of the key takes its place. Ignored where another tool left one.
    #[serde(rename = "resourceVersion", default, skip_serializing)]
    pub resource_version: Option<serde_json::Value>,
    /// Not used with etcd.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "null_as_default")]
    pub generation: i64,
    /// When it was created.
    #[serde(rename = "creationTimestamp", default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Timestamp>,
    /// When its deletion was asked for.
    #[serde(rename = "deletionTimestamp", default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    /// Names for machines.
    #[serde(default, skip_serializing_if = "no_pairs")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Notes.
    #[serde(default, skip_serializing_if = "no_pairs")]
    pub annotations: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    unknown: Unknown,
}

#[expect(clippy::ref_option, reason = "serde hands out references")]
fn no_pairs(pairs: &Option<BTreeMap<String, String>>) -> bool {
    pairs.as_ref().is_none_or(BTreeMap::is_empty)
}

/// A random identity in the form of a version 4 UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uid(u128);

impl Uid {
    /// Makes an identity from random bits; the caller brings the dice.
    #[must_use]
    pub fn from_random(bits: u128) -> Self {
        let versioned = (bits & !(0xf << 76)) | (4 << 76);
        Self((versioned & !(0b11 << 62)) | (0b10 << 62))
    }

    /// Returns the 32 hexadecimal digits without dashes.
    #[must_use]
    pub fn digits(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        let mut rest = digits.as_str();
        for (at, width) in [8, 4, 4, 4, 12].into_iter().enumerate() {
            let (part, tail) = rest.split_at_checked(width).unwrap_or((rest, ""));
            if at > 0 {
                f.write_str("-")?;
            }
            f.write_str(part)?;
            rest = tail;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_version_4() {
        for bits in [0, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            let text = Uid::from_random(bits).to_string();
            assert_eq!(text.len(), 36);
            assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            assert_eq!(text.as_bytes()[14], b'4');
            assert!(matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{text}");
        }
    }
}
