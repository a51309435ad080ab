//! Claims that are to be given up.

use crate::ip::Cidr;
use crate::model::{Owner, Timestamp};
use crate::plan::{Claims, ReleaseClaims};

/// A claim, or all claims of a node, that nobody needs. Only empty blocks go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// An empty block of a node that has others.
    Idle {
        /// Whose it is.
        node: String,
        /// The block.
        block: Cidr,
        /// How many blocks the node has, without those that are given up before this one.
        blocks: usize,
        /// Since when it has been seen to be empty, for longer than the grace.
        since: Timestamp,
    },
    /// Everything that a node claims which is gone, and of which nothing is in use.
    NodeGone {
        /// The node, as Calico calls it.
        node: String,
    },
}

impl Abandoned {
    /// Returns the node whose claims are meant.
    #[must_use]
    pub fn node(&self) -> &str {
        match self {
            Self::Idle { node, .. } | Self::NodeGone { node } => node,
        }
    }

    /// Returns the request that gives them up.
    #[must_use]
    pub fn request(&self) -> ReleaseClaims {
        let owner = Owner::Host(self.node().to_owned());
        let of = match self {
            Self::Idle { block, .. } => Claims::On(*block, owner),
            Self::NodeGone { .. } => Claims::All(owner),
        };
        ReleaseClaims { of, must_be_empty: true }
    }
}

/// A node that Calico has a record of and Kubernetes does not know any more.
///
/// Whoever deletes the record gives the claims up first, whether their blocks hold addresses or not: nobody will take any
/// from them.
///
/// Source: calico `kube-controllers/pkg/controllers/node/node_deleter.go`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoneNode {
    /// The node, as Calico calls it.
    pub node: String,
    /// What Kubernetes called it.
    pub kubernetes: String,
}

impl GoneNode {
    /// Returns the request that gives all its claims up.
    #[must_use]
    pub fn request(&self) -> ReleaseClaims {
        let of = Claims::All(Owner::Host(self.node.clone()));
        ReleaseClaims { of, must_be_empty: false }
    }
}
