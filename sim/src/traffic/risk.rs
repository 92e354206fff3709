//! Which servers may be sent more than they can answer, by what is known before it happens: the
//! zones' rates, the lanes' shares and weights, how cold a server is.
//!
//! Health checks of the others pass without being asked for one by one.
use super::{NS_PER_MS, Traffic};

/// Above so much of what a server's workers can do, in percent, waits may reach the time-out of a
/// check: at 90 % with eight workers, one request in a thousand waits two seconds.
const RISK_PERCENT: u128 = 90;

/// What a health check of a server gets that answers pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strain {
    /// An answer in time.
    Passes,
    /// No place in the queue: 503.
    Refused,
    /// No answer in time.
    Late,
}

/// Requests in millionths a second that each server is sent, and what is too much.
#[derive(Clone, Debug)]
pub(super) struct Risk {
    pub(super) limits: Vec<u128>,
    at_risk: Vec<bool>,
    /// It holds until then, unless a weight or a node changes.
    until_ns: u64,
}

impl Risk {
    /// Of servers that hold a worker so long for a request on average.
    pub(super) fn new(servers: impl Iterator<Item = (u32, u64)>) -> Self {
        let limits = servers.map(|(workers, mean_held_ns)| {
            u128::from(workers) * 1_000_000_000_000_000 * RISK_PERCENT
                / (u128::from(mean_held_ns) * 100)
        });
        let limits: Vec<u128> = limits.collect();
        Self { at_risk: vec![false; limits.len()], limits, until_ns: 0 }
    }

    /// Something changed.
    pub(super) fn forget(&mut self) {
        self.until_ns = 0;
    }
}

impl Traffic {
    /// What a check of a server gets now that waits so long for its answer; `None` while load lets
    /// all checks pass. Whoever is told `Some` asks again at each check.
    pub fn strain(&mut self, server: usize, told: bool, timeout_ms: u64) -> Option<Strain> {
        if self.now_ns >= self.risk.until_ns {
            self.assess();
        }
        let (now_ns, timeout_ns) = (self.now_ns, timeout_ms * NS_PER_MS);
        let it = &self.servers[server].queue;
        let wait_ns = it.wait_ns(now_ns);
        // Chance may do what nobody expects, and what has piled up does not go at once.
        let piled_up = wait_ns > timeout_ns / 2 || told && wait_ns > 0;
        if !self.risk.at_risk[server] && !piled_up {
            return None;
        }
        Some(match (it.full(now_ns), wait_ns >= timeout_ns) {
            (true, _) => Strain::Refused,
            (false, true) => Strain::Late,
            (false, false) => Strain::Passes,
        })
    }

    /// Reckons who is sent how much.
    fn assess(&mut self) {
        let now_ms = self.now_ms();
        let mut offered = vec![0_u128; self.servers.len()];
        for (rate, lanes) in &self.demand {
            let rate = u128::from(rate.rate_at(now_ms));
            let shares: u64 = lanes.iter().map(|(_, share)| share).sum();
            for (lane, share) in lanes {
                let of_lane = rate * u128::from(*share) / u128::from(shares.max(1));
                for (cell, weight, of) in self.lanes[self.living(*lane)].parts() {
                    offered[self.members[cell].server] +=
                        of_lane * u128::from(weight) / u128::from(of);
                }
            }
        }
        let changes = self.demand.iter().filter_map(|(rate, _)| rate.next_change_ms(now_ms));
        let mut until_ns = changes.min().map_or(u64::MAX, |ms| self.before_ns + ms * NS_PER_MS);
        for (place, it) in self.servers.iter().enumerate() {
            let cold = u128::from(it.queue.cold_percent(self.now_ns));
            self.risk.at_risk[place] =
                offered[place] * (100 + cold) > self.risk.limits[place] * 100;
            if cold > 0 {
                until_ns = until_ns.min(it.queue.cold_until_ns());
            }
        }
        self.risk.until_ns = until_ns;
    }

    /// The instant of the run.
    fn now_ms(&self) -> u64 {
        self.now_ns.saturating_sub(self.before_ns) / NS_PER_MS
    }

    /// When the users' rates change next, which may put a server at risk.
    #[must_use]
    pub fn next_change_ms(&self) -> Option<u64> {
        let now_ms = self.now_ms();
        self.demand.iter().filter_map(|(rate, _)| rate.next_change_ms(now_ms)).min()
    }
}
