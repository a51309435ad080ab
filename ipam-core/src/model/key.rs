//! The names under which values are stored.

use std::fmt;

use crate::ip::{Cidr, Family};
use crate::kv::{Key, Range};

use super::ResourceKind;
use super::handle::HandleId;

/// The root of everything that Calico's IPAM stores.
pub const IPAM_ROOT: &str = "/calico/ipam/v2/";
/// The root of Calico's resources.
pub const RESOURCE_ROOT: &str = "/calico/resources/v3/projectcalico.org/";
/// The root of what only Ringfence stores. Calico's watchers would choke on foreign keys below their own.
pub const OWN_ROOT: &str = "/ringfence/v1/";
/// The configuration that allocators obey; the resource `IPAMConfiguration` is another matter.
pub const CONFIG: &str = "/calico/ipam/v2/config";

const BLOCK_ROOT: &str = "/calico/ipam/v2/assignment/";
const HANDLE_ROOT: &str = "/calico/ipam/v2/handle/";
const HOST_ROOT: &str = "/calico/ipam/v2/host/";
const VIRTUAL_ROOT: &str = "/calico/ipam/v2/virtual/";
const BINDING_ROOT: &str = "/ringfence/v1/bindings/";
const POOL_MARK_ROOT: &str = "/ringfence/v1/pools/";

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

    fn root(&self) -> &'static str {
        match self {
            Self::Host(_) => HOST_ROOT,
            Self::Virtual(_) => VIRTUAL_ROOT,
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

/// What a key of a kind that is modelled here names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A block.
    Block(Cidr),
    /// An owner's claim on a block.
    Affinity(Owner, Cidr),
    /// A handle, by its text.
    Handle(String),
    /// The configuration.
    Config,
    /// A resource, by kind and name.
    Resource(ResourceKind, String),
    /// A namespace's binding.
    Binding(String),
    /// What Ringfence knows of a pool beyond Calico.
    PoolMark(String),
}

/// Returns the key of a block.
#[must_use]
pub fn block(cidr: &Cidr) -> Key {
    format!("{BLOCK_ROOT}ipv{}/block/{}", cidr.family().number(), cidr.key_text())
}

/// Covers the blocks of a family.
#[must_use]
pub fn blocks(family: Family) -> Range {
    Range::prefix(format!("{BLOCK_ROOT}ipv{}/block/", family.number()))
}

/// Returns the key of an owner's claim on a block.
#[must_use]
pub fn affinity(owner: &Owner, cidr: &Cidr) -> Key {
    let number = cidr.family().number();
    format!("{}{}/ipv{number}/block/{}", owner.root(), owner.name(), cidr.key_text())
}

/// Covers an owner's claims in a family.
#[must_use]
pub fn affinities(owner: &Owner, family: Family) -> Range {
    Range::prefix(format!("{}{}/ipv{}/block/", owner.root(), owner.name(), family.number()))
}

/// Returns the key of a handle.
#[must_use]
pub fn handle(id: &HandleId) -> Key {
    format!("{HANDLE_ROOT}{id}")
}

/// Returns the key of a resource.
#[must_use]
pub fn resource(kind: ResourceKind, name: &str) -> Key {
    format!("{RESOURCE_ROOT}{}/{name}", kind.plural())
}

/// Covers the resources of a kind.
#[must_use]
pub fn resources(kind: ResourceKind) -> Range {
    Range::prefix(format!("{RESOURCE_ROOT}{}/", kind.plural()))
}

/// Returns the key of a namespace's binding.
#[must_use]
pub fn binding(namespace: &str) -> Key {
    format!("{BINDING_ROOT}{namespace}")
}

/// Covers all bindings.
#[must_use]
pub fn bindings() -> Range {
    Range::prefix(BINDING_ROOT)
}

/// Returns the key of what only Ringfence knows of a pool.
#[must_use]
pub fn pool_mark(pool: &str) -> Key {
    format!("{POOL_MARK_ROOT}{pool}")
}

/// Covers what only Ringfence knows of all pools.
#[must_use]
pub fn pool_marks() -> Range {
    Range::prefix(POOL_MARK_ROOT)
}

/// Covers everything that a check looks at.
#[must_use]
pub fn everything() -> [Range; 3] {
    [Range::prefix(IPAM_ROOT), Range::prefix(RESOURCE_ROOT), Range::prefix(OWN_ROOT)]
}

/// Says what a key names; `None` for a kind that is not modelled here, or a spelling that Calico's lists skip.
#[must_use]
pub fn parse(key: &str) -> Option<Named> {
    if key == CONFIG {
        return Some(Named::Config);
    }
    if let Some(rest) = key.strip_prefix(BLOCK_ROOT) {
        return parse_cidr(rest).map(Named::Block);
    }
    if let Some(id) = key.strip_prefix(HANDLE_ROOT) {
        return one_segment(id).map(Named::Handle);
    }
    if let Some(rest) = key.strip_prefix(HOST_ROOT) {
        let (name, rest) = rest.split_once('/')?;
        return Some(Named::Affinity(Owner::Host(name.to_owned()), parse_cidr(rest)?));
    }
    if let Some(rest) = key.strip_prefix(VIRTUAL_ROOT) {
        let (name, rest) = rest.split_once('/')?;
        return Some(Named::Affinity(Owner::Virtual(name.to_owned()), parse_cidr(rest)?));
    }
    if let Some(name) = key.strip_prefix(BINDING_ROOT) {
        return one_segment(name).map(Named::Binding);
    }
    if let Some(name) = key.strip_prefix(POOL_MARK_ROOT) {
        return one_segment(name).map(Named::PoolMark);
    }
    let (plural, name) = key.strip_prefix(RESOURCE_ROOT)?.split_once('/')?;
    Some(Named::Resource(ResourceKind::from_plural(plural)?, one_segment(name)?))
}

fn one_segment(text: &str) -> Option<String> {
    (!text.is_empty() && !text.contains('/')).then(|| text.to_owned())
}

fn parse_cidr(rest: &str) -> Option<Cidr> {
    let (version, text) = rest.strip_prefix("ipv")?.split_once("/block/")?;
    let cidr = Cidr::from_key_text(text)?;
    (version == cidr.family().number().to_string()).then_some(cidr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_calicos() {
        let v4 = Cidr::parse("10.65.0.64/26").unwrap();
        let v6 = Cidr::parse("fd00:10:65::40/122").unwrap();
        let host = Owner::Host("node-a".to_owned());
        let id = HandleId::new("k8s-pod-network.9f2c1d").unwrap();
        for (key, text, named) in [
            (block(&v4), "/calico/ipam/v2/assignment/ipv4/block/10.65.0.64-26", Named::Block(v4)),
            (block(&v6), "/calico/ipam/v2/assignment/ipv6/block/fd00:10:65::40-122", Named::Block(v6)),
            (
                affinity(&host, &v4),
                "/calico/ipam/v2/host/node-a/ipv4/block/10.65.0.64-26",
                Named::Affinity(host.clone(), v4),
            ),
            (
                handle(&id),
                "/calico/ipam/v2/handle/k8s-pod-network.9f2c1d",
                Named::Handle(id.to_string()),
            ),
            (
                resource(ResourceKind::IpPool, "p"),
                "/calico/resources/v3/projectcalico.org/ippools/p",
                Named::Resource(ResourceKind::IpPool, "p".to_owned()),
            ),
            (binding("fin"), "/ringfence/v1/bindings/fin", Named::Binding("fin".to_owned())),
        ] {
            assert_eq!(key, text);
            assert_eq!(parse(&key), Some(named), "{key}");
        }
    }

    #[test]
    fn other_keys_name_nothing() {
        for key in [
            "/calico/ipam/v2/host/node-a",
            "/calico/ipam/v2/assignment/ipv6/block/10.65.0.64-26",
            "/calico/ipam/v2/assignment/ipv4/block/10.65.0.65-26",
            "/calico/ipam/v2/handle/a/b",
            "/calico/resources/v3/projectcalico.org/tiers/default",
            "/calico/resources/v3/projectcalico.org/workloadendpoints/ns/x",
            "/registry/pods/x",
        ] {
            assert_eq!(parse(key), None, "{key}");
        }
    }

    #[test]
    fn a_host_prefix_stops_at_the_name() {
        let range = affinities(&Owner::Host("node-1".to_owned()), Family::V4);
        assert!(!range.contains("/calico/ipam/v2/host/node-10/ipv4/block/10.0.0.0-26"));
        assert!(range.contains("/calico/ipam/v2/host/node-1/ipv4/block/10.0.0.0-26"));
    }
}
