//! The order in which a host tries the blocks of a pool.
//!
//! Every host starts at its own pseudo-random block and goes round the pool once. Allocators that
//! run on one host under one name thus agree on the next candidate, while different hosts rarely
//! meet. The order only avoids contention: claiming in any other order would be just as correct.

use std::num::NonZero;

/// Walks the block indexes of a pool in the order in which Calico tries them on the same host.
///
/// Indexes count blocks, not addresses; 0 is the block with the lowest address. A walk from
/// `start` yields start, start+1, …, count−1, 0, …, start−1: each index exactly once, then `None`.
///
/// Source: `calico libcalico-go/lib/ipam/ipam_block_reader_writer.go::randomBlockGenerator`.
#[derive(Clone, Debug)]
pub struct BlockOrder {
    start: u128,
    count: u128,
    /// How many indexes lie behind the walk.
    walked: u128,
}

impl BlockOrder {
    /// Draws the start index that belongs to `seed` and returns the walk from there.
    ///
    /// `seed` comes from [`seed_of`], or is any other number where the order shall not depend on
    /// the host; every value is valid. `count` is the number of blocks in the pool; 0 means there
    /// is none, and the walk is empty. Equal arguments give equal walks.
    ///
    /// Source: `calico libcalico-go/lib/ipam/ipam_block_reader_writer.go::randomBlockGenerator`.
    #[must_use]
    pub fn new(seed: i64, count: u128) -> Self {
        let start =
            NonZero::new(count).map_or(0, |count| draw_below(count, &mut GoRandom::new(seed)));
        Self { start, count, walked: 0 }
    }

    /// Returns the index of the first block of the walk, however far the walk has advanced.
    ///
    /// It is a block index below the count; 0 is the lowest block of the pool, and also the answer
    /// for a pool without blocks.
    ///
    /// Source: `calico libcalico-go/lib/ipam/ipam_block_reader_writer.go::randomBlockGenerator`.
    #[must_use]
    pub fn start(&self) -> u128 {
        self.start
    }

    /// Returns how many indexes lie behind the walk.
    #[must_use]
    pub fn walked(&self) -> u128 {
        self.walked
    }

    /// Leaves out the next `count` indexes.
    pub fn skip_ahead(&mut self, count: u128) {
        self.walked = self.walked.saturating_add(count).min(self.count);
    }
}

impl Iterator for BlockOrder {
    type Item = u128;

    fn next(&mut self) -> Option<u128> {
        if self.walked >= self.count {
            return None;
        }
        let before_wrap = self.count - self.start;
        let index = match self.walked.checked_sub(before_wrap) {
            None => self.start + self.walked,
            Some(wrapped) => wrapped,
        };
        self.walked += 1;
        Some(index)
    }
}

/// Returns the seed of a host: the 32-bit FNV-1 hash of the bytes of its name.
///
/// The result lies in 0..2^32; 0 is a hash like any other. FNV-1 multiplies before it mixes a byte
/// in; the more common FNV-1a does it the other way round and gives other numbers.
///
/// Source: `calico libcalico-go/lib/ipam/ipam_block_reader_writer.go::determineSeed`.
#[must_use]
pub fn seed_of(host: &str) -> i64 {
    const OFFSET_BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let hash =
        host.bytes().fold(OFFSET_BASIS, |hash, byte| hash.wrapping_mul(PRIME) ^ u32::from(byte));
    i64::from(hash)
}

/// Number of 64-bit words in the generator's state, which is also its longer lag.
const STATE_WORDS: usize = 607;

/// The shorter lag of the generator.
const SHORT_LAG: usize = 273;

/// What seeding mixes into the state: `STATE_WORDS` words, each in little-endian byte order.
///
/// They are the state of this same generator, seeded in a simpler way, after 7.8·10^12 outputs;
/// the tests work them out again.
const SEED_TABLE: &[u8; STATE_WORDS * 8] = include_bytes!("order_table.bin");

/// The generator behind a seeded Go `math/rand` source: additive lagged Fibonacci modulo 2^64.
struct GoRandom {
    state: [u64; STATE_WORDS],
    /// Where the word of the short lag was last read; always below `STATE_WORDS`.
    tap: usize,
    /// Where the last output was stored; always below `STATE_WORDS`.
    feed: usize,
}

impl GoRandom {
    fn new(seed: i64) -> Self {
        let mut lehmer = Lehmer::new(seed);
        let mut state = [0; STATE_WORDS];
        for (word, salt) in state.iter_mut().zip(SEED_TABLE.as_chunks().0) {
            *word = lehmer.next_word(40, 20) ^ u64::from_le_bytes(*salt);
        }
        Self { state, tap: 0, feed: STATE_WORDS - SHORT_LAG }
    }

    /// The next full output: the oldest word plus the one of the short lag, in place of the oldest.
    fn next_u64(&mut self) -> u64 {
        self.tap = index_before(self.tap);
        self.feed = index_before(self.feed);
        // Both indexes are inside the state by construction, so neither fallback is ever used.
        let tapped = self.state.get(self.tap).copied().unwrap_or_default();
        self.state.get_mut(self.feed).map_or(0, |word| {
            *word = word.wrapping_add(tapped);
            *word
        })
    }

    /// The next 32-bit output, bits 31 to 62 of a full one: Go first drops the sign bit, and then
    /// the low half of what is left.
    fn next_half_limb(&mut self) -> u64 {
        (self.next_u64() >> 31) & u64::from(u32::MAX)
    }

    /// The next limb of a big integer, as 64-bit builds of Go fill it: low half first.
    fn next_limb(&mut self) -> u64 {
        let low = self.next_half_limb();
        low | (self.next_half_limb() << 32)
    }
}

/// The small generator that spreads one seed over a whole state: multiplication modulo 2^31−1.
struct Lehmer {
    /// In 1..2^31−1, so that a product with the multiplier fits easily.
    value: u64,
}

impl Lehmer {
    const MODULUS: i64 = (1 << 31) - 1;
    const MULTIPLIER: u64 = 48_271;
    /// Stands in for 0, which multiplication would never leave.
    const INSTEAD_OF_ZERO: u64 = 89_482_311;
    const WARM_UP_STEPS: usize = 20;

    fn new(seed: i64) -> Self {
        let value = match seed.rem_euclid(Self::MODULUS).unsigned_abs() {
            0 => Self::INSTEAD_OF_ZERO,
            value => value,
        };
        let mut lehmer = Self { value };
        for _ in 0..Self::WARM_UP_STEPS {
            lehmer.step();
        }
        lehmer
    }

    fn step(&mut self) -> u64 {
        self.value = self.value * Self::MULTIPLIER % Self::MODULUS.unsigned_abs();
        self.value
    }

    /// Overlays the next three values, the first two shifted left by that many bits.
    fn next_word(&mut self, first_shift: u32, second_shift: u32) -> u64 {
        let first = self.step() << first_shift;
        let second = self.step() << second_shift;
        first ^ second ^ self.step()
    }
}

/// Draws a number below `count` as Go draws a big integer.
fn draw_below(count: NonZero<u128>, random: &mut GoRandom) -> u128 {
    // As many bits as `count` itself has. For a power of two that is one more than its largest
    // index needs, hence half of the draws fail; Calico's starts include those failures.
    let mask = u128::MAX >> count.leading_zeros();
    let count = count.get();
    let two_limbs = count > u128::from(u64::MAX);
    loop {
        let mut value = u128::from(random.next_limb());
        if two_limbs {
            value |= u128::from(random.next_limb()) << 64;
        }
        value &= mask;
        if value < count {
            return value;
        }
    }
}

fn index_before(index: usize) -> usize {
    index.checked_sub(1).unwrap_or(STATE_WORDS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host, seed, and the starts for 2^4, 2^8, 2^10, 2^12, 2^16 and 2^18 blocks.
    const STARTS: [(&str, i64, [u128; 6]); 5] = [
        ("node1", 3_957_252_814, [7, 154, 666, 2887, 2887, 71_252]),
        ("node2", 3_957_252_813, [0, 44, 416, 1621, 45_103, 70_700]),
        ("host-a", 1_258_779_341, [15, 216, 216, 3582, 6360, 137_432]),
        ("worker-0", 2_999_756_864, [12, 172, 172, 2090, 53_727, 77_996]),
        ("ip-10-0-0-1.ec2.internal", 1_440_555_195, [11, 43, 555, 555, 44_898, 213_547]),
    ];

    fn start(host: &str, count: u128) -> u128 {
        BlockOrder::new(seed_of(host), count).start()
    }

    #[test]
    fn seeds_are_fnv_1_of_the_name_bytes() {
        for (host, seed, _) in STARTS {
            assert_eq!(seed_of(host), seed, "{host}");
        }
        assert_eq!(seed_of(""), 2_166_136_261);
        assert_eq!(seed_of("nöde"), 4_289_088_663);
    }

    #[test]
    fn starts_match_go_for_powers_of_two() {
        for (host, seed, starts) in STARTS {
            for (bits, expected) in [4, 8, 10, 12, 16, 18].into_iter().zip(starts) {
                let order = BlockOrder::new(seed, 1 << bits);
                assert_eq!(order.start(), expected, "{host}, 2^{bits}");
            }
        }
    }

    #[test]
    fn starts_match_go_for_other_counts() {
        assert_eq!(start("node1", 3), 2);
        assert_eq!(start("node2", 3), 0);
        assert_eq!(start("node2", 1000), 416);
        assert_eq!(start("ip-10-0-0-1.ec2.internal", 1000), 555);
        assert_eq!(start("ip-10-0-0-1.ec2.internal", 1_048_577), 737_835);
        assert_eq!(start("worker-0", 10_u128.pow(30)), 410_810_909_565_405_887_696_671_420_588);
    }

    #[test]
    fn starts_match_go_for_more_than_one_limb() {
        // A count of one limb, then the smallest one of two limbs: here the draws come apart.
        assert_eq!(start("worker-0", (1 << 64) - 59), 10_661_441_129_987_256_492);
        assert_eq!(start("worker-0", 1 << 64), 18_336_252_633_549_462_999);
        assert_eq!(start("node1", 1 << 70), 628_109_767_315_690_228_551);
        assert_eq!(start("node2", 1 << 70), 818_365_800_952_934_789_536);
        assert_eq!(start("node1", 1 << 108), 76_776_007_437_887_613_766_742_595_734_343);
        assert_eq!(start("worker-0", 1 << 108), 59_990_389_120_292_187_758_041_722_073_260);
        assert_eq!(start("node1", u128::MAX), 55_155_564_758_138_375_584_026_546_742_107_699_866);
    }

    #[test]
    fn any_seed_is_reduced_like_go_does() {
        let start = |seed| BlockOrder::new(seed, 1 << 108).start();
        assert_eq!(start(-5), 222_870_437_490_199_951_156_173_917_964_713);
        assert_eq!(start(i64::MIN), 290_129_447_764_356_224_046_759_106_835_515);
        // 2^63 − 1 and 2^32 − 1 are 1 modulo 2^31 − 1.
        for seed in [1, 4_294_967_295, i64::MAX] {
            assert_eq!(start(seed), 191_943_261_481_447_673_815_087_580_906_562, "{seed}");
        }
        for seed in [0, 2_147_483_647, 4_294_967_294] {
            assert_eq!(start(seed), 320_169_245_624_408_472_740_826_939_855_902, "{seed}");
        }
    }

    #[test]
    fn raw_outputs_match_go() {
        for (seed, first, second, after_2000_more) in [
            (1, 5_577_006_791_947_779_410, 8_674_665_223_082_153_551, 17_766_452_292_756_135_412),
            (
                3_957_252_814,
                6_909_363_287_586_693_983,
                16_147_695_394_631_622_911,
                5_756_427_733_357_193_178,
            ),
        ] {
            let mut random = GoRandom::new(seed);
            assert_eq!(random.next_u64(), first, "{seed}");
            assert_eq!(random.next_u64(), second, "{seed}");
            // Far enough for both indexes to have gone round the state several times.
            let later = (0..2000).map(|_| random.next_u64()).last();
            assert_eq!(later, Some(after_2000_more), "{seed}");
        }
    }

    #[test]
    fn visits_every_index_once_in_ring_order() {
        for count in (1..=40).chain([256, 1000, 4096]) {
            for (host, seed, _) in STARTS {
                let order = BlockOrder::new(seed, count);
                let start = order.start();
                assert!(start < count, "{host}, {count}");
                let ring: Vec<u128> = (0..count).map(|step| (start + step) % count).collect();
                assert_eq!(order.collect::<Vec<_>>(), ring, "{host}, {count}");
            }
        }
    }

    #[test]
    fn ends_for_good_and_keeps_its_start() {
        let mut order = BlockOrder::new(seed_of("node1"), 16);
        assert_eq!(order.by_ref().count(), 16);
        assert_eq!(order.next(), None);
        assert_eq!(order.next(), None);
        assert_eq!(order.start(), 7);
    }

    #[test]
    fn no_blocks_and_one_block() {
        let mut none = BlockOrder::new(seed_of("node1"), 0);
        assert_eq!(none.start(), 0);
        assert_eq!(none.next(), None);
        for (host, seed, _) in STARTS {
            assert_eq!(BlockOrder::new(seed, 1).collect::<Vec<_>>(), [0], "{host}");
        }
    }

    #[test]
    fn huge_counts_walk_lazily() {
        for bits in [70, 108] {
            let order = BlockOrder::new(seed_of("host-a"), 1 << bits);
            let start = order.start();
            let first: Vec<u128> = order.take(3).collect();
            assert_eq!(first, [start, start + 1, start + 2], "2^{bits}");
        }
    }

    #[test]
    fn the_seed_table_is_what_its_definition_gives() {
        let stored: Vec<u64> =
            SEED_TABLE.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        assert!(stored == seed_table(), "order_table.bin differs from its definition");
    }

    /// Works the seed table out: the state after `DISTANCE` outputs from a simple seeding.
    ///
    /// In the order in which they are produced, the words obey s(j) = s(j−607) + s(j−273).
    /// Reading s(j) as t^j turns this into t^607 = 1 + t^334, so t^`DISTANCE` is equal to a
    /// polynomial of degree below 607, which says how to add up s(`DISTANCE`) from the first words.
    fn seed_table() -> [u64; STATE_WORDS] {
        const DISTANCE: u64 = 7_800_000_000_000;
        let mut lehmer = Lehmer::new(1);
        let initial: [u64; STATE_WORDS] = std::array::from_fn(|_| lehmer.next_word(20, 10));
        let mut words: Vec<u64> = (0..STATE_WORDS).map(|age| initial[place_of(age)]).collect();
        for next in STATE_WORDS..2 * STATE_WORDS - 1 {
            words.push(words[next - STATE_WORDS].wrapping_add(words[next - SHORT_LAG]));
        }

        let jump = power_of_t(DISTANCE);
        // Only the place in the ring matters for where a word ends up.
        let turned = usize::try_from(DISTANCE % 607).unwrap();
        let mut table = [0; STATE_WORDS];
        for (age, window) in words.windows(STATE_WORDS).enumerate() {
            table[place_of(turned + age)] = jump
                .iter()
                .zip(window)
                .fold(0, |sum: u64, (factor, word)| sum.wrapping_add(factor.wrapping_mul(*word)));
        }
        table
    }

    /// Where the state holds the word with this number: places are filled downwards.
    fn place_of(number: usize) -> usize {
        let oldest = STATE_WORDS - SHORT_LAG - 1;
        (oldest + 2 * STATE_WORDS - number) % STATE_WORDS
    }

    /// t^`exponent` modulo t^607 − t^334 − 1, lowest coefficient first, by repeated squaring.
    fn power_of_t(exponent: u64) -> Vec<u64> {
        let mut power = vec![0; STATE_WORDS];
        power[0] = 1;
        for bit in (0..u64::BITS - exponent.leading_zeros()).rev() {
            power = reduce(square(&power));
            if (exponent >> bit) & 1 == 1 {
                power.insert(0, 0);
                power = reduce(power);
            }
        }
        power
    }

    fn square(polynomial: &[u64]) -> Vec<u64> {
        let mut product = vec![0_u64; 2 * polynomial.len() - 1];
        for (shift, left) in polynomial.iter().enumerate() {
            for (sum, right) in product[shift..].iter_mut().zip(polynomial) {
                *sum = sum.wrapping_add(left.wrapping_mul(*right));
            }
        }
        product
    }

    /// Replaces every t^(607+d) by t^d + t^(334+d), from the highest power down.
    fn reduce(mut polynomial: Vec<u64>) -> Vec<u64> {
        while polynomial.len() > STATE_WORDS {
            let top = polynomial.pop().unwrap();
            let degree = polynomial.len();
            for lag in [STATE_WORDS, SHORT_LAG] {
                let lower = &mut polynomial[degree - lag];
                *lower = lower.wrapping_add(top);
            }
        }
        polynomial
    }
}
