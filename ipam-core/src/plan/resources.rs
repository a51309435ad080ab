//! Storing pools, reservations and nodes as an administrator writes them.

use crate::ip::Cidr;
use crate::kv::{Key, Lookup, Op, Range, Read, Value};
use crate::model::{
    ClusterInformation, IpPool, IpReservation, Metadata, Node, PoolMark, ResourceKind, Timestamp,
    Uid, key,
};
use crate::pool::validate;
use crate::refusal::Refusal;

use super::facts::{cluster_key, refuse_if_locked};
use super::{Outcome as PlanOutcome, Planned, Request};

/// Asks to store resources, all in one transaction.
#[derive(Clone, Debug)]
pub struct ApplyResources {
    /// The resources, each at most once.
    pub manifests: Vec<Manifest>,
    /// Whether resources that exist are refused instead of replaced.
    pub create_only: bool,
    /// Random bits for identities.
    pub random: u128,
}

/// One resource as an administrator writes it.
#[derive(Clone, Debug)]
pub enum Manifest {
    /// A pool, and whether only bound namespaces may draw from it (`None` leaves that as it is).
    Pool(Box<IpPool>, Option<bool>),
    /// A reservation.
    Reservation(Box<IpReservation>),
    /// A node.
    Node(Box<Node>),
}

/// What became of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It was replaced.
    Configured,
    /// It was the same.
    Unchanged,
}

/// One resource that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The kind.
    pub kind: ResourceKind,
    /// The name.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
}

impl Request for ApplyResources {
    type Reply = Vec<Applied>;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<PlanOutcome<Self::Reply>> {
        let pools = Range::prefix(key::resources(ResourceKind::IpPool));
        let mut reads = vec![Read::values(pools), Read::values(Range::key(cluster_key()))];
        reads.extend(
            crate::ip::Family::ALL.map(|family| Read::keys(Range::prefix(key::blocks(family)))),
        );
        reads.extend(self.manifests.iter().map(|m| Read::values(Range::key(m.key()))));
        lookup.require(reads)?;
        refuse_if_locked(lookup)?;
        let mut writer = Writer { random: self.random, now, ops: Vec::new(), applied: Vec::new() };
        let mut networks: Vec<(String, Cidr)> = Vec::new();
        for manifest in &self.manifests {
            match manifest {
                Manifest::Pool(pool, exclusive) => {
                    let cidr = self.pool(lookup, &mut writer, pool, *exclusive)?;
                    refuse_overlap(&pool.metadata.name, cidr, networks.iter())?;
                    networks.push((pool.metadata.name.clone(), cidr));
                }
                Manifest::Reservation(reservation) => {
                    self.reservation(lookup, &mut writer, reservation)?;
                }
                Manifest::Node(node) => self.node(lookup, &mut writer, node)?,
            }
        }
        if writer.ops.is_empty() {
            return Ok(PlanOutcome::Done(writer.applied));
        }
        writer.describe_cluster(lookup)?;
        Ok(PlanOutcome::Write { ops: writer.ops, reply: writer.applied })
    }
}

impl Manifest {
    fn key(&self) -> Key {
        match self {
            Self::Pool(pool, _) => key::resource(ResourceKind::IpPool, &pool.metadata.name),
            Self::Reservation(r) => key::resource(ResourceKind::IpReservation, &r.metadata.name),
            Self::Node(node) => key::resource(ResourceKind::Node, &node.metadata.name),
        }
    }
}

impl ApplyResources {
    fn pool(
        &self,
        lookup: &mut Lookup<'_>,
        writer: &mut Writer,
        given: &IpPool,
        exclusive: Option<bool>,
    ) -> Planned<Cidr> {
        let name = given.metadata.name.clone();
        let (mut pool, cidr) = validate(given.clone())
            .map_err(|source| Refusal::Pool { pool: name.clone(), source })?;
        let pool_key = key::resource(ResourceKind::IpPool, &name);
        let stored = lookup.get(&pool_key)?;
        if let Some(kv) = stored {
            self.refuse_existing(ResourceKind::IpPool, &name)?;
            let before = IpPool::decode(&pool_key, &kv.value)?;
            refuse_changed(&before, &pool, cidr)?;
            keep_identity(&mut pool.metadata, &before.metadata);
            pool.status = before.status;
        } else {
            refuse_overlap(&name, cidr, stored_pools(lookup)?.iter())?;
            refuse_other_blocks(lookup, &name, cidr, pool.spec.block_size)?;
            writer.identify(&mut pool.metadata);
        }
        writer.put(
            ResourceKind::IpPool,
            name.clone(),
            pool_key,
            pool.encode(),
            stored.map(|kv| &kv.value),
        );
        if let Some(exclusive) = exclusive {
            mark(lookup, writer, &name, exclusive)?;
        }
        Ok(cidr)
    }

    fn reservation(
        &self,
        lookup: &mut Lookup<'_>,
        writer: &mut Writer,
        given: &IpReservation,
    ) -> Planned<()> {
        let mut reservation = given.clone();
        let name = given.metadata.name.clone();
        let key = key::resource(ResourceKind::IpReservation, &name);
        let stored = lookup.get(&key)?;
        match stored {
            Some(kv) => {
                self.refuse_existing(ResourceKind::IpReservation, &name)?;
                let before = IpReservation::decode(&key, &kv.value)?;
                keep_identity(&mut reservation.metadata, &before.metadata);
            }
            None => writer.identify(&mut reservation.metadata),
        }
        let value = reservation.encode();
        writer.put(ResourceKind::IpReservation, name, key, value, stored.map(|kv| &kv.value));
        Ok(())
    }

    fn node(&self, lookup: &mut Lookup<'_>, writer: &mut Writer, given: &Node) -> Planned<()> {
        let mut node = given.clone();
        let name = given.metadata.name.clone();
        let key = key::resource(ResourceKind::Node, &name);
        let stored = lookup.get(&key)?;
        match stored {
            Some(kv) => {
                self.refuse_existing(ResourceKind::Node, &name)?;
                let before = Node::decode(&key, &kv.value)?;
                keep_identity(&mut node.metadata, &before.metadata);
                node.status = before.status;
            }
            None => writer.identify(&mut node.metadata),
        }
        // A node is always stored with its status, even an empty one.
        node.status.get_or_insert_default();
        writer.put(ResourceKind::Node, name, key, node.encode(), stored.map(|kv| &kv.value));
        Ok(())
    }

    fn refuse_existing(&self, kind: ResourceKind, name: &str) -> Result<(), Refusal> {
        if self.create_only {
            return Err(Refusal::Exists { kind: kind.name(), name: name.to_owned() });
        }
        Ok(())
    }
}

struct Writer {
    random: u128,
    now: Timestamp,
    ops: Vec<Op>,
    applied: Vec<Applied>,
}

impl Writer {
    fn put(
        &mut self,
        kind: ResourceKind,
        name: String,
        key: Key,
        value: Vec<u8>,
        before: Option<&Value>,
    ) {
        let outcome = match before {
            None => Outcome::Created,
            Some(before) if *before == value => Outcome::Unchanged,
            Some(_) => Outcome::Configured,
        };
        if outcome != Outcome::Unchanged {
            self.ops.push(Op::put(key, value));
        }
        self.applied.push(Applied { kind, name, outcome });
    }

    fn identify(&mut self, metadata: &mut Metadata) {
        metadata.uid = self.next_uid().to_string();
        metadata.creation_timestamp = Some(self.now);
    }

    /// Spreads the given random bits over several identities (the step of a Weyl sequence in 128 bits).
    fn next_uid(&mut self) -> Uid {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Uid::from_random(self.random)
    }

    /// The first write to a fresh store describes the cluster, as stock Calico's first write does.
    fn describe_cluster(&mut self, lookup: &mut Lookup<'_>) -> Planned<()> {
        let key = cluster_key();
        if lookup.get(&key)?.is_none() {
            let (uid, guid) = (self.next_uid(), self.next_uid());
            let cluster = ClusterInformation::fresh(uid, guid, self.now);
            self.ops.push(Op::put(key, cluster.encode()));
        }
        Ok(())
    }
}

fn keep_identity(new: &mut Metadata, stored: &Metadata) {
    new.uid.clone_from(&stored.uid);
    new.creation_timestamp = stored.creation_timestamp;
    new.generation = stored.generation;
}

fn stored_pools(lookup: &mut Lookup<'_>) -> Planned<Vec<(String, Cidr)>> {
    let kvs = lookup.scan(&Range::prefix(key::resources(ResourceKind::IpPool)))?;
    let networks = kvs.into_iter().filter_map(|kv| {
        let stored = IpPool::decode(&kv.key, &kv.value).ok()?;
        Some((stored.metadata.name.clone(), Cidr::parse(&stored.spec.cidr).ok()?))
    });
    Ok(networks.collect())
}

fn refuse_overlap<'a>(
    name: &str,
    cidr: Cidr,
    mut others: impl Iterator<Item = &'a (String, Cidr)>,
) -> Result<(), Refusal> {
    match others.find(|(other, other_cidr)| other != name && other_cidr.overlaps(&cidr)) {
        None => Ok(()),
        Some((other, other_cidr)) => Err(Refusal::PoolOverlap {
            pool: name.to_owned(),
            cidr,
            other: other.clone(),
            other_cidr: *other_cidr,
        }),
    }
}

fn refuse_other_blocks(lookup: &Lookup<'_>, name: &str, cidr: Cidr, block_size: u8) -> Planned<()> {
    for key in lookup.peek_keys(&Range::prefix(key::blocks(cidr.family())))? {
        if let Some(key::Named::Block(block)) = key::parse(key)
            && block.overlaps(&cidr)
            && block.prefix() != block_size
        {
            return Err(Refusal::BlockSizeClash { pool: name.to_owned(), block_size, block }.into());
        }
    }
    Ok(())
}

fn refuse_changed(before: &IpPool, pool: &IpPool, cidr: Cidr) -> Result<(), Refusal> {
    let name = pool.metadata.name.clone();
    if Cidr::parse(&before.spec.cidr).is_ok_and(|stored| stored != cidr) {
        let (stored, given) = (before.spec.cidr.clone(), cidr.to_string());
        return Err(Refusal::Immutable { pool: name, field: "cidr", stored, given });
    }
    if before.spec.block_size != 0 && before.spec.block_size != pool.spec.block_size {
        let (stored, given) =
            (before.spec.block_size.to_string(), pool.spec.block_size.to_string());
        return Err(Refusal::Immutable { pool: name, field: "blockSize", stored, given });
    }
    Ok(())
}

/// Stores or removes the mark of an exclusive pool.
fn mark(lookup: &mut Lookup<'_>, writer: &mut Writer, name: &str, exclusive: bool) -> Planned<()> {
    let key = key::pool_mark(name);
    let stored = lookup.get(&key)?;
    match (stored, exclusive) {
        (None, true) => writer.ops.push(Op::put(key, PoolMark::exclusive().encode())),
        (Some(_), false) => writer.ops.push(Op::delete(key)),
        (Some(_), true) | (None, false) => {}
    }
    Ok(())
}
