//! What the stored bytes of a block tell before anybody reads all of them.

use crate::model::{HandleId, Owner};

use super::{Block, written};

impl Block {
    /// Says from the stored bytes alone that nothing is free in a block, and nothing will be when cooldowns end.
    ///
    /// To read a full block takes many times as long, and most blocks of a busy host are full. Inside a text of JSON a
    /// quotation mark is escaped, so these bytes can stand for nothing else. `false` proves nothing.
    #[must_use]
    pub fn is_full_as_stored(value: &[u8]) -> bool {
        let Ok(text) = str::from_utf8(value) else { return false };
        // Nobody spells a member with escapes, but somebody could.
        text.contains(r#""unallocated":[]"#)
            && !text.contains(r#""releasedAt""#)
            && !text.contains('\\')
    }

    /// Counts in stored bytes the addresses that a handle holds in a block.
    ///
    /// The rules of a block are not checked: a guess, though a good one.
    #[must_use]
    pub fn count_as_stored(value: &[u8], handle: &HandleId) -> u64 {
        // Hardly any handle is written with escapes, and whoever guesses wrong only looks twice.
        let Ok(text) = str::from_utf8(value) else { return 0 };
        if !text.contains(handle.as_str()) {
            return 0;
        }
        let count = written::count(text, handle.as_str())
            .or_else(|| Some(Self::read(value).ok()?.ordinals_of(handle.as_str(), |_| true).len()));
        count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
    }

    /// Says from the stored bytes alone that a block belongs to an owner. `false` proves nothing.
    #[must_use]
    pub fn is_affine_as_stored(value: &[u8], owner: &Owner) -> bool {
        let Ok(text) = str::from_utf8(value) else { return false };
        let Some((_, rest)) = text.split_once(r#","affinity":""#) else { return false };
        rest.strip_prefix(owner.to_string().as_str()).is_some_and(|rest| rest.starts_with('"'))
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{KEY, USED};
    use super::*;

    #[test]
    fn a_full_block_is_told_by_its_bytes() {
        let full = USED.replace("[3,4,5,6,7]", "[]");
        for (value, expected) in [
            (USED.to_owned(), false),
            (full.clone(), false),
            (full.replace("releasedAt", "x"), true),
            (
                USED.replace("node-a\"", "\\\"unallocated\\\":[]\"").replace("releasedAt", "x"),
                false,
            ),
        ] {
            assert_eq!(Block::is_full_as_stored(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn what_a_handle_holds_is_counted_in_the_text() {
        let block = Block::decode(KEY, USED.as_bytes()).unwrap();
        for (id, count) in [
            ("ipip-tunnel-addr-node-a", 1),
            ("k8s-pod-network.9f2c1d", 1),
            ("k8s-pod-network.9f2c", 0),
            ("node-a", 0),
            ("nobody", 0),
        ] {
            assert_eq!(Block::count_as_stored(USED.as_bytes(), &HandleId::new(id).unwrap()), count);
            assert_eq!(block.ordinals_of(id, |_| true).len(), usize::try_from(count).unwrap());
        }
        let twice = USED.replace("[0,1,2,null", "[0,1,1,2").replace("[3,4", "[4");
        let id = HandleId::new("k8s-pod-network.9f2c1d").unwrap();
        assert_eq!(Block::count_as_stored(twice.as_bytes(), &id), 2);
        for damaged in [USED.replace("[0,1,2,", "[0,-1,2,"), USED.chars().take(600).collect()] {
            assert_eq!(Block::count_as_stored(damaged.as_bytes(), &id), 0, "{damaged}");
        }
        assert_eq!(Block::count_as_stored(b"\xff", &id), 0);
    }
}
