//! Why a search found too little.

use crate::ip::Cidr;

/// Why a search found too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Every address of the pools is taken.
    Full,
    /// The host may not claim another block.
    BlockLimit {
        /// How many it has.
        claimed: usize,
        /// How many it may have.
        limit: i64,
    },
    /// No blocks may be claimed at all.
    ClaimsOff,
    /// What is free lies in blocks of others, and those are out of reach.
    Strict,
}

impl Shortage {
    /// Returns what stock Calico says of it, given the networks of the pools; nothing where that is an error without a
    /// sentence.
    #[must_use]
    pub fn message(&self, pools: &[Cidr]) -> Option<String> {
        match self {
            Self::Full => {
                let pools: Vec<String> = pools.iter().map(ToString::to_string).collect();
                Some(format!("No IPs available in pools: [{}]", pools.join(" ")))
            }
            Self::BlockLimit { limit, .. } => Some(format!(
                "Need to allocate an IPAM block but could not - limit of {limit} blocks reached for this node"
            )),
            Self::ClaimsOff => None,
            Self::Strict => {
                Some("No more free affine blocks and strict affinity enabled".to_owned())
            }
        }
    }
}
