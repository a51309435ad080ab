//! Giving claims on blocks up.

use crate::block;
use crate::ip::{Cidr, Family};
use crate::kv::{Key, Lookup, Op, Range, Read};
use crate::model::{Block, Owner, Timestamp, key};

use super::claim::blocks_of;
use super::downgrade::downgrade;
use super::facts::{Facts, cluster_key, read_config, refuse_if_locked};
use super::{Outcome, Planned, Request};

/// How many claims go in one transaction: each takes two compares and two writes.
const CLAIMS_AT_ONCE: usize = 40;

/// Asks to give claims up. An empty block goes with its claim; one that holds addresses stays, owned by nobody, until the
/// last of them is released.
#[derive(Clone, Debug)]
pub struct ReleaseClaims {
    /// Which claims.
    pub of: Claims,
    /// Whether a block that holds addresses keeps its owner.
    pub must_be_empty: bool,
}

/// Which claims are given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claims {
    /// An owner's on every block of a network inside an enabled pool. The first block that must be empty and is not ends it,
    /// as in stock Calico.
    Inside(Cidr, Owner),
    /// An owner's on one block, whether it lies in a pool or not.
    On(Cidr, Owner),
    /// An owner's, wherever they are.
    All(Owner),
    /// Every host's inside a network. Those of virtual owners are not theirs to lose.
    OfHosts(Cidr),
}

/// What came of giving claims up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// The blocks that the owner does not have any more, empty or not.
    pub released: Vec<Cidr>,
    /// The blocks that hold addresses, and so were kept.
    pub in_use: Vec<Cidr>,
    /// Whether there are more claims than fit into one transaction: the request must be made again.
    pub is_partial: bool,
}

impl Request for ReleaseClaims {
    type Reply = GivenUp;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<GivenUp>> {
        let claims = self.claims(lookup)?;
        let keys = claims.iter().flat_map(|(owner, cidr)| keys(owner, cidr));
        lookup.require(keys.map(|key| Read::values(Range::key(key))))?;
        let cooldown = read_config(lookup)?.ip_cooldown_seconds;
        let (mut reply, mut ops) = (GivenUp::default(), Vec::new());
        for (owner, cidr) in claims {
            if ops.len() >= 2 * CLAIMS_AT_ONCE {
                reply.is_partial = true;
                break;
            }
            match self.release(lookup, &owner, &cidr, (now, cooldown))? {
                Fate::Nothing => {}
                Fate::Lost(op) => ops.extend(op),
                Fate::Released(writes) => {
                    reply.released.push(cidr);
                    ops.extend(writes);
                }
                Fate::InUse => {
                    reply.in_use.push(cidr);
                    if matches!(self.of, Claims::Inside(..)) {
                        break;
                    }
                }
            }
        }
        if ops.is_empty() { Ok(Outcome::Done(reply)) } else { Ok(Outcome::Write { ops, reply }) }
    }
}

/// What becomes of one claim.
enum Fate {
    /// There is none.
    Nothing,
    /// The block is somebody else's: the claim is withdrawn.
    Lost(Option<Op>),
    Released([Op; 2]),
    InUse,
}

impl ReleaseClaims {
    /// Returns the claims that are meant, in the order in which they are given up.
    fn claims(&self, lookup: &mut Lookup<'_>) -> Planned<Vec<(Owner, Cidr)>> {
        if let Claims::Inside(cidr, owner) = &self.of {
            lookup.require(Facts::reads())?;
            let facts = Facts::read(lookup)?;
            let cidrs = blocks_of(&facts.pools, *cidr, CLAIMS_AT_ONCE)?;
            return Ok(cidrs.into_iter().map(|cidr| (owner.clone(), cidr)).collect());
        }
        let ranges: Vec<Range> = match &self.of {
            Claims::Inside(..) | Claims::On(..) => Vec::new(),
            Claims::All(owner) => Family::ALL
                .iter()
                .map(|family| Range::prefix(key::affinities(owner, *family)))
                .collect(),
            Claims::OfHosts(_) => vec![Range::prefix(key::HOSTS)],
        };
        let keys = [cluster_key(), key::CONFIG.into()].map(|key| Read::values(Range::key(key)));
        lookup.require(ranges.iter().cloned().map(Read::keys).chain(keys))?;
        refuse_if_locked(lookup)?;
        if let Claims::On(cidr, owner) = &self.of {
            return Ok(vec![(owner.clone(), *cidr)]);
        }
        let mut claims = Vec::new();
        for range in &ranges {
            let named =
                lookup.peek_keys(range)?.into_iter().filter_map(|key| match key::parse(key) {
                    Some(key::Named::Affinity(owner, cidr)) => Some((owner, cidr)),
                    _ => None,
                });
            claims.extend(named.filter(|(owner, cidr)| self.means(owner, cidr)));
        }
        Ok(claims)
    }

    fn means(&self, owner: &Owner, cidr: &Cidr) -> bool {
        match &self.of {
            Claims::Inside(..) | Claims::On(..) | Claims::All(_) => true,
            Claims::OfHosts(network) => {
                matches!(owner, Owner::Host(_)) && network.contains(cidr.first_address())
            }
        }
    }

    fn release(
        &self,
        lookup: &mut Lookup<'_>,
        owner: &Owner,
        cidr: &Cidr,
        (now, cooldown): (Timestamp, i64),
    ) -> Planned<Fate> {
        let [row_key, block_key] = keys(owner, cidr);
        // A claim without a block is of somebody who is about to make the block.
        let (Some(_), Some(kv)) = (lookup.peek(&row_key)?, lookup.peek(&block_key)?) else {
            return Ok(Fate::Nothing);
        };
        let block = Block::decode(&block_key, &kv.value)?.collected(now, cooldown);
        if block.affinity.is_some() && !block.is_affine_to(owner) {
            lookup.get(&block_key)?;
            return Ok(Fate::Lost(downgrade(lookup, row_key)?));
        }
        let is_empty = block::is_empty(&block);
        if self.must_be_empty && !is_empty {
            return Ok(Fate::InUse);
        }
        lookup.get(&row_key)?;
        lookup.get(&block_key)?;
        let block_op = if is_empty {
            Op::delete(block_key)
        } else {
            Op::put(block_key, block::without_owner(block).encode())
        };
        Ok(Fate::Released([block_op, Op::delete(row_key)]))
    }
}

fn keys(owner: &Owner, cidr: &Cidr) -> [Key; 2] {
    [key::affinity(owner, cidr), key::block(cidr)]
}
