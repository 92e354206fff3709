//! One direction between two hosts: how long a packet takes, in which order, what is held back.
use std::collections::VecDeque;

use super::mishap::Awaited;
use super::packet::Packet;
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

/// How long a sender waits for an acknowledgement before it sends again: Linux's least, and what it
/// waits for the answer to a SYN. Doubled each time.
const RESEND_MS: u64 = 200;
const RESEND_SYN_MS: u64 = 1_000;
/// Times that one packet may be lost in a row: links that lose more are cut.
const LOSSES_MAX: u32 = 3;

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
    /// How many of a thousand packets are lost, and sent again.
    loss_permille: u64,
    losses: Stream,
    /// When the latest packet arrives: none may overtake it, since nothing tells a receiver in
    /// which order packets were sent.
    last_ms: u64,
    /// Cut by a partition.
    pub(super) cut: bool,
    /// Held packets, oldest first.
    pub(super) held: VecDeque<Held>,
    /// Whether a look for senders that gave up is in the queue.
    pub(super) watched: bool,
    /// What befalls the next bytes for this direction, each on one connection.
    pub(super) mishaps: VecDeque<Awaited>,
}

impl Link {
    pub(super) fn new(latency: Latency, draws: Stream, losses: Stream) -> Self {
        Self {
            latency,
            draws,
            loss_permille: 0,
            losses,
            last_ms: 0,
            cut: false,
            held: VecDeque::new(),
            watched: false,
            mishaps: VecDeque::new(),
        }
    }

    pub(super) fn set_latency(&mut self, latency: Latency) {
        self.latency = latency;
    }

    pub(super) fn set_loss(&mut self, permille: u64) {
        self.loss_permille = permille;
    }

    /// How long a packet's losses delay it: a receiver reads nothing past a gap, so what was sent
    /// after it waits too.
    fn lost_ms(&mut self, is_opening: bool) -> u64 {
        let mut resend_ms = if is_opening { RESEND_SYN_MS } else { RESEND_MS };
        let mut lost_ms = 0;
        for _ in 0..LOSSES_MAX {
            if !self.losses.ratio(self.loss_permille, 1_000) {
                break;
            }
            lost_ms += resend_ms;
            resend_ms *= 2;
        }
        lost_ms
    }

    /// When a packet that enters now arrives.
    pub(super) fn due_ms(&mut self, now_ms: u64, is_opening: bool) -> u64 {
        let mut latency_ms = self.latency.base_ms;
        if self.latency.jitter_ms > 0 {
            latency_ms += self.draws.between(0, self.latency.jitter_ms);
        }
        if self.loss_permille > 0 {
            latency_ms += self.lost_ms(is_opening);
        }
        self.last_ms = self.last_ms.max(now_ms + latency_ms.max(1));
        self.last_ms
    }

    /// Forgets the order to keep: everything in flight was pulled back.
    pub(super) fn restart_order(&mut self, now_ms: u64) {
        self.last_ms = now_ms;
    }
}
