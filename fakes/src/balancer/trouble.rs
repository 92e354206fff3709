//! What befalls a node besides a reload: its process dies, a state file that was saved long ago is
//! loaded, an agent has its own will, the runtime API refuses, does nothing or is crowded, a health
//! check flaps.
//!
//! Each trouble is noted as met ([`Event::FaultMet`]) when it changes what would have been. Several
//! of a sort may be there at once, each under the tag of whose it is: where one of them goes, the
//! others stay.
use std::collections::BTreeSet;

use super::member::{CheckAnswer, Flapping, Member, Oper};
use super::{Balancer, MemberIndex, state};
use crate::ledger::Event;

/// What is wrong with a node.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// What keeps the process from running, by tags: it runs when there is nothing.
    down: BTreeSet<u64>,
    /// What commands that change a member are answered instead of being carried out, the latest
    /// last; of one server, or of all.
    refusals: Vec<(Refusal, Option<String>, u64)>,
    /// `set server … state` answers OK and does nothing.
    ignores_states: Vec<u64>,
    /// How long a connection to the runtime API waits before it is served.
    waits: Vec<(u64, u64)>,
}

/// Prose that the runtime API answers instead of carrying a command out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The socket's level was lowered (`level operator`).
    PermissionDenied,
    /// The configuration calls the servers otherwise.
    NoSuchServer,
}

impl Refusal {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::PermissionDenied => "Permission denied\n",
            Self::NoSuchServer => "No such server.\n",
        }
    }
}

/// What an agent says at each of its checks (`agent-check` of configuration.txt).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentWord {
    /// Cancels drain and maintenance.
    Ready,
    /// Drains.
    Drain,
}

/// An agent check of one member. One that comes while another is there takes its place, until it
/// goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agent {
    /// `enable agent` and `disable agent`.
    pub(crate) enabled: bool,
    says: AgentWord,
    tag: u64,
    /// The instant of its first check: the others follow at whole intervals.
    phase_ms: u64,
}

impl Agent {
    /// When it next changes the member; `None` while what it says is so.
    pub(crate) fn due_ms(&self, member: &Member, now_ms: u64) -> Option<u64> {
        let agrees = match self.says {
            AgentWord::Ready => member.admin == 0,
            AgentWord::Drain => member.admin & super::member::DRAIN != 0,
        };
        let interval_ms = member.timing.interval_ms;
        let next_ms =
            self.phase_ms + (now_ms.saturating_sub(self.phase_ms) / interval_ms + 1) * interval_ms;
        (self.enabled && !agrees).then_some(next_ms)
    }
}

/// What a state file holds of each member (`show servers state`).
#[derive(Clone, Debug)]
pub struct SavedState(Vec<SavedMember>);

#[derive(Clone, Copy, Debug)]
struct SavedMember {
    admin: u16,
    oper: Oper,
    weight: u32,
    health: u32,
    last: Option<CheckAnswer>,
}

impl Balancer {
    /// The process runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.troubles.down.is_empty()
    }

    /// The process dies, until [`Balancer::start`] with the same tag: what it carries breaks off,
    /// nobody is served, nobody answers. False when it was dead already.
    pub fn stop(&mut self, now_ms: u64, tag: u64) -> bool {
        self.advance(now_ms);
        let ran = self.is_up();
        self.troubles.down.insert(tag);
        if ran {
            for member in &mut self.members {
                member.lose_in_flight();
            }
            self.generation += 1;
            self.events.push(Event::NodeDown { node: self.name.to_string() });
        }
        ran
    }

    /// It is started again, or another machine takes over: as after a reload. It stays dead as long
    /// as something else keeps it so, which is met now.
    pub fn start(&mut self, now_ms: u64, tag: u64) {
        if !self.troubles.down.remove(&tag) {
            return;
        }
        if !self.is_up() {
            let others = self.troubles.down.iter();
            self.events.extend(others.map(|tag| Event::FaultMet { tag: *tag }));
            return;
        }
        for member in &mut self.members {
            (member.check.due_ms, member.agent_due_ms) = (None, None);
        }
        self.reload(now_ms);
        self.events.push(Event::NodeUp { node: self.name.to_string() });
    }

    /// What a state file written now holds.
    #[must_use]
    pub fn save_state(&self) -> SavedState {
        let saved = self.members.iter().map(|member| SavedMember {
            admin: member.admin,
            oper: member.oper,
            weight: member.weight,
            health: member.check.health,
            last: member.check.last,
        });
        SavedState(saved.collect())
    }

    /// A reload that takes members' states from a file (`load-server-state-from-file`), however
    /// old it is. Nothing happens where no process runs.
    pub fn reload_with(&mut self, now_ms: u64, saved: &SavedState) {
        if !self.is_up() {
            return;
        }
        self.reload(now_ms);
        for (index, was) in saved.0.iter().enumerate() {
            self.change(index, now_ms, |member| {
                (member.admin, member.oper, member.weight) = (was.admin, was.oper, was.weight);
                (member.check.health, member.check.last) = (was.health, was.last);
                false
            });
            self.reschedule(index, now_ms);
        }
    }

    /// What was begun with this tag is over, but for a death: that ends with [`Balancer::start`].
    pub fn end_trouble(&mut self, now_ms: u64, tag: u64) {
        self.troubles.refusals.retain(|(.., of)| *of != tag);
        self.troubles.ignores_states.retain(|of| *of != tag);
        self.troubles.waits.retain(|(_, of)| *of != tag);
        self.advance(now_ms);
        for index in 0..self.members.len() {
            let member = &mut self.members[index];
            let had = (member.agents.len(), member.check.flappings.len());
            member.agents.retain(|it| it.tag != tag);
            member.check.flappings.retain(|it| it.tag != tag);
            if had != (member.agents.len(), member.check.flappings.len()) {
                self.reschedule(index, now_ms);
            }
        }
    }

    /// From now on an agent says this of a server's members at every interval, until it is
    /// disabled.
    pub fn set_agent(&mut self, now_ms: u64, server: &str, says: AgentWord, tag: u64) {
        self.advance(now_ms);
        for index in self.places_of(server) {
            let agent = Agent { enabled: true, says, tag, phase_ms: now_ms };
            self.members[index].agents.push(agent);
            self.reschedule(index, now_ms);
        }
    }

    /// An agent's check of a member: what it says is done.
    pub(crate) fn ask_agent(&mut self, index: usize, now_ms: u64) {
        let Some(agent) = self.members[index].agent() else { return };
        self.events.push(Event::FaultMet { tag: agent.tag });
        self.change(index, now_ms, |member| match agent.says {
            AgentWord::Ready => member.set_ready(now_ms),
            AgentWord::Drain => member.set_drain(now_ms),
        });
    }

    /// Until then checks of a server's members fail and pass in turns, each turn so long.
    pub fn flap(&mut self, now_ms: u64, server: &str, turn_ms: u64, until_ms: u64, tag: u64) {
        self.advance(now_ms);
        for index in self.places_of(server) {
            let flapping = Flapping { tag, from_ms: now_ms, turn_ms: turn_ms.max(1), until_ms };
            self.members[index].check.flappings.push(flapping);
            self.reschedule(index, now_ms);
        }
    }

    fn places_of(&self, server: &str) -> Vec<usize> {
        let places = self.members.iter().enumerate();
        places.filter(|(_, member)| &*member.server == server).map(|(place, _)| place).collect()
    }

    /// Every command that changes a member, of one server or of all, is refused with these words.
    pub fn refuse_changes(&mut self, refusal: Refusal, server: Option<&str>, tag: u64) {
        self.troubles.refusals.push((refusal, server.map(str::to_owned), tag));
    }

    /// `set server … state` answers OK and does nothing. The real thing does so to a server that
    /// tracks another one.
    pub fn ignore_states(&mut self, tag: u64) {
        self.troubles.ignores_states.push(tag);
    }

    /// Connections to the runtime API wait this long, since others take its places (`stats
    /// maxconn`).
    pub fn delay_api(&mut self, wait_ms: u64, tag: u64) {
        self.troubles.waits.push((wait_ms, tag));
    }

    /// How long a connection that was just made waits: for the largest of crowds.
    pub(crate) fn api_wait_ms(&mut self) -> u64 {
        let Some(&(wait_ms, tag)) = self.troubles.waits.iter().max() else { return 0 };
        self.events.push(Event::FaultMet { tag });
        wait_ms
    }

    /// The words that a change of a member is refused with, if it is one of ours.
    pub(crate) fn refusal(&mut self, member: Option<MemberIndex>) -> Option<&'static str> {
        let server = member.map(|index| &*self.members[index.0].server);
        let mut refusals = self.troubles.refusals.iter().rev();
        let is_about = |of: &Option<String>| of.is_none() || of.as_deref() == server;
        let &(refusal, _, tag) = refusals.find(|(_, of, _)| is_about(of))?;
        self.events.push(Event::FaultMet { tag });
        Some(refusal.words())
    }

    /// A change of state is to have no effect.
    pub(crate) fn ignores_state(&mut self) -> bool {
        let Some(&tag) = self.troubles.ignores_states.last() else { return false };
        self.events.push(Event::FaultMet { tag });
        true
    }

    /// `clear counters all`: as after a reload, in the same process. What is in flight stays.
    pub(crate) fn clear_counters(&mut self) {
        for member in &mut self.members {
            let in_flight = member.counters.in_flight;
            member.counters = super::Counters { in_flight, ..super::Counters::default() };
            (member.check.failed, member.down_transitions) = (0, 0);
        }
        for pool in &mut self.pools {
            (pool.unserved, pool.down_transitions) = (0, 0);
        }
    }

    /// Finds a member's next check, and its agent's, that changes something.
    pub(crate) fn reschedule(&mut self, index: usize, now_ms: u64) {
        state::reschedule(&mut self.members[index], now_ms);
    }
}
