//! The blocks of a pool in the order in which a host tries them.

use crate::ip::{BlockOrder, Cidr, RangeSet, seed_of};
use crate::kv::{Lookup, Range, Read};
use crate::model::{Owner, Timestamp, key};
use crate::pool::Pool;

/// How many candidates for a new block are looked up at once.
pub(super) const CANDIDATES_AT_ONCE: usize = 64;

/// A walk over the blocks of a pool.
#[derive(Clone, Debug)]
pub(super) struct Candidates {
    pool: Cidr,
    block_prefix: u8,
    order: BlockOrder,
}

impl Candidates {
    /// Starts where the host starts. Blocks of one address are walked from another place each time, as Calico does.
    pub(super) fn of(pool: &Pool, owner: &Owner, now: Timestamp) -> Self {
        let seed = if pool.block_prefix == pool.family().bits() {
            i64::try_from(now.nanos()).unwrap_or(0)
        } else {
            seed_of(owner.name())
        };
        let order = BlockOrder::new(seed, pool.block_count());
        Self { pool: pool.cidr, block_prefix: pool.block_prefix, order }
    }

    /// Returns the next block that is not wholly reserved, jumping over runs of reserved ones.
    pub(super) fn next(&mut self, reserved: &RangeSet) -> Option<Cidr> {
        loop {
            let index = self.order.next()?;
            let cidr = self.pool.block_at(self.block_prefix, index)?;
            let Some(last) = reserved.run_end(&cidr) else {
                return Some(cidr);
            };
            let run = last.min(self.pool.last()).saturating_sub(cidr.first());
            // The run may end inside a block, which is not wholly reserved then.
            let whole = run.saturating_add(1) / cidr.size().max(1);
            self.order.skip_ahead(whole.saturating_sub(1));
        }
    }

    /// Leaves out the next places, reserved ones counted too.
    pub(super) fn skip(&mut self, places: u128) {
        self.order.skip_ahead(places);
    }

    /// Returns how many places lie behind, reserved ones counted too.
    pub(super) fn position(&self) -> u128 {
        self.order.walked()
    }

    /// Returns the first blocks of the walk.
    pub(super) fn ahead(mut self, reserved: &RangeSet) -> Vec<Cidr> {
        std::iter::from_fn(|| self.next(reserved)).take(CANDIDATES_AT_ONCE).collect()
    }

    /// Returns what tells the place of a block in the walk.
    pub(super) fn places(self) -> impl Fn(&Cidr) -> u128 {
        let (start, count) = (self.order.start(), self.pool.block_count(self.block_prefix));
        move |cidr| {
            let index = cidr.first().saturating_sub(self.pool.first()) / cidr.size().max(1);
            if index >= start { index - start } else { index + (count - start) }
        }
    }
}

/// Notes that candidates most likely do not exist: hosts begin at different places.
pub(super) fn expect_absent(lookup: &Lookup<'_>, candidates: &[Cidr]) {
    for cidr in candidates {
        lookup.expect_absent(&key::block(cidr));
    }
}

/// Asks whether a block exists.
pub(super) fn candidate(cidr: Cidr) -> Read {
    Read::count(Range::key(key::block(&cidr)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IpPool, IpPoolSpec, ResourceKind};

    fn candidates(cidr: &str, block_size: u8) -> Candidates {
        let spec: IpPoolSpec =
            serde_json::from_value(serde_json::json!({"cidr": cidr, "blockSize": block_size}))
                .unwrap();
        let pool = Pool::read(&IpPool::new(ResourceKind::IpPool, "p", spec), false).unwrap();
        Candidates::of(&pool, &Owner::Host("n1".to_owned()), Timestamp::EPOCH)
    }

    fn walk(candidates: &Candidates, reserved: &[&str]) -> Vec<String> {
        let reserved: Vec<Cidr> = reserved.iter().map(|cidr| Cidr::parse(cidr).unwrap()).collect();
        let blocks = candidates.clone().ahead(&reserved.iter().collect());
        blocks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn reserved_blocks_are_jumped_over_and_partly_reserved_ones_are_not() {
        let four = candidates("10.0.0.0/28", 30);
        assert_eq!(walk(&four, &[]).len(), 4);
        assert_eq!(walk(&four, &["10.0.0.0/28"]), [""; 0]);
        let walked = walk(&four, &["10.0.0.4/30", "10.0.0.8/31"]);
        assert_eq!(walked.len(), 3, "{walked:?}");
        assert!(walked.contains(&"10.0.0.8/30".to_owned()), "a block with free addresses is tried");
    }

    #[test]
    fn a_huge_reservation_costs_one_step() {
        let huge = candidates("fd00::/20", 128);
        let walked = walk(&huge, &["fd00::/21"]);
        assert_eq!(walked.len(), CANDIDATES_AT_ONCE);
        assert!(walked.iter().all(|cidr| {
            !Cidr::parse("fd00::/21").unwrap().covers(&Cidr::parse(cidr).unwrap())
        }));
    }

    #[test]
    fn places_follow_the_walk() {
        let candidates = candidates("10.0.0.0/24", 28);
        let place = candidates.clone().places();
        let places: Vec<u128> = candidates.ahead(&RangeSet::new()).iter().map(place).collect();
        assert_eq!(places, (0..16).collect::<Vec<_>>());
    }
}
