//! One zone's users: when each request comes, which pool and node it meets, how long it takes.
use crate::random::Stream;

use super::draw::Exponential;

/// A normal request's mean service time: what an OutSystems screen takes on a loaded farm.
const SERVICE_MEAN_NS: u64 = 200_000_000;
/// One request in this many is long: a report, an export, an upload.
const LONG_ONE_IN: u64 = 100;
/// The shortest long request.
const LONG_NS_MIN: u64 = 30_000_000_000;
/// How much longer the longest is: 90 s, within the 110 s after which IIS gives up.
const LONG_NS_SPREAD: u64 = 60_000_000_000;
/// Draws of the service time have 32 bits; those below this are long.
const LONG_BELOW: u64 = (1 << 32) / LONG_ONE_IN;
/// The longest table of turns: shares are scaled down to fit, each kept at one turn at least.
const TURNS_MAX: u64 = 4_096;

/// A request as it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// When, in nanoseconds.
    pub(super) at_ns: u64,
    /// How long its answer takes.
    pub(super) takes_ns: u64,
    /// The lane (a pool on a node) where it arrives.
    pub(super) lane: usize,
}

/// A zone's requests, one after the other. Nothing but the seed decides them: neither what became
/// of those before nor how far the clock was moved at a time.
#[derive(Clone, Debug)]
pub(super) struct ZoneRequests {
    stream: Stream,
    gaps: Exponential,
    service: Exponential,
    turns: Vec<u16>,
    turn: usize,
    next_ns: u64,
    next_takes_ns: u64,
}

impl ZoneRequests {
    /// Poisson arrivals at `load_rps`, dealt to lanes in proportion to their shares.
    pub(super) fn new(stream: Stream, load_rps: u32, lanes: &[(usize, u64)]) -> Option<Self> {
        if load_rps == 0 || lanes.is_empty() {
            return None;
        }
        let mut zone = Self {
            stream,
            gaps: Exponential::new(1_000_000_000 / u64::from(load_rps), 1 << 32),
            service: Exponential::new(SERVICE_MEAN_NS, (1 << 32) - LONG_BELOW),
            turns: turns(lanes),
            turn: 0,
            next_ns: 0,
            next_takes_ns: 0,
        };
        zone.draw();
        Some(zone)
    }

    /// The next request, if it comes before an instant.
    #[inline]
    pub(super) fn next_before(&mut self, end_ns: u64) -> Option<Request> {
        if self.next_ns >= end_ns {
            return None;
        }
        let lane = usize::from(self.turns[self.turn]);
        let request = Request { at_ns: self.next_ns, takes_ns: self.next_takes_ns, lane };
        self.turn = if self.turn + 1 == self.turns.len() { 0 } else { self.turn + 1 };
        self.draw();
        Some(request)
    }

    #[inline]
    fn draw(&mut self) {
        let bits = self.stream.draw();
        self.next_ns += self.gaps.at(bits >> 32);
        let uniform = bits & 0xFFFF_FFFF;
        self.next_takes_ns = match uniform.checked_sub(LONG_BELOW) {
            Some(rest) => self.service.at(rest),
            None => LONG_NS_MIN + uniform * LONG_NS_SPREAD / LONG_BELOW,
        };
    }
}

/// Smooth weighted round robin, written out once: each turn goes to whoever (a lane, a member) is
/// furthest behind its share.
pub(super) fn turns(lanes: &[(usize, u64)]) -> Vec<u16> {
    let divisor = lanes.iter().fold(0, |divisor, (_, share)| gcd(divisor, *share)).max(1);
    let sum: u64 = lanes.iter().map(|(_, share)| share / divisor).sum();
    let scaled = |share: u64| match sum <= TURNS_MAX {
        true => share / divisor,
        false => (u128::from(share / divisor) * u128::from(TURNS_MAX) / u128::from(sum)) as u64,
    };
    let shares: Vec<i64> =
        lanes.iter().map(|(_, share)| scaled(*share).max(u64::from(*share > 0)) as i64).collect();
    let length: i64 = shares.iter().sum();
    let mut behind = vec![0; lanes.len()];
    (0..length)
        .map(|_| {
            for (behind, share) in behind.iter_mut().zip(&shares) {
                *behind += share;
            }
            let first = (0..lanes.len())
                .max_by_key(|i| (behind[*i], std::cmp::Reverse(*i)))
                .expect("a round has as many turns as shares");
            behind[first] -= length;
            u16::try_from(lanes[first].0).expect("a farm has fewer members than 65,536")
        })
        .collect()
}

/// The least number that both divide; 0 counts as 1.
pub(super) fn lcm(a: u64, b: u64) -> u64 {
    let b = b.max(1);
    a / gcd(a, b) * b
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Keyed;

    /// Goal: lanes get their shares, evenly mixed. Method: count the turns of a 3 : 1 split.
    #[test]
    fn turns_follow_the_shares() {
        assert_eq!(turns(&[(0, 30), (1, 10)]), [0, 0, 1, 0]);
        let many = turns(&[(4, 1_000_000), (9, 1)]);
        assert!(many.len() <= 4_097 && many.contains(&9), "a tiny share is still a share");
    }

    /// Goal: the traffic is what the rehearsal says it is. Method: a million requests; rate, mean
    /// of the short ones, share and bounds of the long ones.
    #[test]
    fn rate_service_time_and_long_share_are_as_stated() {
        let mut zone = ZoneRequests::new(Keyed::new(3).stream("t", "z"), 1_000, &[(0, 1)])
            .expect("a zone with load");
        let (mut long, mut short_sum, mut short, mut last) = (0_u64, 0, 0, 0);
        for _ in 0..1_000_000 {
            let request = zone.next_before(u64::MAX).expect("requests never end");
            last = request.at_ns;
            if request.takes_ns >= LONG_NS_MIN {
                long += 1;
                assert!(request.takes_ns <= LONG_NS_MIN + LONG_NS_SPREAD);
            } else {
                short += 1;
                short_sum += request.takes_ns;
            }
        }
        assert!((990_000_000_000..1_010_000_000_000).contains(&last), "1,000/s took {last} ns");
        assert!((9_500..10_500).contains(&long), "{long} long ones in a million");
        assert!((198_000_000..202_000_000).contains(&(short_sum / short)));
    }
}
