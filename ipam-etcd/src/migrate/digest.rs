//! What proves that two stores hold the same.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A SHA-256 over keys and values in the order of the keys; revisions do not count.
///
/// Of each key and of each value goes in its length, as eight bytes with the highest first, and then its bytes. So no
/// two stores come to the same text: where a key ends and its value begins is part of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest([u8; 32]);

/// A digest that is not complete yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Digester(Sha256);

impl Digester {
    /// Takes in the next key.
    pub(super) fn add(&mut self, key: &str, value: &[u8]) {
        for part in [key.as_bytes(), value] {
            self.0.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            self.0.update(part);
        }
    }

    /// Returns the digest of all that was taken in.
    pub(super) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(pairs: &[(&str, &str)]) -> String {
        let mut digester = Digester::default();
        for (key, value) in pairs {
            digester.add(key, value.as_bytes());
        }
        digester.finish().to_string()
    }

    #[test]
    fn a_digest_is_what_other_tools_compute() {
        // sha256sum of nothing; and `printf '\0\0\0\0\0\0\0\1a\0\0\0\0\0\0\0\2bc' | sha256sum`.
        assert_eq!(digest(&[]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(
            digest(&[("a", "bc")]),
            "3fafa1cf2f19a7c1129beb20cf0983f73a489a221fc0dd2f16d1be292d089205"
        );
    }

    #[test]
    fn nothing_can_move_between_key_value_and_neighbour() {
        let all = [
            digest(&[("ab", "c")]),
            digest(&[("a", "bc")]),
            digest(&[("a", "b"), ("c", "")]),
            digest(&[("a", "b")]),
            digest(&[("a", ""), ("b", "c")]),
            digest(&[("b", "c"), ("a", "")]),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{at}");
        }
    }
}
