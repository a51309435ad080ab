//! A snapshot as the collector looks at it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::block;
use crate::ip::{Cidr, Ordinal};
use crate::kv::Kv;
use crate::model::{
    Block, ClusterInformation, Config, DecodeError, Node, Owner, Record, ResourceKind, key,
};
use crate::plan::Snapshot;

use super::{Cluster, Paused};

/// The blocks, and what the records of nodes say of Kubernetes. Claims and handles are not looked at.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) blocks: BTreeMap<Cidr, Block>,
    pub(super) cooldown_seconds: i64,
    pub(super) unreadable: Vec<DecodeError>,
    /// What Kubernetes calls each node; `None` where it is no node of Kubernetes, or its record cannot be read.
    nodes: BTreeMap<String, Option<String>>,
    is_ready: Option<bool>,
}

/// What is known of a node that Calico's data names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host<'a> {
    /// Kubernetes knows it, by this name.
    Living(&'a str),
    /// Kubernetes does not know it. The name is the one that it had there; `None` where its record is gone too.
    Gone(Option<&'a str>),
    /// It never was a node of Kubernetes, or its record cannot be read: nothing of it is judged.
    Foreign,
}

/// An address that a handle holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allocation<'a> {
    pub(super) ip: IpAddr,
    pub(super) block: Cidr,
    pub(super) handle: &'a str,
    pub(super) sequence: u64,
    pub(super) record: &'a Record,
}

impl<'a> Allocation<'a> {
    /// Reads one; `None` for an address in cooldown, one without a handle, and what Windows sets aside.
    fn read(block: &'a Block, ordinal: Ordinal, record: &'a Record) -> Option<Self> {
        if record.released_at().is_some() || block::is_set_aside(record) {
            return None;
        }
        Some(Self {
            ip: block.cidr.address_at(ordinal),
            block: block.cidr,
            handle: record.handle()?,
            sequence: block.sequence_of(ordinal),
            record,
        })
    }

    /// Returns an attribute of the owner; `None` where it is empty.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        self.record.owner_attribute(name).filter(|value| !value.is_empty())
    }
}

impl Index {
    /// Sorts a snapshot. What cannot be read is left out and reported.
    pub(super) fn read(snapshot: &Snapshot) -> Result<Self, Paused> {
        let mut index =
            Self { cooldown_seconds: Config::default().ip_cooldown_seconds, ..Self::default() };
        for kv in &snapshot.kvs {
            if let Err(error) = index.take(kv) {
                index.unreadable.push(error);
            }
        }
        match index.is_ready {
            Some(true) => Ok(index),
            Some(false) => Err(Paused::NotReady),
            None => Err(Paused::NoClusterInformation),
        }
    }

    fn take(&mut self, kv: &Kv) -> Result<(), DecodeError> {
        match key::parse(&kv.key) {
            Some(key::Named::Block(cidr)) => {
                self.blocks.insert(cidr, Block::decode(&kv.key, &kv.value)?);
            }
            Some(key::Named::Config) => {
                self.cooldown_seconds = Config::decode(&kv.key, &kv.value)?.ip_cooldown_seconds;
            }
            Some(key::Named::Resource(ResourceKind::Node, name)) => {
                let node = Node::decode(&kv.key, &kv.value);
                let kubernetes =
                    node.as_ref().ok().and_then(Node::kubernetes_name).map(str::to_owned);
                self.nodes.insert(name, kubernetes);
                node?;
            }
            Some(key::Named::Resource(ResourceKind::ClusterInformation, name))
                if name == ClusterInformation::NAME =>
            {
                let cluster = ClusterInformation::decode(&kv.key, &kv.value)?;
                self.is_ready = Some(cluster.spec.datastore_ready == Some(true));
            }
            Some(
                key::Named::Resource(..)
                | key::Named::Affinity(..)
                | key::Named::Handle(_)
                | key::Named::Binding(_)
                | key::Named::PoolMark(_),
            )
            | None => {}
        }
        Ok(())
    }

    /// Walks every address that a handle holds.
    pub(super) fn allocations(&self) -> impl Iterator<Item = Allocation<'_>> {
        self.blocks.values().flat_map(|block| {
            let taken = block.taken();
            taken.filter_map(move |(ordinal, record)| Allocation::read(block, ordinal, record))
        })
    }

    /// Walks the blocks that nodes claim, each with its node.
    pub(super) fn claimed(&self) -> impl Iterator<Item = (String, &Block)> {
        self.blocks.values().filter_map(|block| match Owner::parse(block.affinity.as_deref()?)? {
            Owner::Host(node) => Some((node, block)),
            Owner::Virtual(_) => None,
        })
    }

    /// Says what is known of a node.
    pub(super) fn host(&self, node: &str, cluster: &Cluster) -> Host<'_> {
        match self.nodes.get(node) {
            None => Host::Gone(None),
            Some(None) => Host::Foreign,
            Some(Some(name)) if cluster.nodes.contains(name) => Host::Living(name),
            Some(Some(name)) => Host::Gone(Some(name)),
        }
    }

    /// Walks the records of nodes, each with what Kubernetes calls the node.
    pub(super) fn records(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes.iter().filter_map(|(node, name)| Some((node.as_str(), name.as_deref()?)))
    }
}
