//! An owner's claims on blocks, as they are stored.

use crate::ip::{Cidr, Family};
use crate::kv::{Key, Lookup, Range, Read};
use crate::model::{Owner, key};

use super::Planned;

/// An owner's claim on a block.
#[derive(Debug)]
pub(super) struct Row<'v> {
    /// Its key.
    pub(super) key: &'v Key,
    /// The block's network.
    pub(super) cidr: Cidr,
    /// The block's key.
    pub(super) block_key: Key,
}

impl<'v> Row<'v> {
    /// Returns what must be read to know the claims of an owner in a family.
    pub(super) fn reads(owner: &Owner, family: Family) -> Read {
        Read::values(Range::prefix(key::affinities(owner, family)))
    }

    /// Returns the claims of an owner, family by family and each in the order of their keys, as a hint.
    pub(super) fn all_of(
        lookup: &Lookup<'v>,
        owner: &Owner,
        families: impl IntoIterator<Item = Family>,
    ) -> Planned<Vec<Self>> {
        let mut rows = Vec::new();
        for family in families {
            let range = Range::prefix(key::affinities(owner, family));
            for kv in lookup.peek_scan(&range)? {
                // A claim that is spelt as Calico's lists skip it is none.
                let network = kv.key.strip_prefix(&**range.start()).and_then(Cidr::from_key_text);
                let cidr = network.filter(|cidr| cidr.family() == family);
                rows.extend(cidr.map(|cidr| Self {
                    key: &kv.key,
                    cidr,
                    block_key: key::block(&cidr),
                }));
            }
        }
        Ok(rows)
    }

    /// Asks for the block.
    pub(super) fn block_read(&self) -> Read {
        Read::values(Range::key(Key::clone(&self.block_key)))
    }
}
