//! A member of a pool on a node: what it got, and what it has in flight.
use std::cmp::Reverse;
use std::collections::BinaryHeap;

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
    /// When the last request was sent to it.
    pub(super) last_arrival_ns: u64,
    pub(super) in_flight: InFlight,
    /// Requests in a balancer process that was replaced: nobody counts them any more.
    pub(super) hidden: InFlight,
}

/// Requests in flight: when and how each will end.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight {
    /// The instant in nanoseconds, and the end in the lowest two bits: 146 years fit.
    near: Vec<u64>,
    /// Those that last long, apart: else every step would look at each of them.
    far: BinaryHeap<Reverse<u64>>,
}

/// What lasts longer than this beyond a step: most requests are over within a step or two.
const FAR_NS: u64 = 2_000_000_000;
const ENDS: [End; 4] = [End::Served, End::Slow, End::GivenUp, End::Overrun];

impl InFlight {
    /// A request that ends after the step that ends then.
    #[inline]
    pub(super) fn push(&mut self, at_ns: u64, end: End, step_ends_ns: u64) {
        let packed = at_ns << 2 | end as u64;
        if at_ns - step_ends_ns > FAR_NS {
            self.far.push(Reverse(packed));
        } else {
            self.near.push(packed);
        }
    }

    /// Takes those that end by an instant.
    pub(super) fn take_ended(&mut self, now_ns: u64, mut take: impl FnMut(End)) {
        let last = now_ns << 2 | 3;
        let mut take = |packed: u64| take(ENDS[(packed & 3) as usize]);
        self.near.retain(|packed| {
            let stays = *packed > last;
            if !stays {
                take(*packed);
            }
            stays
        });
        while let Some(Reverse(packed)) = self.far.peek().filter(|it| it.0 <= last) {
            take(*packed);
            self.far.pop();
        }
    }

    pub(super) fn len(&self) -> u64 {
        (self.near.len() + self.far.len()) as u64
    }

    /// They are gone: how many they were.
    pub(super) fn clear(&mut self) -> u64 {
        let requests = self.len();
        self.near.clear();
        self.far.clear();
        requests
    }

    pub(super) fn append(&mut self, others: &mut Self) {
        self.near.append(&mut others.near);
        self.far.append(&mut others.far);
    }
}
