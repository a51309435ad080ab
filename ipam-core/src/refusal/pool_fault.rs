//! What is wrong with a pool.

use crate::ip::{Cidr, CidrError};
use crate::selector::SelectorError;

/// A rule that a pool breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolFault {
    /// The name cannot be one.
    #[error(
        "the name {name:?} is not made of lower-case letters, digits, '-' and '.', or does not start and end with a letter or digit"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The network is none.
    #[error("cidr is not a network")]
    Cidr {
        /// What is wrong.
        source: CidrError,
    },
    /// The network has bits behind its prefix.
    #[error("cidr {given} has bits set behind its prefix; write {masked}")]
    HostBits {
        /// The text that was given.
        given: String,
        /// The network that was probably meant.
        masked: Cidr,
    },
    /// The network belongs to links.
    #[error("cidr {cidr} overlaps the link-local range {range}")]
    LinkLocal {
        /// The network.
        cidr: Cidr,
        /// The range.
        range: &'static str,
    },
    /// The blocks have a size that Calico does not know.
    #[error("blockSize {block_size} is not between {min} and {max}")]
    BlockSize {
        /// The size that was given.
        block_size: u8,
        /// The shortest prefix of the family.
        min: u8,
        /// The longest prefix of the family.
        max: u8,
    },
    /// Not even one block fits.
    #[error("cidr {cidr} is smaller than one block of /{block_size}")]
    Small {
        /// The network.
        cidr: Cidr,
        /// The prefix length of a block.
        block_size: u8,
    },
    /// A field has a value that it does not know.
    #[error("{field} is {value:?}; it must be one of {known}")]
    Value {
        /// The field.
        field: &'static str,
        /// The value.
        value: String,
        /// The values that it knows.
        known: &'static str,
    },
    /// Two fields do not go together.
    #[error("{0}")]
    Conflict(&'static str),
    /// A selector cannot be read.
    #[error("{field} is not a selector")]
    Selector {
        /// The field.
        field: &'static str,
        /// What is wrong.
        source: SelectorError,
    },
    /// A selector cannot be stored.
    #[error("{field} {why}")]
    SelectorRule {
        /// The field.
        field: &'static str,
        /// Which rule it breaks.
        why: &'static str,
    },
}
