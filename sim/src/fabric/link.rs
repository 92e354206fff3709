//! One direction between two hosts: how long a packet takes, in which order, what is held back.
use std::collections::VecDeque;

use turmoil_net::Packet;

use crate::random::Stream;

/// How long a packet takes: `base_ms`, plus a draw from `0..=jitter_ms`.
///
/// Whole milliseconds, because that is the grain of tokio's timers; at least one in all, because
/// time must go on between a question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The least that a packet takes.
    pub base_ms: u64,
    /// The most that a draw adds.
    pub jitter_ms: u64,
}

impl Default for Latency {
    /// A quiet local network: 1 ms, always.
    fn default() -> Self {
        Self { base_ms: 1, jitter_ms: 0 }
    }
}

/// Which way between two hosts a partition cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Nothing gets through either way.
    Both,
    /// Nothing gets from the first host to the second.
    Forward,
    /// Nothing gets from the second host to the first.
    Backward,
}

/// A packet that cannot go on for now.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) packet: Packet,
    /// When it was held: senders give up on what is held too long.
    pub(super) since_ms: u64,
}

/// One direction between two hosts.
#[derive(Debug)]
pub(super) struct Link {
    latency: Latency,
    draws: Stream,
    /// When the latest packet arrives: none may overtake it, since turmoil-net's receiver drops
    /// what comes out of order and nothing is sent twice.
    last_ms: u64,
    /// Cut by a partition.
    pub(super) cut: bool,
    /// Held packets, oldest first.
    pub(super) held: VecDeque<Held>,
    /// Whether a look for senders that gave up is in the queue.
    pub(super) watched: bool,
    /// How many of the next flows with bytes for this direction lose them.
    pub(super) lose: u32,
}

impl Link {
    pub(super) fn new(latency: Latency, draws: Stream) -> Self {
        Self {
            latency,
            draws,
            last_ms: 0,
            cut: false,
            held: VecDeque::new(),
            watched: false,
            lose: 0,
        }
    }

    pub(super) fn set_latency(&mut self, latency: Latency) {
        self.latency = latency;
    }

    /// When a packet that enters now arrives.
    ///
    /// A reset arrives at least 1 ms after what was sent before it: turmoil-net's kernel throws
    /// away received bytes that the application has not read when a reset comes (K4), a real one
    /// lets it read them first; one millisecond lets it read them here too.
    pub(super) fn due_ms(&mut self, now_ms: u64, reset: bool) -> u64 {
        let mut latency_ms = self.latency.base_ms;
        if self.latency.jitter_ms > 0 {
            latency_ms += self.draws.between(0, self.latency.jitter_ms);
        }
        let due_ms = now_ms + latency_ms.max(1);
        self.last_ms = due_ms.max(self.last_ms + u64::from(reset));
        self.last_ms
    }

    /// Forgets the order to keep: everything in flight was pulled back.
    pub(super) fn restart_order(&mut self, now_ms: u64) {
        self.last_ms = now_ms;
    }
}
