//! What invariants may know besides ground truth: faults, the policy, what the plan is about.
use std::collections::{BTreeMap, BTreeSet};

use evenkeel::farm::policy::Policy;
use evenkeel::journal::{self, FarmMilestone, Milestone, Request, Wanted};
use evenkeel::procedure::action::Action;
use evenkeel_fakes::truth::OldConsole;

use super::{Demand, Faults, Ground};

/// What an invariant may know besides ground truth.
#[derive(Clone, Debug)]
pub struct Context {
    /// Faults so far.
    pub faults: Faults,
    /// The policy: how long things may take.
    pub policy: Policy,
    /// Servers that are upgraded first.
    pub updating: BTreeSet<String>,
    /// Floors by pool.
    pub floors: BTreeMap<String, u32>,
    /// Pools whose users agreed to be without them: nobody needs to serve them.
    pub may_go_down: BTreeSet<String>,
    /// The server whose job it is to publish the applications; `None` where the plan has no such job.
    pub publisher: Option<String>,
    /// Users' requests that servers have not answered, by server, as the record finds them that is
    /// being told; nobody with none is in it, and only records have it that claim something of them.
    pub unanswered: BTreeMap<String, u64>,
    /// What an old console does once the database is new.
    pub old_console: OldConsole,
    /// What users ask for, and what servers can answer.
    pub demand: Demand,
    /// Servers that a person had left out: asked for, and decided.
    pub left_out: BTreeSet<String>,
    /// Servers whose jobs a person did by hand, as the run took up, and when it first did.
    pub by_hand: BTreeMap<String, u64>,
    /// Servers to which the run has seen deployment come: their consoles are known to be new.
    pub deployed: BTreeSet<String>,
    /// Servers to which a job that changes software was sent: whether they heard of it is another
    /// matter.
    pub sent_to: BTreeSet<String>,
    /// Gates that nobody has opened yet: all others were approved before the run began.
    pub shut: BTreeSet<u8>,
    /// When the switch was begun.
    pub switch_began_ms: Option<u64>,
    /// The same, or when a process took it up again: its time runs from then on.
    pub switch_ms: Option<u64>,
    /// The record that is being told is on the disk.
    pub told_is_durable: bool,
    /// The second phase has begun: a sufficient core of the farm was healed for good.
    pub healed: bool,
    /// A bug is planted and the guard stands behind it: its refusal is what is hoped for.
    pub guard_may_refuse: bool,
}

impl Context {
    /// How many members of a pool have to serve it.
    pub(super) fn floor(&self, pool: &str) -> usize {
        let goes_down = self.may_go_down.contains(pool);
        if goes_down { 0 } else { self.floors.get(pool).copied().unwrap_or(1) as usize }
    }

    /// Since when nobody has to publish the applications any more; `None` before that. Whoever did
    /// the publisher's jobs by hand says so of that one too.
    pub(super) fn published_ms(&self, ground: &Ground) -> Option<u64> {
        let Some(publisher) = &self.publisher else { return Some(0) };
        let told_ms = self.by_hand.get(publisher).copied();
        ground.applications_published_at_ms.into_iter().chain(told_ms).min()
    }

    /// The journal tells something that others are judged by.
    pub(super) fn hear(&mut self, at_ms: u64, event: &journal::Event) {
        use journal::Event as E;
        match event {
            E::Decided(Request { what: what @ Wanted::LeaveOut { server }, .. })
                if self.faults.asked(what) =>
            {
                self.left_out.insert(server.to_string());
            }
            E::Decided(Request { what: Wanted::ByHand { server }, .. }) => {
                self.by_hand.entry(server.to_string()).or_insert(at_ms);
            }
            E::Reached { server, milestone: Milestone::Deployed, .. } => {
                self.deployed.insert(server.to_string());
            }
            E::Intent { action: Action::Start { server, kind, .. }, .. } if kind.touches() => {
                self.sent_to.insert(server.to_string());
            }
            E::FarmReached { milestone: FarmMilestone::SwitchBegan, .. } => {
                (self.switch_began_ms, self.switch_ms) = (Some(at_ms), Some(at_ms));
            }
            E::Began { resumed: true, .. } => {
                self.switch_ms = self.switch_ms.map(|_| at_ms);
                self.faults.resumed(at_ms);
            }
            _ => {}
        }
    }
}
