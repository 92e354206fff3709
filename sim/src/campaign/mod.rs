//! Many seeds of one scenario: on several threads, told in the order of the seeds.
//!
//! A run owns everything it uses and lives on one thread, so threads cannot make a seed another:
//! a seed alone equals the seed inside a campaign.
//!
//! * [`coverage`] — what the faults reached.
//! * [`crash_points`] — one seed, with a crash of the orchestrator at every single point of it.
pub mod coverage;
pub mod crash_points;
mod in_order;

use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::{ControlFlow, RangeInclusive};
use std::time::Duration;

use serde::Serialize;

use crate::nemesis::{Choice, Source};
use crate::oracle::RunVerdict;
use crate::sabotage::Planted;
use crate::scenario::Scenario;
use crate::world::{Order, Outcome, rehearse};

use coverage::{Coverage, SEEDS_MIN};
pub(crate) use in_order::in_order;

/// At least so many of a hundred runs end done with every fault: one that holds or goes back at every
/// turn breaks no promise and upgrades nothing.
const DONE_PERCENT_FULL: u64 = 50;
/// The same with faults after which nobody need be called.
const DONE_PERCENT_LIGHT: u64 = 95;

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
    /// Runs that had a second phase, in which a core of the farm was healed and a person came.
    pub healed: u64,
    /// Those of them that ended done.
    pub healed_done: u64,
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
    /// What a campaign of this choice should have reached and did not, a sentence each.
    #[must_use]
    pub fn gaps(&self, choice: &Choice) -> Vec<String> {
        let mut gaps = self.coverage.gaps(choice);
        let wanted = match choice {
            Choice::Full => DONE_PERCENT_FULL,
            Choice::Light => DONE_PERCENT_LIGHT,
            _ => return gaps,
        };
        if self.runs >= SEEDS_MIN && self.done * 100 < self.runs * wanted {
            gaps.push(format!(
                "{} of {} runs ended done, and {wanted} % are wanted",
                self.done, self.runs
            ));
        }
        gaps
    }

    fn add(&mut self, outcome: &Outcome) {
        let done = matches!(outcome.verdict, RunVerdict::Done { .. });
        let needed = outcome.struck().any(|planned| planned.fault.kind().needs_person);
        self.runs += 1;
        self.done += u64::from(done);
        self.held += u64::from(matches!(outcome.verdict, RunVerdict::Held { .. }));
        self.violated += u64::from(!outcome.judgement.violations.is_empty());
        self.excused += u64::from(!outcome.judgement.excused.is_empty());
        let healed = outcome.healed_at_ms.is_some();
        self.healed += u64::from(healed);
        self.healed_done += u64::from(healed && done);
        self.nobody_needed += u64::from(!needed);
        self.nobody_needed_done += u64::from(!needed && done);
        self.coverage.add(outcome);
        self.simulated_ms += outcome.simulated_ms;
    }
}

impl Campaign<'_> {
    /// Runs every seed, and tells each in the order of the seeds. A trace is of the first alone.
    pub fn run(&self, trace: Option<Box<dyn Write>>, mut tell: impl FnMut(&Told)) -> Summary {
        self.run_until(trace, |told| {
            tell(told);
            ControlFlow::Continue(())
        })
    }

    /// The same until whoever is told breaks off; the summary is of what was told.
    pub fn run_until(
        &self,
        trace: Option<Box<dyn Write>>,
        mut tell: impl FnMut(&Told) -> ControlFlow<()>,
    ) -> Summary {
        let mut summary = Summary { coverage: Coverage::of(self.scenario), ..Summary::default() };
        let mut tell = |told: Told| {
            summary.add(&told.outcome);
            tell(&told)
        };
        let first = *self.seeds.start();
        let count = self.seeds.end() - first + 1;
        let traced = u64::from(trace.is_some());
        // By itself: whoever writes the trace belongs to this thread.
        if let Some(trace) = trace
            && tell(self.one(first, Some(trace))).is_break()
        {
            return summary;
        }
        let run = |nth: u64| self.one(first + traced + nth, None);
        in_order(self.jobs, count - traced, run, tell);
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;
    use std::rc::Rc;

    use super::*;

    /// What was written, kept by whoever wants to read it.
    #[derive(Clone, Default)]
    struct Written(Rc<RefCell<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// Goal: a trace is of the first seed, whatever runs beside, and a campaign ends where whoever is
    /// told breaks off. Method: seeds of the smallest farm on one thread and on three, with a trace
    /// and without, broken off at the first and not before the last.
    #[test]
    fn a_trace_is_of_the_first_seed_and_a_break_ends_the_campaign() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/tiny.toml");
        let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let run = |jobs: usize, traced: bool, told_max: usize| {
            let campaign = Campaign {
                scenario: &scenario,
                seeds: 4..=7,
                faults: Choice::None,
                planted: None,
                jobs: NonZeroUsize::new(jobs).expect("a few"),
            };
            let (written, mut told) = (Written::default(), Vec::new());
            let trace = traced.then(|| Box::new(written.clone()) as Box<dyn Write>);
            let summary = campaign.run_until(trace, |it| {
                told.push(it.outcome.seed);
                match told.len() < told_max {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            });
            assert_eq!(summary.runs, told.len() as u64);
            (told, written.0.take())
        };
        let (told, alone) = run(1, true, 1);
        assert_eq!(told, [4]);
        assert!(alone.len() > 1_000, "only {} bytes: nothing was traced", alone.len());
        for jobs in [1, 3] {
            assert_eq!(run(jobs, true, 4), (vec![4, 5, 6, 7], alone.clone()));
            assert_eq!(run(jobs, false, 4), (vec![4, 5, 6, 7], Vec::new()));
            assert_eq!(run(jobs, false, 1).0, [4]);
        }
    }
}
