//! Many seeds of one scenario: on several threads, told in the order of the seeds.
//!
//! A run owns everything it uses and lives on one thread, so threads cannot make a seed another:
//! a seed alone equals the seed inside a campaign.
pub mod coverage;

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use serde::Serialize;

use crate::nemesis::{Choice, Source};
use crate::oracle::RunVerdict;
use crate::sabotage::Planted;
use crate::scenario::Scenario;
use crate::world::{Order, Outcome, rehearse};

use coverage::Coverage;

/// What is to be run.
pub struct Campaign<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The seeds.
    pub seeds: RangeInclusive<u64>,
    /// Which faults may strike.
    pub faults: Choice,
    /// A known bug, to test the harness.
    pub planted: Option<Planted>,
    /// How many seeds run at a time.
    pub jobs: NonZeroUsize,
}

/// A run and what it cost.
#[derive(Clone, Debug)]
pub struct Told {
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took by the clock on the wall.
    pub wall: Duration,
}

/// All runs together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Runs.
    pub runs: u64,
    /// Those that ended done.
    pub done: u64,
    /// Those that ended in a hold.
    pub held: u64,
    /// Those in which an invariant was broken.
    pub violated: u64,
    /// Those in which an invariant failed where it is allowed to.
    pub excused: u64,
    /// Runs without a fault after which a person may be needed.
    pub nobody_needed: u64,
    /// Those of them that ended done.
    pub nobody_needed_done: u64,
    /// What the faults reached.
    pub coverage: Coverage,
    /// Simulated time altogether.
    pub simulated_ms: u64,
}

impl Summary {
    fn add(&mut self, outcome: &Outcome) {
        let done = matches!(outcome.verdict, RunVerdict::Done { .. });
        let needed = outcome.struck().any(|planned| planned.fault.kind().needs_person);
        self.runs += 1;
        self.done += u64::from(done);
        self.held += u64::from(matches!(outcome.verdict, RunVerdict::Held { .. }));
        self.violated += u64::from(!outcome.judgement.violations.is_empty());
        self.excused += u64::from(!outcome.judgement.excused.is_empty());
        self.nobody_needed += u64::from(!needed);
        self.nobody_needed_done += u64::from(!needed && done);
        self.coverage.add(outcome);
        self.simulated_ms += outcome.simulated_ms;
    }
}

impl Campaign<'_> {
    /// Runs every seed, and tells each in the order of the seeds. A trace is of one seed alone.
    pub fn run(&self, trace: Option<Box<dyn Write>>, mut tell: impl FnMut(&Told)) -> Summary {
        let mut summary = Summary::default();
        let mut tell = |told: Told| {
            summary.add(&told.outcome);
            tell(&told);
        };
        if self.jobs.get() == 1 || trace.is_some() {
            let mut trace = trace;
            for seed in self.seeds.clone() {
                tell(self.one(seed, trace.take()));
            }
            return summary;
        }
        let next = AtomicU64::new(*self.seeds.start());
        let (send, receive) = mpsc::channel();
        // These threads are outside of every simulation: each runs whole seeds of its own, and
        // what is told follows the seeds and not the threads.
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.get() {
                let (send, next) = (send.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if !self.seeds.contains(&seed) || send.send(self.one(seed, None)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(send);
            let mut early = BTreeMap::new();
            let mut seed = *self.seeds.start();
            for told in receive {
                early.insert(told.outcome.seed, told);
                while let Some(told) = early.remove(&seed) {
                    tell(told);
                    seed += 1;
                }
            }
        });
        summary
    }

    fn one(&self, seed: u64, trace: Option<Box<dyn Write>>) -> Told {
        let begun = wall_clock();
        let (scenario, planted) = (self.scenario, self.planted);
        let faults = Source::Drawn(self.faults.clone());
        let outcome = rehearse(Order { trace, planted, ..Order::new(scenario, seed, &faults) });
        Told { outcome, wall: begun.elapsed() }
    }
}

/// How long the machine takes is measured, and decides nothing.
#[allow(clippy::disallowed_methods)]
fn wall_clock() -> std::time::Instant {
    std::time::Instant::now()
}
