//! **A run ends, or it truly holds**: by its root deadline it is done, or it holds for a reason
//! that is so; and a run in which nothing struck that needs a person ends done.
//!
//! Why: a run that hangs protects nobody and tells nobody; a false hold calls a person at night
//! for nothing.
//!
//! Allowed to fail: a hold for a server that had crashed, or for what only it could give, within
//! the bound after it came back ([`super::Bounds::back`]).
//!
//! Sabotage that breaks it: wait for ever for a lost answer; hold at the first lost poll.
use evenkeel::journal::{Event, HoldReason};

use super::hold_is_true::{just_ceased, why_false};
use super::{Context, Finding, Ground, Invariant, RunVerdict};

pub(super) struct RunEndsOrHolds;

impl Invariant for RunEndsOrHolds {
    fn name(&self) -> &'static str {
        "run_ends_or_holds"
    }

    fn sentence(&self) -> &'static str {
        "a run ends, or holds for a reason that is so; where nobody is needed it ends done"
    }

    fn told(&mut self, event: &Event, ground: &Ground, context: &Context) -> Vec<Finding> {
        let Event::Held { reason, .. } = event else { return Vec::new() };
        let Some(why) = why_false(reason, ground, context) else { return Vec::new() };
        vec![Finding {
            from_ms: None,
            subject: format!("{reason:?}"),
            what: format!("the run holds for {reason:?}, but {why}"),
            excuse: just_ceased(reason, ground, context),
        }]
    }

    fn at_end(
        &mut self,
        verdict: &RunVerdict,
        _ground: &Ground,
        context: &Context,
    ) -> Vec<Finding> {
        let what = match verdict {
            RunVerdict::Done { .. } => return Vec::new(),
            RunVerdict::Held { .. } if context.faults.may_need_a_person() => return Vec::new(),
            RunVerdict::Held { reason: HoldReason::GuardRefused { .. } }
                if context.guard_may_refuse =>
            {
                return Vec::new();
            }
            RunVerdict::Held { reason } => {
                format!(
                    "the run was left holding for {reason:?}, and nothing struck that needs a person"
                )
            }
            RunVerdict::Aborted => "the run was aborted, and nobody asked".to_owned(),
            RunVerdict::Refused { why } => format!("the run was refused: {}", why.join("; ")),
            RunVerdict::Stuck => "the run neither ended nor held by its deadline".to_owned(),
            RunVerdict::Broken { why } => format!("the program broke: {why}"),
        };
        vec![Finding { from_ms: None, subject: "end".into(), what, excuse: None }]
    }
}
