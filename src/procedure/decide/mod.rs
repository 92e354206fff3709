//! What to do now: facts to write down, then actions to start.
//!
//! A decision with events has no actions: what was concluded is durable before anything is done
//! because of it. The drive writes the events, folds them into progress and decides again.
mod faces;
mod flags;
mod holds;
mod jobs;
mod preflight;
mod proof;
mod recovery;
mod rescue;
mod restarts;
mod switch;
mod ways_out;

use crate::journal::{Event, HoldReason, Milestone, Verdict};

use super::action::Action;
use super::layout::{Layout, ServerIx};
use super::progress::{Direction, Progress};
use super::rotation;
use super::steps;
use super::view::View;

pub use super::steps::waiting_gate;
pub use faces::{console_for, console_has_rested, consoles_are_silent, tells};
pub use proof::deployment_since_ms;
pub use ways_out::{may_abort, may_do_by_hand, may_fall_back, may_leave_out, ways_out};

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// Facts and decisions to write down first.
    pub events: Vec<Event>,
    /// Effects to start, at most one for each server and node.
    pub actions: Vec<Action>,
}

impl Decision {
    pub(super) fn reached(
        &mut self,
        layout: &Layout,
        server: ServerIx,
        milestone: Milestone,
        evidence: String,
    ) {
        let server = layout.servers[server].name.clone();
        self.events.push(Event::Reached { server, milestone, evidence });
    }
}

/// How much a hold stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holding {
    /// There is none.
    No,
    /// Nothing new is touched, and what was begun is finished: a pool without service, a farm without
    /// a console, one that is a server short, or too few servers, are helped by nothing else, since
    /// whoever becomes proven can serve, its console with it.
    Finishing,
    /// All but protection.
    Wholly,
}

impl Holding {
    fn by(reason: Option<&HoldReason>) -> Self {
        match reason {
            None => Self::No,
            Some(
                HoldReason::FloorLost { .. }
                | HoldReason::ConsoleUnknown
                | HoldReason::ServerUnknown { .. }
                | HoldReason::TooFew { .. }
                | HoldReason::CannotLeave { .. }
                | HoldReason::KeptOut { .. },
            ) => Self::Finishing,
            Some(_) => Self::Wholly,
        }
    }
}

/// Decides. Pure: the same plan, progress and view give the same decision.
#[must_use]
pub fn decide(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let mut decision = Decision::default();
    if progress.ended.is_some() {
        return decision;
    }
    if progress.baseline.is_none() {
        preflight::decide(layout, view, &mut decision);
        return decision;
    }
    facts(layout, progress, view, &mut decision);
    if !decision.events.is_empty() {
        return decision;
    }
    let hold = holds::reason(layout, progress, view);
    told(layout, progress, hold.as_ref(), &mut decision);
    if !decision.events.is_empty() {
        return decision;
    }
    let holding = Holding::by(hold.as_ref());
    // Where changes are without effect, those are what the run waits for.
    let insists = matches!(hold, Some(HoldReason::BalancerIgnores { .. }));
    rotation::reconcile(layout, progress, view, hold.is_some() && !insists, &mut decision);
    flags::actions(layout, progress, view, holding, &mut decision);
    let goes_on = holding != Holding::Wholly && progress.direction == Direction::Forward;
    if goes_on {
        let finishing = holding == Holding::Finishing;
        restarts::actions(layout, progress, view, &mut decision);
        jobs::actions(layout, progress, view, finishing, &mut decision);
    }
    if progress.direction != Direction::Aborting {
        proof::actions(layout, progress, view, goes_on, &mut decision);
    }
    proof::watch(layout, progress, view, &mut decision);
    if progress.direction == Direction::Aborting {
        jobs::abort_actions(layout, progress, view, &mut decision);
    }
    switch::nudges(layout, progress, view, &mut decision);
    decision
}

/// What the readings show, and was not written down yet.
fn facts(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    recovery::facts(layout, progress, view, decision);
    if !decision.events.is_empty() {
        return; // judged afresh, with its deadlines
    }
    restarts::facts(layout, progress, view, decision);
    jobs::facts(layout, progress, view, decision);
    proof::facts(layout, progress, view, decision);
    flags::facts(layout, progress, view, decision);
    rotation::milestones(layout, progress, view, decision);
    rescue::facts(layout, progress, view, decision);
    if decision.events.is_empty() {
        switch::facts(layout, progress, view, decision);
    }
    if decision.events.is_empty() {
        ending(layout, progress, view, decision);
    }
}

/// Holds, gates and steps as they begin and end.
fn told(layout: &Layout, progress: &Progress, hold: Option<&HoldReason>, decision: &mut Decision) {
    if hold != progress.held.as_ref() {
        decision.events.push(match hold {
            Some(reason) => {
                Event::Held { reason: reason.clone(), ways_out: ways_out(layout, progress, reason) }
            }
            None => Event::Released,
        });
    }
    let step = steps::step(layout, progress);
    if progress.direction == Direction::Forward && progress.step_written != Some(step) {
        decision.events.push(Event::Step { step });
    }
    if hold.is_none()
        && let Some(gate) = steps::waiting_gate(layout, progress)
        && progress.at_gate != Some(gate)
    {
        decision.events.push(Event::AtGate { step: gate });
    }
}

/// Members, weights, flag, start type and service are as the baseline had them, by readings of now.
fn is_as_before(layout: &Layout, progress: &Progress, view: &View, server: ServerIx) -> bool {
    rotation::is_restored(layout, progress, view, server)
        && flags::is_restored(layout, progress, view, server)
}

/// Nothing is left to do but to find everybody as he shall be.
fn restores(layout: &Layout, progress: &Progress) -> bool {
    let restoring = match progress.direction {
        Direction::Forward => steps::step(layout, progress) == 9,
        Direction::Aborting => true,
        Direction::FallingBack => false,
    };
    restoring && steps::may_begin(layout, progress, 9)
}

/// Everything is as it shall be.
fn ending(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    if !restores(layout, progress) {
        return;
    }
    let as_before_now = |server| is_as_before(layout, progress, view, server);
    let stays = |server: &ServerIx| !progress.servers[*server].left_out;
    // Nobody is watched on the way back as whoever is proven is: all are as they were at one instant,
    // or what was so of one minutes ago would be claimed of it in the end.
    let aborting = progress.direction == Direction::Aborting;
    if aborting && !layout.front_ends().filter(stays).all(as_before_now) {
        return;
    }
    for server in layout.front_ends() {
        let record = &progress.servers[server];
        // Whoever is no longer proven is not done, though nothing of it may differ.
        let whole = record.proven.is_some() || aborting;
        let as_before = !record.restored && !record.left_out && whole && as_before_now(server);
        if as_before {
            let evidence = "members, weights, flag and start type as in the baseline".to_owned();
            decision.reached(layout, server, Milestone::Restored, evidence);
        }
    }
    let restored = |server: &super::progress::ServerProgress| server.restored;
    // Whoever was back a while ago may have been kept out by its checks since.
    let serves = |server| rotation::is_restored(layout, progress, view, server);
    if decision.events.is_empty()
        && steps::everyone(layout, progress, restored)
        && layout.front_ends().filter(stays).all(serves)
    {
        let name = |server: ServerIx| layout.servers[server].name.clone();
        let verdict = match progress.direction {
            Direction::Aborting => Verdict::Aborted,
            _ => Verdict::Done { left_out: progress.left_out().map(name).collect() },
        };
        decision.events.push(Event::Ended { verdict });
    }
}
