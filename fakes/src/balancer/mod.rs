//! HAProxy 2.6 in HTTP mode: the double of one balancer process.
//!
//! * `member` — one member: administrative and operational state, its health check, its counters.
//! * `state` — the rules by which commands and checks change a member.
//! * `command` — the runtime API: one line in, the reply out, byte for byte.
//! * `words` — HAProxy's list of commands and how it guesses what was meant.
//! * `stat`, `tables` — `show stat`, `show servers state`, `show info` and their like.
//! * `trouble` — what befalls a node besides a reload.
//! * `in_flight` — requests that the proxy carries.
//! * `reach` — how those two reach a balancer that a farm keeps.
//! * `serve_api`, `serve_proxy` — both over any [`crate::listen::Listen`].
//!
//! The state machine has no clock and no sockets: every entry takes `now_ms`, milliseconds since the
//! farm was built, and [`Balancer::next_due_ms`] says when it wants to be called again. Its own
//! health checks are events, not packets: [`Balancer::set_answer`] says what a check would get, and
//! only the instants at which a check changes something are scheduled. Near overload
//! ([`Balancer::set_strain`]) any check may.
//!
//! Facts: measured on HAProxy 2.6.12 (Debian 12), whose texts and figures these are, and compared
//! with it by `tests/fidelity.rs`; where a rule is not visible from outside, its 2.6 source, and so
//! how a check that had no answer in time (`L7TOUT`) shows.
//! Not modelled: TCP mode, stickiness, `track`, slow start, queues, backups, the words of agents but
//! `ready` and `drain`;
//! commands about them are refused as HAProxy refuses a command that it does not know.

use std::sync::Arc;

use crate::ledger::Event;

mod command;
mod in_flight;
mod member;
mod reach;
mod serve_api;
mod serve_proxy;
mod stat;
mod state;
mod tables;
mod trouble;
mod words;

#[cfg(test)]
mod tests;

pub use command::Session;
pub use in_flight::{Outcome, Ticket};
pub(crate) use member::MAINT;
pub use member::{CheckAnswer, Counters, Member, MemberIndex, MemberSetup, Oper, PoolSetup};
pub use reach::Reach;
pub use serve_api::serve_api;
pub use serve_proxy::serve_proxy;
pub use trouble::{AgentWord, Refusal, SavedState};

/// Health checks of every checked pool (`inter`, `fall`, `rise`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckTiming {
    /// From one check of a member to its next.
    pub interval_ms: u64,
    /// Failed checks in a row that take a member down.
    pub fall: u32,
    /// Passed checks in a row that bring it up.
    pub rise: u32,
}

/// One pool (HAProxy: backend).
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) name: Arc<str>,
    pub(crate) cut_when_down: bool,
    /// Its members' places, which are contiguous.
    pub(crate) members: std::ops::Range<usize>,
    /// Requests that nobody could serve, in this process.
    pub(crate) unserved: u64,
    pub(crate) last_change_ms: u64,
    pub(crate) down_s: u64,
    pub(crate) down_transitions: u64,
}

/// One balancer process, and what its successors inherit: the configuration.
pub struct Balancer {
    name: Arc<str>,
    pools: Vec<Pool>,
    members: Vec<Member>,
    timing: CheckTiming,
    pid: u32,
    started_ms: u64,
    /// How long the process had been up already when it was put here, in seconds.
    aged_s: u64,
    /// Connections to the runtime API, in this process.
    api_connections: u64,
    tickets: u64,
    generation: u64,
    events: Vec<Event>,
    troubles: trouble::Troubles,
}

/// The version whose texts these are: Debian 12's.
pub(crate) const VERSION: &str = "2.6.12-1+deb12u4";
/// The frontend of a pool is called by this and the pool's name.
pub const FRONTEND_PREFIX: &str = "in-";

/// The first process's number: any number would do.
const PID_FIRST: u32 = 1_201;
/// From one process's number to its successor's: a reload forks a few helpers.
const PID_STEP: u32 = 13;

/// Balancers run for weeks before anybody upgrades what is behind them: 26 days, any number of
/// weeks would do.
const AGED_S: u64 = 26 * 24 * 3_600;

impl Balancer {
    /// A process with this configuration, which has been up for weeks and had nothing to do: all
    /// members ready and up, unproven until their first checks.
    #[must_use]
    pub fn new(name: &str, pools: Vec<PoolSetup>, check: CheckTiming, now_ms: u64) -> Self {
        let mut balancer = Self {
            name: name.into(),
            pools: Vec::new(),
            members: Vec::new(),
            timing: check,
            pid: PID_FIRST,
            started_ms: now_ms,
            aged_s: AGED_S,
            api_connections: 0,
            tickets: 0,
            generation: 0,
            events: Vec::new(),
            troubles: trouble::Troubles::default(),
        };
        for setup in pools {
            balancer.add_pool(setup, now_ms);
        }
        balancer.begin_checks(now_ms);
        balancer
    }

    fn add_pool(&mut self, setup: PoolSetup, now_ms: u64) {
        let name: Arc<str> = setup.name.as_str().into();
        let first = self.members.len();
        for member in setup.members {
            let checked = setup.health_check;
            self.members.push(Member::new(&name, member, checked, self.timing, now_ms));
        }
        self.pools.push(Pool {
            name,
            cut_when_down: setup.cut_when_down,
            members: first..self.members.len(),
            unserved: 0,
            last_change_ms: now_ms,
            down_s: 0,
            down_transitions: 0,
        });
    }

    /// Spreads the first checks over one interval, as HAProxy does: by the member's place among
    /// all checked members.
    fn begin_checks(&mut self, now_ms: u64) {
        let checked = self.members.iter().filter(|m| m.check.configured).count() as u64;
        let members = self.members.iter_mut().filter(|m| m.check.configured);
        for (place, member) in members.enumerate() {
            let spread_ms = self.timing.interval_ms * place as u64 / checked;
            member.check.phase_ms = now_ms + spread_ms;
            member.check.due_ms = Some(member.check.phase_ms);
        }
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process's number and when it started: together its life. Another life, other counters.
    #[must_use]
    pub fn life(&self) -> (u32, u64) {
        (self.pid, self.started_ms)
    }

    /// All members, pool by pool, in the configuration's order; a [`MemberIndex`] is a place here.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.iter()
    }

    /// A member.
    #[must_use]
    pub fn member(&self, index: MemberIndex) -> &Member {
        &self.members[index.0]
    }

    /// A member's counters, for whoever models or carries its traffic.
    pub fn counters_mut(&mut self, index: MemberIndex) -> &mut Counters {
        &mut self.members[index.0].counters
    }

    /// The member of that name in that pool.
    #[must_use]
    pub fn find(&self, pool: &str, member: &str) -> Option<MemberIndex> {
        let pool = self.pools.iter().find(|p| &*p.name == pool)?;
        pool.members.clone().find(|&i| &*self.members[i].name == member).map(MemberIndex)
    }

    /// The names of the pools, in the configuration's order.
    pub fn pools(&self) -> impl ExactSizeIterator<Item = &str> {
        self.pools.iter().map(|p| &*p.name)
    }

    /// A pool's place among [`Balancer::pools`].
    #[must_use]
    pub fn pool_index(&self, pool: &str) -> Option<usize> {
        self.pools.iter().position(|p| &*p.name == pool)
    }

    /// The members of a pool that would get a new request now; none for an unknown pool.
    #[must_use]
    pub fn eligible(&self, pool: &str) -> Vec<MemberIndex> {
        self.pool_index(pool).map(|i| self.eligible_in(i).collect()).unwrap_or_default()
    }

    /// As [`Balancer::eligible`], by the pool's place and without allocating.
    pub fn eligible_in(&self, pool: usize) -> impl Iterator<Item = MemberIndex> + '_ {
        let members = self.pools[pool].members.clone();
        let up = self.is_up();
        members.filter(move |&i| up && self.members[i].eligible()).map(MemberIndex)
    }

    /// Counts up whenever the answer of [`Balancer::eligible`], or a weight, may have changed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes what happened since the last call, oldest first.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Chooses a member for a new request: round robin by weight (smooth: no member gets two in a
    /// row while another waits for its share). `None` when nobody is eligible.
    pub fn pick(&mut self, pool: &str) -> Option<MemberIndex> {
        let pool = self.pool_index(pool)?;
        let mut total = 0;
        let mut best: Option<usize> = None;
        for i in self.pools[pool].members.clone() {
            if !self.members[i].eligible() || !self.is_up() {
                continue;
            }
            let weight = i64::from(self.members[i].weight);
            self.members[i].credit += weight;
            total += weight;
            if best.is_none_or(|b| self.members[i].credit > self.members[b].credit) {
                best = Some(i);
            }
        }
        let best = best?;
        self.members[best].credit -= total;
        Some(MemberIndex(best))
    }
}
