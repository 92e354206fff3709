//! When an invariant is allowed to fail: the faults that struck, and how long each may be felt.
//!
//! An excuse names a fault, where it struck and when it ends. An end is the fault plus a bound:
//! the time an orchestrator needs that reads and acts exactly as the policy says. What disturbs
//! the orchestrator within that time (its own crash, a lost response, a slow link) moves the end.
use evenkeel::farm::policy::Policy;
use evenkeel_fakes::truth::Truth;
use serde::Serialize;

use crate::fabric::Latency;
use crate::nemesis::Fault;
use crate::nemesis::fault::{BalancerFault, FrontEndFault, LinkFault, OrchestratorFault};

/// What is known of faults as a run goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "struck")]
pub enum Struck {
    /// A fault began.
    Began {
        /// Its place in the schedule.
        place: usize,
        /// The fault.
        fault: Fault,
    },
    /// It is over: links are as before, the machine is up again, the process was started again.
    Ended {
        /// Its place in the schedule.
        place: usize,
    },
}

/// A fault of this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Its place in the schedule.
    pub place: usize,
    /// The fault.
    pub fault: Fault,
    /// When it began.
    pub from_ms: u64,
    /// When it was over; `None` while it lasts, and for what has no end of its own.
    pub until_ms: Option<u64>,
}

/// How long something takes the best orchestrator when nothing disturbs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// Waiting for checks and polls.
    pub waits_ms: u64,
    /// Exchanges one after the other: a slow link makes each of them longer.
    pub exchanges: u64,
}

/// How long the best orchestrator may need, from policy, truth, links and the size of the farm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bounds {
    /// A member died: the health checks notice (one interval more than `fall` of them, since a
    /// check may just have passed), a node is read, another member is admitted in each pool.
    pub death: Bound,
    /// A node was reloaded: it is read, and every member on it is put where it was, one after the
    /// other. What is sick comes up too, until its first check.
    pub reload: Bound,
    /// A server came back by itself: the balancer admits it, its services are read, and it is
    /// taken out of each pool on each node.
    pub back: Bound,
    /// A front-end enabled itself: its flag is read and set, or it is taken out.
    pub flag: Bound,
    /// A server became whole: threads idle by the rule, tests passed, admitted.
    pub prove: Bound,
    /// A node is read, and what follows from it done.
    pub react: Bound,
    /// An exchange whose answer is lost: the rest after a failure, and the next reading.
    pub lost_ms: u64,
    /// A started orchestrator has read everything once.
    pub start_ms: u64,
    /// One exchange on undisturbed links.
    pub exchange_ms: u64,
}

/// One-way trips of an exchange on a connection of its own: three for a connection, two for
/// question and answer, one for whatever is under way on the same node.
const TRIPS: u64 = 6;
/// Exchanges of an effect: what is in flight before it, the write, the reading back.
const EFFECT: u64 = 3;
/// Exchanges of an effect at a console: a login's two, the list, the page, the button, the list.
const CONSOLE_EFFECT: u64 = 7;
/// How long anybody rests after an exchange that failed, before he tries again.
const REST_MS: u64 = 5_000;

impl Bounds {
    /// The bounds of a farm with so many members on its largest node, in so many pools.
    #[must_use]
    pub fn new(
        policy: &Policy,
        truth: &Truth,
        links: Latency,
        members_max: u64,
        pools: u64,
    ) -> Self {
        let check = |count: u32| u64::from(count + 1) * truth.check_interval_ms;
        let balancer_ms = policy.balancer_poll_ms.max(policy.balancer_poll_draining_ms);
        let console_ms = policy.flags_poll_ms.max(policy.jobs_poll_ms);
        let exchange_ms = TRIPS * (links.base_ms + links.jitter_ms);
        let in_pools = 1 + EFFECT * pools;
        let idle_ms = policy.idle_window_ms + (u64::from(policy.idle_reads) + 4) * console_ms;
        Self {
            death: Bound { waits_ms: check(truth.check_fall) + balancer_ms, exchanges: in_pools },
            reload: Bound {
                waits_ms: balancer_ms + truth.check_interval_ms,
                exchanges: 1 + EFFECT * members_max,
            },
            back: Bound {
                waits_ms: check(truth.check_rise) + console_ms + balancer_ms,
                exchanges: 1 + in_pools,
            },
            flag: Bound { waits_ms: console_ms, exchanges: 1 + CONSOLE_EFFECT.max(in_pools) },
            prove: Bound { waits_ms: idle_ms + balancer_ms, exchanges: 40 + in_pools },
            react: Bound { waits_ms: balancer_ms, exchanges: in_pools },
            lost_ms: REST_MS + console_ms,
            start_ms: console_ms + 20 * exchange_ms,
            exchange_ms,
        }
    }

    /// How long something takes undisturbed.
    #[must_use]
    pub fn of(&self, bound: Bound) -> u64 {
        bound.waits_ms + bound.exchanges * self.exchange_ms
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
    costs: Cost,
}

#[derive(Clone, Copy, Debug)]
enum Cost {
    /// Its own length: nothing is done meanwhile.
    Outage,
    /// So much, once.
    Once(u64),
    /// So much for every exchange.
    EachExchange(u64),
}

/// How a fault keeps the orchestrator from acting in time; `None` when it does not.
fn disturbance(fault: &Fault, at_ms: u64, bounds: &Bounds) -> Option<Disturbance> {
    match fault {
        Fault::Link(LinkFault::Latency { extra_ms, for_ms, .. }) => Some(Disturbance {
            from_ms: at_ms,
            until_ms: at_ms + for_ms,
            costs: Cost::EachExchange(TRIPS * extra_ms),
        }),
        Fault::Link(LinkFault::LostResponse { .. }) => Some(Disturbance {
            from_ms: at_ms,
            until_ms: at_ms + bounds.lost_ms,
            costs: Cost::Once(bounds.lost_ms),
        }),
        Fault::Orchestrator(OrchestratorFault::OrchestratorCrash { .. }) => {
            Some(Disturbance { from_ms: at_ms, until_ms: u64::MAX, costs: Cost::Outage })
        }
        Fault::Balancer(_)
        | Fault::ServiceCenter(_)
        | Fault::FrontEnd(_)
        | Fault::Database(_)
        | Fault::People(_)
        | Fault::Correlated(_) => None,
    }
}

/// Every fault so far.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The farm's bounds.
    pub bounds: Bounds,
    incidents: Vec<Incident>,
    disturbances: Vec<(usize, Disturbance)>,
}

impl Faults {
    /// None yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, incidents: Vec::new(), disturbances: Vec::new() }
    }

    /// Takes up a fault, or its end.
    pub fn strike(&mut self, at_ms: u64, struck: Struck) {
        match struck {
            Struck::Began { place, fault } => {
                let disturbance = disturbance(&fault, at_ms, &self.bounds);
                self.disturbances.extend(disturbance.map(|it| (place, it)));
                self.incidents.push(Incident { place, fault, from_ms: at_ms, until_ms: None });
            }
            Struck::Ended { place } => {
                let incident = self.incidents.iter_mut().rev().find(|it| it.place == place);
                let incident = incident.expect("what ends has begun");
                incident.until_ms = Some(at_ms);
                let start_ms = self.bounds.start_ms;
                for (_, open) in self
                    .disturbances
                    .iter_mut()
                    .filter(|(it, open)| *it == place && open.until_ms == u64::MAX)
                {
                    open.until_ms = at_ms + start_ms;
                }
            }
        }
    }

    /// Every fault that began, oldest first.
    pub fn incidents(&self) -> impl DoubleEndedIterator<Item = &Incident> {
        self.incidents.iter()
    }

    /// The instant by which the best orchestrator has done what takes `bound` undisturbed.
    #[must_use]
    pub fn end(&self, from_ms: u64, bound: Bound) -> u64 {
        let mut end_ms = from_ms.saturating_add(self.bounds.of(bound));
        for (_, it) in &self.disturbances {
            if it.from_ms <= end_ms && it.until_ms > from_ms {
                let costs_ms = match it.costs {
                    Cost::Outage => it.until_ms - it.from_ms.max(from_ms),
                    Cost::Once(ms) => ms,
                    Cost::EachExchange(ms) => ms * bound.exchanges,
                };
                end_ms = end_ms.saturating_add(costs_ms);
            }
        }
        end_ms
    }

    /// The last crash of a server by itself.
    fn crash(&self, server: &str) -> Option<&Incident> {
        self.last(|fault| {
            matches!(fault, Fault::FrontEnd(FrontEndFault::FrontEndCrash { server: it, .. })
                if it == server)
        })
    }

    /// When a server last crashed by itself.
    #[must_use]
    pub fn crashed_at(&self, server: &str) -> Option<u64> {
        self.crash(server).map(|incident| incident.from_ms)
    }

    /// When it was up again, after its last crash.
    #[must_use]
    pub fn back_at(&self, server: &str) -> Option<u64> {
        self.crash(server)?.until_ms
    }

    /// The last reload of a node.
    #[must_use]
    pub fn reloaded_at(&self, node: &str) -> Option<u64> {
        let reload = self.last(|fault| {
            matches!(fault, Fault::Balancer(BalancerFault::BalancerReload { node: it })
                if it == node)
        });
        reload.map(|incident| incident.from_ms)
    }

    /// The server's installer was made to fail.
    #[must_use]
    pub fn installer_failed(&self, server: &str) -> bool {
        let failing = self.last(|fault| {
            matches!(fault, Fault::FrontEnd(FrontEndFault::InstallerFails { server: it, .. })
                if it == server)
        });
        failing.is_some()
    }

    /// A fault struck after which a person may be needed.
    #[must_use]
    pub fn may_need_a_person(&self) -> bool {
        self.last(|fault| fault.kind().needs_person).is_some()
    }

    fn last(&self, which: impl Fn(&Fault) -> bool) -> Option<&Incident> {
        self.incidents.iter().rev().find(|incident| which(&incident.fault))
    }

    /// The excuse of a reload of a node.
    #[must_use]
    pub fn reload_excuse(&self, node: &str) -> Option<Excuse> {
        let end_ms = self.end(self.reloaded_at(node)?, self.bounds.reload);
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
                let end_ms =
                    self.end(back_ms, self.bounds.back).max(self.end(died_ms, self.bounds.death));
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
