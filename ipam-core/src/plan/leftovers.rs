//! What a node's network holds for attachments that its runtime does not know any more.

use std::collections::BTreeSet;

use crate::ip::{Cidr, Family};
use crate::kv::{Lookup, Range, Read};
use crate::model::{Block, Handle, Owner, Timestamp, key};

use super::{HeldAddress, Holder, Outcome, Planned, Request};

/// Asks which addresses of a network a host holds for nobody. Nothing changes.
///
/// The host's own blocks are looked at; what it has borrowed is found by the network's handles, unless there are more than
/// [`HANDLES_MAX`]: then what it has borrowed is left to the cluster's collector.
#[derive(Clone, Debug)]
pub struct Leftovers {
    /// The host. What other hosts hold is never named.
    pub host: String,
    /// The network.
    pub network: String,
    /// What the host's runtime knows.
    pub attachments: BTreeSet<Attachment>,
    /// How many seconds an address is left alone after it was taken: its attachment may not be known yet.
    pub grace_seconds: i64,
}

/// An interface of a container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attachment {
    /// The container's id.
    pub container: String,
    /// The interface's name.
    pub interface: String,
}

/// How many handles of a network are looked through for borrowed addresses.
pub const HANDLES_MAX: u64 = 1024;

impl Request for Leftovers {
    type Reply = Vec<HeldAddress>;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        let handles = Range::prefix(format!("{}{}.", key::HANDLES, self.network));
        let claims = self.claims();
        let reads = claims.iter().cloned().map(Read::keys);
        lookup.require(reads.chain([Read::count(handles.clone())]))?;
        let own = own_blocks(lookup, &claims)?;
        let mut held = held_in(lookup, &own)?;
        if lookup.peek_count(&handles)? <= HANDLES_MAX {
            held.extend(borrowed(lookup, &handles, &own)?);
        }
        held.retain(|address| self.is_left_over(address, now));
        held.sort_by_key(|address| address.ip);
        Ok(Outcome::Done(held))
    }
}

impl Leftovers {
    fn claims(&self) -> Vec<Range> {
        let owner = Owner::Host(self.host.clone());
        Family::ALL.iter().map(|family| Range::prefix(key::affinities(&owner, *family))).collect()
    }

    fn is_left_over(&self, address: &HeldAddress, now: Timestamp) -> bool {
        let holder = &address.holder;
        holder.attribute("node") == Some(&self.host)
            && self.is_unknown(holder)
            && self.is_old(holder, now)
    }

    /// Says whether an address is one of the network's, and its attachment none of the runtime's.
    fn is_unknown(&self, holder: &Holder) -> bool {
        let prefix = format!("{}.", self.network);
        let Some(rest) = holder.handle.as_deref().and_then(|handle| handle.strip_prefix(&prefix))
        else {
            return false;
        };
        match holder.attribute("network") {
            Some(network) => {
                let part = |name| holder.attribute(name).map(str::to_owned);
                network == self.network
                    && part("container-id").zip(part("interface")).is_some_and(
                        |(container, interface)| {
                            !self.attachments.contains(&Attachment { container, interface })
                        },
                    )
            }
            // Stock Calico names the container alone. With a dot in it, it may as well be of a network with a longer name.
            None => {
                !rest.contains('.')
                    && !self.attachments.iter().any(|attachment| attachment.container == rest)
            }
        }
    }

    /// Says whether an address was taken long ago; of one that does not say when, nobody knows.
    fn is_old(&self, holder: &Holder, now: Timestamp) -> bool {
        let taken = holder.attribute("timestamp").and_then(Timestamp::from_go_text);
        taken.is_some_and(|taken| taken.plus_seconds(self.grace_seconds) <= now)
    }
}

fn own_blocks(lookup: &Lookup<'_>, claims: &[Range]) -> Planned<BTreeSet<Cidr>> {
    let mut blocks = BTreeSet::new();
    for range in claims {
        blocks.extend(lookup.peek_keys(range)?.into_iter().filter_map(|key| {
            match key::parse(key) {
                Some(key::Named::Affinity(_, cidr)) => Some(cidr),
                _ => None,
            }
        }));
    }
    Ok(blocks)
}

/// Returns what handles hold outside the host's own blocks.
fn borrowed(
    lookup: &mut Lookup<'_>,
    handles: &Range,
    own: &BTreeSet<Cidr>,
) -> Planned<Vec<HeldAddress>> {
    lookup.require([Read::values(handles.clone())])?;
    let mut blocks = BTreeSet::new();
    for kv in lookup.peek_scan(handles)? {
        let handle = Handle::decode(&kv.key, &kv.value)?;
        blocks.extend(handle.blocks().keys().filter(|cidr| !own.contains(cidr)).copied());
    }
    held_in(lookup, &blocks)
}

/// Returns everything that is held in some blocks.
fn held_in(lookup: &mut Lookup<'_>, blocks: &BTreeSet<Cidr>) -> Planned<Vec<HeldAddress>> {
    lookup.require(blocks.iter().map(|cidr| Read::values(Range::key(key::block(cidr)))))?;
    let mut held = Vec::new();
    for cidr in blocks {
        let block_key = key::block(cidr);
        if let Some(kv) = lookup.peek(&block_key)? {
            held.extend(HeldAddress::all_of(&Block::decode(&block_key, &kv.value)?));
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn taken(handle: &str, attributes: &[(&str, &str)]) -> HeldAddress {
        let pairs =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        HeldAddress {
            ip: "10.0.0.1".parse().unwrap(),
            block: Cidr::parse("10.0.0.0/26").unwrap(),
            holder: Holder {
                handle: Some(handle.to_owned()),
                attributes: pairs.collect::<BTreeMap<_, _>>(),
            },
            sequence: 1,
        }
    }

    #[test]
    fn only_what_is_certainly_nobodys_is_left_over() {
        let known = Attachment { container: "c1".to_owned(), interface: "eth0".to_owned() };
        let leftovers = Leftovers {
            host: "n1".to_owned(),
            network: "net".to_owned(),
            attachments: BTreeSet::from([known]),
            grace_seconds: 60,
        };
        let now: Timestamp = "2026-01-02T00:02:00Z".parse().unwrap();
        let old = ("timestamp", "2026-01-02 00:00:59.5 +0000 UTC");
        let n1 = ("node", "n1");
        let ours = |container, interface| {
            [("network", "net"), ("container-id", container), ("interface", interface), n1, old]
        };
        for (is_left, handle, attributes, why) in [
            (true, "net.c2.eth0", ours("c2", "eth0").to_vec(), "unknown container"),
            (true, "net.c1.eth1", ours("c1", "eth1").to_vec(), "unknown interface"),
            (false, "net.c1.eth0", ours("c1", "eth0").to_vec(), "known"),
            (true, "net.c2", vec![n1, old], "stock Calico's, unknown"),
            (false, "net.c1", vec![n1, old], "stock Calico's, known"),
            (false, "net.b.c2", vec![n1, old], "perhaps of network net.b"),
            (false, "net.b.c2.eth0", vec![("network", "net.b"), n1, old], "of network net.b"),
            (false, "other.c2", vec![n1, old], "of another network"),
            (false, "ipip-tunnel-addr-n1", vec![n1, old], "a tunnel's"),
            (false, "net.c2", vec![("node", "n2"), old], "another host's"),
            (false, "net.c2", vec![old], "nobody knows whose"),
            (false, "net.c2", vec![n1], "nobody knows since when"),
            (
                false,
                "net.c2",
                vec![n1, ("timestamp", "2026-01-02 00:01:01 +0000 UTC")],
                "too young",
            ),
            (false, "net.c2", vec![n1, ("timestamp", "yesterday")], "no time"),
        ] {
            assert_eq!(leftovers.is_left_over(&taken(handle, &attributes), now), is_left, "{why}");
        }
    }
}
