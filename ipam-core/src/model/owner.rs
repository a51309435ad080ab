//! Whoever claims blocks.

use std::fmt;

/// Whoever may claim blocks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A node.
    Host(String),
    /// Something that is no node, such as `load-balancer`.
    Virtual(String),
}

impl Owner {
    /// Reads the text of a block's affinity; `None` where it names nobody that Calico knows.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            ("host", name) => Some(Self::Host(name.to_owned())),
            ("virtual", name) => Some(Self::Virtual(name.to_owned())),
            _ => None,
        }
    }

    /// Returns the name without its type.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Host(name) | Self::Virtual(name) => name,
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => write!(f, "host:{name}"),
            Self::Virtual(name) => write!(f, "virtual:{name}"),
        }
    }
}
