//! Counts of durations by size, and the longest of them.
use evenkeel::farm::load::LONGEST_MAX;

/// Upper bounds of service times, in milliseconds: seven a decade, so that a bucket is at most
/// half as wide again as it begins, up to an hour. The last are round in minutes: 110 s is where
/// IIS gives up (`executionTimeout`).
pub(super) const SERVICE_MS: [u64; 31] = [
    1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 1_500, 2_000,
    3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000, 60_000, 110_000, 600_000, 3_600_000,
];
/// Upper bounds of gaps between requests, in milliseconds: three a decade. The last is what IIS
/// waits for the next request of a connection (`connectionTimeout`, 120 s); HAProxy and nginx
/// wait for less by default.
pub(super) const GAP_MS: [u64; 16] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, GAP_MS_MAX];
/// The longest gap: beyond it, it is another visit.
pub(super) const GAP_MS_MAX: u64 = 120_000;

/// A histogram with fixed bounds, and room above them.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds_ms: &'static [u64],
    counts: Vec<u64>,
    longest_ms: u64,
}

impl Histogram {
    /// Nothing counted yet; bounds are ascending.
    pub(super) fn new(bounds_ms: &'static [u64]) -> Self {
        Self { bounds_ms, counts: vec![0; bounds_ms.len() + 1], longest_ms: 0 }
    }

    /// Counts a duration.
    #[inline]
    pub(super) fn add(&mut self, ms: u64) {
        self.counts[self.bounds_ms.partition_point(|bound| *bound < ms)] += 1;
        self.longest_ms = self.longest_ms.max(ms);
    }

    /// Upper bounds with their counts, ascending, up to the last that has any; what is over the
    /// highest bound is up to the longest.
    pub(super) fn buckets(&self) -> Vec<(u64, u64)> {
        let bounds = self.bounds_ms.iter().copied().chain([self.longest_ms]);
        let mut buckets: Vec<(u64, u64)> = bounds.zip(self.counts.iter().copied()).collect();
        while buckets.last().is_some_and(|(_, count)| *count == 0) {
            buckets.pop();
        }
        buckets
    }
}

/// The longest durations, descending.
#[derive(Debug, Default)]
pub(super) struct Longest(Vec<u64>);

impl Longest {
    /// Takes a duration in, if it is one of the longest.
    #[inline]
    pub(super) fn add(&mut self, ms: u64) {
        if self.0.len() == LONGEST_MAX {
            if self.0[LONGEST_MAX - 1] >= ms {
                return;
            }
            self.0.pop();
        }
        let place = self.0.partition_point(|longer| *longer >= ms);
        self.0.insert(place, ms);
    }

    /// The longest, descending.
    pub(super) fn get(&self) -> &[u64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a duration is in the bucket whose upper bound is the first that is not below it.
    /// Method: on both sides of bounds, and over the highest.
    #[test]
    fn buckets_are_closed_above() {
        let mut histogram = Histogram::new(&[10, 20]);
        assert_eq!(histogram.buckets(), []);
        for ms in [0, 10, 11] {
            histogram.add(ms);
        }
        assert_eq!(histogram.buckets(), [(10, 2), (20, 1)]);
        histogram.add(500);
        assert_eq!(histogram.buckets(), [(10, 2), (20, 1), (500, 1)]);
    }

    /// Goal: the ten longest are kept, whatever their order. Method: a hundred in a scrambled one.
    #[test]
    fn the_longest_are_kept() {
        let mut longest = Longest::default();
        (0..100).for_each(|ms| longest.add(ms * 37 % 100));
        assert_eq!(longest.get(), [99, 98, 97, 96, 95, 94, 93, 92, 91, 90]);
    }

    #[test]
    fn bounds_ascend() {
        assert!(SERVICE_MS.is_sorted_by(|a, b| a < b) && GAP_MS.is_sorted_by(|a, b| a < b));
    }
}
