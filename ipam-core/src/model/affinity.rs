//! The stored claim of an owner on a block.

use serde::{Deserialize, Serialize};

use super::json::{Unknown, null_as_default};
use super::{DecodeError, from_json, to_bytes};

/// An owner's claim on a block; who and which stand in the key.
///
/// Source: calico `libcalico-go/lib/backend/model/block_affinity.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Affinity {
    /// How far the claim has come.
    #[serde(default, deserialize_with = "null_as_default")]
    pub state: AffinityState,
    /// Always false in etcd.
    #[serde(default, deserialize_with = "null_as_default")]
    pub deleted: bool,
    #[serde(flatten)]
    unknown: Unknown,
}

/// How far a claim has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum AffinityState {
    /// No state: data older than the field, as good as confirmed.
    #[default]
    Unset,
    /// Announced; the block need not exist yet.
    Pending,
    /// The block exists and belongs to the owner.
    Confirmed,
    /// About to be given up.
    PendingDeletion,
    /// Text that Calico treats as unconfirmed.
    Other(String),
}

impl Affinity {
    /// Makes a claim in a state.
    #[must_use]
    pub fn in_state(state: AffinityState) -> Self {
        Self { state, ..Self::default() }
    }

    /// Reads the value of a key; no bytes at all are legal old data.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Json`] with the key.
    pub fn decode(key: &str, value: &[u8]) -> Result<Self, DecodeError> {
        if value.is_empty() {
            return Ok(Self::default());
        }
        from_json(key, value)
    }

    /// Returns the bytes to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        to_bytes(self)
    }

    /// Says whether the owner may use its block without confirming the claim first.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        matches!(self.state, AffinityState::Confirmed | AffinityState::Unset)
    }
}

impl From<String> for AffinityState {
    fn from(text: String) -> Self {
        match text.as_str() {
            "" => Self::Unset,
            "pending" => Self::Pending,
            "confirmed" => Self::Confirmed,
            "pendingDeletion" => Self::PendingDeletion,
            _ => Self::Other(text),
        }
    }
}

impl From<AffinityState> for String {
    fn from(state: AffinityState) -> Self {
        match state {
            AffinityState::Unset => Self::new(),
            AffinityState::Pending => "pending".to_owned(),
            AffinityState::Confirmed => "confirmed".to_owned(),
            AffinityState::PendingDeletion => "pendingDeletion".to_owned(),
            AffinityState::Other(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives() {
        for state in ["pending", "confirmed", "pendingDeletion", "", "odd"] {
            let text = format!(r#"{{"state":"{state}","deleted":false}}"#);
            let affinity = Affinity::decode("k", text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(affinity.encode()).unwrap(), text);
            assert_eq!(affinity.is_confirmed(), matches!(state, "confirmed" | ""), "{state}");
        }
        assert!(Affinity::decode("k", b"").unwrap().is_confirmed(), "old data has no bytes");
        assert!(Affinity::decode("k", b"[").is_err());
    }
}
