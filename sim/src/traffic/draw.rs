//! Random times by integers alone: the same bits on every machine.
//!
//! `ln` of a platform's maths library may differ in its last bit from another's, and one bit is
//! another run. So logarithms come from a table of 257 entries that the compiler computes by
//! repeated squaring; between two entries they are interpolated. The error is below 3 · 10⁻⁶ of
//! one mean, far under anything that a rehearsal measures.

/// Fraction bits of a logarithm: as many as the table's entries have.
const FRACTION_BITS: u32 = 24;
/// ln 2 with 30 fraction bits.
const LN2_Q30: u64 = 744_261_118;

/// log₂(1 + i/256) with [`FRACTION_BITS`] fraction bits.
const LOG2: [u32; 257] = {
    let mut table = [0; 257];
    let mut i = 0;
    while i < 257 {
        table[i] = log2_by_squaring(256 + i as u64);
        i += 1;
    }
    table
};

/// log₂ of `n / 256`, for 256 ≤ n ≤ 512: squaring doubles a logarithm, so each squaring gives a bit.
const fn log2_by_squaring(n: u64) -> u32 {
    if n == 512 {
        return 1 << FRACTION_BITS;
    }
    let mut y = (n as u128) << 54; // 62 fraction bits
    let mut bits = 0;
    let mut i = 0;
    while i < FRACTION_BITS {
        y = (y * y) >> 62;
        bits <<= 1;
        if y >= 2 << 62 {
            bits |= 1;
            y >>= 1;
        }
        i += 1;
    }
    bits
}

/// log₂ of a whole number from 1 on, with [`FRACTION_BITS`] fraction bits.
#[inline]
fn log2(x: u64) -> u64 {
    let whole = 63 - x.leading_zeros();
    let fraction = (x << (63 - whole)) << 1; // the bits after the leading one, from the top
    let index = (fraction >> 56) as usize;
    let rest = (fraction >> 32) & 0x00FF_FFFF;
    let (low, high) = (u64::from(LOG2[index]), u64::from(LOG2[index + 1]));
    (u64::from(whole) << FRACTION_BITS) + low + (((high - low) * rest) >> 24)
}

/// An exponential distribution over one range of whole numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exponential {
    /// The mean times ln 2, in nanoseconds.
    mean_ln2_ns: u64,
    /// log₂ of the range.
    log2_range: u64,
}

impl Exponential {
    /// With this mean, drawn from `0..range`.
    pub(super) fn new(mean_ns: u64, range: u64) -> Self {
        assert!(range > 0 && range <= 1 << 32, "draws have 32 bits");
        let mean_ln2_ns = ((u128::from(mean_ns) * u128::from(LN2_Q30)) >> 30) as u64;
        Self { mean_ln2_ns, log2_range: log2(range) }
    }

    /// The value that belongs to a uniform draw: 0 is the longest, `range - 1` is zero.
    #[inline]
    pub(super) fn at(&self, uniform: u64) -> u64 {
        let halvings = self.log2_range - log2(uniform + 1);
        ((u128::from(self.mean_ln2_ns) * u128::from(halvings)) >> FRACTION_BITS) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Keyed;

    /// Goal: the table is the logarithm. Method: compare with the platform's, which tests may use.
    #[test]
    fn integer_logarithm_is_the_logarithm_within_its_stated_error() {
        for x in [1, 2, 3, 5, 255, 256, 257, 65_537, 1 << 31, (1 << 32) - 1, 1 << 32] {
            let ours = log2(x) as f64 / f64::from(1 << FRACTION_BITS);
            assert!((ours - (x as f64).log2()).abs() < 3e-6, "log2({x}) came out as {ours}");
        }
    }

    /// Goal: gaps have the mean that was asked for. Method: many draws; one per cent is ten
    /// standard errors of a million.
    #[test]
    fn mean_of_many_draws_is_the_mean() {
        let gaps = Exponential::new(10_000_000, 1 << 32);
        let mut stream = Keyed::new(7).stream("t", "z");
        let sum: u64 = (0..1_000_000).map(|_| gaps.at(stream.draw() >> 32)).sum();
        let mean = sum / 1_000_000;
        assert!((9_900_000..10_100_000).contains(&mean), "mean {mean} ns");
    }

    /// Goal: no draw overflows or is negative. Method: both ends of the range.
    #[test]
    fn ends_of_the_range_are_the_longest_and_zero() {
        let gaps = Exponential::new(1_000_000_000, 1 << 32);
        assert_eq!(gaps.at((1 << 32) - 1), 0);
        // 32 halvings of a mean of one second.
        assert!((22_180_000_000..22_181_000_000).contains(&gaps.at(0)), "{}", gaps.at(0));
    }
}
