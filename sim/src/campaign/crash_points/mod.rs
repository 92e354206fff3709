//! Every crash point: one run without other faults is enumerated, and repeated with a crash of the
//! orchestrator at every single point of it.
//!
//! A run can be killed when it has handed a record to its disk (what it did is then not known to
//! have been done), when a record is durable (an intent's effect has not left), and when it has
//! sent something to where an effect of its own is under way: that never arrives, arrives and is
//! answered to nobody, or arrives when the next process has already looked. All of a run's progress
//! is in its records and all of its effects leave in what it sends, so there is no other point at
//! which a crash would leave another world behind.
mod point;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use crate::nemesis::{Choice, Source};
use crate::oracle::RunVerdict;
use crate::scenario::Scenario;
use crate::world::{Order, Outcome, Points, rehearse};

use super::in_order::in_order;

pub use point::{Away, Class, Crashes, Part, Place, Point};

/// One seed of a scenario, to be crashed.
pub struct CrashPoints<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The seed.
    pub seed: u64,
    /// How many runs at a time.
    pub jobs: NonZeroUsize,
}

/// Runs that are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub runs: u64,
    /// Ended done, with nobody left out.
    pub done: u64,
    /// Held, truly.
    pub held: u64,
    /// Broke an invariant, or ended in another way.
    pub failed: u64,
    /// Did not get as far as to be killed as often as was planned: no finding, and no proof.
    pub not_reached: u64,
}

/// A crash after which a run went wrong.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Where it was killed.
    pub crashes: Crashes,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of all crashes.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Runs by what they have in common: the classes of their crashes, and the last absence.
    pub tallies: BTreeMap<(Vec<Class>, Away), Tally>,
    /// Every run that went wrong.
    pub failures: Vec<Failure>,
    /// Simulated time altogether.
    pub simulated_ms: u64,
}

impl Findings {
    fn add(&mut self, crashes: Crashes, outcome: Outcome) {
        let classes = crashes.0.iter().map(Point::class).collect();
        let away = crashes.0.last().expect("somebody was killed").away;
        let tally = self.tallies.entry((classes, away)).or_default();
        let broken = !outcome.judgement.violations.is_empty();
        tally.runs += 1;
        tally.not_reached += u64::from(outcome.killed.len() < crashes.0.len());
        self.simulated_ms += outcome.simulated_ms;
        match &outcome.verdict {
            RunVerdict::Done { left_out } if left_out.is_empty() && !broken => tally.done += 1,
            RunVerdict::Held { .. } if !broken => tally.held += 1,
            _ => {
                tally.failed += 1;
                self.failures.push(Failure { crashes, outcome });
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (key, it) in other.tallies {
            let tally = self.tallies.entry(key).or_default();
            tally.runs += it.runs;
            tally.done += it.done;
            tally.held += it.held;
            tally.failed += it.failed;
            tally.not_reached += it.not_reached;
        }
        self.failures.extend(other.failures);
        self.simulated_ms += other.simulated_ms;
    }

    /// Some crash that was planned did not happen: its run shows nothing.
    #[must_use]
    pub fn missed(&self) -> bool {
        self.tallies.values().any(|tally| tally.not_reached > 0)
    }

    /// All runs.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.tallies.values().map(|tally| tally.runs).sum()
    }
}

impl CrashPoints<'_> {
    /// The run without a crash.
    #[must_use]
    pub fn undisturbed(&self) -> Outcome {
        self.run(&Source::Drawn(Choice::None))
    }

    fn crashed(&self, crashes: &Crashes) -> Outcome {
        self.run(&Source::Given(crashes.schedule()))
    }

    fn run(&self, faults: &Source) -> Outcome {
        rehearse(Order::new(self.scenario, self.seed, faults))
    }

    /// One run with these crashes, told as all are.
    #[must_use]
    pub fn these(&self, crashes: Crashes) -> Findings {
        let outcome = self.crashed(&crashes);
        let mut findings = Findings::default();
        findings.add(crashes, outcome);
        findings
    }

    /// A crash at each of these points; `tell` hears how many were done, and what came of them, and
    /// may break off.
    pub fn singles(
        &self,
        points: &[Point],
        mut tell: impl FnMut(u64, &Findings) -> ControlFlow<()>,
    ) -> Findings {
        let mut findings = Findings::default();
        let run = |nth: u64| {
            let crashes = Crashes(vec![at(points, nth)]);
            let outcome = self.crashed(&crashes);
            (crashes, outcome)
        };
        in_order(self.jobs, points.len() as u64, run, |(crashes, outcome)| {
            findings.add(crashes, outcome);
            tell(findings.runs(), &findings)
        });
        findings
    }

    /// A crash at each of these points, and a second one at every later point of each of the runs
    /// that come of it; `tell` hears how many first crashes were done, and what came of them, and may
    /// break off.
    ///
    /// The second absence is as long as the first.
    pub fn pairs(
        &self,
        firsts: &[Point],
        mut tell: impl FnMut(u64, &Findings) -> ControlFlow<()>,
    ) -> Findings {
        let (mut findings, mut done) = (Findings::default(), 0);
        let run = |nth: u64| self.some_pairs(at(firsts, nth), 1);
        in_order(self.jobs, firsts.len() as u64, run, |of_first| {
            findings.merge(of_first);
            done += 1;
            tell(done, &findings)
        });
        findings
    }

    /// A crash at a point, and a second one at every so many of the later points of the run that
    /// comes of it.
    ///
    /// # Panics
    /// Every 0th is none.
    #[must_use]
    pub fn some_pairs(&self, first: Point, stride: usize) -> Findings {
        let once = self.crashed(&Crashes(vec![first]));
        let mut findings = Findings::default();
        let Some(killed) = once.killed.first() else {
            findings.add(Crashes(vec![first]), once);
            return findings;
        };
        // A record that it was handing over is none that it had: twice that point is one crash.
        let later = Point::all(*killed, once.points, first.away);
        let later = later.filter(|second| second.place != first.place);
        for second in later.step_by(stride) {
            let crashes = Crashes(vec![first, second]);
            let outcome = self.crashed(&crashes);
            findings.add(crashes, outcome);
        }
        findings
    }

    /// Every point of a part of a run that got so far, with both absences.
    #[must_use]
    pub fn points(to: Points, part: Part) -> Vec<Point> {
        let of = |away| Point::all(Points::default(), to, away);
        Away::ALL.into_iter().flat_map(of).filter(|point| part.has(point)).collect()
    }
}

fn at(points: &[Point], nth: u64) -> Point {
    points[usize::try_from(nth).expect("a list fits in memory")]
}
