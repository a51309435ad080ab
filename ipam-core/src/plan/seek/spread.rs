//! Which of several blocks a host takes after others were faster.
//!
//! Hosts that begin at one place want the same block; one of them gets it, and the others would all want the next one
//! together. Whoever has lost a block takes one of the next few by chance instead, so that most of them win. Before a first
//! loss the host's order holds, as Calico has it.

use crate::ip::seed_of;
use crate::kv::Lookup;
use crate::model::Owner;

/// Among how many blocks chance decides.
const SPREAD: usize = 16;

/// A choice between blocks that are equally good.
///
/// It is the same for every plan of one call between two losses: a plan that read more meanwhile must not change its mind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    draw: Option<u64>,
}

impl Spread {
    pub(super) fn of(lookup: &Lookup<'_>, owner: &Owner) -> Self {
        let losses = lookup.view().losses();
        Self { draw: (losses > 0).then(|| mixed(seed_of(owner.name()).cast_unsigned(), losses)) }
    }

    /// Returns how many blocks, in the host's order, there are to choose from.
    pub(super) fn breadth(self) -> usize {
        if self.draw.is_some() { SPREAD } else { 1 }
    }

    /// Returns which of `count` blocks to begin with: the first before a loss.
    pub(super) fn first_of(self, count: usize) -> usize {
        let among = u64::try_from(count.min(SPREAD)).unwrap_or(1).max(1);
        self.draw.and_then(|draw| usize::try_from(draw % among).ok()).unwrap_or(0)
    }
}

/// Mixes well enough that neighbouring seeds, and one seed after the next loss, go different ways (the finisher of `SplitMix64`).
fn mixed(seed: u64, losses: u32) -> u64 {
    let mut x = seed.wrapping_add(u64::from(losses).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::View;

    fn firsts(losses: u32, count: usize) -> Vec<usize> {
        let mut view = View::default();
        view.note_losses(losses);
        let spread = |n| Spread::of(&Lookup::new(&view), &Owner::Host(format!("node-{n}")));
        (0..64).map(|n| spread(n).first_of(count)).collect()
    }

    #[test]
    fn before_a_loss_every_host_keeps_its_order() {
        assert!(firsts(0, 20).iter().all(|first| *first == 0));
    }

    #[test]
    fn after_a_loss_hosts_part_and_after_the_next_they_part_again() {
        let (once, twice) = (firsts(1, 20), firsts(2, 20));
        for wanted in 0..SPREAD {
            let hosts = once.iter().filter(|first| **first == wanted).count();
            assert!(hosts < 16, "{hosts} of 64 hosts want block {wanted}");
        }
        assert!(once.iter().all(|first| *first < SPREAD));
        let same = once.iter().zip(&twice).filter(|(once, twice)| once == twice).count();
        assert!(same < 16, "{same} of 64 hosts want the same block again");
        assert!(firsts(1, 1).iter().all(|first| *first == 0));
        assert!(firsts(1, 0).iter().all(|first| *first == 0));
    }
}
