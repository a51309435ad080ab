//! How large a cluster is.

/// The addresses of a block.
const BLOCK_ADDRESSES: u64 = 64;

/// How large a cluster is, what befalls it, and what decides the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many pods each has when it is full.
    pub pods: usize,
    /// How many pods come at once after that.
    pub burst: usize,
    /// How many nodes restart at a time.
    pub at_once: usize,
    /// The only pool, in blocks of 64 addresses.
    pub pool: String,
    /// What decides everything.
    pub seed: u64,
}

impl Size {
    /// Returns the usual cluster of so many nodes: 100 pods on each, four more in a burst, one in fifty nodes restarts at a
    /// time, and of the pool's blocks two in three at the most are needed.
    #[must_use]
    pub fn of(nodes: usize, seed: u64) -> Self {
        let mut size = Self {
            nodes,
            pods: 100,
            burst: nodes * 4,
            at_once: (nodes / 50).max(1),
            pool: String::new(),
            seed,
        };
        size.pool = size.roomy_pool();
        size
    }

    /// Returns the smallest network of which the nodes need two thirds of the blocks at the most.
    #[must_use]
    pub fn roomy_pool(&self) -> String {
        let needed = self.nodes as u64 * (self.pods as u64).div_ceil(BLOCK_ADDRESSES);
        let blocks = (needed * 3 / 2).next_power_of_two();
        format!("10.0.0.0/{}", 26 - blocks.ilog2().min(18))
    }
}
