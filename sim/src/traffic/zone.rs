//! One zone's users: when each request comes, which pool and node it meets, how long it takes.
use crate::random::Stream;

use super::arrivals::Arrivals;
use super::histogram::Histogram;
use super::service::Sampler;
use super::spec::ZoneLoad;
use super::turns::turns;

/// A request as it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// When, in nanoseconds.
    pub(super) at_ns: u64,
    /// How long its answer takes.
    pub(super) takes_ns: u64,
    /// How long before it the last request of the same user was, where connections are kept.
    pub(super) gap_ns: Option<u64>,
    /// The lane (a pool on a node) where it arrives.
    pub(super) lane: usize,
}

/// A zone's requests, one after the other. Nothing but the seed decides them: neither what became
/// of those before nor how far the clock was moved at a time.
#[derive(Clone, Debug)]
pub(super) struct ZoneRequests {
    stream: Stream,
    arrivals: Arrivals,
    service: Sampler,
    /// Gaps between requests of one user; `None` where no pool keeps connections.
    gaps: Option<Histogram>,
    turns: Vec<u16>,
    turn: usize,
    next_ns: u64,
    next_bits: u64,
}

impl ZoneRequests {
    /// A zone's load, from so long before the run on, dealt to lanes in proportion to their
    /// shares; `None` when nobody comes.
    pub(super) fn new(
        stream: Stream,
        load: &ZoneLoad,
        before_ns: u64,
        gaps: Option<Histogram>,
        lanes: &[(usize, u64)],
    ) -> Option<Self> {
        let arrivals = Arrivals::new(&load.rate, before_ns).filter(|_| !lanes.is_empty())?;
        let mut zone = Self {
            stream,
            arrivals,
            service: Sampler::new(&load.service),
            gaps,
            turns: turns(lanes),
            turn: 0,
            next_ns: 0,
            next_bits: 0,
        };
        (zone.next_ns, zone.next_bits) = zone.arrivals.next(&mut zone.stream);
        Some(zone)
    }

    /// When the next request comes.
    #[inline]
    pub(super) fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// The next request, if it comes before an instant.
    #[inline]
    pub(super) fn next_before(&mut self, end_ns: u64) -> Option<Request> {
        if self.next_ns >= end_ns {
            return None;
        }
        let gap_ns = self.gaps.as_ref().map(|gaps| gaps.at(self.stream.draw() >> 32));
        let lane = usize::from(self.turns[self.turn]);
        let takes_ns = self.service.at(self.next_bits);
        let request = Request { at_ns: self.next_ns, takes_ns, gap_ns, lane };
        self.turn = if self.turn + 1 == self.turns.len() { 0 } else { self.turn + 1 };
        (self.next_ns, self.next_bits) = self.arrivals.next(&mut self.stream);
        Some(request)
    }
}

/// The zone whose request is first, and until when no other zone's comes; of equals the zone named
/// first. `None` when none comes before an instant.
#[inline]
pub(super) fn first_of(zones: &[ZoneRequests], end_ns: u64) -> Option<(usize, u64)> {
    let (mut first, mut first_ns, mut until_ns) = (None, end_ns, end_ns);
    for (place, zone) in zones.iter().enumerate() {
        let next_ns = zone.next_ns();
        if next_ns < first_ns {
            (first, first_ns, until_ns) = (Some(place), next_ns, first_ns);
        } else {
            until_ns = until_ns.min(next_ns);
        }
    }
    first.map(|first| (first, until_ns.max(first_ns + 1)))
}
