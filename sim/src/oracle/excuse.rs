//! When an invariant is allowed to fail: the faults that struck, and how long each may be felt.
//!
//! An excuse names a fault, where it struck and when it ends. An end is the fault plus a bound:
//! the time an orchestrator needs that reads and acts exactly as the policy says. What disturbs
//! the orchestrator within that time (its own crash, a lost response, a slow link) moves the end.
use evenkeel::farm::policy::Policy;
use evenkeel_fakes::truth::Truth;
use serde::Serialize;

/// What struck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Struck {
    /// A front-end's machine went down by itself.
    FrontEndCrash {
        /// The server.
        server: String,
    },
    /// It was switched on again.
    FrontEndBack {
        /// The server.
        server: String,
    },
    /// The server's installer fails: the n-th time, or always.
    InstallerFails {
        /// The server.
        server: String,
    },
    /// A balancer node was reloaded, and forgot drains.
    BalancerReload {
        /// The node.
        node: String,
    },
    /// The orchestrator's process was killed.
    OrchestratorCrash,
    /// The orchestrator was started again.
    OrchestratorBack,
    /// The answer to one of its exchanges never reached it.
    LostResponse,
    /// Links are slower by this much, for this long.
    Latency {
        /// How much each packet is late.
        extra_ms: u64,
        /// How long.
        for_ms: u64,
    },
}

/// How long the best orchestrator may need. In milliseconds, from policy and truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// The balancer's health checks notice that a member died: one interval more than `fall` of
    /// them, since a check may just have passed.
    pub check_down_ms: u64,
    /// They notice that it is back.
    pub check_up_ms: u64,
    /// A node is read, and an effect follows on it: a poll's interval and the exchanges.
    pub balancer_ms: u64,
    /// The same for flags, services and jobs.
    pub console_ms: u64,
    /// A server that became whole is proven: threads idle by the rule, tests passed.
    pub prove_ms: u64,
    /// One exchange that gets no answer, and the read that follows it.
    pub lost_ms: u64,
    /// A started orchestrator has read everything once.
    pub start_ms: u64,
}

/// Exchanges between a reading and the end of the effect that it causes: the reading, other effects
/// in flight on the same node before it, its own write, its own reading back.
const EXCHANGES: u64 = 6;
/// A usual exchange on a simulated link, with its connection: a few round trips of some ms.
const EXCHANGE_MS: u64 = 250;
/// The longest deadline of an exchange that gets no answer: a launcher's or an application test's.
const EXCHANGE_MS_MAX: u64 = 30_000;

impl Bounds {
    /// The bounds of a farm.
    #[must_use]
    pub fn new(policy: &Policy, truth: &Truth) -> Self {
        let check = |count: u32| u64::from(count + 1) * truth.check_interval_ms;
        let poll_max = policy.balancer_poll_ms.max(policy.balancer_poll_draining_ms);
        Self {
            check_down_ms: check(truth.check_fall),
            check_up_ms: check(truth.check_rise),
            balancer_ms: poll_max + EXCHANGES * EXCHANGE_MS,
            console_ms: policy.flags_poll_ms.max(policy.jobs_poll_ms) + EXCHANGES * EXCHANGE_MS,
            prove_ms: policy.idle_window_ms
                + (u64::from(policy.idle_reads) + 3) * policy.jobs_poll_ms
                + policy.test_ms_max,
            lost_ms: EXCHANGE_MS_MAX + poll_max,
            start_ms: 2 * policy.jobs_poll_ms + EXCHANGES * EXCHANGE_MS,
        }
    }

    /// A member died: noticed by the balancer, then by the orchestrator, and acted upon.
    #[must_use]
    pub fn death_ms(&self) -> u64 {
        self.check_down_ms + self.balancer_ms
    }

    /// A balancer reloaded: noticed at the next reading; our state is asserted again. What is
    /// sick comes up too, until its first check.
    #[must_use]
    pub fn reload_ms(&self) -> u64 {
        self.balancer_ms + self.check_up_ms
    }

    /// A server came back by itself: its services are read, and it is taken out or in.
    #[must_use]
    pub fn back_ms(&self) -> u64 {
        self.check_up_ms + self.console_ms + self.balancer_ms
    }

    /// A front-end enabled itself: the flag is read and set again.
    #[must_use]
    pub fn flag_ms(&self) -> u64 {
        self.console_ms + self.balancer_ms
    }
}

/// An excuse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Excuse {
    /// The fault.
    pub fault: String,
    /// The server or node that it struck.
    pub at: String,
    /// When it ends, in milliseconds; `None` while it lasts.
    pub until_ms: Option<u64>,
}

/// Something that keeps the orchestrator from acting in time.
#[derive(Clone, Copy, Debug)]
struct Disturbance {
    from_ms: u64,
    /// `u64::MAX` while it lasts.
    until_ms: u64,
    /// What it costs; `None` for an outage, which costs its own length.
    costs_ms: Option<u64>,
}

/// Every fault so far.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The farm's bounds.
    pub bounds: Bounds,
    struck: Vec<(u64, Struck)>,
    disturbances: Vec<Disturbance>,
}

impl Faults {
    /// None yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, struck: Vec::new(), disturbances: Vec::new() }
    }

    /// Takes up a fault.
    pub fn strike(&mut self, at_ms: u64, struck: Struck) {
        match &struck {
            Struck::OrchestratorCrash => self.disturbances.push(Disturbance {
                from_ms: at_ms,
                until_ms: u64::MAX,
                costs_ms: None,
            }),
            Struck::OrchestratorBack => {
                let start_ms = self.bounds.start_ms;
                for open in self.disturbances.iter_mut().filter(|it| it.until_ms == u64::MAX) {
                    open.until_ms = at_ms + start_ms;
                }
            }
            Struck::LostResponse => self.disturbances.push(Disturbance {
                from_ms: at_ms,
                until_ms: at_ms + self.bounds.lost_ms,
                costs_ms: Some(self.bounds.lost_ms),
            }),
            Struck::Latency { extra_ms, for_ms } => self.disturbances.push(Disturbance {
                from_ms: at_ms,
                until_ms: at_ms + for_ms,
                // Each exchange has a connection's and a request's round trip.
                costs_ms: Some(EXCHANGES * 4 * extra_ms),
            }),
            Struck::FrontEndCrash { .. }
            | Struck::FrontEndBack { .. }
            | Struck::InstallerFails { .. }
            | Struck::BalancerReload { .. } => {}
        }
        self.struck.push((at_ms, struck));
    }

    /// The instant by which the best orchestrator has done what takes `bound_ms` undisturbed.
    #[must_use]
    pub fn end(&self, from_ms: u64, bound_ms: u64) -> u64 {
        let mut end_ms = from_ms.saturating_add(bound_ms);
        for it in &self.disturbances {
            if it.from_ms <= end_ms && it.until_ms > from_ms {
                let costs_ms = it.costs_ms.unwrap_or(it.until_ms - it.from_ms.max(from_ms));
                end_ms = end_ms.saturating_add(costs_ms);
            }
        }
        end_ms
    }

    /// The last crash of a server by itself.
    #[must_use]
    pub fn crashed_at(&self, server: &str) -> Option<u64> {
        self.last(|it| matches!(it, Struck::FrontEndCrash { server: it } if it == server))
    }

    /// When it was last switched on again, after its last crash.
    #[must_use]
    pub fn back_at(&self, server: &str) -> Option<u64> {
        let back =
            self.last(|it| matches!(it, Struck::FrontEndBack { server: it } if it == server));
        back.filter(|back| Some(*back) >= self.crashed_at(server))
    }

    /// The last reload of a node.
    #[must_use]
    pub fn reloaded_at(&self, node: &str) -> Option<u64> {
        self.last(|it| matches!(it, Struck::BalancerReload { node: it } if it == node))
    }

    /// The server's installer was made to fail.
    #[must_use]
    pub fn installer_failed(&self, server: &str) -> bool {
        self.last(|it| matches!(it, Struck::InstallerFails { server: it } if it == server))
            .is_some()
    }

    /// A fault struck after which a person may be needed.
    #[must_use]
    pub fn may_need_a_person(&self) -> bool {
        self.last(|it| matches!(it, Struck::FrontEndCrash { .. } | Struck::InstallerFails { .. }))
            .is_some()
    }

    fn last(&self, which: impl Fn(&Struck) -> bool) -> Option<u64> {
        self.struck.iter().rev().find(|(_, it)| which(it)).map(|(at_ms, _)| *at_ms)
    }

    /// The excuse of a reload of a node.
    #[must_use]
    pub fn reload_excuse(&self, node: &str) -> Option<Excuse> {
        let end_ms = self.end(self.reloaded_at(node)?, self.bounds.reload_ms());
        Some(Excuse::until("balancer-reload", node, end_ms))
    }

    /// The excuse of a server that crashed by itself: while it is down, and for a bound after it
    /// died or came back.
    #[must_use]
    pub fn crash_excuse(&self, server: &str) -> Option<Excuse> {
        let died_ms = self.crashed_at(server)?;
        match self.back_at(server) {
            None => Some(Excuse::lasting("front-end-crash", server)),
            Some(back_ms) => {
                let end_ms = self
                    .end(back_ms, self.bounds.back_ms())
                    .max(self.end(died_ms, self.bounds.death_ms()));
                Some(Excuse::until("front-end-crash", server, end_ms))
            }
        }
    }
}

impl Excuse {
    /// One that ends at an instant.
    #[must_use]
    pub fn until(fault: &str, at: &str, until_ms: u64) -> Self {
        let until_ms = Some(until_ms).filter(|it| *it != u64::MAX);
        Self { fault: fault.into(), at: at.into(), until_ms }
    }

    /// One that ends when the fault is mended.
    #[must_use]
    pub fn lasting(fault: &str, at: &str) -> Self {
        Self { fault: fault.into(), at: at.into(), until_ms: None }
    }

    /// It holds at this instant.
    #[must_use]
    pub fn covers(&self, at_ms: u64) -> bool {
        self.until_ms.is_none_or(|until_ms| at_ms < until_ms)
    }
}
