//! Progress: a fold of the journal, per server and for the farm. The step is computed from it and
//! never stored.
//!
//! Instants kept here are this process's own (milliseconds since its run began) and start afresh
//! after a resume: what was replayed happened at 0.
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::farm::policy::AfterBadSoak;
use crate::journal::{
    ActionResult, Baseline, Event, FarmMilestone, HoldReason, Notice, Request, ServerFailure,
    Verdict, Wanted,
};
use crate::names::NodeName;

use super::action::{Action, JobKind, MemberChange};
use super::layout::{Layout, Seat, ServerIx};
use super::readings::{MemberId, MemberReading};

pub use server::{FlagUnclear, Job, Reboot, ServerProgress, Tested, succeeded};

/// What has happened.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// How everything stood before step 1; `None` until it has been read whole.
    pub baseline: Option<Arc<Baseline>>,
    /// Its members by seat: what is asked of them is asked at every decision.
    pub baseline_seats: Option<Vec<Option<MemberReading>>>,
    /// By seat: we drained it and have not admitted it since, whatever became of it.
    pub drained_seats: Vec<bool>,
    /// By server.
    pub servers: Vec<ServerProgress>,
    /// What the farm has reached, and when.
    pub farm: BTreeMap<FarmMilestone, u64>,
    /// Intents without an outcome.
    pub open: BTreeMap<u64, Action>,
    /// The next intent's number.
    pub next_intent: u64,
    /// Gates that were passed.
    pub approved: BTreeSet<u8>,
    /// Every request carried out, so that one delivered twice is known.
    pub decided: Vec<Request>,
    /// Where traffic is meant to go.
    pub direction: Direction,
    /// When a person wanted everything back as it was.
    pub aborting_ms: u64,
    /// A hold that stays until a person answers it.
    pub standing_hold: Option<HoldReason>,
    /// The hold last written down.
    pub held: Option<HoldReason>,
    /// The gate last written down.
    pub at_gate: Option<u8>,
    /// The step last written down.
    pub step_written: Option<u8>,
    /// Readings that showed members changed by somebody else, since a person last answered.
    pub drifts: u32,
    /// When that was last.
    pub drifted_ms: Option<u64>,
    /// How the run ended.
    pub ended: Option<Verdict>,
}

/// Where traffic is meant to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Through the nine steps.
    #[default]
    Forward,
    /// Back to loaded, after the switch began.
    FallingBack,
    /// Back to the baseline, before anything was touched.
    Aborting,
}

impl Progress {
    /// No progress.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        Self {
            servers: vec![ServerProgress::default(); layout.servers.len()],
            drained_seats: vec![false; layout.seats.len()],
            ..Self::default()
        }
    }

    /// The farm has reached a milestone.
    #[must_use]
    pub fn reached(&self, milestone: FarmMilestone) -> bool {
        self.farm.contains_key(&milestone)
    }

    /// Any server was touched: the commit is behind us.
    #[must_use]
    pub fn committed(&self) -> bool {
        self.servers.iter().any(|server| server.touched)
    }

    /// Takes in one event that happened at `now_ms` of this process (0 when replayed).
    pub fn apply(&mut self, layout: &Layout, event: &Event, now_ms: u64) {
        match event {
            Event::Baseline(baseline) => {
                self.baseline_seats = Some(by_seat(layout, baseline));
                self.baseline = Some(Arc::new(baseline.clone()));
            }
            Event::Intent { id, action } => self.intend(layout, *id, action, now_ms),
            Event::Outcome { id, result } => self.conclude(layout, *id, result, now_ms),
            Event::JobEnded { server, kind, job, reading } => {
                if let Some(server) = layout.server(server) {
                    self.servers[server].job_ended(*kind, job, reading, now_ms);
                }
            }
            Event::Reached { server, milestone, .. } => {
                if let Some(server) = layout.server(server) {
                    self.servers[server].reach(milestone, now_ms);
                }
            }
            Event::FarmReached { milestone, .. } => self.reach(*milestone, now_ms),
            Event::Failed { server, reason } => {
                if let Some(server) = layout.server(server) {
                    self.servers[server].failure = Some(reason.clone());
                }
            }
            Event::Decided(request) => self.obey(layout, request, now_ms),
            Event::Step { step } => self.step_written = Some(*step),
            Event::AtGate { step } => self.at_gate = Some(*step),
            Event::Held { reason, .. } => self.hold(layout, reason),
            Event::Released => self.held = None,
            Event::Noticed(notice) => self.notice(layout, notice, now_ms),
            Event::Ended { verdict } => self.ended = Some(verdict.clone()),
            Event::Began { .. } => {
                // Taken up again: what stood open is unknown, and waits are told anew.
                for action in std::mem::take(&mut self.open).into_values() {
                    if let Action::Flag { server, .. } = action {
                        self.with(layout, &server, |it| it.flag_is_unclear(None, now_ms));
                    }
                }
                self.ended = None;
                self.at_gate = None;
                if self.direction == Direction::Aborting {
                    // Of all at one instant, by a process that has read it.
                    self.servers.iter_mut().for_each(|server| server.restored = false);
                }
            }
        }
    }

    fn intend(&mut self, layout: &Layout, id: u64, action: &Action, now_ms: u64) {
        self.next_intent = self.next_intent.max(id + 1);
        self.open.insert(id, action.clone());
        if let Action::Reboot { server, start, boot } = action {
            self.with(layout, server, |server| {
                let times = server.reboot.as_ref().map_or(1, |told| told.times + 1);
                let (start, boot) = (start.clone(), boot.clone());
                server.reboot = Some(Reboot { told_ms: now_ms, start, boot, times });
            });
        }
        let Action::Start { server, kind, job } = action else { return };
        let Some(server) = layout.server(server) else { return };
        let server = &mut self.servers[server];
        match &mut server.job {
            Some(open) if open.id == *job => open.sent_ms = now_ms,
            _ => {
                server.jobs_begun += 1;
                *server.tries.entry(*kind).or_default() += 1;
                server.job = Some(Job {
                    kind: *kind,
                    id: job.clone(),
                    since_ms: now_ms,
                    sent_ms: now_ms,
                    ended: None,
                });
            }
        }
    }

    fn conclude(&mut self, layout: &Layout, id: u64, result: &ActionResult, now_ms: u64) {
        let Some(action) = self.open.remove(&id) else { return };
        match (&action, result) {
            // It may have been on its way until now.
            (
                Action::Start { server, job, .. },
                ActionResult::Done { .. } | ActionResult::Unknown { .. },
            ) => self.with(layout, server, |server| server.sent(job, now_ms)),
            // It never left: nothing is waited for.
            (Action::Reboot { server, .. }, ActionResult::Refused { .. }) => {
                self.with(layout, server, |server| server.reboot = None);
            }
            (Action::Balancer { node, members, change }, ActionResult::Done { .. }) => {
                self.moved(layout, node, members, *change);
            }
            // Also where nobody could be reached: it may have been the reading back that failed.
            (Action::Flag { via, server, .. }, result)
                if !matches!(result, ActionResult::Done { .. }) =>
            {
                let showed_nothing = matches!(result, ActionResult::NoEffect { .. });
                let via = layout.server(via).filter(|_| showed_nothing);
                self.with(layout, server, |it| it.flag_is_unclear(via, now_ms));
            }
            (Action::Test { server }, ActionResult::Tested { reading, version, start }) => {
                let tested = Tested {
                    failure: reading.failure.clone().filter(|_| !reading.passed),
                    version: *version,
                    start: start.clone(),
                    at_ms: now_ms,
                };
                self.with(layout, server, |server| server.tested(reading.passed, tested));
            }
            _ => {}
        }
    }

    fn moved(
        &mut self,
        layout: &Layout,
        node: &NodeName,
        members: &[MemberId],
        change: MemberChange,
    ) {
        let drained = match change {
            MemberChange::Drain => true,
            MemberChange::Admit => false,
            MemberChange::Maintain | MemberChange::Weight(_) | MemberChange::Cut => return,
        };
        for (seat, ours) in layout.seats.iter().zip(&mut self.drained_seats) {
            if layout.nodes[seat.node].name == *node && members.contains(&seat.member) {
                *ours = drained;
            }
        }
    }

    fn reach(&mut self, milestone: FarmMilestone, now_ms: u64) {
        self.farm.insert(milestone, now_ms);
        match milestone {
            // Whoever is upgraded serves by right from now on, and is to leave with the others.
            FarmMilestone::SwitchBegan => {
                let upgraded = self.servers.iter_mut().filter(|server| server.proven.is_some());
                upgraded.for_each(|server| server.rescued_ms = None);
            }
            FarmMilestone::Switched => {
                for server in &mut self.servers {
                    server.rescued_ms = None;
                }
            }
            FarmMilestone::FellBack => {
                self.standing_hold = Some(HoldReason::FellBack);
                // Whoever is old serves by right again, and leaves with the others the next time.
                let old = self.servers.iter_mut().filter(|server| !server.touched);
                old.for_each(|server| server.rescued_ms = None);
            }
            _ => {}
        }
    }

    fn hold(&mut self, layout: &Layout, reason: &HoldReason) {
        self.held = Some(reason.clone());
        if stands(reason) {
            self.standing_hold = Some(reason.clone());
        }
        let fall_back = match reason {
            HoldReason::SwitchOverdue => true,
            HoldReason::SoakBad { .. } => layout.policy().soak_when_bad == AfterBadSoak::FallBack,
            _ => false,
        };
        if fall_back {
            self.direction = Direction::FallingBack;
        }
    }

    fn notice(&mut self, layout: &Layout, notice: &Notice, now_ms: u64) {
        let mut with = |name, act: &dyn Fn(&mut ServerProgress)| {
            if let Some(server) = layout.server(name) {
                act(&mut self.servers[server]);
            }
        };
        match notice {
            Notice::FlagCameBack { server } => with(server, &|server| {
                server.flag_came_back += 1;
                server.disabled = None;
            }),
            Notice::DeployingUnderLoad { server } => with(server, &|server| {
                server.tainted = true;
                server.taint_accepted = false;
            }),
            Notice::Rescued { server, .. } => {
                with(server, &|server| {
                    server.rescued_ms = Some(now_ms);
                    server.let_go = false;
                });
            }
            Notice::RescueEnded { server } => with(server, &|server| server.rescued_ms = None),
            Notice::JobInVain { server, kind, .. } => {
                with(server, &|server| server.job_in_vain(*kind, now_ms));
            }
            Notice::Rebooted { server } => with(server, &|server| server.rebooted(now_ms)),
            Notice::Recovered { server } => with(server, &|server| match server.failure {
                // What shows that deployment is over after all is not to be shown twice.
                Some(ServerFailure::NotDeployed { .. }) => server.failure = None,
                _ => server.forgive(now_ms),
            }),
            // What one reading shows is one happening, however many members it concerns.
            Notice::Drifted { .. } if self.drifted_ms == Some(now_ms) => {}
            Notice::Drifted { .. } => {
                self.drifts += 1;
                self.drifted_ms = Some(now_ms);
            }
            Notice::EpochEnded { .. } | Notice::NotPossible { .. } | Notice::Unreadable { .. } => {}
        }
    }

    fn obey(&mut self, layout: &Layout, request: &Request, now_ms: u64) {
        self.decided.push(request.clone());
        match &request.what {
            Wanted::Approve { step } => {
                self.approved.insert(*step);
            }
            Wanted::Hold => self.standing_hold = Some(HoldReason::Asked),
            Wanted::Abort => {
                self.direction = Direction::Aborting;
                self.aborting_ms = now_ms;
                self.standing_hold = None;
                // All go back, whoever stood in and whoever was deployed to meanwhile.
                for server in &mut self.servers {
                    server.rescued_ms = None;
                    server.taint_accepted = server.tainted;
                }
            }
            Wanted::FallBack => {
                self.direction = Direction::FallingBack;
                self.standing_hold = None;
                // The old version shall serve, and there is nobody else for it.
                for server in &mut self.servers {
                    server.taint_accepted = server.tainted;
                }
            }
            Wanted::Retry { server: None } => self.retry_farm(layout, now_ms),
            Wanted::Retry { server: Some(name) } => {
                if let Some(ix) = layout.server(name) {
                    self.servers[ix].try_again(installer(layout, ix), now_ms);
                }
            }
            Wanted::ByHand { server } => {
                let jobs: Vec<JobKind> = layout
                    .server(server)
                    .map(|ix| layout.jobs_of(ix).collect())
                    .unwrap_or_default();
                self.with(layout, server, |server| {
                    server.done_by_hand(jobs, now_ms);
                    server.forgive(now_ms);
                });
            }
            Wanted::LeaveOut { server } => {
                self.with(layout, server, |server| {
                    server.left_out = true;
                    server.failure = None;
                });
                // A stage may have ended with this: what follows it has all its time from now on.
                let others = self.servers.iter_mut().filter(|it| it.failure.is_none());
                others.filter(|it| it.proven.is_none()).for_each(|it| it.forgive(now_ms));
            }
        }
    }

    fn with(
        &mut self,
        layout: &Layout,
        name: &crate::names::ServerName,
        act: impl FnOnce(&mut ServerProgress),
    ) {
        if let Some(server) = layout.server(name) {
            act(&mut self.servers[server]);
        }
    }

    /// A person wants the run to go on: what stood is forgiven, and a switch that was undone is
    /// begun again.
    fn retry_farm(&mut self, layout: &Layout, now_ms: u64) {
        self.standing_hold = None;
        self.drifts = 0;
        if let Some(HoldReason::TooFew { server }) = self.held.clone() {
            self.with(layout, &server, |server| server.let_go = true);
        }
        for (ix, server) in self.servers.iter_mut().enumerate() {
            server.flag_came_back = 0;
            server.tries.clear();
            server.taint_accepted = server.tainted;
            if server.failure.is_some() {
                server.try_again(installer(layout, ix), now_ms);
            }
        }
        if self.direction == Direction::FallingBack {
            self.direction = Direction::Forward;
            for milestone in [
                FarmMilestone::SwitchBegan,
                FarmMilestone::Switched,
                FarmMilestone::SoakBegan,
                FarmMilestone::Soaked,
                FarmMilestone::FellBack,
            ] {
                self.farm.remove(&milestone);
            }
            for server in &mut self.servers {
                server.taking = false;
            }
        }
    }

    /// Servers left out, in the plan's order.
    pub fn left_out(&self) -> impl Iterator<Item = ServerIx> + '_ {
        self.servers.iter().enumerate().filter(|(_, server)| server.left_out).map(|(ix, _)| ix)
    }
}

/// The job that installs Platform Server on a server.
pub(super) fn installer(layout: &Layout, server: ServerIx) -> Option<JobKind> {
    layout.jobs_of(server).find(|kind| kind.installs())
}

/// What a baseline says of each seat; nothing of a member that it does not list.
fn by_seat(layout: &Layout, baseline: &Baseline) -> Vec<Option<MemberReading>> {
    let read = |seat: &Seat| {
        let node = &layout.nodes[seat.node].name;
        let mut members = baseline.members.iter();
        let found = members.find(|(on, member, _)| on == node && *member == seat.member);
        found.map(|(_, _, read)| read.clone())
    };
    layout.seats.iter().map(read).collect()
}

/// A reason that does not go away by itself: only a person's answer ends it.
fn stands(reason: &HoldReason) -> bool {
    matches!(
        reason,
        HoldReason::SwitchOverdue
            | HoldReason::SoakBad { .. }
            | HoldReason::SomebodyElse { .. }
            | HoldReason::GuardRefused { .. }
            | HoldReason::Asked
            | HoldReason::FellBack
    )
}
