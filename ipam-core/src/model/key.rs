//! The names under which values are stored. A plan makes and reads dozens of them, so hardly anything is formatted.

use crate::ip::{Cidr, Family};
use crate::kv::Key;

use super::handle::HandleId;
use super::owner::Owner;
use super::resource::ResourceKind;

/// The root of everything that Calico's IPAM stores.
pub const IPAM_ROOT: &str = "/calico/ipam/v2/";
/// The root of Calico's resources.
pub const RESOURCE_ROOT: &str = "/calico/resources/v3/projectcalico.org/";
/// The root of what only Ringfence stores. Calico's watchers would choke on foreign keys below their own.
pub const OWN_ROOT: &str = "/ringfence/v1/";
/// The configuration that allocators obey; the resource `IPAMConfiguration` is another matter.
pub const CONFIG: &str = "/calico/ipam/v2/config";

/// What the keys of all blocks begin with.
pub const BLOCKS: &str = "/calico/ipam/v2/assignment/";
/// What the keys of all handles begin with.
pub const HANDLES: &str = "/calico/ipam/v2/handle/";
/// What the keys of all hosts' claims begin with.
pub const HOSTS: &str = "/calico/ipam/v2/host/";
const VIRTUAL_ROOT: &str = "/calico/ipam/v2/virtual/";
const BINDING_ROOT: &str = "/ringfence/v1/bindings/";
const POOL_MARK_ROOT: &str = "/ringfence/v1/pools/";

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
    with_network(&[BLOCKS, segment(cidr.family())], cidr)
}

/// Returns what the keys of a family's blocks begin with.
#[must_use]
pub fn blocks(family: Family) -> String {
    [BLOCKS, segment(family)].concat()
}

/// Returns the key of an owner's claim on a block.
#[must_use]
pub fn affinity(owner: &Owner, cidr: &Cidr) -> Key {
    with_network(&[root_of(owner), owner.name(), "/", segment(cidr.family())], cidr)
}

/// Returns what the keys of an owner's claims in a family begin with.
#[must_use]
pub fn affinities(owner: &Owner, family: Family) -> String {
    [root_of(owner), owner.name(), "/", segment(family)].concat()
}

/// Returns the key of a handle.
#[must_use]
pub fn handle(id: &HandleId) -> Key {
    [HANDLES, id.as_str()].concat().into()
}

/// Returns the key of a resource.
#[must_use]
pub fn resource(kind: ResourceKind, name: &str) -> Key {
    [RESOURCE_ROOT, kind.plural(), "/", name].concat().into()
}

/// Returns what the keys of a kind's resources begin with.
#[must_use]
pub fn resources(kind: ResourceKind) -> String {
    [RESOURCE_ROOT, kind.plural(), "/"].concat()
}

/// Returns the key of a namespace's binding.
#[must_use]
pub fn binding(namespace: &str) -> Key {
    [BINDING_ROOT, namespace].concat().into()
}

/// Returns what the keys of bindings begin with.
#[must_use]
pub fn bindings() -> String {
    BINDING_ROOT.to_owned()
}

/// Returns the key of what only Ringfence knows of a pool.
#[must_use]
pub fn pool_mark(pool: &str) -> Key {
    [POOL_MARK_ROOT, pool].concat().into()
}

/// Returns what the keys of marks of pools begin with.
#[must_use]
pub fn pool_marks() -> String {
    POOL_MARK_ROOT.to_owned()
}

/// The roots of everything that is stored.
pub const ROOTS: [&str; 3] = [IPAM_ROOT, RESOURCE_ROOT, OWN_ROOT];

/// Says what a key names; `None` for a kind that is not modelled here, or a spelling that Calico's lists skip.
#[must_use]
pub fn parse(key: &str) -> Option<Named> {
    if key == CONFIG {
        return Some(Named::Config);
    }
    if let Some(rest) = key.strip_prefix(BLOCKS) {
        return parse_cidr(rest).map(Named::Block);
    }
    if let Some(id) = key.strip_prefix(HANDLES) {
        return one_segment(id).map(Named::Handle);
    }
    if let Some(rest) = key.strip_prefix(HOSTS) {
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

/// Returns the name of a resource of a kind from its key; `None` for any other key.
#[must_use]
pub fn name_of(kind: ResourceKind, key: &str) -> Option<&str> {
    let name = key.strip_prefix(RESOURCE_ROOT)?.strip_prefix(kind.plural())?.strip_prefix('/')?;
    is_one_segment(name).then_some(name)
}

fn root_of(owner: &Owner) -> &'static str {
    match owner {
        Owner::Host(_) => HOSTS,
        Owner::Virtual(_) => VIRTUAL_ROOT,
    }
}

fn one_segment(text: &str) -> Option<String> {
    is_one_segment(text).then(|| text.to_owned())
}

fn is_one_segment(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

fn parse_cidr(rest: &str) -> Option<Cidr> {
    let text = Family::ALL.into_iter().find_map(|family| rest.strip_prefix(segment(family)))?;
    let cidr = Cidr::from_key_text(text)?;
    rest.starts_with(segment(cidr.family())).then_some(cidr)
}

fn with_network(parts: &[&str], cidr: &Cidr) -> Key {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut key = String::with_capacity(length + Cidr::TEXT_MAX);
    for part in parts {
        key.push_str(part);
    }
    cidr.push_key_text(&mut key);
    key.into()
}

/// Returns what stands before the network in the keys of a family's blocks.
fn segment(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4/block/",
        Family::V6 => "ipv6/block/",
    }
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
            (
                block(&v6),
                "/calico/ipam/v2/assignment/ipv6/block/fd00:10:65::40-122",
                Named::Block(v6),
            ),
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
            assert_eq!(&*key, text);
            assert_eq!(parse(&key), Some(named), "{key}");
            let name = (text == "/calico/resources/v3/projectcalico.org/ippools/p").then_some("p");
            assert_eq!(name_of(ResourceKind::IpPool, &key), name, "{key}");
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
        let prefix = affinities(&Owner::Host("node-1".to_owned()), Family::V4);
        assert!(!"/calico/ipam/v2/host/node-10/ipv4/block/10.0.0.0-26".starts_with(&prefix));
        assert!("/calico/ipam/v2/host/node-1/ipv4/block/10.0.0.0-26".starts_with(&prefix));
    }
}
