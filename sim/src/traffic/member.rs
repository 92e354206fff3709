//! A member of a pool on a node: what it got, and what it has in flight.
use super::server::End;

/// What a member got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests sent to it.
    pub arrivals: u64,
    /// Those that it answered with an error.
    pub errors: u64,
    /// Those that it answered with 503, since its queue was full.
    pub refused: u64,
    /// Those whose user gave up while they waited.
    pub given_up: u64,
    /// Those that it broke off with an error, since they took too long.
    pub overrun: u64,
    /// Those for which it accepted no connection.
    pub failed_connections: u64,
    /// Those in flight when it went down or was cut.
    pub failed_responses: u64,
}

impl Tally {
    /// Answers of 5xx, whatever for.
    pub(super) fn answered_5xx(&self) -> u64 {
        self.errors + self.refused + self.overrun
    }

    pub(super) fn note(&mut self, end: End) {
        match end {
            End::Served | End::Slow => {}
            End::GivenUp => self.given_up += 1,
            End::Overrun => self.overrun += 1,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) server: usize,
    pub(super) lane: usize,
    pub(super) tally: Tally,
    pub(super) in_flight: InFlight,
    /// Requests in a balancer process that was replaced: nobody counts them any more.
    pub(super) hidden: InFlight,
}

/// Requests in flight: when and how each will end.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight {
    /// The instant in nanoseconds, and the end in the lowest two bits: 146 years fit.
    ends: Vec<u64>,
    /// None of them ends before this.
    first: u64,
}

const ENDS: [End; 4] = [End::Served, End::Slow, End::GivenUp, End::Overrun];

impl InFlight {
    #[inline]
    pub(super) fn push(&mut self, at_ns: u64, end: End) {
        let packed = at_ns << 2 | end as u64;
        self.first = if self.ends.is_empty() { packed } else { self.first.min(packed) };
        self.ends.push(packed);
    }

    /// Takes those that end by an instant.
    pub(super) fn take_ended(&mut self, now_ns: u64, mut take: impl FnMut(End)) {
        let last = now_ns << 2 | 3;
        if self.ends.is_empty() || self.first > last {
            return;
        }
        let mut first = u64::MAX;
        self.ends.retain(|packed| {
            let stays = *packed > last;
            if stays {
                first = first.min(*packed);
            } else {
                take(ENDS[(*packed & 3) as usize]);
            }
            stays
        });
        self.first = first;
    }

    pub(super) fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    /// They are gone: how many they were.
    pub(super) fn clear(&mut self) -> u64 {
        let requests = self.len();
        self.ends.clear();
        requests
    }

    pub(super) fn append(&mut self, others: &mut Self) {
        self.first = match (self.ends.is_empty(), others.ends.is_empty()) {
            (true, _) => others.first,
            (_, true) => self.first,
            _ => self.first.min(others.first),
        };
        self.ends.append(&mut others.ends);
    }
}
