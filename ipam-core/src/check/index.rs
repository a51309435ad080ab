//! A snapshot sorted by what its keys name.

use std::collections::BTreeMap;

use crate::ip::Cidr;
use crate::kv::Kv;
use crate::model::{
    Affinity, Binding, Block, BlockFault, ClusterInformation, Config, DecodeError, Handle, IpPool,
    IpReservation, Node, Owner, PoolMark, ResourceKind, key,
};

use super::{Finding, Rule, decode};

/// What a snapshot holds of the kinds that depend on each other.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) blocks: BTreeMap<Cidr, Block>,
    pub(super) affinities: BTreeMap<(Owner, Cidr), Affinity>,
    pub(super) handles: BTreeMap<String, Handle>,
    pub(super) pools: BTreeMap<String, IpPool>,
    pub(super) bindings: BTreeMap<String, Binding>,
}

impl Index {
    /// Sorts the values and reports those that cannot be understood.
    pub(super) fn build(kvs: &[Kv], findings: &mut Vec<Finding>) -> Self {
        let mut index = Self::default();
        for kv in kvs {
            if let Err(error) = decode(kv, &mut index) {
                findings.push(Finding::new(rule_of(&error), &kv.key, chain(&error)));
            }
        }
        index
    }
}

/// Reports resources that cannot be understood.
pub(super) fn judge_resource(named: &key::Named, kv: &Kv) -> Result<(), DecodeError> {
    use key::Named;
    match named {
        Named::Config => Config::decode(&kv.key, &kv.value).map(drop),
        Named::PoolMark(_) => PoolMark::decode(&kv.key, &kv.value).map(drop),
        Named::Resource(ResourceKind::IpReservation, _) => {
            IpReservation::decode(&kv.key, &kv.value).map(drop)
        }
        Named::Resource(ResourceKind::Node, _) => Node::decode(&kv.key, &kv.value).map(drop),
        Named::Resource(ResourceKind::ClusterInformation, _) => {
            ClusterInformation::decode(&kv.key, &kv.value).map(drop)
        }
        Named::Block(_)
        | Named::Affinity(..)
        | Named::Handle(_)
        | Named::Binding(_)
        | Named::Resource(ResourceKind::IpPool, _) => Ok(()),
    }
}

fn rule_of(error: &DecodeError) -> Rule {
    match error {
        DecodeError::Json { .. } => Rule::Undecodable,
        DecodeError::NullHandle { .. } => Rule::X5,
        DecodeError::Block { source, .. } => match source {
            BlockFault::OtherCidr { .. } => Rule::K1,
            BlockFault::Length { .. } | BlockFault::TooLarge { .. } => Rule::K2,
            BlockFault::Queue { .. } => Rule::K3,
            BlockFault::Dangling { .. } => Rule::K4,
        },
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
