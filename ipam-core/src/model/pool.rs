//! The stored pool.

use serde::{Deserialize, Serialize};

use super::cursor::Cursor;
use super::json::{Unknown, is_false, is_zero, null_as_default};
use super::resource::head_as_written;
use super::{Resource, ResourceKind, Timestamp};

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

/// What an allocation has to know of a stored pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolOutline<'p> {
    /// Its name.
    pub name: &'p str,
    /// The network, as text.
    pub cidr: &'p str,
    /// The prefix length of blocks; 0 where it is not said.
    pub block_size: u8,
    /// Why new assignments are off, `None` where they are on.
    pub disabled: Option<&'static str>,
    /// Whether it is used only where it is named.
    pub is_manual: bool,
    /// What its addresses may be used for; empty where it is not said.
    pub allowed_uses: Vec<&'p str>,
    /// Which nodes draw from it.
    pub node_selector: &'p str,
    /// Which namespaces draw from it.
    pub namespace_selector: &'p str,
}

impl<'p> PoolOutline<'p> {
    /// Returns what an allocation has to know of a pool.
    #[must_use]
    pub fn of(pool: &'p IpPool) -> Self {
        let spec = &pool.spec;
        let mut conditions = pool.status.iter().flat_map(|status| &status.conditions);
        let disabled = match () {
            () if pool.metadata.deletion_timestamp.is_some() => Some("being deleted"),
            () if spec.disabled => Some(DISABLED),
            () if conditions.any(|c| c.kind == "Allocatable" && c.status == "False") => {
                Some("marked as not allocatable")
            }
            () => None,
        };
        Self {
            name: &pool.metadata.name,
            cidr: &spec.cidr,
            block_size: spec.block_size,
            disabled,
            is_manual: spec.assignment_mode.as_deref() == Some(MANUAL),
            allowed_uses: spec.allowed_uses.iter().map(String::as_str).collect(),
            node_selector: &spec.node_selector,
            namespace_selector: &spec.namespace_selector,
        }
    }

    /// Reads it from what Calico writes, letter by letter; `None` does not mean that the value is wrong.
    ///
    /// Every allocation looks at every pool, so this form is not taken apart.
    #[must_use]
    pub fn as_written(value: &'p [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(str::from_utf8(value).ok()?);
        let name = head_as_written(&mut cursor, ResourceKind::IpPool)?;
        cursor.eat(r#""cidr":"#)?;
        let cidr = cursor.text()?;
        text_as_written(&mut cursor, r#","vxlanMode":"#)?;
        text_as_written(&mut cursor, r#","ipipMode":"#)?;
        flag_as_written(&mut cursor, r#","natOutgoing":true"#);
        let is_disabled = flag_as_written(&mut cursor, r#","disabled":true"#);
        flag_as_written(&mut cursor, r#","disableBGPExport":true"#);
        let block_size = match cursor.eat(r#","blockSize":"#) {
            Some(()) => cursor.number()?.try_into().ok()?,
            None => 0,
        };
        let node_selector = text_as_written(&mut cursor, r#","nodeSelector":"#)?;
        let namespace_selector = text_as_written(&mut cursor, r#","namespaceSelector":"#)?;
        let mut allowed_uses = Vec::new();
        if cursor.eat(r#","allowedUses":"#).is_some() {
            cursor.each([b'[', b']'], |cursor| {
                allowed_uses.push(cursor.text()?);
                Some(())
            })?;
        }
        let mode = text_as_written(&mut cursor, r#","assignmentMode":"#)?;
        cursor.eat("}}")?;
        cursor.is_at_end().then_some(Self {
            name,
            cidr,
            block_size,
            disabled: is_disabled.then_some(DISABLED),
            is_manual: mode == MANUAL,
            allowed_uses,
            node_selector,
            namespace_selector,
        })
    }
}

const MANUAL: &str = "Manual";
const DISABLED: &str = "disabled";

/// Reads the text of a member, which is empty where it is left out.
fn text_as_written<'t>(cursor: &mut Cursor<'t>, member: &str) -> Option<&'t str> {
    match cursor.eat(member) {
        Some(()) => cursor.text(),
        None => Some(""),
    }
}

/// Says whether a member that is left out where it is false stands here.
fn flag_as_written(cursor: &mut Cursor<'_>, member: &str) -> bool {
    cursor.eat(member).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "/calico/resources/v3/projectcalico.org/ippools/p";
    const FULL: &str = r#"{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"p","uid":"8745e070-5a38-48af-b413-4b8ef012965a","creationTimestamp":"2026-11-21T01:01:57Z"},"spec":{"cidr":"10.20.0.0/26","vxlanMode":"Never","ipipMode":"Always","natOutgoing":true,"disabled":true,"disableBGPExport":true,"blockSize":28,"nodeSelector":"all()","namespaceSelector":"has(a)","allowedUses":["Workload","Tunnel"],"assignmentMode":"Manual"}}"#;
    const SHORT: &str = r#"{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"p","uid":"","creationTimestamp":"2026-11-21T01:01:57Z"},"spec":{"cidr":"fd00::/64"}}"#;

    #[test]
    fn what_matters_is_seen_however_it_is_written() {
        let status = r#"},"status":{"conditions":[{"type":"Allocatable","status":"False"}]}}"#;
        for (what, text, is_written) in [
            ("all members", FULL.to_owned(), true),
            ("hardly any", SHORT.to_owned(), true),
            ("no uses", FULL.replace(r#"["Workload","Tunnel"]"#, "[]"), true),
            ("labels", FULL.replace(r#""uid""#, r#""labels":{"a":"b"},"uid""#), false),
            ("said to be false", FULL.replace(":true,\"blockSize", ":false,\"blockSize"), false),
            ("a size that is none", FULL.replace(":28", ":256"), false),
            ("another order", SHORT.replace("{\"cidr", "{\"blockSize\":28,\"cidr"), false),
            ("a status", FULL.replace("}}", status), false),
            (
                "being deleted",
                FULL.replace(
                    r#"57Z"},"spec"#,
                    r#"57Z","deletionTimestamp":"2026-11-21T02:00:00Z"},"spec"#,
                ),
                false,
            ),
            ("a null", FULL.replace("\"all()\"", "null"), false),
            ("an escape", FULL.replace("has(a)", r"has\u0028a)"), false),
        ] {
            let written = PoolOutline::as_written(text.as_bytes());
            assert_eq!(written.is_some(), is_written, "{what}");
            let read = IpPool::decode(KEY, text.as_bytes());
            if let Some(outline) = written {
                assert_eq!(outline, PoolOutline::of(&read.unwrap()), "{what}");
            }
        }
        let outline = PoolOutline::as_written(FULL.as_bytes()).unwrap();
        assert_eq!((outline.disabled, outline.is_manual), (Some("disabled"), true));
        assert_eq!((outline.block_size, outline.namespace_selector), (28, "has(a)"));
    }

    /// Whatever is changed in a text, it is either left to others, or read as others would.
    #[test]
    fn nothing_is_read_that_others_would_read_otherwise() {
        let odd = ["", "\"", "\\", "0", "-", ".", ",", ":", "{", "}", "[", "]", " ", "null", "\n"];
        let mut taken = 0;
        for text in [FULL, SHORT] {
            for at in 0..text.len() {
                for (put, length) in odd.iter().flat_map(|put| [0, 1, 4].map(|n| (put, n))) {
                    let Some(back) = text.get(at + length..) else { continue };
                    let changed = [&text[..at], put, back].concat();
                    if let Some(outline) = PoolOutline::as_written(changed.as_bytes()) {
                        taken += 1;
                        let read = IpPool::decode(KEY, changed.as_bytes()).expect(&changed);
                        assert_eq!(outline, PoolOutline::of(&read), "{changed}");
                    }
                }
            }
        }
        assert!(taken > 1000, "{taken} of the changed texts are still in Calico's form");
    }
}
