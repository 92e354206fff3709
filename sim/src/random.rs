//! Keyed randomness: a draw is a hash of (seed, purpose, name, ordinal), not the next number of a
//! shared generator.
//!
//! So removing an event, a server or a link leaves every other draw as it was: a shrunk failure
//! stays the same failure. The same holds between machines: the hash works on numbers, never on
//! memory layout.
//!
//! The hash absorbs its input eight bytes at a time through the finaliser of SplitMix64 (Steele,
//! Lea and Flood, "Fast splittable pseudorandom number generators", 2014): two multiplications and
//! three shifts, a bijection of 64 bits in which every input bit flips about half of the output
//! bits. It is not cryptographic and need not be: nobody plays against the simulation.

/// 2^64 divided by the golden ratio: SplitMix64's increment. It keeps a zero from absorbing into a
/// zero.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's finaliser.
#[inline]
fn scramble(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Folds one word into a state.
#[inline]
fn absorb(state: u64, word: u64) -> u64 {
    scramble(state.wrapping_add(GOLDEN) ^ word)
}

/// Folds a text into a state: its length first, so that ("ab", "c") differs from ("a", "bc").
fn absorb_text(state: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let state = absorb(state, bytes.len() as u64);
    bytes.chunks(8).fold(state, |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        absorb(state, u64::from_le_bytes(word))
    })
}

/// Scales 64 random bits to `0..bound` by Lemire's multiplication. The bias is below bound / 2^64,
/// under one in four thousand million for any bound a rehearsal uses.
#[inline]
fn scale(bits: u64, bound: u64) -> u64 {
    assert!(bound > 0, "nothing lies below zero");
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

/// True in `numerator` of `denominator` cases.
#[inline]
fn happens(bits: u64, numerator: u64, denominator: u64) -> bool {
    assert!(numerator <= denominator, "a ratio lies between 0 and 1");
    scale(bits, denominator) < numerator
}

/// A whole number in `low..=high`.
#[inline]
fn span(bits: u64, low: u64, high: u64) -> u64 {
    assert!(low <= high, "the lower end comes first");
    match (high - low).checked_add(1) {
        Some(width) => low + scale(bits, width),
        None => bits,
    }
}

/// The source of every random choice of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyed {
    seed: u64,
}

impl Keyed {
    /// The source of the run with this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// 64 random bits for the `ordinal`-th choice of this purpose about this name.
    #[must_use]
    pub fn draw(&self, purpose: &str, name: &str, ordinal: u64) -> u64 {
        absorb(self.key(purpose, name), ordinal)
    }

    /// A number in `0..bound`.
    #[must_use]
    pub fn below(&self, purpose: &str, name: &str, ordinal: u64, bound: u64) -> u64 {
        scale(self.draw(purpose, name, ordinal), bound)
    }

    /// A number in `low..=high`.
    #[must_use]
    pub fn between(&self, purpose: &str, name: &str, ordinal: u64, low: u64, high: u64) -> u64 {
        span(self.draw(purpose, name, ordinal), low, high)
    }

    /// True in `numerator` of `denominator` cases. Probabilities are ratios of whole numbers, so
    /// that no two machines round them differently.
    #[must_use]
    pub fn ratio(&self, purpose: &str, name: &str, ordinal: u64, of: (u64, u64)) -> bool {
        happens(self.draw(purpose, name, ordinal), of.0, of.1)
    }

    /// The choices of one purpose about one name, in order, for those who draw many.
    #[must_use]
    pub fn stream(&self, purpose: &str, name: &str) -> Stream {
        Stream { key: self.key(purpose, name), ordinal: 0 }
    }

    fn key(&self, purpose: &str, name: &str) -> u64 {
        absorb_text(absorb_text(absorb(0, self.seed), purpose), name)
    }
}

/// The choices of one purpose about one name, in order: the n-th equals [`Keyed::draw`] with
/// ordinal n, at the price of one hash step.
#[derive(Clone, Debug)]
pub struct Stream {
    key: u64,
    ordinal: u64,
}

impl Stream {
    /// The next 64 random bits.
    #[inline]
    pub fn draw(&mut self) -> u64 {
        let bits = absorb(self.key, self.ordinal);
        self.ordinal += 1;
        bits
    }

    /// A number in `0..bound`.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        scale(self.draw(), bound)
    }

    /// A number in `low..=high`.
    #[inline]
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        span(self.draw(), low, high)
    }

    /// True in `numerator` of `denominator` cases.
    #[inline]
    pub fn ratio(&mut self, numerator: u64, denominator: u64) -> bool {
        happens(self.draw(), numerator, denominator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a draw depends on all of its key and on nothing else. Method: change one part at a
    /// time and compare.
    #[test]
    fn every_part_of_the_key_matters() {
        let keyed = Keyed::new(7);
        let base = keyed.draw("latency", "fe-1", 0);
        assert_eq!(base, Keyed::new(7).draw("latency", "fe-1", 0));
        assert_ne!(base, Keyed::new(8).draw("latency", "fe-1", 0));
        assert_ne!(base, keyed.draw("crash", "fe-1", 0));
        assert_ne!(base, keyed.draw("latency", "fe-2", 0));
        assert_ne!(base, keyed.draw("latency", "fe-1", 1));
        assert_ne!(keyed.draw("ab", "c", 0), keyed.draw("a", "bc", 0));
        assert_ne!(keyed.draw("a", "", 0), keyed.draw("a\0", "", 0));
    }

    /// Goal: seeds replay on any machine and after any upgrade of the compiler. Method: values
    /// computed by an independent program and written down; whoever changes the hash must know that every kept seed changes its meaning.
    #[test]
    fn draws_are_the_same_for_ever() {
        let keyed = Keyed::new(42);
        let draws = [
            keyed.draw("latency", "a>b", 0),
            keyed.draw("latency", "a>b", 1),
            keyed.draw("fault", "", u64::MAX),
        ];
        let expected = [0x3aa8_ff03_b349_0b8f, 0xf9cb_bc59_1d31_e4c7, 0x59e3_e10d_c33a_a394];
        assert_eq!(draws, expected);
    }

    /// Goal: a stream is only a faster way to ask for the same draws. Method: compare the two.
    #[test]
    fn a_stream_equals_its_draws() {
        let keyed = Keyed::new(3);
        let mut stream = keyed.stream("arrivals", "shop");
        for ordinal in 0..100 {
            assert_eq!(stream.draw(), keyed.draw("arrivals", "shop", ordinal));
        }
    }

    /// Goal: helpers stay in their range and reach its ends, and ratios are kept. Method: 70,000
    /// draws of each; a fair count of 10,000 has a standard deviation under 100, so 500 is five.
    #[test]
    fn helpers_are_fair() {
        let mut stream = Keyed::new(1).stream("test", "fair");
        let mut counts = [0_u32; 7];
        let mut hits = 0;
        for _ in 0..70_000 {
            counts[usize::try_from(stream.below(7)).unwrap()] += 1;
            let between = stream.between(10, 16);
            assert!((10..=16).contains(&between));
            hits += u32::from(stream.ratio(1, 7));
        }
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 500), "{counts:?}");
        assert!(hits.abs_diff(10_000) < 500, "{hits}");
        assert!(!stream.ratio(0, 5) && stream.ratio(5, 5));
        assert_eq!(stream.between(9, 9), 9);
        let _whole_range = stream.between(0, u64::MAX);
    }

    /// Goal: neighbours in seed or ordinal look unrelated. Method: count the bits that differ; 64
    /// fair coins leave 16..=48 once in 20,000 times, so 2,000 means must stay near 32.
    #[test]
    fn neighbours_are_unrelated() {
        let mut total = 0;
        for n in 0..1_000_u64 {
            let here = Keyed::new(n).draw("p", "n", 5);
            total += (here ^ Keyed::new(n + 1).draw("p", "n", 5)).count_ones();
            total += (here ^ Keyed::new(n).draw("p", "n", 6)).count_ones();
        }
        let mean_hundredths = total * 100 / 2_000;
        assert!(mean_hundredths.abs_diff(3_200) < 60, "{mean_hundredths}");
    }
}
