//! The stored facts about the cluster.

use serde::{Deserialize, Serialize};

use super::cursor::Cursor;
use super::json::Unknown;
use super::resource::head_as_written;
use super::{DecodeError, Resource, ResourceKind, Timestamp, Uid};

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

    /// Says from a stored value whether an administrator has locked the datastore.
    ///
    /// Every request asks, so the form in which Calico writes it is not taken apart.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Json`] with the key.
    pub fn is_locked(key: &str, value: &[u8]) -> Result<bool, DecodeError> {
        let ready = match str::from_utf8(value).ok().and_then(ready_as_written) {
            Some(ready) => ready,
            None => Self::decode(key, value)?.spec.datastore_ready.unwrap_or(true),
        };
        Ok(!ready)
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

/// Reads whether the datastore is ready from what Calico writes, letter by letter; `None` does not mean that it is wrong.
fn ready_as_written(text: &str) -> Option<bool> {
    let mut cursor = Cursor::new(text);
    head_as_written(&mut cursor, ResourceKind::ClusterInformation)?;
    for member in [r#""clusterGUID":"#, r#""clusterType":"#, r#""calicoVersion":"#] {
        if cursor.eat(member).is_some() {
            cursor.text()?;
            cursor.eat(",")?;
        }
    }
    cursor.eat(r#""datastoreReady":"#)?;
    let ready = match cursor.eat("true") {
        Some(()) => true,
        None => cursor.eat("false").map(|()| false)?,
    };
    cursor.eat("}}")?;
    cursor.is_at_end().then_some(ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "/calico/resources/v3/projectcalico.org/clusterinformations/default";
    const READY: &str = r#"{"kind":"ClusterInformation","apiVersion":"projectcalico.org/v3","metadata":{"name":"default","uid":"ad05801d-ca03-4a25-ab42-ffff3daa2cab","creationTimestamp":"2026-11-21T01:20:27Z"},"spec":{"clusterGUID":"01d8a9f8f3ce417faa238ee685d7186e","datastoreReady":true}}"#;

    #[test]
    fn a_lock_is_seen_however_it_is_written() {
        for (what, text, is_written, locked) in [
            ("ready", READY.to_owned(), true, false),
            ("locked", READY.replace("true", "false"), true, true),
            (
                "more members",
                READY.replace(
                    r#","data"#,
                    r#","clusterType":"k8s,bgp","calicoVersion":"v3.30.0","data"#,
                ),
                true,
                false,
            ),
            ("another order", READY.replace(r#""name":"default","uid""#, r#""uid""#), false, false),
            ("an unknown member", READY.replace("true", r#"false,"later":1"#), false, true),
            ("nothing said", READY.replace(r#","datastoreReady":true"#, ""), false, false),
            ("null", READY.replace("true", "null"), false, false),
            ("a space", READY.replace(":true", ": false"), false, true),
            ("an escape", READY.replace("01d8", r"\u0030"), false, false),
        ] {
            assert_eq!(ready_as_written(&text).is_some(), is_written, "{what}");
            let read = ClusterInformation::decode(KEY, text.as_bytes()).unwrap();
            assert_eq!(read.spec.datastore_ready == Some(false), locked, "{what}");
            let is_locked = ClusterInformation::is_locked(KEY, text.as_bytes()).unwrap();
            assert_eq!(is_locked, locked, "{what}");
        }
    }

    #[test]
    fn what_is_damaged_is_refused_and_never_taken_for_ready() {
        for at in 0..READY.len() {
            for put in ["", "\"", "\\", "0", "{", "}", ",", "\n", "x"] {
                for length in [0, 1, 4] {
                    let Some(back) = READY.get(at + length..) else { continue };
                    let text = [&READY[..at], put, back].concat();
                    let read = ClusterInformation::decode(KEY, text.as_bytes());
                    let is_locked = ClusterInformation::is_locked(KEY, text.as_bytes());
                    let expected = read.map(|read| read.spec.datastore_ready == Some(false));
                    assert_eq!(is_locked.ok(), expected.ok(), "{text}");
                }
            }
        }
    }
}
