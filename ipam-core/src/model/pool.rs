//! The stored pool.

use serde::{Deserialize, Serialize};

use super::json::{Unknown, is_false, is_zero, null_as_default};
use super::{Resource, Timestamp};

/// A pool as Calico stores it. What it means for an allocation is [`crate::pool::Pool`].
pub type IpPool = Resource<IpPoolSpec, IpPoolStatus>;

/// What a pool says, in the order in which Calico writes it.
///
/// Source: calico `api/pkg/apis/projectcalico/v3/ippool.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IpPoolSpec {
    /// The network, as text: other tools may have stored one that is none.
    #[serde(default)]
    pub cidr: String,
    /// `Never`, `Always` or `CrossSubnet`.
    #[serde(rename = "vxlanMode", default, skip_serializing_if = "String::is_empty")]
    pub vxlan_mode: String,
    /// `Never`, `Always` or `CrossSubnet`.
    #[serde(rename = "ipipMode", default, skip_serializing_if = "String::is_empty")]
    pub ipip_mode: String,
    /// Whether traffic leaving the pools is masked with the node's address.
    #[serde(
        rename = "natOutgoing",
        default,
        skip_serializing_if = "is_false",
        deserialize_with = "null_as_default"
    )]
    pub nat_outgoing: bool,
    /// Whether new assignments are off.
    #[serde(default, skip_serializing_if = "is_false", deserialize_with = "null_as_default")]
    pub disabled: bool,
    /// Whether routes of the pool stay in the cluster.
    #[serde(
        rename = "disableBGPExport",
        default,
        skip_serializing_if = "is_false",
        deserialize_with = "null_as_default"
    )]
    pub disable_bgp_export: bool,
    /// The prefix length of blocks; 0 means 26 or 122.
    #[serde(
        rename = "blockSize",
        default,
        skip_serializing_if = "is_zero",
        deserialize_with = "null_as_default"
    )]
    pub block_size: u8,
    /// Which nodes draw from the pool; empty means all.
    #[serde(rename = "nodeSelector", default, skip_serializing_if = "String::is_empty")]
    pub node_selector: String,
    /// Which namespaces draw from the pool; empty means all.
    #[serde(rename = "namespaceSelector", default, skip_serializing_if = "String::is_empty")]
    pub namespace_selector: String,
    /// `Workload`, `Tunnel`, `LoadBalancer`; empty means the first two.
    #[serde(
        rename = "allowedUses",
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub allowed_uses: Vec<String>,
    /// `Automatic` (also when absent) or `Manual`.
    #[serde(rename = "assignmentMode", default, skip_serializing_if = "Option::is_none")]
    pub assignment_mode: Option<String>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// What a controller observed of a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IpPoolStatus {
    /// Its findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<IpPoolCondition>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// One finding of a controller about a pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IpPoolCondition {
    /// What it is about; `Allocatable` decides whether the pool may be used.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    #[serde(default)]
    pub status: String,
    /// The generation that was looked at.
    #[serde(
        rename = "observedGeneration",
        default,
        skip_serializing_if = "is_zero",
        deserialize_with = "null_as_default"
    )]
    pub observed_generation: i64,
    /// When the status changed.
    #[serde(rename = "lastTransitionTime", default)]
    pub last_transition_time: Option<Timestamp>,
    /// Why, in a word.
    #[serde(default)]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default)]
    pub message: String,
    #[serde(flatten)]
    unknown: Unknown,
}
