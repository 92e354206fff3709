//! Where a run stands, folded from its journal for people: `status`, and the words for a hold.
//!
//! The procedure has a fold of its own and does not read this one; a mistake here misleads a
//! reader and never the run.
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    ActionResult, Event, FarmMilestone, HoldReason, Milestone, Record, ServerFailure, Verdict,
    Wanted, WayOut,
};
use crate::names::ServerName;
use crate::procedure::action::{Action, JobKind};

/// A run as its journal tells it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Standing {
    /// The plan's hash; `None` when the run was never begun.
    pub plan_hash: Option<String>,
    /// When it was first begun.
    pub began: Option<Timestamp>,
    /// When the last record was written.
    pub last: Option<Timestamp>,
    /// Records in the journal.
    pub records: u64,
    /// The step it is in.
    pub step: Option<u8>,
    /// The step whose gate waits for approval.
    pub gate: Option<u8>,
    /// Steps whose gates were approved.
    pub approved: BTreeSet<u8>,
    /// The hold it is in.
    pub hold: Option<Hold>,
    /// Every server of which the journal tells something.
    pub servers: BTreeMap<ServerName, ServerStanding>,
    /// What the farm has reached, in order.
    pub farm: Vec<FarmMilestone>,
    /// Actions that left and of which no outcome is known yet, by number.
    pub in_flight: BTreeMap<u64, Action>,
    /// How the last process that carried it out ended it; `None` while it runs, or when it died.
    pub ended: Option<Verdict>,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Why.
    pub reason: HoldReason,
    /// What a person can do.
    pub ways_out: Vec<WayOut>,
    /// Since when.
    pub since: Timestamp,
}

/// A server as the journal tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServerStanding {
    /// Milestones reached, the last one last.
    pub milestones: Vec<Milestone>,
    /// A software-changing command was, or may have been, sent to it.
    pub touched: bool,
    /// The job that was started on it and has not ended.
    pub job: Option<JobKind>,
    /// Why it cannot go on by itself.
    pub failed: Option<ServerFailure>,
    /// A person decided to go on without it.
    pub left_out: bool,
}

impl Standing {
    /// Folds a whole journal.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let mut standing = Self::default();
        for record in records {
            standing.apply(record);
        }
        standing
    }

    /// Folds one more record.
    pub fn apply(&mut self, record: &Record) {
        self.records = record.ordinal + 1;
        self.last = Some(record.at);
        match &record.event {
            Event::Began { plan_hash, .. } => {
                self.plan_hash = Some(plan_hash.clone());
                self.began.get_or_insert(record.at);
                self.ended = None;
                // What stood open is unknown until it is read, and waits are told anew.
                self.in_flight.clear();
                self.gate = None;
            }
            Event::Baseline(baseline) => {
                for server in baseline.versions.keys() {
                    self.servers.entry(server.clone()).or_default();
                }
            }
            Event::Intent { id, action } => self.intend(*id, action),
            Event::Outcome { id, result } => self.come_of(*id, result),
            Event::JobEnded { server, .. } => self.server(server).job = None,
            Event::Reached { server, milestone, .. } => self.reach(server, milestone),
            Event::FarmReached { milestone, .. } => self.farm.push(*milestone),
            Event::Failed { server, reason } => {
                self.server(server).failed = Some(reason.clone());
            }
            Event::Decided(request) => self.decide(&request.what),
            Event::Step { step } => {
                self.step = Some(*step);
                self.gate = self.gate.filter(|gate| gate > step);
            }
            Event::AtGate { step } => self.gate = Some(*step),
            Event::Held { reason, ways_out } => {
                self.hold = Some(Hold {
                    reason: reason.clone(),
                    ways_out: ways_out.clone(),
                    since: record.at,
                });
            }
            Event::Released => self.hold = None,
            Event::Noticed(_) => {}
            Event::Ended { verdict } => self.end(verdict),
        }
    }

    /// The farm has reached a milestone.
    #[must_use]
    pub fn has(&self, milestone: FarmMilestone) -> bool {
        self.farm.contains(&milestone)
    }

    /// It is over for good: nothing is left to resume.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.ended, Some(Verdict::Done { .. } | Verdict::Aborted))
    }

    fn server(&mut self, server: &ServerName) -> &mut ServerStanding {
        self.servers.entry(server.clone()).or_default()
    }

    fn intend(&mut self, id: u64, action: &Action) {
        if let Action::Start { server, kind, .. } = action {
            let server = self.server(server);
            server.job = Some(*kind);
            server.touched |= kind.touches();
        }
        self.in_flight.insert(id, action.clone());
    }

    fn come_of(&mut self, id: u64, result: &ActionResult) {
        let action = self.in_flight.remove(&id);
        if let (Some(Action::Start { server, .. }), ActionResult::Refused { .. }) = (action, result)
        {
            self.server(&server).job = None;
        }
    }

    fn reach(&mut self, server: &ServerName, milestone: &Milestone) {
        let server = self.server(server);
        server.touched |= *milestone == Milestone::Touched;
        server.failed = None;
        if *milestone == Milestone::Unproven {
            server.milestones.retain(|it| !matches!(it, Milestone::Proven { .. }));
        }
        server.milestones.push(milestone.clone());
    }

    fn decide(&mut self, want: &Wanted) {
        match want {
            Wanted::Approve { step } => {
                self.approved.insert(*step);
                self.gate = self.gate.filter(|gate| gate != step);
            }
            Wanted::Retry { server: Some(server) } => self.server(server).failed = None,
            Wanted::ByHand { server } => {
                let server = self.server(server);
                server.failed = None;
                server.job = None;
            }
            Wanted::Retry { server: None } => {
                self.servers.values_mut().for_each(|server| server.failed = None);
            }
            Wanted::LeaveOut { server } => self.server(server).left_out = true,
            Wanted::Hold | Wanted::Abort | Wanted::FallBack => {}
        }
    }

    fn end(&mut self, verdict: &Verdict) {
        self.ended = Some(verdict.clone());
        if self.is_over() {
            self.hold = None;
            self.gate = None;
        }
    }
}
