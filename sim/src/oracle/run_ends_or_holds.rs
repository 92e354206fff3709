//! **A run ends, or it truly holds**: by its root deadline it is done, or it holds for a reason
//! that is so; and a run in which nothing struck that needs a person ends done.
//!
//! In the second phase of a rehearsal a core of the farm has healed for good and a person answers: a
//! run that still holds in the end does so for a server that stays broken, or is wrong to. Until then
//! a hold lasts as long as its reason, or until a person answers where only he can say that it is over.
//!
//! Why: a run that hangs protects nobody and tells nobody; a false hold calls a person at night
//! for nothing.
//!
//! Allowed to fail: a hold for a server that had crashed, or for what only it could give, within
//! the bound after it came back ([`super::Bounds::back`]); a hold that a person asked for and let go
//! while no process ran, until the next one has started.
//!
//! A run may be left holding for want of a console where every old one fails on the new database
//! and an old server's Deployment Service was started by a fault since: it may have enabled itself,
//! only a console could tell or disable it, and the job that would bring one publishes to whoever
//! is enabled. Only somebody on that server's machine can help, and nobody is rehearsed there.
//!
//! Sabotage that breaks it: wait for ever for a lost answer; hold at the first lost poll.
use std::collections::BTreeSet;

use evenkeel::journal::{Event, HoldReason, Request, Wanted};
use evenkeel::names::ServerName;
use evenkeel_fakes::truth::OldConsole;

use super::ground::Server;
use super::hold_is_true::{consoles_are_out, just_ceased, why_false};
use super::{Context, Finding, Ground, Incident, Invariant, RunVerdict};
use crate::nemesis::Fault;

#[derive(Default)]
pub(super) struct RunEndsOrHolds {
    /// Servers that truly could not go on when the journal said so. Nobody is waited for but a
    /// person from then on, so that a hold for them is one also when they have recovered since.
    failed: BTreeSet<ServerName>,
    /// Why the run holds.
    held: Option<HoldReason>,
}

/// Somebody is needed who did not come, or who came and cannot mend what stays broken.
fn may_stay_held(reason: &HoldReason, ground: &Ground, context: &Context) -> bool {
    if !context.healed {
        return context.faults.may_need_a_person();
    }
    let mut unmended = context.faults.unmended();
    unmended.retain(|server| !ground.ready(server));
    match reason {
        HoldReason::ServerFailed { server } | HoldReason::ServerUnknown { server } => {
            unmended.contains(server.as_str())
        }
        // Without whoever is broken the others may be too few, or have nobody who goes before them.
        HoldReason::FloorLost { .. }
        | HoldReason::TooFew { .. }
        | HoldReason::CannotLeave { .. }
        | HoldReason::KeptOut { .. }
        | HoldReason::ConsoleUnknown
        | HoldReason::SwitchOverdue
        | HoldReason::SoakBad { .. }
        | HoldReason::FellBack => !unmended.is_empty(),
        HoldReason::DrainOverdue { .. }
        | HoldReason::DeploymentUnderLoad { .. }
        | HoldReason::BalancerUnknown { .. }
        | HoldReason::BalancerIgnores { .. }
        | HoldReason::ConsoleIgnores { .. }
        | HoldReason::LoginRefused { .. }
        | HoldReason::SomebodyElse { .. }
        | HoldReason::UnknownWord { .. }
        | HoldReason::GuardRefused { .. }
        | HoldReason::Asked => false,
    }
}

/// Something was not as it has to be when a run begins, or could not be read.
fn is_unfit_for_a_run(ground: &Ground, context: &Context) -> bool {
    let unreadable = |it: &Incident| {
        let until_ms = it.until_ms.or(it.felt_ms().map(|felt| felt.1));
        let reads = matches!(
            it.fault,
            Fault::Link(_) | Fault::Balancer(_) | Fault::ServiceCenter(_) | Fault::Correlated(_)
        );
        reads && until_ms.is_none_or(|ms| ms + context.policy.unknown_ms_max > ground.now_ms)
    };
    let as_ever = |it: &Server| {
        it.initialised()
            && it.deploying_since_ms.is_none()
            && (!it.front_end || (it.serves() && it.enabled))
    };
    context.faults.incidents().any(unreadable)
        || !ground.servers.values().all(as_ever)
        || !ground.members.values().all(super::ground::Member::eligible)
}

/// Only a person says that the reason is over.
fn waits_for_a_person(reason: &HoldReason) -> bool {
    matches!(
        reason,
        HoldReason::SwitchOverdue
            | HoldReason::SoakBad { .. }
            | HoldReason::FellBack
            | HoldReason::LoginRefused { .. }
            | HoldReason::SomebodyElse { .. }
            | HoldReason::GuardRefused { .. }
            | HoldReason::Asked
    )
}

/// No console is left that could tell whether an old server has enabled itself.
fn nobody_can_tell(ground: &Ground, context: &Context) -> bool {
    let restarted = |(name, it): (&String, &Server)| {
        let by_fault = context.faults.back_at(name).is_some() || it.enabled_itself_at_ms.is_some();
        it.front_end && !it.touched && !context.updating.contains(name) && by_fault
    };
    context.old_console == OldConsole::Fails
        && ground.database_new
        && consoles_are_out(ground, context)
        && ground.servers.iter().any(restarted)
}

impl RunEndsOrHolds {
    /// The run holds for a reason now.
    fn judge(&self, reason: &HoldReason, ground: &Ground, context: &Context) -> Vec<Finding> {
        if matches!(reason, HoldReason::ServerFailed { server } if self.failed.contains(server)) {
            return Vec::new();
        }
        let Some(why) = why_false(reason, ground, context) else {
            return Vec::new();
        };
        vec![Finding {
            from_ms: None,
            subject: format!("{reason:?}"),
            what: format!("the run holds for {reason:?}, but {why}"),
            excuse: just_ceased(reason, ground, context),
        }]
    }
}

impl Invariant for RunEndsOrHolds {
    fn name(&self) -> &'static str {
        "run_ends_or_holds"
    }

    fn sentence(&self) -> &'static str {
        "a run ends, or holds for a reason that is so; where nobody is needed it ends done"
    }

    fn told(&mut self, event: &Event, ground: &Ground, context: &Context) -> Vec<Finding> {
        match event {
            Event::Held { reason, .. } => {
                self.held = Some(reason.clone());
                return self.judge(reason, ground, context);
            }
            Event::Released => self.held = None,
            Event::Failed { server, .. } => {
                let reason = HoldReason::ServerFailed { server: server.clone() };
                if why_false(&reason, ground, context).is_none() {
                    self.failed.insert(server.clone());
                }
            }
            Event::Decided(Request { what: Wanted::Retry { server: None }, .. }) => {
                self.failed.clear();
            }
            Event::Decided(Request {
                what: Wanted::Retry { server: Some(server) } | Wanted::ByHand { server },
                ..
            }) => {
                self.failed.remove(server);
            }
            _ => {}
        }
        Vec::new()
    }

    fn at_call(&mut self, ground: &Ground, context: &Context) -> Vec<Finding> {
        match &self.held {
            Some(reason) if !waits_for_a_person(reason) => self.judge(reason, ground, context),
            _ => Vec::new(),
        }
    }

    fn at_end(&mut self, verdict: &RunVerdict, ground: &Ground, context: &Context) -> Vec<Finding> {
        let what = match verdict {
            RunVerdict::Done { .. } => return Vec::new(),
            RunVerdict::Aborted if context.faults.asked(&Wanted::Abort) => return Vec::new(),
            RunVerdict::Refused { .. } if is_unfit_for_a_run(ground, context) => return Vec::new(),
            RunVerdict::Held { reason } if may_stay_held(reason, ground, context) => {
                return Vec::new();
            }
            RunVerdict::Held { reason: HoldReason::ConsoleUnknown }
                if nobody_can_tell(ground, context) =>
            {
                return Vec::new();
            }
            RunVerdict::Held { reason: HoldReason::GuardRefused { .. } }
                if context.guard_may_refuse =>
            {
                return Vec::new();
            }
            RunVerdict::Held { reason } => {
                let why = match context.healed {
                    true => "everything was mended, and a person had answered",
                    false => "nothing struck that needs a person",
                };
                format!("the run was left holding for {reason:?}, and {why}")
            }
            RunVerdict::Aborted => "the run was aborted, and nobody asked".to_owned(),
            RunVerdict::Refused { why } => format!("the run was refused: {}", why.join("; ")),
            RunVerdict::Stuck => "the run neither ended nor held by its deadline".to_owned(),
            RunVerdict::Broken { why } => format!("the program broke: {why}"),
        };
        vec![Finding { from_ms: None, subject: "end".into(), what, excuse: None }]
    }
}
