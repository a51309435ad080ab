//! Mending what was found, one finding in one transaction.

use crate::block;
use crate::ip::Cidr;
use crate::kv::{Key, Lookup, Op, Range, Read, Revision};
use crate::model::key::{self, Named};
use crate::model::{Affinity, AffinityState, Block, Handle, Owner, ResourceKind, Timestamp};

use crate::plan::downgrade::downgrade;
use crate::plan::release::write_handle;
use crate::plan::{Outcome, Planned, Request, Snapshot};

use super::{Finding, Rule};

/// How many blocks of a handle are looked at in one transaction; what is left is found by the next check.
const BLOCKS_MAX: usize = 40;

/// Asks to mend what one finding is about.
///
/// It compares everything that it looked at, and the subject must be as it was when it was judged: whatever has changed since
/// is judged anew. Where [`Remedy::Aged`](super::Remedy::Aged) says so, the caller must have seen the same revision for longer than any operation
/// of a node takes.
///
/// Source: what may be mended, and when, follows from calico `libcalico-go/lib/ipam`, whose writers look at one key at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repair {
    rule: Rule,
    subject: Key,
    seen: Revision,
    cure: Cure,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cure {
    Withdraw(Owner, Cidr),
    ClaimAgain(Cidr),
    Settle(Owner, Cidr),
    DeleteIdle(Cidr),
    CountMore(String, Cidr),
    CountLess(String),
}

impl Repair {
    /// Returns the repair of what was found in a snapshot; `None` where only people can mend it.
    #[must_use]
    pub fn of(finding: &Finding, snapshot: &Snapshot) -> Option<Self> {
        let stored = snapshot.kvs.iter().find(|kv| *kv.key == *finding.subject);
        Some(Self {
            rule: finding.rule,
            subject: finding.subject.as_str().into(),
            seen: stored.map_or(Revision::ABSENT, |kv| kv.mod_revision),
            cure: Cure::of(finding)?,
        })
    }

    /// Returns the rule that was broken.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }
}

impl Cure {
    fn of(finding: &Finding) -> Option<Self> {
        let rule = finding.rule;
        match key::parse(&finding.subject)? {
            Named::Affinity(owner, cidr) if rule == Rule::X1 => Some(Self::Withdraw(owner, cidr)),
            Named::Affinity(owner, cidr) if rule == Rule::Unconfirmed => {
                Some(Self::Settle(owner, cidr))
            }
            Named::Block(cidr) if rule == Rule::X3 => Some(Self::ClaimAgain(cidr)),
            Named::Block(cidr) if rule == Rule::EmptyUnowned => Some(Self::DeleteIdle(cidr)),
            Named::Handle(id) if rule == Rule::X4 => Some(Self::CountMore(id, finding.block?)),
            Named::Handle(id) if matches!(rule, Rule::X5 | Rule::Phantom) => {
                Some(Self::CountLess(id))
            }
            Named::Affinity(..)
            | Named::Block(_)
            | Named::Handle(_)
            | Named::Config
            | Named::Resource(..)
            | Named::Binding(_)
            | Named::PoolMark(_) => None,
        }
    }

    fn ops(&self, lookup: &mut Lookup<'_>, subject: &str) -> Planned<Vec<Op>> {
        match self {
            Self::Withdraw(owner, cidr) => withdraw(lookup, owner, cidr),
            Self::ClaimAgain(cidr) => claim_again(lookup, cidr),
            Self::Settle(owner, cidr) => settle(lookup, owner, cidr),
            Self::DeleteIdle(cidr) => delete_idle(lookup, cidr),
            Self::CountMore(id, cidr) => count_more(lookup, subject, id, *cidr),
            Self::CountLess(id) => count_less(lookup, subject, id),
        }
    }
}

impl Request for Repair {
    /// Whether anything had to be mended, still.
    type Reply = bool;

    fn plan(&self, lookup: &mut Lookup<'_>, _now: Timestamp) -> Planned<Outcome<bool>> {
        lookup.require([Read::values(Range::key(self.subject.clone()))])?;
        let stored = lookup.get(&self.subject)?;
        if stored.map_or(Revision::ABSENT, |kv| kv.mod_revision) != self.seen {
            return Ok(Outcome::Done(false));
        }
        let ops = self.cure.ops(lookup, &self.subject)?;
        Ok(if ops.is_empty() { Outcome::Done(false) } else { Outcome::Write { ops, reply: true } })
    }
}

fn read_block(lookup: &mut Lookup<'_>, cidr: &Cidr) -> Planned<Option<Block>> {
    let block_key = key::block(cidr);
    lookup.require([Read::values(Range::key(block_key.clone()))])?;
    let Some(kv) = lookup.get(&block_key)? else { return Ok(None) };
    Ok(Some(Block::decode(&block_key, &kv.value)?))
}

/// A confirmed claim whose block is missing or another's is not confirmed any more.
fn withdraw(lookup: &mut Lookup<'_>, owner: &Owner, cidr: &Cidr) -> Planned<Vec<Op>> {
    if read_block(lookup, cidr)?.is_some_and(|block| block.is_affine_to(owner)) {
        return Ok(Vec::new());
    }
    Ok(downgrade(lookup, key::affinity(owner, cidr))?.into_iter().collect())
}

/// A block whose owner has no claim is claimed again for it, or given up where that node does not exist.
fn claim_again(lookup: &mut Lookup<'_>, cidr: &Cidr) -> Planned<Vec<Op>> {
    let Some(block) = read_block(lookup, cidr)? else { return Ok(Vec::new()) };
    let owner = block.affinity.as_deref().and_then(Owner::parse);
    let Some(owner) = owner else { return Ok(Vec::new()) };
    let row_key = key::affinity(&owner, cidr);
    let node_key = key::resource(ResourceKind::Node, owner.name());
    let keys = [&row_key, &node_key];
    lookup.require(keys.map(|key| Read::values(Range::key(key.clone()))))?;
    if lookup.get(&row_key)?.is_some() {
        return Ok(Vec::new());
    }
    let has_node = matches!(owner, Owner::Virtual(_)) || lookup.get(&node_key)?.is_some();
    Ok(vec![if has_node {
        Op::put(row_key, Affinity::in_state(AffinityState::Confirmed).encode())
    } else {
        give_up(key::block(cidr), block)
    }])
}

fn give_up(key: Key, block: Block) -> Op {
    if block::is_empty(&block) {
        return Op::delete(key);
    }
    Op::put(key, block::without_owner(block).encode())
}

/// A claim that was announced, or marked, and then left alone.
fn settle(lookup: &mut Lookup<'_>, owner: &Owner, cidr: &Cidr) -> Planned<Vec<Op>> {
    let row_key = key::affinity(owner, cidr);
    let Some(row) = lookup.get(&row_key)? else { return Ok(Vec::new()) };
    if Affinity::decode(&row_key, &row.value)?.is_confirmed() {
        return Ok(Vec::new());
    }
    let Some(block) = read_block(lookup, cidr)?.filter(|block| block.is_affine_to(owner)) else {
        return Ok(vec![Op::delete(row_key)]);
    };
    let value = Affinity::in_state(AffinityState::Confirmed).encode();
    Ok(vec![Op::put(row_key, value), touch(block)])
}

fn delete_idle(lookup: &mut Lookup<'_>, cidr: &Cidr) -> Planned<Vec<Op>> {
    let block = read_block(lookup, cidr)?;
    let is_idle = block.is_some_and(|block| block.affinity.is_none() && block::is_empty(&block));
    Ok(if is_idle { vec![Op::delete(key::block(cidr))] } else { Vec::new() })
}

/// Counts what a block holds under a handle where the handle counts less.
fn count_more(lookup: &mut Lookup<'_>, handle_key: &str, id: &str, cidr: Cidr) -> Planned<Vec<Op>> {
    let held = read_block(lookup, &cidr)?.map_or(0, |block| held(&block, id));
    let stored = lookup.get(handle_key)?;
    let stored = stored.map(|kv| Handle::decode(handle_key, &kv.value)).transpose()?;
    let handle = stored.filter(|handle| !handle.is_null()).unwrap_or_default();
    let counted = handle.blocks().get(&cidr).copied().unwrap_or(0);
    Ok(match held.checked_sub(counted) {
        None | Some(0) => Vec::new(),
        Some(missing) => {
            vec![write_handle(handle_key.into(), &handle.plus(cidr, missing))]
        }
    })
}

/// Counts no more than what the blocks hold under a handle. Whoever is about to give or release such an address finds that
/// the block was written.
fn count_less(lookup: &mut Lookup<'_>, handle_key: &str, id: &str) -> Planned<Vec<Op>> {
    let Some(stored) = lookup.get(handle_key)? else { return Ok(Vec::new()) };
    let mut handle = Handle::decode(handle_key, &stored.value)?;
    let counts: Vec<(Cidr, u64)> =
        handle.blocks().iter().take(BLOCKS_MAX).map(|(cidr, count)| (*cidr, *count)).collect();
    let reads = counts.iter().map(|(cidr, _)| Read::values(Range::key(key::block(cidr))));
    lookup.require(reads.collect::<Vec<_>>())?;
    let mut ops = Vec::new();
    let mut is_wrong = handle.is_null() || counts.is_empty();
    for (cidr, counted) in counts {
        let block = read_block(lookup, &cidr)?;
        let held = block.as_ref().map_or(0, |block| held(block, id));
        if counted <= held && counted > 0 {
            continue;
        }
        is_wrong = true;
        handle = handle.minus(&cidr, counted.saturating_sub(held));
        ops.extend(block.filter(|_| counted > 0).map(touch));
    }
    if is_wrong {
        ops.push(write_handle(handle_key.into(), &handle));
    }
    Ok(ops)
}

fn held(block: &Block, id: &str) -> u64 {
    let is_held = |record: &crate::model::Record| !block::is_set_aside(record);
    u64::try_from(block.ordinals_of(id, is_held).len()).unwrap_or(u64::MAX)
}

/// Writes a block as it is, so that whoever read it before must read it again.
fn touch(mut block: Block) -> Op {
    block.sequence_number = block.sequence_number.saturating_add(1);
    Op::put(key::block(&block.cidr), block.encode())
}
