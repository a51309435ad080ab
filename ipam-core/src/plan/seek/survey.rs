//! The blocks of pools that are full: which of them can be taken back, and which can be borrowed from.
//!
//! All blocks are read, page by page, and of what was read only the little is kept that the end needs. So memory stays
//! bounded however many there are.

use crate::block;
use crate::ip::Cidr;
use crate::kv::{Key, Lookup, Op, Range, Read, Waypoint};
use crate::model::{Block, Owner, key};
use crate::pool::Pool;

use super::super::{Halt, Note, Planned};
use super::own::is_confirmed;
use super::spread::Spread;
use super::{How, Seek, Take, taken};

/// How many addresses the blocks of one page have.
const PAGE_ADDRESSES: u128 = 4096;
const PAGE_BLOCKS_MAX: u128 = 100;
/// How many blocks of each kind are kept.
const KEPT_MAX: usize = 16;
/// How long a block must have been its owner's before it is taken back from it: the owner may be about to use it.
const CLAIM_SECONDS_MIN: i64 = 60;

/// What a survey found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Blocks that exist, are empty, and have been another host's for a while.
    idle: Vec<(Pool, Key)>,
    /// Blocks of anybody with room.
    roomy: Vec<(Pool, Key)>,
}

/// What a page holds that can be used at once.
pub(super) enum Find {
    /// A block that does not exist.
    Free(Box<Pool>, Cidr),
    /// A block of the host on which it has no claim.
    Own(Box<Take>),
}

impl Seek<'_> {
    /// Looks at every block of the pools in the host's order, until one can be used at once.
    ///
    /// # Errors
    ///
    /// [`Halt::Note`] after each page.
    pub(super) fn survey(
        &self,
        lookup: &mut Lookup<'_>,
        group: &[Pool],
        tried: &[Cidr],
        count: usize,
    ) -> Planned<Result<Find, Survey>> {
        let mut survey = Survey::default();
        for pool in group {
            let mut waypoint = lookup.waypoint(&pool.name);
            if let Some(find) = self.page(lookup, pool, &mut waypoint, tried, count)? {
                return Ok(Ok(find));
            }
            // What is known to be gone by now has been taken back.
            for key in waypoint.better.iter().chain(&waypoint.good) {
                if let (None, Some(key::Named::Block(cidr))) = (lookup.peek(key)?, key::parse(key))
                    && !tried.contains(&cidr)
                {
                    return Ok(Ok(Find::Free(Box::new(pool.clone()), cidr)));
                }
            }
            let of_pool = |keys: Vec<Key>| keys.into_iter().map(|key| (pool.clone(), key));
            survey.idle.extend(of_pool(waypoint.better));
            survey.roomy.extend(of_pool(waypoint.good));
        }
        let spread = Spread::of(lookup, self.owner);
        for blocks in [&mut survey.idle, &mut survey.roomy] {
            let first = spread.first_of(blocks.len());
            blocks.rotate_left(first);
        }
        Ok(Err(survey))
    }

    /// Looks at the next page of a pool, if there is one.
    fn page(
        &self,
        lookup: &mut Lookup<'_>,
        pool: &Pool,
        waypoint: &mut Waypoint,
        tried: &[Cidr],
        count: usize,
    ) -> Planned<Option<Find>> {
        let size = 1_u128 << (pool.family().bits() - pool.block_prefix).min(16);
        let blocks = (PAGE_ADDRESSES / size).clamp(1, PAGE_BLOCKS_MAX);
        let mut candidates = self.candidates(pool);
        candidates.skip(waypoint.walked);
        let mut page = Vec::new();
        while u128::try_from(page.len()).is_ok_and(|read| read < blocks)
            && let Some(cidr) = candidates.next(&self.facts.reserved)
        {
            page.push(cidr);
        }
        if page.is_empty() {
            return Ok(None);
        }
        lookup.require(page.iter().map(|cidr| Read::values(Range::key(key::block(cidr)))))?;
        // The plan looks at the first candidates each time, and at the host's own blocks.
        let first = self.candidates(pool).ahead(&self.facts.reserved);
        let mut forget = Vec::new();
        for cidr in page.into_iter().filter(|cidr| !tried.contains(cidr)) {
            let block_key = key::block(&cidr);
            let Some(kv) = lookup.peek(&block_key)? else {
                return Ok(Some(Find::Free(Box::new(pool.clone()), cidr)));
            };
            let has_claim = lookup.peek(&key::affinity(self.owner, &cidr))?.is_some();
            let is_needed = has_claim || first.contains(&cidr);
            if Block::is_full_as_stored(&kv.value) {
                forget.extend((!is_needed).then_some(block_key));
                continue;
            }
            let block = Block::decode(&block_key, &kv.value)?.collected(self.now, self.cooldown());
            let has_room = block.count_free(self.usable(pool)) > 0;
            let is_own = block.is_affine_to(self.owner);
            if has_room && is_own {
                return Ok(Some(Find::Own(Box::new(self.own(lookup, pool, block, count)?))));
            }
            let is_kept = has_room
                && (keep(&mut waypoint.good, &block_key)
                    | (self.is_idle(&block) && keep(&mut waypoint.better, &block_key)));
            forget.extend((!is_kept && !is_needed).then_some(block_key));
        }
        waypoint.walked = candidates.position();
        let waypoint = std::mem::take(waypoint);
        Err(Halt::Note(Note { walk: pool.name.clone(), waypoint, forget }))
    }

    /// Says whether a block can be taken back from its owner.
    fn is_idle(&self, block: &Block) -> bool {
        let owner = block.affinity.as_deref().and_then(Owner::parse);
        let is_old = block
            .affinity_claim_time
            .is_none_or(|since| since.plus_seconds(CLAIM_SECONDS_MIN) <= self.now);
        block::is_empty(block) && is_old && owner.is_some_and(|owner| self.is_other_host(&owner))
    }

    fn own(
        &self,
        lookup: &mut Lookup<'_>,
        pool: &Pool,
        block: Block,
        count: usize,
    ) -> Planned<Take> {
        let confirms = !is_confirmed(lookup, &key::affinity(self.owner, &block.cidr))?;
        lookup.get(&key::block(&block.cidr))?;
        let (block, ordinals) = block.take(count, self.record, self.usable(pool));
        Ok(Take { block, ordinals, confirms, how: How::Affine, pool: pool.clone() })
    }

    /// Borrows from the blocks of others.
    pub(super) fn borrow(
        &self,
        lookup: &mut Lookup<'_>,
        survey: &Survey,
        count: usize,
    ) -> Planned<Vec<Take>> {
        let mut takes: Vec<Take> = Vec::new();
        for (pool, block_key) in &survey.roomy {
            let missing = count - taken(&takes);
            if missing == 0 {
                break;
            }
            let Some(kv) = lookup.peek(block_key)? else { continue };
            let block = Block::decode(block_key, &kv.value)?.collected(self.now, self.cooldown());
            let (block, ordinals) = block.take(missing, self.record, self.usable(pool));
            if !ordinals.is_empty() {
                lookup.get(block_key)?;
                let pool = pool.clone();
                takes.push(Take { block, ordinals, confirms: false, how: How::Borrowed, pool });
            }
        }
        Ok(takes)
    }

    /// Takes an empty block back from its owner, so that it can be claimed.
    ///
    /// # Errors
    ///
    /// [`Halt::Prepare`] with what that takes; `Ok` where there is no such block.
    pub(super) fn reclaim(&self, lookup: &mut Lookup<'_>, survey: &Survey) -> Planned<()> {
        for (_, block_key) in &survey.idle {
            let Some(kv) = lookup.peek(block_key)? else { continue };
            let block = Block::decode(block_key, &kv.value)?.collected(self.now, self.cooldown());
            // It may have been used since it was met on the walk.
            if !self.is_idle(&block) {
                continue;
            }
            let Some(owner) = block.affinity.as_deref().and_then(Owner::parse) else { continue };
            let row_key = key::affinity(&owner, &block.cidr);
            if !lookup.is_known(&row_key) {
                // Whoever claims a block in one transaction writes both at one revision.
                lookup.guess(&row_key, kv.create_revision);
            } else if lookup.get(&row_key)?.is_none() {
                // Without a claim, whose block it is cannot be known.
                continue;
            }
            lookup.get(block_key)?;
            let keys = [block_key.clone(), row_key];
            return Err(Halt::Prepare(keys.map(Op::delete).to_vec()));
        }
        Ok(())
    }
}

/// Keeps a key while there is room.
fn keep(kept: &mut Vec<Key>, key: &Key) -> bool {
    let has_room = kept.len() < KEPT_MAX;
    if has_room {
        kept.push(key.clone());
    }
    has_room
}
