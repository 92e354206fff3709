//! The rules by which commands and checks change a member: HAProxy's `srv_update_status` and
//! `set_server_check_status`, as far as HTTP mode without tracking, agents and slow start goes.
use super::member::{CheckAnswer, DRAIN, MAINT, Member, MemberIndex, Oper};
use super::{Balancer, PID_STEP, Pool};
use crate::ledger::Event;

/// What a member looked like before a change: events say what became different.
struct Before {
    admin: u16,
    up: bool,
    weight: u32,
    eligible: bool,
}

impl Balancer {
    /// Says what checks of a server get from now on. Verdicts follow at the checks' own instants.
    pub fn set_answer(&mut self, now_ms: u64, server: &str, answer: CheckAnswer) {
        self.advance(now_ms);
        for member in self.members.iter_mut().filter(|m| &*m.server == server) {
            member.check.answer = answer;
            reschedule(member, now_ms);
        }
    }

    /// Says what load makes of a server's checks. `None`: it lets them pass. `Some`: it is near what
    /// the server can answer, and this is what a check gets at this instant; from now on each check
    /// is a happening of its own, so that whoever models the load can say so again before it.
    pub fn set_strain(&mut self, now_ms: u64, server: &str, strain: Option<CheckAnswer>) {
        for member in self.members.iter_mut().filter(|m| &*m.server == server) {
            member.check.strain = strain;
            // A check that is due at this instant is still to come, and finds its successor itself.
            if strain.is_some() && member.check.due_ms.is_none_or(|due_ms| due_ms > now_ms) {
                reschedule(member, now_ms);
            }
        }
    }

    /// From one check of a member to its next; also how long a check waits for its answer, as no
    /// `timeout check` is configured.
    #[must_use]
    pub fn check_interval_ms(&self) -> u64 {
        self.timing.interval_ms
    }

    /// When the next check changes something; `None` while nothing is on its way.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        self.first_due().map(|(due_ms, _)| due_ms)
    }

    /// Carries out every check that was due by now, in the order of their instants.
    pub fn advance(&mut self, now_ms: u64) {
        while let Some((due_ms, index)) = self.first_due().filter(|(due_ms, _)| *due_ms <= now_ms) {
            if self.members[index].check.due_ms == Some(due_ms) {
                if let Some(tag) = self.members[index].check.failed_by(due_ms) {
                    self.events.push(Event::FaultMet { tag });
                }
                self.change(index, due_ms, |member| member.apply_check(due_ms));
            } else {
                self.ask_agent(index, due_ms);
            }
            self.reschedule(index, due_ms);
        }
    }

    fn first_due(&self) -> Option<(u64, usize)> {
        if !self.is_up() {
            return None;
        }
        let due = self.members.iter().enumerate();
        due.filter_map(|(i, m)| m.next_due_ms().map(|due_ms| (due_ms, i))).min()
    }

    /// A new process takes over: counters from zero, runtime state lost, members up and unproven,
    /// checks begin again. Requests in flight finish in the old process, which nobody sees. Nothing
    /// happens where no process runs.
    pub fn reload(&mut self, now_ms: u64) {
        if !self.is_up() {
            return;
        }
        self.advance(now_ms);
        self.pid += PID_STEP;
        self.started_ms = now_ms;
        self.aged_s = 0;
        self.api_connections = 0;
        let node = self.name.to_string();
        self.events.push(Event::Reloaded { node });
        for index in 0..self.members.len() {
            self.change(index, now_ms, |member| member.forget(now_ms));
        }
        for pool in &mut self.pools {
            pool.forget(now_ms);
        }
        self.begin_checks(now_ms);
        for member in &mut self.members {
            member.agent_due_ms = member.agent().and_then(|agent| agent.due_ms(member, now_ms));
        }
        self.generation += 1;
    }

    /// Makes one change to one member, and tells what became different.
    pub(crate) fn change(
        &mut self,
        index: usize,
        now_ms: u64,
        what: impl FnOnce(&mut Member) -> bool,
    ) {
        let member = &mut self.members[index];
        let before = Before {
            admin: member.admin,
            up: member.up(),
            weight: member.weight,
            eligible: member.eligible(),
        };
        let went_down = what(member);
        let after_eligible = member.eligible();
        self.tell(index, &before);
        if before.eligible != after_eligible {
            self.count_pool_change(index, now_ms, after_eligible);
        }
        if went_down && self.pool_of(index).cut_when_down {
            self.cut(MemberIndex(index));
        }
    }

    fn tell(&mut self, index: usize, before: &Before) {
        let member = &self.members[index];
        let (node, pool) = (self.name.to_string(), member.pool.to_string());
        let name = member.name.to_string();
        if member.admin != before.admin {
            self.events.push(Event::MemberAdmin {
                node: node.clone(),
                pool: pool.clone(),
                member: name.clone(),
                admin: member.admin,
            });
        }
        if member.up() != before.up {
            self.events.push(Event::MemberOper {
                node: node.clone(),
                pool: pool.clone(),
                member: name.clone(),
                up: member.up(),
            });
        }
        if member.weight != before.weight {
            let weight = member.weight;
            self.events.push(Event::MemberWeight { node, pool, member: name, weight });
        }
        if member.eligible() != before.eligible || member.weight != before.weight {
            self.generation += 1;
        }
    }

    /// The pool's own row counts when its last member leaves and its first one comes.
    fn count_pool_change(&mut self, index: usize, now_ms: u64, came: bool) {
        let place = self.pools.iter().position(|p| p.members.contains(&index));
        let place = place.expect("every member is in a pool");
        let eligible = self.eligible_in(place).count();
        let pool = &mut self.pools[place];
        if came && eligible == 1 {
            pool.down_s += seconds_between(pool.last_change_ms, now_ms);
            pool.last_change_ms = now_ms;
        } else if !came && eligible == 0 {
            pool.down_transitions += 1;
            pool.last_change_ms = now_ms;
        }
    }

    fn pool_of(&self, index: usize) -> &Pool {
        let pool = self.pools.iter().find(|p| p.members.contains(&index));
        pool.expect("every member is in a pool")
    }

    /// `shutdown sessions server`: whatever is in flight to a member is cut.
    pub(crate) fn cut(&mut self, index: MemberIndex) {
        let member = &mut self.members[index.0];
        let requests = member.lose_in_flight();
        if requests > 0 {
            self.events.push(Event::MemberCut {
                node: self.name.to_string(),
                pool: member.pool.to_string(),
                member: member.name.to_string(),
                requests,
            });
        }
    }
}

/// Whole seconds of the wall clock between two instants, as HAProxy counts ages.
pub(crate) fn seconds_between(earlier_ms: u64, later_ms: u64) -> u64 {
    (later_ms / 1_000).saturating_sub(earlier_ms / 1_000)
}

impl Pool {
    fn forget(&mut self, now_ms: u64) {
        self.unserved = 0;
        self.last_change_ms = now_ms;
        self.down_s = 0;
        self.down_transitions = 0;
    }
}

/// Finds the next check of a member, and its agent's, that changes something.
pub(crate) fn reschedule(member: &mut Member, now_ms: u64) {
    let next_ms = member.next_check_ms(now_ms);
    member.check.due_ms = member.check_would_change(next_ms).then_some(next_ms);
    member.agent_due_ms = member.agent().and_then(|agent| agent.due_ms(member, now_ms));
}

impl Member {
    /// What is in flight breaks off. Says how many requests that were.
    pub(crate) fn lose_in_flight(&mut self) -> u64 {
        let requests = std::mem::take(&mut self.counters.in_flight);
        self.counters.failed_responses += requests;
        for (_, cut) in std::mem::take(&mut self.in_flight) {
            // The request may have ended at this very moment: then there is nothing to cut.
            let _ = cut.send(());
        }
        requests
    }

    /// When a check or the agent next changes something.
    fn next_due_ms(&self) -> Option<u64> {
        [self.check.due_ms, self.agent_due_ms].into_iter().flatten().min()
    }

    fn next_check_ms(&self, now_ms: u64) -> u64 {
        let (phase_ms, interval_ms) = (self.check.phase_ms, self.timing.interval_ms);
        match now_ms.checked_sub(phase_ms) {
            None => phase_ms,
            Some(since_ms) => phase_ms + (since_ms / interval_ms + 1) * interval_ms,
        }
    }

    fn check_would_change(&self, at_ms: u64) -> bool {
        let check = &self.check;
        if !check.configured || !check.enabled || self.admin & MAINT != 0 {
            return false;
        }
        if check.flappings.iter().any(|it| at_ms < it.until_ms + it.turn_ms) {
            return true; // each of them may be another
        }
        if check.strain.is_some() {
            return true; // so may these
        }
        let settled = if check.answer.passes() {
            check.health == self.health_max() && self.oper == Oper::Running
        } else {
            check.health == 0 && self.oper == Oper::Stopped
        };
        !settled || check.last != Some(check.answer)
    }

    /// One check. Says whether the member went down.
    fn apply_check(&mut self, now_ms: u64) -> bool {
        let rise = self.timing.rise;
        let answer = self.check.answer_at(now_ms);
        self.check.last = Some(answer);
        if answer.passes() {
            if self.check.health < self.health_max() {
                self.check.health += 1;
                if self.check.health >= rise {
                    self.check.health = self.health_max();
                }
            }
            if self.check.health >= rise {
                self.set_running(now_ms);
            }
            return false;
        }
        if self.check.health > 0 {
            self.check.failed += 1;
            self.check.health -= 1;
            if self.check.health < rise {
                self.check.health = 0;
            }
        }
        self.check.health == 0 && self.set_stopped(now_ms)
    }

    /// `srv_set_running`
    fn set_running(&mut self, now_ms: u64) {
        if self.admin & MAINT != 0 || self.oper == Oper::Running {
            return;
        }
        if self.oper == Oper::Stopped {
            self.down_s += seconds_between(self.last_change_ms, now_ms);
        }
        self.last_change_ms = now_ms;
        self.oper = Oper::Running;
    }

    /// `srv_set_stopped`. Says whether the member went down.
    fn set_stopped(&mut self, now_ms: u64) -> bool {
        if self.admin & MAINT != 0 || self.oper == Oper::Stopped {
            return false;
        }
        self.last_change_ms = now_ms;
        self.oper = Oper::Stopped;
        self.down_transitions += 1;
        true
    }

    /// `set server … health up|stopping|down`. Says whether the member went down.
    pub(crate) fn set_health(&mut self, now_ms: u64, health: &str) -> bool {
        self.check.health = if health == "down" { 0 } else { self.health_max() };
        match health {
            "up" => self.set_running(now_ms),
            "stopping" => self.set_stopping(now_ms),
            _ => return self.set_stopped(now_ms),
        }
        false
    }

    /// `srv_set_stopping`
    fn set_stopping(&mut self, now_ms: u64) {
        if self.admin & MAINT != 0 || self.oper == Oper::Stopping {
            return;
        }
        self.last_change_ms = now_ms;
        self.oper = Oper::Stopping;
    }

    /// `set server … state maint`. Says whether the member went down.
    pub(crate) fn set_maint(&mut self, now_ms: u64) -> bool {
        let mut went_down = false;
        if self.admin & MAINT == 0 {
            if self.check.enabled || self.oper != Oper::Stopped {
                self.check.health = 0;
            }
            if self.oper != Oper::Stopped {
                self.last_change_ms = now_ms;
                self.oper = Oper::Stopped;
                self.down_transitions += 1;
                went_down = true;
            }
        }
        self.admin = MAINT;
        went_down
    }

    /// `set server … state drain`
    pub(crate) fn set_drain(&mut self, now_ms: u64) -> bool {
        let drained = self.admin & DRAIN != 0;
        self.leave_maint(now_ms);
        if !drained {
            self.last_change_ms = now_ms;
        }
        self.admin = DRAIN;
        false
    }

    /// `set server … state ready`
    pub(crate) fn set_ready(&mut self, now_ms: u64) -> bool {
        if self.admin & DRAIN != 0 {
            self.down_s += seconds_between(self.last_change_ms, now_ms);
            self.last_change_ms = now_ms;
        }
        self.leave_maint(now_ms);
        self.admin = 0;
        false
    }

    /// Leaving maintenance is optimistic: up at once, but one failed check takes it down.
    fn leave_maint(&mut self, now_ms: u64) {
        if self.admin & MAINT == 0 {
            return;
        }
        if self.check.enabled {
            self.check.health = self.timing.rise;
        }
        self.last_change_ms = now_ms;
        self.oper = Oper::Running;
        self.admin &= !MAINT;
    }

    /// What a new process knows of a member: its configuration.
    fn forget(&mut self, now_ms: u64) -> bool {
        self.admin = 0;
        self.oper = Oper::Running;
        self.weight = self.weight_initial;
        self.counters = super::Counters::default();
        self.check.enabled = self.check.configured;
        self.check.health = self.timing.rise;
        self.check.last = None;
        self.check.due_ms = None;
        self.check.failed = 0;
        self.agent_due_ms = None;
        self.agents.iter_mut().for_each(|agent| agent.enabled = true);
        self.last_change_ms = now_ms;
        self.down_s = 0;
        self.down_transitions = 0;
        self.credit = 0;
        self.in_flight.clear();
        false
    }
}
