//! Times as they were measured: counts between bounds, and the longest one by one.
use super::NS_PER_MS;

/// What lasts longer counts as this long, an hour: a server has given up by then, and a product of
/// 32 bits of a draw and so many microseconds still fits 64 bits.
const TIME_MS_MAX: u64 = 3_600_000;
/// Rows at which a search may begin: one for each value of the highest eight bits of a draw.
const GUIDES: u64 = 256;

/// A distribution of times. Within a row all times are equally likely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    rows: Vec<Row>,
    guide: Vec<u16>,
}

/// Draws of 32 bits from `from` to below `below` belong to times from `low_us` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    from: u64,
    below: u64,
    low_us: u64,
    width_us: u64,
}

impl Histogram {
    /// From rows of (upper bound in ms, count), ascending, and the longest times in ms, which the
    /// rows count too.
    ///
    /// # Errors
    /// Bounds do not ascend, or nothing was counted.
    pub fn new(rows: &[(u64, u64)], longest_ms: &[u64]) -> Result<Self, String> {
        if !rows.is_sorted_by(|a, b| a.0 < b.0) {
            return Err("upper bounds of a histogram ascend".to_owned());
        }
        let mut counts: Vec<u64> = rows.iter().map(|row| row.1).collect();
        let mut longest_us: Vec<u64> = longest_ms.iter().map(|ms| us(*ms)).collect();
        longest_us.sort_unstable();
        for ms in longest_ms {
            let row = rows.iter().position(|row| row.0 >= *ms).unwrap_or(rows.len() - 1);
            counts[row] = counts[row].saturating_sub(1);
        }
        // (low, width, count)
        let mut parts = Vec::new();
        let mut low_us = 0;
        for ((upper_ms, _), count) in rows.iter().zip(counts) {
            parts.push((low_us, us(*upper_ms) - low_us, count));
            low_us = us(*upper_ms);
        }
        parts.extend(longest_us.into_iter().map(|us| (us, 0, 1)));
        parts.retain(|part| part.2 > 0);
        let total: u64 = parts.iter().map(|part| part.2).sum();
        if total == 0 || parts.len() > usize::from(u16::MAX) {
            return Err("a histogram has between one and 65,535 rows that count".to_owned());
        }
        let (mut rows, mut before) = (Vec::new(), 0);
        for (low_us, width_us, count) in parts {
            let bound = |n: u64| ((u128::from(n) << 32) / u128::from(total)) as u64;
            let (from, below) = (bound(before), bound(before + count));
            before += count;
            // Rarer than one draw in 2^32: it never comes.
            if below > from {
                rows.push(Row { from, below, low_us, width_us });
            }
        }
        let first = |bits: u64| rows.iter().position(|row| row.below > bits << 24);
        let guide = (0..GUIDES).map(|bits| first(bits).expect("rows cover all draws") as u16);
        Ok(Self { guide: guide.collect(), rows })
    }

    /// The time in nanoseconds that belongs to a uniform draw of 32 bits.
    #[inline]
    pub(super) fn at(&self, uniform: u64) -> u64 {
        let mut row = usize::from(self.guide[(uniform >> 24) as usize]);
        while self.rows[row].below <= uniform {
            row += 1;
        }
        let Row { from, below, low_us, width_us } = self.rows[row];
        (low_us + (uniform - from) * width_us / (below - from)) * (NS_PER_MS / 1_000)
    }
}

fn us(ms: u64) -> u64 {
    ms.min(TIME_MS_MAX) * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Keyed;

    /// Goal: what is drawn is what was measured. Method: 100,000 draws of a histogram with two
    /// rows and two long ones among its 1,000 times; five standard deviations.
    #[test]
    fn draws_have_the_measured_shares_and_the_longest_one_by_one() {
        let rows = [(100, 600), (1_000, 398), (60_000, 2)];
        let histogram = Histogram::new(&rows, &[45_000, 31_000]).expect("a histogram");
        let mut stream = Keyed::new(3).stream("t", "z");
        let times: Vec<u64> =
            (0..100_000).map(|_| histogram.at(stream.draw() >> 32) / NS_PER_MS).collect();
        let count = |of: &dyn Fn(u64) -> bool| times.iter().filter(|ms| of(**ms)).count();
        assert!(count(&|ms| ms < 100).abs_diff(60_000) < 800);
        assert!(count(&|ms| (100..1_000).contains(&ms)).abs_diff(39_800) < 800);
        let long = [count(&|ms| ms == 31_000), count(&|ms| ms == 45_000)];
        assert!(long.iter().all(|n| n.abs_diff(100) < 50), "{long:?}");
        assert_eq!(count(&|ms| ms >= 1_000), long.iter().sum::<usize>());
    }

    /// Goal: times that nobody would wait for are no more than the longest that counts. Method: the
    /// greatest numbers of a farm file; both ends of all draws.
    #[test]
    fn endless_times_are_an_hour() {
        let histogram = Histogram::new(&[(1, 1), (u64::MAX, 1)], &[u64::MAX]).expect("a histogram");
        assert_eq!(histogram.at(0), 0);
        assert_eq!(histogram.at((1 << 32) - 1), TIME_MS_MAX * NS_PER_MS);
    }

    /// Goal: what is no histogram is refused.
    #[test]
    fn bounds_ascend_and_something_was_counted() {
        assert!(Histogram::new(&[(5, 1), (5, 1)], &[]).is_err());
        assert!(Histogram::new(&[(5, 0)], &[]).is_err() && Histogram::new(&[], &[]).is_err());
    }
}
