//! Finding blocks with room: those of the host, then a new one, then those of others.

mod block;
mod candidates;
mod claim;
mod narrow;
mod own;
mod shortage;
mod spread;
mod survey;

pub use shortage::Shortage;

use std::net::IpAddr;

use crate::ip::{Cidr, Family, Ordinal};
use crate::kv::{Lookup, Range, Read};
use crate::model::{Block, DecodeError, Owner, Record, Timestamp, key};
use crate::pool::{Choice, Level, Pool};
use crate::refusal::Refusal;

use super::facts::Facts;
use super::row::Row;
use super::rules::{PoolOrder, Rules};
use super::{Holder, Planned};
use candidates::{candidate, expect_absent};
use claim::Claims;
use own::is_confirmed;
use survey::Find;

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
    /// The owner's claims, also those outside the pools.
    pub(super) rows: &'a [Row<'a>],
    pub(super) record: &'a Record,
    pub(super) now: Timestamp,
}

impl Seek<'_> {
    /// Returns what a search will look at first, so that several families can be asked for at once: the blocks that
    /// the host has a claim on, the first candidates for a new one, and the blocks of gateways.
    pub(super) fn first_reads(&self, lookup: &Lookup<'_>, choice: &Choice) -> Vec<Read> {
        let rows = self.rows_in(&choice.pools);
        let values = |cidr: &Cidr| Read::values(Range::key(key::block(cidr)));
        let mut reads: Vec<Read> = rows.iter().map(|row| row.block_read()).collect();
        for pool in &choice.pools {
            let gateway = self.rules.addresses.gateway(&pool.cidr);
            let block = gateway.and_then(|ip| Cidr::around(ip, pool.block_prefix).ok());
            reads.extend(block.as_ref().map(values));
        }
        // Candidates are asked for together with the blocks; once those are known, only when they are full.
        let is_known = |row: &&Row<'_>| lookup.is_known(&row.block_key);
        let is_first_look = rows.is_empty() || !rows.iter().all(is_known);
        if let (true, Some(pool)) = (is_first_look, choice.pools.first()) {
            let mut first = self.candidates(pool).ahead(&self.facts.reserved);
            first.retain(|cidr| rows.iter().all(|row| row.cidr != *cidr));
            expect_absent(lookup, &first);
            reads.extend(first.into_iter().map(candidate));
        }
        reads.dedup();
        reads
    }

    /// Finds at most `count` addresses in the chosen pools, in as few blocks as it takes; where there are fewer, says why.
    pub(super) fn any(
        &self,
        lookup: &mut Lookup<'_>,
        choice: &Choice,
        count: usize,
    ) -> Planned<(Vec<Take>, Option<Shortage>)> {
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
        let is_short = taken(&takes) < count;
        Ok((takes, is_short.then_some(shortage)))
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
        let is_own = block.is_affine_to(self.owner);
        if !is_own && self.facts.config.strict_affinity {
            let owner = block.affinity.unwrap_or_else(|| "nobody".to_owned());
            return Err(Refusal::AddressElsewhere { ip, block: cidr, owner }.into());
        }
        if let Some(record) = block.record_of(ordinal) {
            return Err(self.in_the_way(ip, record).into());
        }
        if is_own {
            let confirms = !is_confirmed(lookup, &row_key)?;
            return self.take_one(block, ordinal, confirms, How::Affine, pool);
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
            Some(record) if record.released_at().is_none() => Err(Refusal::GatewayInUse {
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
        let rows = self.rows_in(&choice.pools);
        let mut takes = self.in_rows(lookup, group, &rows, count)?;
        if taken(&takes) >= count {
            return Ok((takes, None));
        }
        let limit = self.facts.config.block_limit(self.rules.blocks_max);
        let mut claims = Claims { claimed: rows.len(), limit };
        let missing = count - taken(&takes);
        let (mut claimed, shortage) = self.in_new_blocks(lookup, group, &mut claims, missing)?;
        takes.append(&mut claimed);
        let is_over = match shortage {
            Shortage::BlockLimit { .. } | Shortage::ClaimsOff => true,
            Shortage::Full | Shortage::Strict => false,
        };
        if taken(&takes) >= count || is_over {
            return Ok((takes, Some(shortage)));
        }
        let shortage = self.in_full_pools(lookup, group, &mut claims, &mut takes, count)?;
        Ok((takes, Some(shortage)))
    }

    /// Adds what can be had where no new block is in sight: blocks that were overlooked, blocks that are taken back, and
    /// addresses of others' blocks.
    fn in_full_pools(
        &self,
        lookup: &mut Lookup<'_>,
        group: &[Pool],
        claims: &mut Claims,
        takes: &mut Vec<Take>,
        count: usize,
    ) -> Planned<Shortage> {
        let mut tried: Vec<Cidr> = takes.iter().map(|take| take.block.cidr).collect();
        while taken(takes) < count {
            let missing = count - taken(takes);
            match self.survey(lookup, group, &tried, missing)? {
                Ok(Find::Own(take)) => {
                    tried.push(take.block.cidr);
                    takes.push(*take);
                }
                Ok(Find::Free(pool, cidr)) => {
                    if let Some(shortage) = claims.shortage(true) {
                        return Ok(shortage);
                    }
                    tried.push(cidr);
                    if let Some(take) = self.claim(lookup, &pool, cidr, missing)? {
                        takes.push(take);
                        claims.claimed += 1;
                    }
                }
                Err(survey) => {
                    if let Some(shortage) = claims.shortage(true) {
                        return Ok(shortage);
                    }
                    self.reclaim(lookup, &survey)?;
                    if self.facts.config.strict_affinity {
                        return Ok(Shortage::Strict);
                    }
                    takes.extend(self.borrow(lookup, &survey, missing)?);
                    return Ok(Shortage::Full);
                }
            }
        }
        Ok(Shortage::Full)
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
        let taken = block.take_ordinal(ordinal, self.record);
        let block = taken.ok_or(Refusal::AddressSetAside { ip, why: "not free" })?;
        Ok(Take { block, ordinals: vec![ordinal], confirms, how, pool: pool.clone() })
    }

    fn new_block(&self, lookup: &mut Lookup<'_>, cidr: Cidr) -> Planned<Block> {
        lookup.get(&key::affinity(self.owner, &cidr))?;
        let block = Block::new(cidr, self.owner, self.now, 0).map_err(|source| {
            Refusal::Corrupt(DecodeError::Block { key: key::block(&cidr).to_string(), source })
        })?;
        Ok(match self.rules.host_reserved.get(&cidr.family()) {
            Some(reserved) => block.with_host_reserved(reserved),
            None => block,
        })
    }

    fn usable(&self, pool: &Pool) -> impl Fn(IpAddr) -> bool {
        let excluded = self.rules.addresses.excluded(&pool.cidr);
        move |ip| !self.facts.reserved.contains(ip) && !excluded.contains(ip)
    }

    fn cooldown(&self) -> i64 {
        self.facts.config.ip_cooldown_seconds
    }

    fn in_the_way(&self, ip: IpAddr, record: &Record) -> Refusal {
        let Some(released_at) = record.released_at() else {
            return Refusal::AddressInUse { ip, holder: Holder::of(record).to_string() };
        };
        let free_at = released_at.plus_seconds(self.cooldown());
        let seconds_left = free_at.seconds().saturating_sub(self.now.seconds()).max(1);
        Refusal::AddressCooling { ip, seconds_left }
    }

    /// Says a shortage as a reason to refuse.
    pub(super) fn refusal(&self, choice: &Choice, family: Family, shortage: Shortage) -> Refusal {
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

fn taken(takes: &[Take]) -> usize {
    takes.iter().map(|take| take.ordinals.len()).sum()
}
