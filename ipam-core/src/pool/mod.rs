//! Pools: what a stored one means, which ones a workload may draw from, and what a network cannot use.

mod annotation;
mod choice;
mod network;
mod spelling;
mod validate;

pub use annotation::{AnnotationError, PoolList};
pub use choice::{
    Choice, ChoiceRequest, Level, Levels, NamespaceLabels, Tenant, annotation_key, choose,
    distance, refuse_kept_back,
};
pub use network::{AddressRules, Gateway};
pub use spelling::near_miss;
pub use validate::{
    NAMESPACE_RULE, is_binding_name, is_namespace_name, is_resource_name, validate,
};

use crate::ip::{Cidr, Family};
use crate::kv::Kv;
use crate::model::{DecodeError, IpPool, ResourceKind, key};
use crate::selector::{Selector, SelectorError};

/// What an address of a pool may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Pods and the like.
    Workload,
    /// The ends of tunnels between nodes.
    Tunnel,
    /// Services that are reached from outside.
    LoadBalancer,
}

impl Use {
    /// Every use.
    pub const ALL: [Self; 3] = [Self::Workload, Self::Tunnel, Self::LoadBalancer];

    /// Returns the use as a pool spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Workload => "Workload",
            Self::Tunnel => "Tunnel",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// A pool as an allocation sees it: defaults filled in, text parsed.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Its network.
    pub cidr: Cidr,
    /// The prefix length of its blocks.
    pub block_prefix: u8,
    /// Why new assignments are off, `None` where they are on.
    pub disabled: Option<&'static str>,
    /// Whether it is used only where it is named.
    pub manual: bool,
    /// Whether only namespaces whose binding names it may draw from it.
    pub exclusive: bool,
    /// Whether each of [`Use::ALL`] is allowed.
    allowed: [bool; 3],
    node_selector: Result<Selector, SelectorError>,
    namespace_selector: Result<Selector, SelectorError>,
}

impl Pool {
    /// Reads a stored pool, unless its value has been understood before; `None` where its network is none, which Calico
    /// passes over too.
    ///
    /// It is called what its key says, as others find it by that. Whether it is exclusive is stored elsewhere.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Json`] with the key.
    pub fn of(kv: &Kv) -> Result<Option<Self>, DecodeError> {
        let pool = kv.value.understood(|value| {
            let stored = IpPool::decode(&kv.key, value)?;
            Ok(Self::read(&stored, false))
        })?;
        let mut pool = Option::clone(&pool);
        if let (Some(pool), Some(name)) = (&mut pool, key::name_of(ResourceKind::IpPool, &kv.key))
            && pool.name != name
        {
            name.clone_into(&mut pool.name);
        }
        Ok(pool)
    }

    /// Fills in defaults and parses text; `None` where the network is none.
    ///
    /// A block size outside what the family allows is taken as the nearest one that is allowed.
    ///
    /// Source: calico `libcalico-go/lib/clientv3/ippool.go::convertIpPoolFromStorage`.
    #[must_use]
    pub fn read(stored: &IpPool, exclusive: bool) -> Option<Self> {
        let spec = &stored.spec;
        let cidr = Cidr::parse(&spec.cidr).ok()?;
        let conditions = stored.status.iter().flat_map(|status| &status.conditions);
        let not_allocatable =
            conditions.into_iter().any(|c| c.kind == "Allocatable" && c.status == "False");
        let disabled = match () {
            () if stored.metadata.deletion_timestamp.is_some() => Some("being deleted"),
            () if spec.disabled => Some("disabled"),
            () if not_allocatable => Some("marked as not allocatable"),
            () => None,
        };
        let says_nothing = spec.allowed_uses.is_empty();
        let allows = |used: Use| match used {
            Use::Workload | Use::Tunnel if says_nothing => true,
            Use::Workload | Use::Tunnel | Use::LoadBalancer => {
                spec.allowed_uses.iter().any(|allowed| allowed == used.name())
            }
        };
        Some(Self {
            name: stored.metadata.name.clone(),
            cidr,
            block_prefix: block_prefix(cidr.family(), spec.block_size),
            disabled,
            manual: spec.assignment_mode.as_deref() == Some("Manual"),
            exclusive,
            allowed: Use::ALL.map(allows),
            node_selector: Selector::parse(&spec.node_selector),
            namespace_selector: Selector::parse(&spec.namespace_selector),
        })
    }

    /// Returns the family of its addresses.
    #[must_use]
    pub fn family(&self) -> Family {
        self.cidr.family()
    }

    /// Says whether its addresses may be used like this; a pool that says nothing allows workloads and tunnels.
    #[must_use]
    pub fn allows(&self, wanted: Use) -> bool {
        Use::ALL
            .into_iter()
            .zip(self.allowed)
            .any(|(used, is_allowed)| used == wanted && is_allowed)
    }

    /// Returns which nodes draw from it.
    ///
    /// # Errors
    ///
    /// The reason why the stored text is no selector.
    pub fn node_selector(&self) -> Result<&Selector, &SelectorError> {
        self.node_selector.as_ref()
    }

    /// Returns which namespaces draw from it.
    ///
    /// # Errors
    ///
    /// The reason why the stored text is no selector.
    pub fn namespace_selector(&self) -> Result<&Selector, &SelectorError> {
        self.namespace_selector.as_ref()
    }

    /// Returns how many blocks it has.
    #[must_use]
    pub fn block_count(&self) -> u128 {
        self.cidr.block_count(self.block_prefix)
    }
}

/// Returns the prefix lengths that blocks of a family may have.
#[must_use]
pub const fn block_prefixes(family: Family) -> std::ops::RangeInclusive<u8> {
    match family {
        Family::V4 => 20..=32,
        Family::V6 => 116..=128,
    }
}

/// Returns the prefix length of blocks where a pool says nothing.
#[must_use]
pub const fn block_prefix_default(family: Family) -> u8 {
    match family {
        Family::V4 => 26,
        Family::V6 => 122,
    }
}

fn block_prefix(family: Family, stored: u8) -> u8 {
    let allowed = block_prefixes(family);
    match stored {
        0 => block_prefix_default(family),
        stored => stored.clamp(*allowed.start(), *allowed.end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::{Revision, Value};

    fn stored(name: &str, value: Value) -> Kv {
        Kv {
            key: key::resource(ResourceKind::IpPool, name),
            value,
            create_revision: Revision(2),
            mod_revision: Revision(3),
            version: 1,
        }
    }

    #[test]
    fn a_pool_is_called_what_its_key_says_however_often_its_value_was_understood() {
        let text = r#"{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"p"},"spec":{"cidr":"10.0.0.0/24"}}"#;
        let value = Value::from(text);
        for name in ["p", "q", "p"] {
            let pool = Pool::of(&stored(name, value.clone())).unwrap().unwrap();
            assert_eq!((pool.name.as_str(), pool.block_prefix), (name, 26));
            assert_eq!(Use::ALL.map(|used| pool.allows(used)), [true, true, false]);
        }
        let none = text.replace("10.0.0.0/24", "everything");
        assert!(Pool::of(&stored("p", none.into())).unwrap().is_none());
        assert!(Pool::of(&stored("p", "{".into())).is_err());
    }
}
