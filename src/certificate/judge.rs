//! What speaks against a certificate: everything at once, each as a sentence.
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Certificate, Program};
use crate::farm::policy::{Faults, Rehearsal};
use crate::farm::short;

/// How far two machines' clocks may be apart: more than any that are kept by NTP.
const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What a certificate must vouch for.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The plan's hash.
    pub plan_hash: &'a str,
    /// What its policy asks.
    pub rehearsal: &'a Rehearsal,
    /// The program that is going to carry it out.
    pub program: &'a Program,
    /// Wall time now.
    pub now: Timestamp,
}

/// Something that speaks against a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "objection")]
pub enum Objection {
    /// It is of another plan.
    OtherPlan {
        /// Hash of the plan that was rehearsed.
        rehearsed: String,
        /// Hash of the plan that is to be carried out.
        given: String,
    },
    /// It is of another program.
    OtherProgram {
        /// The one that was rehearsed.
        rehearsed: Program,
        /// The one that runs.
        this: Program,
    },
    /// Its campaign broke an invariant.
    Violated {
        /// Runs in which one was broken.
        violated: u64,
        /// All runs.
        runs: u64,
    },
    /// None of its runs ended done: nothing shows that this plan can be carried out.
    NoneDone {
        /// All runs.
        runs: u64,
    },
    /// Its campaign reached less than one of its size and faults should: what never came about was
    /// never survived either.
    Gaps {
        /// How much of that.
        gaps: u64,
    },
    /// Its campaign had fewer seeds than the policy asks.
    TooFewSeeds {
        /// Its seeds.
        seeds: u64,
        /// The policy's.
        wanted: u32,
    },
    /// Its campaign had not the faults that the policy asks.
    OtherFaults {
        /// Its `--faults`.
        faults: String,
        /// The policy's.
        wanted: Faults,
    },
    /// It is older than the policy allows.
    TooOld {
        /// Hours since the rehearsal, rounded up.
        age_h: u64,
        /// The policy's.
        age_h_max: u32,
    },
    /// It is of a time that has not come: how old it is cannot be known.
    FromTheFuture {
        /// When it says it was rehearsed.
        rehearsed_at: Timestamp,
        /// What this machine's clock says.
        now: Timestamp,
    },
}

impl Certificate {
    /// Everything that speaks against this certificate; nothing means that it vouches.
    #[must_use]
    pub fn objections(&self, demand: &Demand<'_>) -> Vec<Objection> {
        let Demand { plan_hash, rehearsal, program, now } = *demand;
        let (runs, verdicts) = (self.seeds.count, &self.verdicts);
        let mut found = Vec::new();
        if self.plan_hash != plan_hash {
            let rehearsed = self.plan_hash.clone();
            found.push(Objection::OtherPlan { rehearsed, given: plan_hash.to_owned() });
        }
        if !self.program.is_built_as(program) {
            let rehearsed = self.program.clone();
            found.push(Objection::OtherProgram { rehearsed, this: program.clone() });
        }
        if verdicts.violated > 0 {
            found.push(Objection::Violated { violated: verdicts.violated, runs });
        }
        if verdicts.done == 0 {
            found.push(Objection::NoneDone { runs });
        }
        if self.gaps > 0 {
            found.push(Objection::Gaps { gaps: self.gaps });
        }
        if runs < u64::from(rehearsal.seeds_min) {
            found.push(Objection::TooFewSeeds { seeds: runs, wanted: rehearsal.seeds_min });
        }
        // A list of families is no more than `none`, whatever is in it: it leaves others out.
        let word = Faults::WORDS.iter().find(|(word, _)| *word == self.faults);
        if word.map_or(Faults::None, |(_, faults)| *faults) < rehearsal.faults {
            let wanted = rehearsal.faults;
            found.push(Objection::OtherFaults { faults: self.faults.clone(), wanted });
        }
        found.extend(self.age(rehearsal, now));
        found
    }

    /// What its age says. Wall time is subtracted here and nowhere else: days are what is asked
    /// for, and two processes have no other clock in common.
    fn age(&self, rehearsal: &Rehearsal, now: Timestamp) -> Option<Objection> {
        let age = now.duration_since(self.rehearsed_at);
        if age < -CLOCKS_APART_MAX {
            return Some(Objection::FromTheFuture { rehearsed_at: self.rehearsed_at, now });
        }
        let age_h_max = rehearsal.age_h_max;
        let too_old = age > SignedDuration::from_hours(i64::from(age_h_max));
        // Rounded up, or it would read `168 hours old, and 168 are allowed`.
        let age_h = u64::try_from(age.as_secs()).unwrap_or(0).div_ceil(3_600);
        too_old.then_some(Objection::TooOld { age_h, age_h_max })
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherPlan { rehearsed, given } => {
                let (rehearsed, given) = (short(rehearsed), short(given));
                write!(f, "another plan was rehearsed: {rehearsed}, and this one is {given}")
            }
            Self::OtherProgram { rehearsed, this } => {
                write!(f, "another program was rehearsed: {rehearsed}, and this one is {this}")
            }
            Self::Violated { violated, runs } => {
                write!(f, "the rehearsal broke an invariant in {violated} of {runs} runs")
            }
            Self::NoneDone { runs } => write!(
                f,
                "none of its {runs} runs ended done: nothing shows that this plan can be carried out"
            ),
            Self::Gaps { gaps } => write!(
                f,
                "the campaign had gaps, {gaps} of them: it reached less than one of its size and \
                 faults should; `evenkeel-sim rehearse` names each"
            ),
            Self::TooFewSeeds { seeds, wanted } => write!(
                f,
                "{seeds} seeds were rehearsed, and `policy.rehearsal` asks for {wanted} at least"
            ),
            Self::OtherFaults { faults, wanted } => write!(
                f,
                "it was rehearsed with `--faults {faults}`, and `policy.rehearsal` asks for \
                 `{wanted}`"
            ),
            Self::TooOld { age_h, age_h_max } => write!(
                f,
                "the rehearsal is {age_h} hours old, and `policy.rehearsal` allows {age_h_max} at most"
            ),
            Self::FromTheFuture { rehearsed_at, now } => write!(
                f,
                "it says that it was rehearsed at {rehearsed_at:.0}, and here it is {now:.0}: one \
                 of two clocks is wrong, so how old it is cannot be known"
            ),
        }
    }
}
