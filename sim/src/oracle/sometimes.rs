//! What happens only sometimes, and must happen in a campaign: a situation that never came about was
//! never survived either. After the *sometimes assertions* of Antithesis and FoundationDB.
//!
//! Judged from ground truth and from what the journal tells; no invariant asks for any of it.
use std::collections::{BTreeMap, BTreeSet};

use evenkeel::journal::{
    ActionResult, Event, FarmMilestone, HoldReason, Milestone, Notice, Verdict, Wanted,
};
use evenkeel::procedure::action::{Action, MemberChange};
use evenkeel_fakes::ledger::{self, Entry, FlagBy};

use super::Ground;
use super::journal_tells_the_truth::{Jobs, is_there};

/// A situation: its name, and what happened, as a sentence without a full stop.
pub type Situation = (&'static str, &'static str);

/// Requests were in flight to a member when it was drained.
pub const DRAINED_UNDER_LOAD: &str = "drained-under-load";

/// Every situation.
pub const SITUATIONS: &[Situation] = &[
    (DRAINED_UNDER_LOAD, "requests were in flight to a member when it was drained"),
    ("answer-lost-effect-done", "an effect was done, its answer was lost, and it was read again"),
    ("resumed-in-a-drain", "the orchestrator was killed during a drain, and finished it"),
    ("resumed-in-a-hold", "the orchestrator was killed during a hold, and went on holding"),
    ("job-found-again", "the orchestrator was killed during a job, and found it again"),
    ("enabled-itself", "a front-end enabled itself, and was disabled again"),
    ("reload-in-a-drain", "a balancer was reloaded during a drain"),
    ("reload-in-a-hold", "a balancer was reloaded during a hold"),
    ("rescued", "a fit member was admitted early, since its pool was under its floor"),
    ("job-retried", "a job that had failed was started again"),
    ("person-retried", "a person had something tried again"),
    ("left-out", "a person left a server out"),
    ("fell-back", "traffic went back to the loaded servers"),
    ("aborted", "a person aborted the run, and it went back to its baseline"),
];

/// Collects the situations of one run.
#[derive(Default)]
pub(super) struct Sometimes {
    seen: BTreeSet<&'static str>,
    holds: BTreeSet<String>,
    /// The run holds.
    holding: bool,
    /// Servers of which a drain is under way.
    draining: BTreeSet<String>,
    /// Those of them whose drain a resumed orchestrator found.
    found_draining: BTreeSet<String>,
    /// Actions whose outcome is not told yet.
    open: BTreeMap<u64, Action>,
    /// Effects that were there when their answers were lost.
    lost: BTreeSet<Action>,
    jobs: Jobs,
    /// Jobs that ran when an orchestrator was resumed.
    found_running: BTreeSet<String>,
    /// Jobs by server and kind that ended with an error.
    failed: BTreeSet<(String, String)>,
    /// Servers that enabled themselves and are so.
    enabled_themselves: BTreeSet<String>,
}

impl Sometimes {
    /// The situations that came about, and the reasons for which the run held.
    pub(super) fn take(self) -> (BTreeSet<&'static str>, BTreeSet<String>) {
        (self.seen, self.holds)
    }

    /// A situation came about.
    pub(super) fn happened(&mut self, name: &'static str) {
        debug_assert!(SITUATIONS.iter().any(|(known, _)| *known == name), "{name} is in no table");
        self.seen.insert(name);
    }

    /// Takes up a change of ground truth.
    pub(super) fn entry(&mut self, entry: &Entry) {
        self.jobs.entry(entry);
        match &entry.event {
            ledger::Event::Reloaded { .. } => {
                if self.holding {
                    self.happened("reload-in-a-hold");
                }
                if !self.draining.is_empty() {
                    self.happened("reload-in-a-drain");
                }
            }
            ledger::Event::Flag { server, enabled: true, by: FlagBy::Service } => {
                self.enabled_themselves.insert(server.clone());
            }
            ledger::Event::Flag { server, enabled: false, by: FlagBy::Console }
                if self.enabled_themselves.remove(server) =>
            {
                self.happened("enabled-itself");
            }
            ledger::Event::JobStarted { server, kind, .. }
                if self.failed.contains(&(server.clone(), kind.clone())) =>
            {
                self.happened("job-retried");
            }
            ledger::Event::JobEnded { server, kind, code, .. } if *code != Some(0) => {
                self.failed.insert((server.clone(), kind.clone()));
            }
            _ => {}
        }
    }

    /// Takes up what the journal tells.
    pub(super) fn told(&mut self, event: &Event, ground: &Ground) {
        match event {
            Event::Began { resumed: true, .. } => self.resumed(),
            Event::Intent { id, action } => self.intent(*id, action),
            Event::Outcome { id, result } => self.outcome(*id, result, ground),
            Event::JobEnded { job, .. } if self.found_running.contains(job) => {
                self.happened("job-found-again");
            }
            Event::Reached { server, milestone: Milestone::Quiet, .. } => {
                self.draining.remove(server.as_str());
                if self.found_draining.remove(server.as_str()) {
                    self.happened("resumed-in-a-drain");
                }
            }
            Event::FarmReached { milestone: FarmMilestone::FellBack, .. } => {
                self.happened("fell-back");
            }
            Event::Ended { verdict: Verdict::Aborted } => {
                self.happened("aborted");
            }
            Event::Decided(request) => match request.what {
                Wanted::Retry { .. } => self.happened("person-retried"),
                Wanted::LeaveOut { .. } => self.happened("left-out"),
                _ => {}
            },
            Event::Held { reason, .. } => {
                self.holding = true;
                self.holds.insert(name(reason));
            }
            Event::Released => self.holding = false,
            Event::Noticed(Notice::Rescued { .. }) => self.happened("rescued"),
            _ => {}
        }
    }

    fn resumed(&mut self) {
        if self.holding {
            self.happened("resumed-in-a-hold");
        }
        self.found_draining.extend(self.draining.iter().cloned());
        self.found_running.extend(self.jobs.running().map(str::to_owned));
    }

    fn intent(&mut self, id: u64, action: &Action) {
        if let Action::Balancer { members, change, .. } = action {
            let servers = members.iter().map(|it| it.server.to_string());
            match change {
                MemberChange::Drain => self.draining.extend(servers),
                MemberChange::Admit => servers.for_each(|it| _ = self.draining.remove(&it)),
                _ => {}
            }
        }
        // What was lost is not done again.
        self.lost.remove(action);
        self.open.insert(id, action.clone());
    }

    fn outcome(&mut self, id: u64, result: &ActionResult, ground: &Ground) {
        let Some(action) = self.open.remove(&id) else { return };
        let lost = matches!(result, ActionResult::Unknown { .. });
        if lost && changes(&action) && is_there(&action, ground, &self.jobs) {
            self.lost.insert(action);
        } else if !self.lost.is_empty() {
            // Something else was done after it: what became of it had been read.
            self.lost.clear();
            self.happened("answer-lost-effect-done");
        }
    }
}

/// Its effect can be seen in the farm's state.
fn changes(action: &Action) -> bool {
    matches!(action, Action::Balancer { .. } | Action::Flag { .. } | Action::Start { .. })
}

/// A reason's name, as in the journal.
pub(crate) fn name(reason: &HoldReason) -> String {
    let value = serde_json::to_value(reason).expect("a reason has a JSON form");
    value["reason"].as_str().expect("a reason is tagged by its name").to_owned()
}
