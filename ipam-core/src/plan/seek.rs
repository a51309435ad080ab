//! Finding blocks with room: those of the host, then a new one, then those of others.

use std::net::IpAddr;

use crate::ip::{Cidr, Family, Ordinal};
use crate::kv::{Lookup, Range, Read};
use crate::model::{Affinity, Attributes, Block, Owner, Timestamp, key};
use crate::pool::{Choice, Level, Pool};
use crate::refusal::Refusal;

use super::candidates::{CANDIDATES_AT_ONCE, Candidates, candidate};
use super::facts::Facts;
use super::rules::{PoolOrder, Rules};
use super::{Holder, Planned};

/// How many blocks of other owners are read at once.
const BORROWED_AT_ONCE: usize = 16;

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// From a block that the host had.
    Affine,
    /// From a block that the host claims with it.
    Claimed,
    /// From a block of another owner, or of none.
    Borrowed,
}

/// Addresses that were found in one block.
#[derive(Clone, Debug)]
pub(super) struct Take {
    /// The block with the addresses taken.
    pub(super) block: Block,
    /// Which ones.
    pub(super) ordinals: Vec<Ordinal>,
    /// Whether the host's claim must be written as confirmed.
    pub(super) confirms: bool,
    /// Where they come from.
    pub(super) how: How,
    /// The pool.
    pub(super) pool: Pool,
}

/// What a search depends on.
#[derive(Debug)]
pub(super) struct Seek<'a> {
    pub(super) facts: &'a Facts,
    pub(super) rules: &'a Rules,
    pub(super) owner: &'a Owner,
    pub(super) attributes: &'a Attributes,
    pub(super) now: Timestamp,
}

/// Why a search found too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shortage {
    Full,
    BlockLimit { claimed: usize, limit: i64 },
    ClaimsOff,
    Strict,
}

impl Seek<'_> {
    /// Returns the first reads of a search in a family, so that several families can be asked for at once.
    pub(super) fn reads(owner: &Owner, family: Family) -> Read {
        Read::values(Range::prefix(key::affinities(owner, family)))
    }

    /// Returns what a search will look at first, so that several families can be asked for at once: the blocks that
    /// the host has a claim on, candidates for a new one where it has none, and the blocks of gateways.
    pub(super) fn first_reads(&self, lookup: &Lookup<'_>, choice: &Choice) -> Planned<Vec<Read>> {
        let family = choice.pools.first().map_or(Family::V4, Pool::family);
        let rows = self.rows(lookup, family, &choice.pools)?;
        let values = |cidr: &Cidr| Read::values(Range::key(key::block(cidr)));
        let mut reads: Vec<Read> = rows.iter().map(values).collect();
        for pool in &choice.pools {
            let gateway = self.rules.addresses.gateway(&pool.cidr);
            let block = gateway.and_then(|ip| Cidr::around(ip, pool.block_prefix).ok());
            reads.extend(block.as_ref().map(values));
        }
        if let (true, Some(pool)) = (rows.is_empty(), choice.pools.first()) {
            reads.extend(
                self.candidates(pool).ahead(&self.facts.reserved).into_iter().map(candidate),
            );
        }
        reads.dedup();
        Ok(reads)
    }

    /// Finds `count` addresses in the chosen pools, in as few blocks as it takes.
    pub(super) fn any(
        &self,
        lookup: &mut Lookup<'_>,
        choice: &Choice,
        count: usize,
    ) -> Planned<Vec<Take>> {
        let family = choice.pools.first().map_or(Family::V4, Pool::family);
        let mut takes = Vec::new();
        let mut shortage = Shortage::Full;
        for group in self.groups(choice) {
            let missing = count - taken(&takes);
            if missing == 0 {
                break;
            }
            let (mut found, short) = self.in_group(lookup, choice, group, missing)?;
            takes.append(&mut found);
            shortage = short.unwrap_or(shortage);
        }
        if taken(&takes) < count {
            return Err(self.refusal(choice, family, shortage).into());
        }
        Ok(takes)
    }

    /// Finds one given address in a pool.
    pub(super) fn address(
        &self,
        lookup: &mut Lookup<'_>,
        pool: &Pool,
        ip: IpAddr,
    ) -> Planned<Take> {
        let outside = || Refusal::AddressOutside { ip };
        let cidr = Cidr::around(ip, pool.block_prefix).map_err(|_| outside())?;
        let ordinal = cidr.ordinal_of(ip).ok_or_else(outside)?;
        let (block_key, row_key) = (key::block(&cidr), key::affinity(self.owner, &cidr));
        lookup.require([&block_key, &row_key].map(|key| Read::values(Range::key(key.clone()))))?;
        let Some(kv) = lookup.get(&block_key)? else {
            let block = self.new_block(lookup, cidr)?;
            return self.take_one(block, ordinal, true, How::Claimed, pool);
        };
        let block = Block::decode(&block_key, &kv.value)?.collected(self.now, self.cooldown());
        if let Some(record) = block.record_of(ordinal) {
            return Err(in_the_way(ip, record).into());
        }
        if block.is_affine_to(self.owner) {
            let confirms = !is_confirmed(lookup, &row_key)?;
            return self.take_one(block, ordinal, confirms, How::Affine, pool);
        }
        if self.facts.config.strict_affinity {
            let owner = block.affinity.unwrap_or_else(|| "nobody".to_owned());
            return Err(Refusal::AddressElsewhere { ip, block: cidr, owner }.into());
        }
        self.take_one(block, ordinal, false, How::Borrowed, pool)
    }

    /// Refuses where the gateway of a pool is held by somebody.
    pub(super) fn check_gateway(&self, lookup: &Lookup<'_>, pool: &Pool) -> Planned<()> {
        let Some(gateway) = self.rules.addresses.gateway(&pool.cidr) else {
            return Ok(());
        };
        let Ok(cidr) = Cidr::around(gateway, pool.block_prefix) else {
            return Ok(());
        };
        let key = key::block(&cidr);
        let Some(kv) = lookup.peek(&key)? else {
            return Ok(());
        };
        let block = Block::decode(&key, &kv.value)?.collected(self.now, self.cooldown());
        match cidr.ordinal_of(gateway).and_then(|ordinal| block.record_of(ordinal)) {
            Some(record) if record.released_at.is_none() => Err(Refusal::GatewayInUse {
                gateway,
                pool: pool.name.clone(),
                holder: Holder::of(record).to_string(),
            }
            .into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns why an address of a pool is never given to a workload.
    pub(super) fn set_aside(&self, pool: &Pool, ip: IpAddr) -> Option<&'static str> {
        if self.facts.reserved.contains(ip) {
            return Some("reserved");
        }
        if self.rules.addresses.gateway(&pool.cidr) == Some(ip) {
            return Some("the gateway of its pool");
        }
        let edges = self.rules.addresses.excluded(&pool.cidr);
        edges.contains(ip).then_some("the network, broadcast or anycast address of its pool")
    }

    /// Returns the pools that are searched together: a preference is kept pool by pool.
    fn groups<'c>(&self, choice: &'c Choice) -> Vec<&'c [Pool]> {
        let one_by_one =
            self.rules.pool_order == PoolOrder::Listed && choice.level != Level::Automatic;
        if one_by_one { choice.pools.chunks(1).collect() } else { vec![&choice.pools] }
    }

    fn in_group(
        &self,
        lookup: &mut Lookup<'_>,
        choice: &Choice,
        group: &[Pool],
        count: usize,
    ) -> Planned<(Vec<Take>, Option<Shortage>)> {
        let family = group.first().map_or(Family::V4, Pool::family);
        let rows = self.rows(lookup, family, &choice.pools)?;
        let mut takes = self.in_rows(lookup, group, &rows, count)?;
        if taken(&takes) >= count {
            return Ok((takes, None));
        }
        let missing = count - taken(&takes);
        let (mut claimed, shortage) = self.in_new_blocks(lookup, group, rows.len(), missing)?;
        takes.append(&mut claimed);
        if taken(&takes) >= count || matches!(shortage, Shortage::BlockLimit { .. }) {
            return Ok((takes, Some(shortage)));
        }
        if self.facts.config.strict_affinity {
            return Ok((takes, Some(Shortage::Strict)));
        }
        let missing = count - taken(&takes);
        let mut borrowed = self.in_others(lookup, group, &takes, missing)?;
        takes.append(&mut borrowed);
        Ok((takes, Some(shortage)))
    }

    /// Returns the blocks inside the pools that the host has a claim on, in the order of their keys.
    fn rows(&self, lookup: &Lookup<'_>, family: Family, pools: &[Pool]) -> Planned<Vec<Cidr>> {
        let rows = lookup.peek_scan(&Range::prefix(key::affinities(self.owner, family)))?;
        let named = rows.iter().filter_map(|kv| match key::parse(&kv.key) {
            Some(key::Named::Affinity(_, cidr)) => Some(cidr),
            _ => None,
        });
        Ok(named.filter(|cidr| pools.iter().any(|pool| pool.cidr.covers(cidr))).collect())
    }

    fn in_rows(
        &self,
        lookup: &mut Lookup<'_>,
        group: &[Pool],
        rows: &[Cidr],
        count: usize,
    ) -> Planned<Vec<Take>> {
        let in_group = |cidr: &&Cidr| group.iter().any(|pool| pool.cidr.covers(cidr));
        let rows: Vec<&Cidr> = rows.iter().filter(in_group).collect();
        lookup.require(rows.iter().map(|cidr| Read::values(Range::key(key::block(cidr)))))?;
        let mut takes = Vec::new();
        for cidr in rows {
            let missing = count - taken(&takes);
            if missing == 0 {
                break;
            }
            let Some(pool) = group.iter().find(|pool| pool.cidr.covers(cidr)) else {
                continue;
            };
            takes.extend(self.in_row(lookup, pool, cidr, missing)?);
        }
        Ok(takes)
    }

    /// Takes from a block that the host has a claim on; a claim whose block does not exist yet is completed.
    fn in_row(
        &self,
        lookup: &mut Lookup<'_>,
        pool: &Pool,
        cidr: &Cidr,
        count: usize,
    ) -> Planned<Option<Take>> {
        let (block_key, row_key) = (key::block(cidr), key::affinity(self.owner, cidr));
        let usable = self.usable(pool);
        let (block, confirms, how) = match lookup.peek(&block_key)? {
            None => (self.new_block(lookup, *cidr)?, true, How::Claimed),
            Some(kv) => {
                let block =
                    Block::decode(&block_key, &kv.value)?.collected(self.now, self.cooldown());
                if !block.is_affine_to(self.owner) || block.count_free(&usable) == 0 {
                    return Ok(None);
                }
                (block, !is_confirmed(lookup, &row_key)?, How::Affine)
            }
        };
        lookup.get(&block_key)?;
        let (block, ordinals) = block.take(count, self.attributes, usable);
        let take = Take { block, ordinals, confirms, how, pool: pool.clone() };
        Ok((!take.ordinals.is_empty()).then_some(take))
    }

    fn in_new_blocks(
        &self,
        lookup: &mut Lookup<'_>,
        group: &[Pool],
        mut claimed: usize,
        count: usize,
    ) -> Planned<(Vec<Take>, Shortage)> {
        let limit = self.facts.config.block_limit(self.rules.blocks_max);
        let mut takes: Vec<Take> = Vec::new();
        for pool in group {
            let mut candidates = self.candidates(pool);
            while taken(&takes) < count {
                if i64::try_from(claimed).is_ok_and(|claimed| claimed >= limit) {
                    return Ok((takes, Shortage::BlockLimit { claimed, limit }));
                }
                if !self.facts.config.auto_allocate_blocks {
                    return Ok((takes, Shortage::ClaimsOff));
                }
                let Some(cidr) = self.next_free(lookup, pool, &mut candidates)? else {
                    break;
                };
                let missing = count - taken(&takes);
                if let Some(take) = self.claim(lookup, pool, cidr, missing)? {
                    takes.push(take);
                    claimed += 1;
                }
            }
        }
        Ok((takes, Shortage::Full))
    }

    /// Returns the next block of a pool that does not exist, in the host's order.
    fn next_free(
        &self,
        lookup: &Lookup<'_>,
        pool: &Pool,
        candidates: &mut Candidates,
    ) -> Planned<Option<Cidr>> {
        while let Some(cidr) = candidates.next(&self.facts.reserved) {
            if candidates.walked() == 1 {
                let first = self.candidates(pool).ahead(&self.facts.reserved);
                lookup.require(first.into_iter().map(candidate))?;
            } else if candidates.walked() > CANDIDATES_AT_ONCE {
                lookup.peek_keys(&Range::prefix(key::blocks(pool.family())))?;
            }
            if !lookup.exists(&key::block(&cidr))? {
                return Ok(Some(cidr));
            }
        }
        Ok(None)
    }

    fn claim(
        &self,
        lookup: &mut Lookup<'_>,
        pool: &Pool,
        cidr: Cidr,
        count: usize,
    ) -> Planned<Option<Take>> {
        let row_key = key::affinity(self.owner, &cidr);
        let block_key = key::block(&cidr);
        lookup.require([&row_key, &block_key].map(|key| Read::values(Range::key(key.clone()))))?;
        if lookup.peek(&block_key)?.is_some() {
            return Ok(None);
        }
        let block = self.new_block(lookup, cidr)?;
        let (block, ordinals) = block.take(count, self.attributes, self.usable(pool));
        if ordinals.is_empty() {
            return Ok(None);
        }
        lookup.get(&row_key)?;
        lookup.get(&block_key)?;
        Ok(Some(Take { block, ordinals, confirms: true, how: How::Claimed, pool: pool.clone() }))
    }

    fn in_others(
        &self,
        lookup: &mut Lookup<'_>,
        group: &[Pool],
        taken_from: &[Take],
        count: usize,
    ) -> Planned<Vec<Take>> {
        let mut takes: Vec<Take> = Vec::new();
        for pool in group {
            let existing = self.existing(lookup, pool)?;
            let others =
                existing.iter().filter(|cidr| !taken_from.iter().any(|t| t.block.cidr == **cidr));
            let others: Vec<&Cidr> = others.collect();
            for chunk in others.chunks(BORROWED_AT_ONCE) {
                if taken(&takes) >= count {
                    return Ok(takes);
                }
                lookup
                    .require(chunk.iter().map(|cidr| Read::values(Range::key(key::block(cidr)))))?;
                for cidr in chunk {
                    let missing = count - taken(&takes);
                    takes.extend(self.borrow(lookup, pool, cidr, missing)?);
                }
            }
        }
        Ok(takes)
    }

    /// Returns the blocks of a pool that exist, in the host's order.
    fn existing(&self, lookup: &Lookup<'_>, pool: &Pool) -> Planned<Vec<Cidr>> {
        let place = self.candidates(pool).places();
        let keys = lookup.peek_keys(&Range::prefix(key::blocks(pool.family())))?;
        let mut cidrs: Vec<Cidr> = keys
            .into_iter()
            .filter_map(|key| match key::parse(key) {
                Some(key::Named::Block(cidr)) => Some(cidr),
                _ => None,
            })
            .filter(|cidr| cidr.prefix() == pool.block_prefix && pool.cidr.covers(cidr))
            .filter(|cidr| !self.facts.reserved.covers(cidr))
            .collect();
        cidrs.sort_by_key(place);
        Ok(cidrs)
    }

    fn borrow(
        &self,
        lookup: &mut Lookup<'_>,
        pool: &Pool,
        cidr: &Cidr,
        count: usize,
    ) -> Planned<Option<Take>> {
        let key = key::block(cidr);
        let Some(kv) = lookup.peek(&key)? else {
            return Ok(None);
        };
        let block = Block::decode(&key, &kv.value)?.collected(self.now, self.cooldown());
        let (block, ordinals) = block.take(count, self.attributes, self.usable(pool));
        if ordinals.is_empty() {
            return Ok(None);
        }
        lookup.get(&key)?;
        Ok(Some(Take { block, ordinals, confirms: false, how: How::Borrowed, pool: pool.clone() }))
    }

    fn take_one(
        &self,
        block: Block,
        ordinal: Ordinal,
        confirms: bool,
        how: How,
        pool: &Pool,
    ) -> Planned<Take> {
        let ip = block.cidr.address_at(ordinal);
        let taken = block.take_ordinal(ordinal, self.attributes);
        let block = taken.ok_or(Refusal::AddressSetAside { ip, why: "not free" })?;
        Ok(Take { block, ordinals: vec![ordinal], confirms, how, pool: pool.clone() })
    }

    fn new_block(&self, lookup: &mut Lookup<'_>, cidr: Cidr) -> Planned<Block> {
        lookup.get(&key::affinity(self.owner, &cidr))?;
        Block::new(cidr, self.owner, self.now, 0).map_err(|source| {
            crate::model::DecodeError::Block { key: key::block(&cidr), source }.into()
        })
    }

    fn usable(&self, pool: &Pool) -> impl Fn(IpAddr) -> bool {
        let excluded = self.rules.addresses.excluded(&pool.cidr);
        move |ip| !self.facts.reserved.contains(ip) && !excluded.contains(ip)
    }

    fn cooldown(&self) -> i64 {
        self.facts.config.ip_cooldown_seconds
    }

    fn candidates(&self, pool: &Pool) -> Candidates {
        Candidates::of(pool, self.owner, self.now)
    }

    fn refusal(&self, choice: &Choice, family: Family, shortage: Shortage) -> Refusal {
        let host = self.owner.name().to_owned();
        let pools: Vec<String> = choice.pools.iter().map(|pool| pool.name.clone()).collect();
        match shortage {
            Shortage::Full => {
                Refusal::Exhausted { named_by: choice.named_by.clone(), family, pools }
            }
            Shortage::BlockLimit { claimed, limit } => {
                Refusal::BlockLimit { host, family, claimed, limit }
            }
            Shortage::ClaimsOff => Refusal::ClaimsOff { host, family },
            Shortage::Strict => Refusal::StrictAffinity { host, family, pools },
        }
    }
}

/// Says whether the host's claim is confirmed, as a guard.
fn is_confirmed(lookup: &mut Lookup<'_>, row_key: &str) -> Planned<bool> {
    match lookup.get(row_key)? {
        Some(kv) => Ok(Affinity::decode(row_key, &kv.value)?.is_confirmed()),
        None => Ok(false),
    }
}

fn taken(takes: &[Take]) -> usize {
    takes.iter().map(|take| take.ordinals.len()).sum()
}

fn in_the_way(ip: IpAddr, record: &Attributes) -> Refusal {
    match record.released_at {
        Some(_) => Refusal::AddressSetAside { ip, why: "in cooldown" },
        None => Refusal::AddressInUse { ip, holder: Holder::of(record).to_string() },
    }
}
