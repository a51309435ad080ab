//! The stored facts about the cluster.

use serde::{Deserialize, Serialize};

use super::json::Unknown;
use super::{Resource, ResourceKind, Timestamp, Uid};

/// Facts about the cluster, among them whether the datastore may be used.
pub type ClusterInformation = Resource<ClusterInformationSpec>;

/// What is known of the cluster.
///
/// Source: calico `api/pkg/apis/projectcalico/v3/clusterinfo.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterInformationSpec {
    /// 32 hexadecimal digits, given once.
    #[serde(rename = "clusterGUID", default, skip_serializing_if = "String::is_empty")]
    pub cluster_guid: String,
    /// A comma-separated list such as `k8s,bgp`.
    #[serde(rename = "clusterType", default, skip_serializing_if = "String::is_empty")]
    pub cluster_type: String,
    /// The version of Calico that wrote it.
    #[serde(rename = "calicoVersion", default, skip_serializing_if = "String::is_empty")]
    pub calico_version: String,
    /// False while an administrator has locked the datastore. Stock nodes crash where it is missing.
    #[serde(rename = "datastoreReady", default, skip_serializing_if = "Option::is_none")]
    pub datastore_ready: Option<bool>,
    /// The edition of Calico.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    #[serde(flatten)]
    unknown: Unknown,
}

impl ClusterInformation {
    /// The only name that exists.
    pub const NAME: &str = "default";

    /// Says whether an administrator has locked the datastore.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.spec.datastore_ready == Some(false)
    }

    /// Makes the record of a cluster that nobody has described yet: ready for use.
    #[must_use]
    pub fn fresh(uid: Uid, guid: Uid, now: Timestamp) -> Self {
        let spec = ClusterInformationSpec {
            cluster_guid: guid.digits(),
            datastore_ready: Some(true),
            ..ClusterInformationSpec::default()
        };
        let mut resource = Self::new(ResourceKind::ClusterInformation, Self::NAME, spec);
        resource.metadata.uid = uid.to_string();
        resource.metadata.creation_timestamp = Some(now);
        resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "/calico/resources/v3/projectcalico.org/clusterinformations/default";
    const READY: &str = r#"{"kind":"ClusterInformation","apiVersion":"projectcalico.org/v3","metadata":{"name":"default","uid":"ad05801d-ca03-4a25-ab42-ffff3daa2cab","creationTimestamp":"2026-11-21T01:20:27Z"},"spec":{"clusterGUID":"01d8a9f8f3ce417faa238ee685d7186e","datastoreReady":true}}"#;

    #[test]
    fn a_lock_is_seen_however_it_is_written_and_what_is_damaged_is_never_taken_for_ready() {
        for (what, text, locked) in [
            ("ready", READY.to_owned(), Some(false)),
            ("locked", READY.replace("true", "false"), Some(true)),
            ("an unknown member", READY.replace("true", r#"false,"later":1"#), Some(true)),
            ("nothing said", READY.replace(r#","datastoreReady":true"#, ""), Some(false)),
            ("null", READY.replace("true", "null"), Some(false)),
            ("a space", READY.replace(":true", ": false"), Some(true)),
            ("an escape", READY.replace("01d8", r"\u0030"), Some(false)),
            ("another type", READY.replace("true", "\"false\""), None),
            ("cut off", READY.chars().take(200).collect(), None),
            ("more behind it", format!("{READY}x"), None),
        ] {
            let read = ClusterInformation::decode(KEY, text.as_bytes());
            assert_eq!(read.ok().map(|cluster| cluster.is_locked()), locked, "{what}");
        }
    }
}
