//! What the stored bytes of a block tell before anybody reads all of them.

use crate::model::{HandleId, Owner};

use super::Block;

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

    /// Says from the stored bytes alone whether a handle can be named in a block, unless it is written with escapes.
    #[must_use]
    pub fn names_as_stored(value: &[u8], handle: &HandleId) -> bool {
        str::from_utf8(value).is_ok_and(|text| text.contains(handle.as_str()))
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
    use super::super::examples::USED;
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
}
