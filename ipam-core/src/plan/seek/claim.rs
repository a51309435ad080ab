//! New blocks.

use crate::ip::Cidr;
use crate::kv::{Lookup, Range, Read};
use crate::model::{Owner, key};
use crate::pool::Pool;

use super::super::Planned;
use super::candidates::{Candidates, candidate, expect_absent};
use super::spread::Spread;
use super::{How, Seek, Shortage, Take, taken};

/// How many blocks the host has claimed of how many that it may, counting those of this request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims {
    pub(super) claimed: usize,
    pub(super) limit: i64,
}

impl Claims {
    /// Says why no further block may be claimed.
    pub(super) fn shortage(self, auto_allocate: bool) -> Option<Shortage> {
        let Self { claimed, limit } = self;
        if i64::try_from(claimed).is_ok_and(|claimed| claimed >= limit) {
            return Some(Shortage::BlockLimit { claimed, limit });
        }
        (!auto_allocate).then_some(Shortage::ClaimsOff)
    }
}

impl Seek<'_> {
    /// Claims blocks that nobody has, pool by pool, until `count` addresses are found.
    pub(super) fn in_new_blocks(
        &self,
        lookup: &mut Lookup<'_>,
        group: &[Pool],
        claims: &mut Claims,
        count: usize,
    ) -> Planned<(Vec<Take>, Shortage)> {
        let mut takes: Vec<Take> = Vec::new();
        let mut tried: Vec<Cidr> = Vec::new();
        for pool in group {
            while taken(&takes) < count {
                if let Some(shortage) = claims.shortage(self.facts.config.auto_allocate_blocks) {
                    return Ok((takes, shortage));
                }
                let free = self.next_free(lookup, pool, &tried)?;
                let Some(cidr) = free else { break };
                tried.push(cidr);
                let missing = count - taken(&takes);
                if let Some(take) = self.claim(lookup, pool, cidr, missing)? {
                    takes.push(take);
                    claims.claimed += 1;
                }
            }
        }
        Ok((takes, Shortage::Full))
    }

    /// Returns the next block that does not exist and was not tried: one of the first candidates, or one among many.
    pub(super) fn next_free(
        &self,
        lookup: &Lookup<'_>,
        pool: &Pool,
        tried: &[Cidr],
    ) -> Planned<Option<Cidr>> {
        match self.next_candidate(lookup, pool, tried)? {
            Some(cidr) => Ok(Some(cidr)),
            None => self.free_among_many(lookup, pool, tried),
        }
    }

    /// Returns one of the first blocks in the host's order that does not exist and was not tried.
    fn next_candidate(
        &self,
        lookup: &Lookup<'_>,
        pool: &Pool,
        tried: &[Cidr],
    ) -> Planned<Option<Cidr>> {
        let first = self.candidates(pool).ahead(&self.facts.reserved);
        expect_absent(lookup, &first);
        lookup.require(first.iter().copied().map(candidate))?;
        let spread = Spread::of(lookup, self.owner);
        let mut free = Vec::new();
        for cidr in first.into_iter().filter(|cidr| !tried.contains(cidr)) {
            // Whether a block exists is asked no oftener than needed: of what is remembered, each look is checked.
            if free.len() == spread.breadth() {
                break;
            }
            if !lookup.exists(&key::block(&cidr))? {
                free.push(cidr);
            }
        }
        Ok(free.get(spread.first_of(free.len())).copied())
    }

    /// Claims a block that does not exist and takes up to `count` addresses from it; `None` where none of them may be given.
    pub(super) fn claim(
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
        if block.count_free(self.usable(pool)) == 0 {
            return Ok(None);
        }
        let (block, ordinals) = block.take(count, self.record, self.usable(pool));
        lookup.get(&row_key)?;
        lookup.get(&block_key)?;
        Ok(Some(Take { block, ordinals, confirms: true, how: How::Claimed, pool: pool.clone() }))
    }

    pub(super) fn candidates(&self, pool: &Pool) -> Candidates {
        Candidates::of(pool, self.owner, self.now)
    }

    /// Says whether a block is another host's, so that an empty one may be taken back from it.
    pub(super) fn is_other_host(&self, owner: &Owner) -> bool {
        match owner {
            Owner::Host(_) => owner != self.owner,
            Owner::Virtual(_) => false,
        }
    }
}
