//! One front-end: workers, the queue before them, and how cold they are.
//!
//! A first-come-first-served queue of several servers is decided at each arrival (Kiefer and
//! Wolfowitz, 1955): the request starts when it comes or when the first worker is free, whichever
//! is later, and takes that worker. So all that is kept is when each worker is free, and of those
//! that wait when they will have stopped to wait.
use std::collections::VecDeque;

use super::NS_PER_MS;
use super::spec::ServerSpec;
use super::workers::Workers;

/// How a request will end, unless something changes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is answered in time.
    Served,
    /// It is answered later than an idle, warm server would by more than the stated bound.
    Slow,
    /// Its user gives up while it waits.
    GivenUp,
    /// It takes longer than the server lets it.
    Overrun,
}

/// What a server does with requests, and what it is at.
#[derive(Clone, Debug)]
pub(super) struct Server {
    workers: Workers,
    /// When each of those that wait starts or is given up, ascending: nobody overtakes.
    waiting: VecDeque<u64>,
    /// When the first of them came who found nobody waiting.
    piling_up_since_ns: u64,
    queue_max: usize,
    wait_ns_max: u64,
    answer_ns_max: u64,
    held_ns_max: u64,
    slow_ns: u64,
    cold_extra_percent: u64,
    cold_ns: u64,
    cold_until_ns: u64,
}

impl Server {
    pub(super) fn new(spec: &ServerSpec) -> Self {
        let limits = &spec.limits;
        Self {
            workers: Workers::new(spec.workers),
            waiting: VecDeque::new(),
            piling_up_since_ns: 0,
            queue_max: limits.queue_max as usize,
            wait_ns_max: limits.wait_ms_max.saturating_mul(NS_PER_MS),
            answer_ns_max: limits.answer_ms_max.saturating_mul(NS_PER_MS),
            held_ns_max: limits.held_ms_max.saturating_mul(NS_PER_MS),
            slow_ns: limits.slow_ms.saturating_mul(NS_PER_MS),
            cold_extra_percent: u64::from(limits.cold.extra_percent),
            cold_ns: limits.cold.falls_over_ms * NS_PER_MS,
            cold_until_ns: 0,
        }
    }

    /// A request arrives: when and how it ends. `None` when the queue is full.
    #[inline]
    pub(super) fn receive(&mut self, at_ns: u64, takes_ns: u64) -> Option<(u64, End)> {
        let free_ns = self.workers.first_free_ns(at_ns);
        if free_ns <= at_ns && at_ns >= self.cold_until_ns && takes_ns <= self.answer_ns_max {
            self.workers.take_first(at_ns + takes_ns.min(self.held_ns_max));
            return Some((at_ns + takes_ns, End::Served));
        }
        self.receive_late(at_ns, takes_ns, free_ns)
    }

    fn receive_late(&mut self, at_ns: u64, takes_ns: u64, free_ns: u64) -> Option<(u64, End)> {
        let starts_ns = at_ns.max(free_ns);
        if starts_ns > at_ns {
            let waiting = self.waiting_at(at_ns);
            if waiting == 0 {
                self.piling_up_since_ns = at_ns;
            }
            if waiting >= self.queue_max {
                return None;
            }
            let given_up_ns = at_ns.saturating_add(self.wait_ns_max);
            self.waiting.push_back(starts_ns.min(given_up_ns));
            if starts_ns > given_up_ns {
                return Some((given_up_ns, End::GivenUp));
            }
        }
        // The user's line and the database are as fast as ever: only the server's own work is slower.
        let held_ns = takes_ns.min(self.held_ns_max);
        let extra_ns = self.cold_extra_ns(starts_ns, held_ns);
        let cold_ns = takes_ns + extra_ns;
        let worked_ns = cold_ns.min(self.answer_ns_max);
        self.workers.take_first(starts_ns + worked_ns.min(held_ns + extra_ns));
        let late_ns = (starts_ns - at_ns) + extra_ns;
        let end = match (cold_ns > self.answer_ns_max, late_ns > self.slow_ns) {
            (true, _) => End::Overrun,
            (false, true) => End::Slow,
            (false, false) => End::Served,
        };
        Some((starts_ns + worked_ns, end))
    }

    /// How many wait at an instant; those before it are forgotten.
    fn waiting_at(&mut self, at_ns: u64) -> usize {
        while self.waiting.front().is_some_and(|until_ns| *until_ns <= at_ns) {
            self.waiting.pop_front();
        }
        self.waiting.len()
    }

    fn cold_extra_ns(&self, starts_ns: u64, takes_ns: u64) -> u64 {
        let left_ns = self.cold_until_ns.saturating_sub(starts_ns);
        if left_ns == 0 {
            return 0;
        }
        let parts = u128::from(self.cold_extra_percent) * u128::from(left_ns);
        (u128::from(takes_ns) * parts / (100 * u128::from(self.cold_ns))) as u64
    }

    /// How much longer than on a warm server answers take now, in hundredths.
    pub(super) fn cold_percent(&self, now_ns: u64) -> u64 {
        self.cold_extra_ns(now_ns, 100)
    }

    /// Until when it is cold.
    pub(super) fn cold_until_ns(&self) -> u64 {
        self.cold_until_ns
    }

    /// How long a request that came now would wait.
    pub(super) fn wait_ns(&self, now_ns: u64) -> u64 {
        self.workers.wait_ns(now_ns)
    }

    /// A request that came now would find the queue full.
    pub(super) fn full(&self, now_ns: u64) -> bool {
        let waiting = self.waiting.len() - self.waiting.partition_point(|until| *until <= now_ns);
        self.wait_ns(now_ns) > 0 && waiting >= self.queue_max
    }

    /// Since when somebody has waited without interruption, as of the last who had to.
    pub(super) fn piling_up_since_ns(&self) -> u64 {
        self.piling_up_since_ns
    }

    /// Its applications stop: what it was at is over.
    pub(super) fn stop(&mut self) {
        self.workers.free_all();
        self.waiting.clear();
    }

    /// Its applications start: caches are empty, pages are not compiled.
    pub(super) fn start(&mut self, now_ns: u64) {
        self.cold_until_ns = now_ns + self.cold_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::{ColdStart, Limits};
    use super::*;

    const S: u64 = 1_000_000_000;

    fn server(workers: u32, queue_max: u32) -> Server {
        let limits = Limits {
            queue_max,
            wait_ms_max: 5_000,
            answer_ms_max: 60_000,
            held_ms_max: 30_000,
            slow_ms: 2_000,
            cold: ColdStart { extra_percent: 100, falls_over_ms: 10_000 },
        };
        Server::new(&ServerSpec { workers, limits })
    }

    /// Goal: each rule of the queue decides one request. Method: one worker, two places, by hand.
    #[test]
    fn requests_wait_their_turn_give_up_and_are_refused() {
        let mut one = server(1, 2);
        assert_eq!(one.receive(0, 4 * S), Some((4 * S, End::Served)));
        // Waits one second, then three, then is third in a queue of two.
        assert_eq!(one.receive(3 * S, 2 * S), Some((6 * S, End::Served)));
        assert_eq!(one.receive(3 * S, 10 * S), Some((16 * S, End::Slow)));
        assert_eq!(one.receive(3 * S, S), None);
        assert!(one.full(3 * S) && !one.full(4 * S));
        assert_eq!(one.piling_up_since_ns(), 3 * S);
        // 10 s would be too long: it takes no worker, but a place until it leaves.
        assert_eq!(one.receive(6 * S, S), Some((11 * S, End::GivenUp)));
        assert_eq!(one.receive(12 * S, S), Some((17 * S, End::Slow)));
        assert_eq!(one.wait_ns(12 * S), 5 * S);
        one.stop();
        assert_eq!(one.receive(12 * S, S), Some((13 * S, End::Served)));
    }

    /// Goal: what takes too long is broken off, and what takes long leaves its worker to others.
    #[test]
    fn long_requests_overrun_and_leave_their_worker() {
        let mut one = server(1, 2);
        assert_eq!(one.receive(0, 61 * S), Some((60 * S, End::Overrun)));
        assert_eq!(one.receive(30 * S, S), Some((31 * S, End::Served)));
    }

    /// Goal: a server that was just started is twice as slow, and warm ten seconds later.
    #[test]
    fn cold_servers_warm_up() {
        let mut one = server(1, 2);
        one.start(100 * S);
        assert_eq!(one.cold_percent(100 * S), 100);
        assert_eq!(one.receive(100 * S, 2 * S), Some((104 * S, End::Served)));
        assert_eq!(one.receive(105 * S, 2 * S), Some((108 * S, End::Served)));
        assert_eq!(one.receive(110 * S, 2 * S), Some((112 * S, End::Served)));
    }
}
