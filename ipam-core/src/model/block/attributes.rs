//! Who holds an address, as a block says it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::model::json::Unknown;

/// Returns what stands in front of a carriage return.
pub(super) fn before_return(id: &str) -> &str {
    id.split('\r').next().unwrap_or(id)
}

/// Metadata of one or more ordinals of a block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attributes {
    /// The handle that holds the ordinals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle_id: Option<String>,
    /// What is known of the active owner, such as `pod`, `namespace` and `node`.
    #[serde(default, skip_serializing_if = "no_pairs")]
    pub secondary: Option<BTreeMap<String, String>>,
    /// What is known of the other owner while a virtual machine moves.
    #[serde(rename = "alternateOwnerAttrs", default, skip_serializing_if = "no_pairs")]
    pub alternate_owner_attrs: Option<BTreeMap<String, String>>,
    /// When the ordinals were released: they are in cooldown, owned by nobody and not yet free.
    #[serde(rename = "releasedAt", default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    #[serde(flatten)]
    unknown: Unknown,
}

impl Attributes {
    /// Makes the record of an allocation.
    #[must_use]
    pub fn new(handle_id: Option<String>, secondary: Option<BTreeMap<String, String>>) -> Self {
        Self { handle_id, secondary, ..Self::default() }
    }

    /// Makes the record of ordinals in cooldown.
    #[must_use]
    pub fn cooling(released_at: Timestamp) -> Self {
        Self { released_at: Some(released_at), ..Self::default() }
    }

    /// Returns the handle as Calico compares it: an old defect left text behind a carriage return in some.
    #[must_use]
    pub fn handle(&self) -> Option<&str> {
        self.handle_id.as_deref().map(before_return)
    }

    /// Returns one attribute of the active owner.
    #[must_use]
    pub fn owner_attribute(&self, name: &str) -> Option<&str> {
        self.secondary.as_ref()?.get(name).map(String::as_str)
    }
}

#[expect(clippy::ref_option, reason = "serde hands out references")]
fn no_pairs(pairs: &Option<BTreeMap<String, String>>) -> bool {
    pairs.as_ref().is_none_or(BTreeMap::is_empty)
}
