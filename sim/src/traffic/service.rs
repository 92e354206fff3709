//! How long answers take: an exponential distribution with long requests, or what was measured.
use super::NS_PER_MS;
use super::draw::Exponential;
use super::histogram::Histogram;

/// Draws have 32 bits.
const RANGE: u64 = 1 << 32;
/// Parts of a distribution whose middles make its mean: the error is under one in a thousand.
const STRATA: u64 = 4_096;

/// How long a zone's answers take on an idle, warm server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceTimes {
    /// Exponential, but for long requests.
    Exponential {
        /// The mean of those that are not long.
        mean_ms: u64,
        /// Reports, exports, downloads.
        long: Option<LongRequests>,
    },
    /// As they were measured: a trace is the list of its longest requests and a histogram of the rest.
    Measured(Histogram),
}

/// Requests that take much longer than others, all times between two bounds equally often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongRequests {
    /// One request in this many is long.
    pub one_in: u64,
    /// The shortest of them.
    pub ms_min: u64,
    /// The longest of them.
    pub ms_max: u64,
}

impl Default for ServiceTimes {
    /// What nobody has measured: 200 ms, what an OutSystems screen takes on a loaded farm; one in a
    /// hundred 30 to 90 s (a report, an export, an upload), within the 110 s after which IIS gives up.
    fn default() -> Self {
        let long = LongRequests { one_in: 100, ms_min: 30_000, ms_max: 90_000 };
        Self::Exponential { mean_ms: 200, long: Some(long) }
    }
}

/// Draws service times.
#[derive(Clone, Debug)]
pub(super) enum Sampler {
    Exponential { of_short: Exponential, long_below: u64, long_ns_min: u64, long_ns_spread: u64 },
    Measured(Histogram),
}

impl Sampler {
    pub(super) fn new(times: &ServiceTimes) -> Self {
        match times {
            ServiceTimes::Exponential { mean_ms, long } => {
                let long_below = long.map_or(0, |long| RANGE / long.one_in.max(2));
                let (ms_min, ms_max) = long.map_or((0, 0), |long| (long.ms_min, long.ms_max));
                Self::Exponential {
                    of_short: Exponential::new(mean_ms * NS_PER_MS, RANGE - long_below),
                    long_below,
                    long_ns_min: ms_min * NS_PER_MS,
                    long_ns_spread: ms_max.saturating_sub(ms_min) * NS_PER_MS,
                }
            }
            ServiceTimes::Measured(histogram) => Self::Measured(histogram.clone()),
        }
    }

    /// The time in nanoseconds that belongs to a uniform draw of 32 bits.
    #[inline]
    pub(super) fn at(&self, uniform: u64) -> u64 {
        match self {
            Self::Exponential { of_short, long_below, long_ns_min, long_ns_spread } => {
                match uniform.checked_sub(*long_below) {
                    Some(rest) => of_short.at(rest),
                    None => {
                        let part = u128::from(uniform) * u128::from(*long_ns_spread);
                        long_ns_min + (part / u128::from(*long_below)) as u64
                    }
                }
            }
            Self::Measured(histogram) => histogram.at(uniform),
        }
    }

    /// The mean of times of which no more than so much counts.
    pub(super) fn mean_ns(&self, counts_ns_max: u64) -> u64 {
        let width = RANGE / STRATA;
        let middles = (0..STRATA).map(|stratum| stratum * width + width / 2);
        middles.map(|uniform| self.at(uniform).min(counts_ns_max)).sum::<u64>() / STRATA
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Keyed;

    /// Goal: times are what the default says. Method: a million draws; mean of the short ones,
    /// share and bounds of the long ones, and the mean that capacities are reckoned with.
    #[test]
    fn default_times_have_the_stated_mean_and_share_of_long_ones() {
        let sampler = Sampler::new(&ServiceTimes::default());
        let mut stream = Keyed::new(3).stream("t", "z");
        let times: Vec<u64> = (0..1_000_000).map(|_| sampler.at(stream.draw() >> 32)).collect();
        let long = || times.iter().filter(|ns| **ns >= 30_000_000_000);
        assert!((9_500..10_500).contains(&long().count()), "{} long ones", long().count());
        assert!(long().all(|ns| *ns <= 90_000_000_000));
        let short: u64 = times.iter().filter(|ns| **ns < 30_000_000_000).sum();
        let mean_ns = short / (times.len() - long().count()) as u64;
        assert!((198_000_000..202_000_000).contains(&mean_ns), "{mean_ns}");
        // 0.99 · 200 ms + 0.01 · 60 s = 798 ms; with 2 s of each at most, 218 ms.
        assert!(sampler.mean_ns(u64::MAX).abs_diff(798_000_000) < 1_000_000);
        assert!(sampler.mean_ns(2_000_000_000).abs_diff(218_000_000) < 300_000);
    }
}
