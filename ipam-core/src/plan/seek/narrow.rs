//! A free block where the first candidates are all taken.
//!
//! The blocks of a pool are ranked by the text of their keys, so one question tells how many of a run of ranks exist. A run
//! with fewer blocks than ranks holds a free one. The pool is cut into runs, one that is not full is cut again, and one that
//! is short enough is listed: three questions for a pool of up to four million blocks.

use std::ops::Range as Ranks;

use crate::ip::{BlockOrder, Cidr, KeyOrder, seed_of};
use crate::kv::{Lookup, Range, Read, Txn};
use crate::model::key;
use crate::pool::Pool;

use super::super::Planned;
use super::Seek;
use super::candidates::{CANDIDATES_AT_ONCE, candidate};
use super::spread::Spread;

/// A run that is this short is listed.
const LISTED_MAX: u64 = 256;
/// Into how many runs a pool, or a run of it, is cut.
const RUNS: u64 = Txn::OPS_MAX as u64;
/// How many times blocks are tried at random in a pool that is too large to be ranked.
const DRAWS: i64 = 3;

impl Seek<'_> {
    /// Returns a block that does not exist, beyond the first candidates and not among those `tried` already.
    ///
    /// That it returns `None` does not prove that there is none: a count may include keys that are nobody's blocks.
    pub(super) fn free_among_many(
        &self,
        lookup: &Lookup<'_>,
        pool: &Pool,
        tried: &[Cidr],
    ) -> Planned<Option<Cidr>> {
        let few = u128::try_from(CANDIDATES_AT_ONCE).unwrap_or(0);
        // A survey has begun only after this search had ended without result.
        if pool.block_count() <= few || lookup.waypoint(&pool.name).walked > 0 {
            return Ok(None);
        }
        let Some(order) = KeyOrder::of(&pool.cidr, pool.block_prefix) else {
            return self.draw(lookup, pool, tried);
        };
        let narrow = Narrow { seek: self, lookup, pool, order, tried };
        narrow.in_runs(&cut(&narrow.order.runs()))
    }

    /// Tries blocks at random: in a pool that is too large to be ranked, hardly any is taken.
    fn draw(&self, lookup: &Lookup<'_>, pool: &Pool, tried: &[Cidr]) -> Planned<Option<Cidr>> {
        for draw in 1..=DRAWS {
            let drawn = (0..Txn::OPS_MAX).filter_map(|n| {
                let number = draw * 1000 + i64::try_from(n).unwrap_or(0);
                let seed = seed_of(self.owner.name()).wrapping_add(number);
                let index = BlockOrder::new(seed, pool.block_count()).start();
                pool.cidr.block_at(pool.block_prefix, index)
            });
            let is_open = |cidr: &Cidr| !self.facts.reserved.covers(cidr) && !tried.contains(cidr);
            let drawn: Vec<Cidr> = drawn.filter(is_open).collect();
            lookup.require(drawn.iter().copied().map(candidate))?;
            for cidr in drawn {
                if !lookup.exists(&key::block(&cidr))? {
                    return Ok(Some(cidr));
                }
            }
        }
        Ok(None)
    }
}

struct Narrow<'a, 's, 'v> {
    seek: &'a Seek<'s>,
    lookup: &'a Lookup<'v>,
    pool: &'a Pool,
    order: KeyOrder,
    tried: &'a [Cidr],
}

impl Narrow<'_, '_, '_> {
    /// Looks into runs until one gives a free block.
    fn in_runs(&self, runs: &[Ranks<u64>]) -> Planned<Option<Cidr>> {
        if let [run] = runs
            && run.end - run.start <= LISTED_MAX
        {
            return self.in_list(run);
        }
        let ranges: Vec<(&Ranks<u64>, Range)> =
            runs.iter().filter_map(|run| Some((run, self.keys(run)?))).collect();
        self.lookup.require(ranges.iter().map(|(_, range)| Read::count(range.clone())))?;
        // Hosts begin at different runs, so that they rarely want the same block.
        let first = self.first_of(ranges.len());
        for (run, range) in ranges.iter().cycle().skip(first).take(ranges.len()) {
            if self.lookup.peek_count(range)? >= self.open_in(run) {
                continue;
            }
            let found = if run.end - run.start <= LISTED_MAX {
                self.in_list(run)?
            } else {
                self.in_runs(&cut(std::slice::from_ref(run)))?
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Lists a run, and returns one of the first free blocks of it in the host's order.
    fn in_list(&self, run: &Ranks<u64>) -> Planned<Option<Cidr>> {
        let Some(range) = self.keys(run) else { return Ok(None) };
        let taken = self.lookup.peek_keys(&range)?;
        let is_free = |cidr: &Cidr| {
            !self.seek.facts.reserved.covers(cidr)
                && !self.tried.contains(cidr)
                && taken.binary_search(&&key::block(cidr)).is_err()
        };
        let blocks = run.clone().filter_map(|rank| self.order.block(rank));
        let mut free: Vec<Cidr> = blocks.filter(is_free).collect();
        free.sort_by_key(self.seek.candidates(self.pool).places());
        let spread = Spread::of(self.lookup, self.seek.owner);
        Ok(free.get(spread.first_of(free.len())).copied())
    }

    /// Returns the keys of the blocks of a run.
    fn keys(&self, run: &Ranks<u64>) -> Option<Range> {
        let first = self.order.block(run.start)?;
        let last = self.order.block(run.end.checked_sub(1)?)?;
        // The lowest text above the last key.
        Some(Range::between(key::block(&first), [&*key::block(&last), "\0"].concat()))
    }

    /// Counts the blocks of a run that are not wholly reserved.
    fn open_in(&self, run: &Ranks<u64>) -> u64 {
        let size = run.end - run.start;
        let reserved = &self.seek.facts.reserved;
        if reserved.count_in(&self.pool.cidr) == 0 {
            return size;
        }
        let is_reserved =
            |rank: &u64| self.order.block(*rank).is_some_and(|block| reserved.covers(&block));
        let closed = run.clone().filter(is_reserved).count();
        size.saturating_sub(u64::try_from(closed).unwrap_or(0))
    }

    fn first_of(&self, runs: usize) -> usize {
        let seed = usize::try_from(seed_of(self.seek.owner.name())).unwrap_or(0);
        seed % runs.max(1)
    }
}

/// Cuts runs into equal parts, as many as one transaction can ask about.
fn cut(runs: &[Ranks<u64>]) -> Vec<Ranks<u64>> {
    let count = u64::try_from(runs.len()).unwrap_or(u64::MAX).max(1);
    let parts = (RUNS / count).max(1);
    runs.iter().flat_map(|run| parts_of(run, parts)).collect()
}

fn parts_of(run: &Ranks<u64>, parts: u64) -> impl Iterator<Item = Ranks<u64>> {
    let (start, size) = (run.start, run.end - run.start);
    let parts = parts.min(size).max(1);
    (0..parts).map(move |part| start + size * part / parts..start + size * (part + 1) / parts)
}
