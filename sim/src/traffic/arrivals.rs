//! When a zone's requests come: a Poisson process whose rate is constant within each slot of a day.
use crate::random::Stream;

use super::NS_PER_MS;
use super::draw::Exponential;

const DAY_MS: u64 = 24 * 3_600_000;

/// Requests of a zone over time, slot by slot; after the last slot the first comes again. A daily
/// profile has slots of a quarter of an hour, a spike is a slot that is higher than its neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateCurve {
    slot_ms: u64,
    requests_per_slot: Vec<u64>,
    /// The slot in which a run begins.
    first: usize,
}

impl RateCurve {
    /// The same rate at all times, in requests a second.
    #[must_use]
    pub fn constant(rps: u32) -> Self {
        Self { slot_ms: DAY_MS, requests_per_slot: vec![u64::from(rps) * DAY_MS / 1_000], first: 0 }
    }

    /// So many requests in each slot of so many milliseconds. A run begins with the busiest slot,
    /// the first of them: who upgrades at another time has fewer users.
    ///
    /// # Errors
    /// There is no slot, or slots have no length.
    pub fn slots(slot_ms: u64, requests_per_slot: Vec<u64>) -> Result<Self, String> {
        if slot_ms == 0 || requests_per_slot.is_empty() {
            return Err("a rate curve has slots, and each of them a length".to_owned());
        }
        let busiest = requests_per_slot.iter().max().copied();
        let first = requests_per_slot.iter().position(|it| Some(*it) == busiest).unwrap_or(0);
        Ok(Self { slot_ms, requests_per_slot, first })
    }

    /// Has a run begin with the slot of another minute of the day.
    pub(super) fn begin_at(&mut self, minute: u32) {
        let slot = u64::from(minute) * 60_000 / self.slot_ms;
        self.first = (slot % self.requests_per_slot.len() as u64) as usize;
    }

    /// Millionths of a request a second at an instant of the run.
    #[must_use]
    pub fn rate_at(&self, at_ms: u64) -> u64 {
        let slot = self.first as u64 + at_ms / self.slot_ms;
        self.rate(self.requests_per_slot[(slot % self.requests_per_slot.len() as u64) as usize])
    }

    /// The highest rate, in millionths of a request a second.
    #[must_use]
    pub fn rate_max(&self) -> u64 {
        self.rate(self.requests_per_slot.iter().copied().max().unwrap_or(0))
    }

    /// When the rate may change next; never with one slot.
    #[must_use]
    pub fn next_change_ms(&self, now_ms: u64) -> Option<u64> {
        let changes = self.requests_per_slot.len() > 1;
        changes.then(|| (now_ms / self.slot_ms + 1) * self.slot_ms)
    }

    fn rate(&self, requests: u64) -> u64 {
        (u128::from(requests) * 1_000_000_000 / u128::from(self.slot_ms)) as u64
    }
}

/// The instants at which requests come, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    /// Gaps between requests by slot; `None` where nobody comes.
    gaps: Vec<Option<Exponential>>,
    slot_ns: u64,
    slot: usize,
    slot_ends_ns: u64,
    at_ns: u64,
}

impl Arrivals {
    /// Those of a curve, from so long before the run on; `None` when nobody ever comes.
    pub(super) fn new(curve: &RateCurve, before_ns: u64) -> Option<Self> {
        let slot_ns = curve.slot_ms * NS_PER_MS;
        let gap = |requests: &u64| {
            let mean_ns = slot_ns.checked_div(*requests)?;
            Some(Exponential::new(mean_ns, 1 << 32))
        };
        let gaps: Vec<_> = curve.requests_per_slot.iter().map(gap).collect();
        gaps.iter().any(Option::is_some).then_some(Self {
            gaps,
            slot_ns,
            slot: curve.first,
            slot_ends_ns: before_ns + slot_ns,
            at_ns: 0,
        })
    }

    /// The instant of the next request, and 32 random bits about it. A gap that reaches into the
    /// next slot is drawn anew from its beginning: an exponential gap has no memory.
    #[inline]
    pub(super) fn next(&mut self, stream: &mut Stream) -> (u64, u64) {
        loop {
            if let Some(gap) = &self.gaps[self.slot] {
                let bits = stream.draw();
                let at_ns = self.at_ns + gap.at(bits >> 32);
                if at_ns < self.slot_ends_ns {
                    self.at_ns = at_ns;
                    return (at_ns, bits & 0xFFFF_FFFF);
                }
            }
            self.at_ns = self.slot_ends_ns;
            self.slot_ends_ns += self.slot_ns;
            self.slot = if self.slot + 1 == self.gaps.len() { 0 } else { self.slot + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Keyed;

    /// Goal: requests follow the curve, from the busiest slot on and round the end. Method: count
    /// the requests of each slot; 500 is five standard deviations of 10,000.
    #[test]
    fn requests_follow_the_curve_from_its_busiest_slot_on() {
        let curve = RateCurve::slots(60_000, vec![1_000, 0, 10_000]).expect("a curve");
        assert_eq!(curve.rate_at(0), 166_666_666, "10,000 in a minute");
        assert_eq!(curve.next_change_ms(60_000), Some(120_000));
        let mut arrivals = Arrivals::new(&curve, 0).expect("somebody comes");
        let mut stream = Keyed::new(1).stream("t", "z");
        let mut counts = [0_u64; 4];
        loop {
            let (at_ns, _) = arrivals.next(&mut stream);
            let Some(count) = counts.get_mut((at_ns / 60_000_000_000) as usize) else { break };
            *count += 1;
        }
        assert!(counts[0].abs_diff(10_000) < 500 && counts[3].abs_diff(10_000) < 500, "{counts:?}");
        assert!(counts[1].abs_diff(1_000) < 160 && counts[2] == 0, "{counts:?}");
    }

    /// Goal: a curve that says nothing is refused, and one of zeros is silence.
    #[test]
    fn empty_curves_are_refused_and_zeros_are_silence() {
        assert!(RateCurve::slots(0, vec![1]).is_err() && RateCurve::slots(1, vec![]).is_err());
        assert!(Arrivals::new(&RateCurve::constant(0), 0).is_none());
    }
}
