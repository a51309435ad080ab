//! The stored handle: in which blocks an identity holds how many addresses.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ip::Cidr;

use super::json::{Unknown, null_as_default, text_keyed};
use super::{DecodeError, from_json, to_bytes};

/// The identity under which addresses are held and released.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HandleId(String);

impl HandleId {
    /// Wraps the text of a handle.
    ///
    /// # Errors
    ///
    /// [`HandleIdError`] where the text is empty or would change the key that it becomes part of.
    pub fn new(text: impl Into<String>) -> Result<Self, HandleIdError> {
        let text = text.into();
        if text.is_empty() || text.contains(['/', '\r', '\n', '\0']) {
            return Err(HandleIdError { text });
        }
        Ok(Self(text))
    }

    /// Makes the handle of a virtual machine, under which its pods hold addresses one after the other.
    ///
    /// `network` is the one that its pods name, `None` for the usual one. A text of more than 128 bytes ends in a digest
    /// of the namespace and the name, as far as it fits.
    ///
    /// # Errors
    ///
    /// [`HandleIdError`] where the parts cannot be part of a key, or the network leaves no room for a digest.
    ///
    /// Source: calico `libcalico-go/lib/ipam/vmipam/ipam_kubevirt.go::CreateVMHandleID`.
    pub fn of_vm(network: Option<&str>, namespace: &str, vm: &str) -> Result<Self, HandleIdError> {
        const BYTES_MAX: usize = 128;
        let prefix = format!("{}.vmi.", network.unwrap_or("k8s-pod-network"));
        let name = format!("{namespace}.{vm}");
        let text = format!("{prefix}{name}");
        if text.len() < BYTES_MAX || (text.len() == BYTES_MAX && !name.starts_with('_')) {
            return Self::new(text);
        }
        // An underscore marks a digest.
        match BYTES_MAX.checked_sub(prefix.len() + 1) {
            None | Some(0) => Err(HandleIdError { text }),
            Some(left) => {
                let digest: String =
                    base64url(&Sha256::digest(name.as_bytes())).chars().take(left).collect();
                Self::new(format!("{prefix}_{digest}"))
            }
        }
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HandleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that cannot name a handle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} cannot name a handle: it is empty or too long, or holds a slash or a line break")]
pub struct HandleIdError {
    text: String,
}

/// Writes bytes in the base 64 for addresses in the web, without padding.
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| {
            bits << 8 | usize::from(chunk.get(at).copied().unwrap_or_default())
        });
        // Each byte takes one digit and a third.
        let digits = [18, 12, 6, 0].into_iter().take(chunk.len() + 1);
        text.extend(
            digits.filter_map(|shift| DIGITS.get(bits >> shift & 63).copied().map(char::from)),
        );
    }
    text
}

/// What a handle holds; its name stands in the key.
///
/// Source: calico `libcalico-go/lib/backend/model/ipam_handle.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Handle {
    #[serde(default, with = "text_keyed")]
    block: Option<BTreeMap<Cidr, u64>>,
    #[serde(default, deserialize_with = "null_as_default")]
    deleted: bool,
    #[serde(flatten)]
    unknown: Unknown,
}

impl Handle {
    /// Makes a handle that holds nothing yet; it must not be stored like that.
    #[must_use]
    pub fn new() -> Self {
        Self { block: Some(BTreeMap::new()), ..Self::default() }
    }

    /// Reads the value of a key. A handle without its map is read, so that it can be reported.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Json`] with the key.
    pub fn decode(key: &str, value: &[u8]) -> Result<Self, DecodeError> {
        from_json(key, value)
    }

    /// Returns the bytes to store, `None` for a handle that holds nothing and must be deleted instead.
    ///
    /// Calico crashes when it counts up in a handle without a map, and never deletes one whose map is empty.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        (!self.blocks().is_empty()).then(|| to_bytes(self))
    }

    /// Says whether the map is missing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.block.is_none()
    }

    /// Returns how many addresses are counted in which blocks.
    #[must_use]
    pub fn blocks(&self) -> &BTreeMap<Cidr, u64> {
        static EMPTY: BTreeMap<Cidr, u64> = BTreeMap::new();
        self.block.as_ref().unwrap_or(&EMPTY)
    }

    /// Returns the handle with `count` more addresses of a block.
    #[must_use]
    pub fn plus(mut self, block: Cidr, count: u64) -> Self {
        let held = self.block.get_or_insert_default().entry(block).or_insert(0);
        *held = held.saturating_add(count);
        self
    }

    /// Returns the handle with `count` fewer addresses of a block, never below none.
    ///
    /// The count is lowered relative to what is stored and never computed from the block: another allocation
    /// of the same handle may be under way.
    #[must_use]
    pub fn minus(mut self, block: &Cidr, count: u64) -> Self {
        if let Some(blocks) = &mut self.block
            && let Some(held) = blocks.get_mut(block)
        {
            *held = held.saturating_sub(count);
            if *held == 0 {
                blocks.remove(block);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_relative_and_empty_handles_are_not_stored() {
        let v4 = Cidr::parse("10.65.0.0/26").unwrap();
        let v6 = Cidr::parse("fd00:10:65::40/122").unwrap();
        let handle = Handle::new().plus(v6, 1).plus(v4, 1).plus(v4, 1);
        let bytes = handle.encode().unwrap();
        let text = r#"{"block":{"10.65.0.0/26":2,"fd00:10:65::40/122":1},"deleted":false}"#;
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), text);
        let handle = Handle::decode("k", &bytes).unwrap().minus(&v4, 1).minus(&v6, 5);
        assert_eq!(handle.blocks().iter().collect::<Vec<_>>(), [(&v4, &1)]);
        assert_eq!(handle.minus(&v4, 1).encode(), None);
    }

    #[test]
    fn a_null_map_is_read_and_never_written() {
        for text in [r#"{"block":null,"deleted":false}"#, r#"{"deleted":false}"#] {
            let handle = Handle::decode("k", text.as_bytes()).unwrap();
            assert!(handle.is_null() && handle.encode().is_none(), "{text}");
        }
        for text in [r#"{"block":{"10.0.0.0":1}}"#, r#"{"block":{"10.0.0.0/26":-1}}"#, "{", "7"] {
            assert!(Handle::decode("k", text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn names_that_would_change_the_key_are_refused() {
        for text in ["", "a/b", "a\rb", "a\nb"] {
            assert!(HandleId::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_machine_with_a_long_name_is_known_by_a_digest() {
        let (usual, long) = ("k8s-pod-network.vmi.ns.vm", "v".repeat(105));
        let fits = format!("k8s-pod-network.vmi.ns.{long}");
        assert_eq!(fits.len(), 128);
        let digest = "k8s-pod-network.vmi._yDggs8Xl3VugNqKQHAIvCGBbcr5ClvZOLBBDlYYa2MQ";
        let cut = format!("{}.vmi._ByA9bvfRzKIszI2dZV0rZo", "n".repeat(100));
        for (network, vm, text) in [
            (None, "vm", Some(usual)),
            (Some("multus".to_owned()), "vm", Some("multus.vmi.ns.vm")),
            (None, &long, Some(&fits)),
            (None, &format!("{long}v"), Some(digest)),
            (Some("n".repeat(100)), &"v".repeat(30), Some(&cut)),
            (Some("n".repeat(122)), "vm", None),
            (None, "a/b", None),
        ] {
            let handle = HandleId::of_vm(network.as_deref(), "ns", vm);
            assert_eq!(handle.as_ref().ok().map(HandleId::as_str), text, "{network:?}");
        }
    }

    #[test]
    fn any_number_of_bytes_is_written_in_base_64() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
            (&[0xff, 0xef, 0xbe], "_---"),
        ] {
            assert_eq!(base64url(bytes), text);
        }
    }
}
