//! The oracle: says whether a run was good, from ground truth alone.
//!
//! It is fed the doubles' ledger, the faults that struck, what the journal claimed and the verdict,
//! in the order in which they happened. Between two entries of the ledger nothing changes, so each
//! invariant judges the span up to an entry on the state before it; spans of no length (the
//! intermediate states of one command) are nobody's to see.
//!
//! * [`ground`] — the fold of the ledger.
//! * [`sometimes`] — what must happen in a campaign.
//! * [`excuse`] — faults, bounds, excuses.
//! * one file per invariant, each with its statement, why, when it is allowed to fail, and the
//!   sabotage that breaks it.
pub mod excuse;
pub mod ground;
pub mod sometimes;

mod capacity_covers_load;
mod context;
mod everyone_ends_upgraded;
mod hold_is_true;
mod journal_tells_the_truth;
mod no_deployment_under_load;
mod no_request_is_cut;
mod no_user_meets_an_upgrade;
mod one_version_in_rotation;
mod one_writer;
mod policy_is_kept;
mod result_is_true;
mod run_ends_or_holds;
mod strangers_untouched;
mod words;
mod zone_always_served;

use std::collections::{BTreeMap, BTreeSet};

use evenkeel::farm::policy::Policy;
use evenkeel::journal::{self, HoldReason, Wanted};
use evenkeel_fakes::ledger::{Entry, Event};
use serde::Serialize;

pub use capacity_covers_load::Demand;
pub use context::Context;
pub use excuse::{Bound, Bounds, Excuse, Faults, Incident, Struck};
pub use ground::{Ground, MemberKey};
pub use result_is_true::contradiction;
use sometimes::Sometimes;

/// A stretch of time without changes.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// From this instant.
    pub from_ms: u64,
    /// Until just before this one.
    pub to_ms: u64,
}

/// Users' requests that were in flight to a member when its server stopped to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The member.
    pub member: MemberKey,
    /// The server behind it.
    pub server: String,
    /// How many.
    pub requests: u64,
}

/// Users' requests that a server's queue had no place for, or that were given up in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnedAway {
    /// The server.
    pub server: String,
    /// How many.
    pub requests: u64,
    /// Since when somebody has waited there without interruption.
    pub piling_up_since_ms: u64,
}

/// Something that is seen at an instant.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// Ground truth has changed; it is taken up already.
    Entry(&'a Entry),
    /// Users' requests were lost.
    Lost(&'a Lost),
    /// Users' requests were turned away.
    TurnedAway(&'a TurnedAway),
    /// The server of a test was asked for an application's page.
    Tested {
        /// The number of the test's intent.
        intent: u64,
    },
    /// An orchestrator's process that does not hold the run changes something.
    Stray {
        /// Which process, counted from 1.
        process: u64,
        /// Where.
        to: &'a str,
    },
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum RunVerdict {
    /// Done; servers left out are named.
    Done {
        /// Servers left out.
        left_out: Vec<String>,
    },
    /// Held, and nobody came.
    Held {
        /// Why.
        reason: HoldReason,
    },
    /// Aborted on request.
    Aborted,
    /// Refused before anything was touched.
    Refused {
        /// Why.
        why: Vec<String>,
    },
    /// Neither ended nor held by the root deadline.
    Stuck,
    /// The program broke: a panic, or an error of its own machine.
    Broken {
        /// What it said.
        why: String,
    },
}

/// Something an invariant finds wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The pool, member or server; a finding is told once per subject.
    pub subject: String,
    /// What is wrong, as a sentence without a full stop.
    pub what: String,
    /// From when on within the span; its beginning when `None`.
    pub from_ms: Option<u64>,
    /// The excuse that lasts longest.
    pub excuse: Option<Excuse>,
}

/// One invariant.
pub trait Invariant {
    /// Its name: a sentence with underscores.
    fn name(&self) -> &'static str;

    /// Its statement, for people.
    fn sentence(&self) -> &'static str;

    /// Judges a span without changes.
    fn over(&mut self, _span: Span, _ground: &Ground, _context: &Context) -> Vec<Finding> {
        Vec::new()
    }

    /// Judges what is seen at this instant.
    fn saw(&mut self, _sight: &Sight<'_>, _ground: &Ground, _context: &Context) -> Vec<Finding> {
        Vec::new()
    }

    /// Judges what the journal claims at this instant.
    fn told(
        &mut self,
        _event: &journal::Event,
        _ground: &Ground,
        _context: &Context,
    ) -> Vec<Finding> {
        Vec::new()
    }

    /// Judges that somebody is called, whom the run has waited for: the farm is healed next.
    fn at_call(&mut self, _ground: &Ground, _context: &Context) -> Vec<Finding> {
        Vec::new()
    }

    /// Judges the end.
    fn at_end(
        &mut self,
        _verdict: &RunVerdict,
        _ground: &Ground,
        _context: &Context,
    ) -> Vec<Finding> {
        Vec::new()
    }
}

/// An invariant was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The invariant.
    pub invariant: &'static str,
    /// Its statement.
    pub sentence: &'static str,
    /// When.
    pub at_ms: u64,
    /// What was wrong.
    pub what: String,
}

/// An invariant failed where it is allowed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excused {
    /// The invariant.
    pub invariant: &'static str,
    /// What was wrong.
    pub what: String,
    /// When first.
    pub at_ms: u64,
    /// For how long altogether.
    pub for_ms: u64,
    /// The excuse.
    pub excuse: Excuse,
}

/// What the oracle says in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// Broken invariants, in the order in which they broke, one per invariant and subject.
    pub violations: Vec<Violation>,
    /// Excused failures, one per invariant, subject and fault.
    pub excused: Vec<Excused>,
    /// Situations that came about, by name.
    pub sometimes: BTreeSet<&'static str>,
    /// Reasons for which the run held, by name.
    pub holds: BTreeSet<String>,
}

/// The oracle of one run.
pub struct Oracle {
    ground: Ground,
    context: Context,
    invariants: Vec<Box<dyn Invariant>>,
    judgement: Judgement,
    sometimes: Sometimes,
    told_of: BTreeSet<(&'static str, String)>,
    excused_of: BTreeMap<(&'static str, String, String, String), usize>,
}

impl Oracle {
    /// An oracle with every invariant.
    #[must_use]
    pub fn new(ground: Ground, context: Context) -> Self {
        let invariants: Vec<Box<dyn Invariant>> = vec![
            Box::<zone_always_served::ZoneAlwaysServed>::default(),
            Box::new(no_user_meets_an_upgrade::NoUserMeetsAnUpgrade),
            Box::<one_version_in_rotation::OneVersionInRotation>::default(),
            Box::<no_deployment_under_load::NoDeploymentUnderLoad>::default(),
            Box::<capacity_covers_load::CapacityCoversLoad>::default(),
            Box::<no_request_is_cut::NoRequestIsCut>::default(),
            Box::new(everyone_ends_upgraded::EveryoneEndsUpgraded),
            Box::<run_ends_or_holds::RunEndsOrHolds>::default(),
            Box::<journal_tells_the_truth::JournalTellsTheTruth>::default(),
            Box::new(one_writer::OneWriter),
            Box::new(strangers_untouched::StrangersUntouched),
            Box::<policy_is_kept::PolicyIsKept>::default(),
            Box::<result_is_true::ResultIsTrue>::default(),
        ];
        Self::with(ground, context, invariants)
    }

    /// An oracle with some invariants.
    fn with(ground: Ground, context: Context, invariants: Vec<Box<dyn Invariant>>) -> Self {
        Self {
            ground,
            context,
            invariants,
            judgement: Judgement::default(),
            sometimes: Sometimes::default(),
            told_of: BTreeSet::new(),
            excused_of: BTreeMap::new(),
        }
    }

    /// Ground truth as it stands.
    #[must_use]
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// The policy of the run.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.context.policy
    }

    /// Faults so far.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.context.faults
    }

    /// No invariant was broken so far.
    #[must_use]
    pub fn content(&self) -> bool {
        self.judgement.violations.is_empty()
    }

    /// Takes up a change of ground truth.
    pub fn entry(&mut self, entry: &Entry) {
        self.pass(entry.at_ms);
        if let Event::FaultMet { tag } = entry.event {
            self.met(entry.at_ms, tag as usize);
        }
        if let Event::Up { server } = &entry.event {
            self.context.faults.up(entry.at_ms, server);
        }
        self.ground.apply(entry);
        self.saw(entry.at_ms, &Sight::Entry(entry));
        self.sometimes.entry(entry);
    }

    /// A situation came about.
    pub fn happened(&mut self, situation: &'static str) {
        self.sometimes.happened(situation);
    }

    /// Takes up what is seen at an instant.
    pub fn saw(&mut self, at_ms: u64, sight: &Sight<'_>) {
        self.pass(at_ms);
        let span = Span { from_ms: at_ms, to_ms: at_ms };
        self.ask(span, |invariant, ground, context| invariant.saw(sight, ground, context));
    }

    /// Takes up who has users' requests to answer, for what is told next.
    pub fn unanswered(&mut self, unanswered: BTreeMap<String, u64>) {
        self.context.unanswered = unanswered;
    }

    /// Takes up a fault.
    pub fn strike(&mut self, at_ms: u64, struck: Struck) {
        self.pass(at_ms);
        if let Struck::Asked { what: Wanted::Approve { step } } = &struck {
            self.context.shut.remove(step);
        }
        self.context.faults.strike(at_ms, struck);
    }

    /// Somebody met a fault, or it changed something.
    pub fn met(&mut self, at_ms: u64, place: usize) {
        self.pass(at_ms);
        self.context.faults.met(at_ms, place);
    }

    /// Takes up what the journal says has happened or is about to; `durable` tells whether the
    /// disk has it.
    pub fn told(&mut self, at_ms: u64, event: &journal::Event, durable: bool) {
        self.pass(at_ms);
        self.context.told_is_durable = durable;
        self.context.hear(at_ms, event);
        let span = Span { from_ms: at_ms, to_ms: at_ms };
        self.ask(span, |invariant, ground, context| invariant.told(event, ground, context));
        self.sometimes.told(event, &self.ground);
    }

    /// A core of the farm heals for good, since the run has held for so long that somebody comes; no
    /// fault strikes any more. Tells which are not over.
    pub fn end_of_faults(&mut self, at_ms: u64) -> Vec<(usize, crate::nemesis::Fault)> {
        self.pass(at_ms);
        let span = Span { from_ms: at_ms, to_ms: at_ms };
        self.ask(span, |invariant, ground, context| invariant.at_call(ground, context));
        self.context.healed = true;
        self.context.faults.heal(at_ms)
    }

    /// Ends the run.
    #[must_use]
    pub fn finish(mut self, at_ms: u64, verdict: &RunVerdict) -> Judgement {
        self.pass(at_ms);
        let span = Span { from_ms: at_ms, to_ms: at_ms };
        self.ask(span, |invariant, ground, context| invariant.at_end(verdict, ground, context));
        self.judgement.violations.sort_by_key(|violation| violation.at_ms);
        (self.judgement.sometimes, self.judgement.holds) = self.sometimes.take();
        self.judgement
    }

    /// Lets time pass without changes.
    fn pass(&mut self, to_ms: u64) {
        let span = Span { from_ms: self.ground.now_ms, to_ms };
        if span.to_ms > span.from_ms {
            let mute = hold_is_true::telling_consoles(&self.ground, &self.context).next().is_none();
            self.context.faults.consoles_are_mute(span.from_ms, mute);
            self.ask(span, |invariant, ground, context| invariant.over(span, ground, context));
            self.ground.now_ms = to_ms;
        }
    }

    fn ask(
        &mut self,
        span: Span,
        mut question: impl FnMut(&mut dyn Invariant, &Ground, &Context) -> Vec<Finding>,
    ) {
        let mut invariants = std::mem::take(&mut self.invariants);
        for invariant in &mut invariants {
            let findings = question(invariant.as_mut(), &self.ground, &self.context);
            for finding in findings {
                self.judge(invariant.as_ref(), span, finding);
            }
        }
        self.invariants = invariants;
    }

    /// A finding is excused as far as its excuse reaches, and a violation from then on.
    fn judge(&mut self, invariant: &dyn Invariant, span: Span, finding: Finding) {
        let span = Span { from_ms: finding.from_ms.unwrap_or(span.from_ms), ..span };
        let broken_ms = match &finding.excuse {
            None => span.from_ms,
            Some(Excuse { until_ms: None, .. }) => u64::MAX,
            Some(Excuse { until_ms: Some(until_ms), .. }) => (*until_ms).max(span.from_ms),
        };
        if let Some(excuse) = finding.excuse.filter(|excuse| excuse.covers(span.from_ms)) {
            let for_ms = broken_ms.min(span.to_ms) - span.from_ms;
            let key = (
                invariant.name(),
                finding.subject.clone(),
                excuse.fault.clone(),
                excuse.at.clone(),
            );
            let excused = &mut self.judgement.excused;
            let place = *self.excused_of.entry(key).or_insert(excused.len());
            match excused.get_mut(place) {
                Some(known) => {
                    known.for_ms += for_ms;
                    known.excuse = excuse;
                }
                None => excused.push(Excused {
                    invariant: invariant.name(),
                    what: finding.what.clone(),
                    at_ms: span.from_ms,
                    for_ms,
                    excuse,
                }),
            }
        }
        // A claim and a verdict are judged at an instant, a state over its span.
        let broken =
            broken_ms < span.to_ms || (span.from_ms == span.to_ms && broken_ms <= span.to_ms);
        if broken && self.told_of.insert((invariant.name(), finding.subject)) {
            self.judgement.violations.push(Violation {
                invariant: invariant.name(),
                sentence: invariant.sentence(),
                at_ms: broken_ms,
                what: finding.what,
            });
        }
    }
}

/// The excuse that lasts longest.
fn longest(excuses: impl IntoIterator<Item = Excuse>) -> Option<Excuse> {
    excuses.into_iter().max_by_key(|excuse| excuse.until_ms.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
