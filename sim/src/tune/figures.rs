//! The figures of a run, as data: one row a figure, and everything that tells figures reads them here.
use crate::oracle::RunVerdict;
use crate::traffic::Fates;
use crate::world::{Asked, Outcome};

use super::stats::Estimate;
use super::watch::Counts;

/// What one run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// It ended done, everybody upgraded or left out.
    pub done: bool,
    /// The invariant that was broken first.
    pub violated: Option<&'static str>,
    /// Simulated time.
    pub simulated_ms: u64,
    /// What became of the users' requests.
    pub fates: Fates,
    /// What was counted as it went on.
    counts: Counts,
}

impl Run {
    pub(super) fn new(outcome: &Outcome, counts: Counts) -> Self {
        Self {
            done: matches!(outcome.verdict, RunVerdict::Done { .. }),
            violated: outcome.judgement.violations.first().map(|it| it.invariant),
            simulated_ms: outcome.simulated_ms,
            fates: outcome.fates,
            counts,
        }
    }

    /// Users whose request came to nothing: nobody was there, no answer came in time, an error came,
    /// or it was cut.
    #[must_use]
    pub fn hurt(&self) -> u64 {
        let Fates { refused, timed_out, failed, cut, .. } = self.fates;
        refused + timed_out + failed + cut
    }

    pub(super) fn hurt_float(&self) -> f64 {
        float(self.hurt())
    }

    /// Simulated time, in milliseconds.
    pub(super) fn simulated(&self) -> f64 {
        float(self.simulated_ms)
    }

    /// The orchestrator claimed something that was not so, or an invariant was broken.
    #[must_use]
    pub fn wronged(&self) -> bool {
        self.counts.false_quiet + self.counts.false_done > 0 || self.violated.is_some()
    }

    /// Calls to balancers and Service Center together, a simulated minute.
    #[must_use]
    pub fn calls_per_min(&self) -> f64 {
        self.per_min(Asked::Balancer) + self.per_min(Asked::Console)
    }

    fn per_min(&self, whom: Asked) -> f64 {
        float(self.counts.calls(whom)) * MINUTE_MS / float(self.simulated_ms.max(1))
    }
}

const MINUTE_MS: f64 = 60_000.0;

/// A figure of a run.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A number: its mean over runs. `None` of a run that does not say.
    Mean(fn(&Run, i64) -> Option<f64>),
    /// Whether something was so: its share of runs.
    Share(fn(&Run) -> bool),
}

/// A figure.
#[derive(Clone, Copy)]
pub struct Figure {
    /// Its key in JSON and CSV, units last.
    pub key: &'static str,
    /// What it is, for people.
    pub words: &'static str,
    /// Digits after the point.
    pub digits: usize,
    /// How it comes about.
    pub kind: Kind,
}

/// A count of requests, a run's mean.
const fn requests(
    key: &'static str,
    words: &'static str,
    of: fn(&Run, i64) -> Option<f64>,
) -> Figure {
    Figure { key, words, digits: 1, kind: Kind::Mean(of) }
}

/// A rate of calls.
const fn calls(key: &'static str, words: &'static str, of: fn(&Run, i64) -> Option<f64>) -> Figure {
    Figure { key, words, digits: 1, kind: Kind::Mean(of) }
}

const fn share(key: &'static str, words: &'static str, of: fn(&Run) -> bool) -> Figure {
    Figure { key, words, digits: 2, kind: Kind::Share(of) }
}

/// Time of the whole upgrade, with what was not simulated.
pub const TIME: Figure = Figure {
    key: "time_min",
    words: "the whole upgrade, minutes (of runs that ended done)",
    digits: 2,
    kind: Kind::Mean(|run, left_out_ms| {
        run.done.then(|| float(run.simulated_ms.saturating_add_signed(left_out_ms)) / MINUTE_MS)
    }),
};

/// Users hurt.
pub const HURT: Figure = requests(
    "hurt",
    "users hurt an upgrade: requests refused, timed out, failed or cut",
    |run, _| Some(float(run.hurt())),
);

/// Calls a minute.
pub const CALLS: Figure =
    calls("calls_per_min", "calls to balancers and Service Center a minute", |run, _| {
        Some(run.calls_per_min())
    });

/// Every figure.
pub const FIGURES: &[Figure] = &[
    TIME,
    HURT,
    requests("cut", "requests cut", |run, _| Some(float(run.fates.cut))),
    requests("refused", "requests refused: nobody was eligible, or a queue was full", |run, _| {
        Some(float(run.fates.refused))
    }),
    requests("timed_out", "requests that timed out", |run, _| Some(float(run.fates.timed_out))),
    requests("slow", "requests answered slowly", |run, _| Some(float(run.fates.slow))),
    requests("failed", "requests answered with an error", |run, _| Some(float(run.fates.failed))),
    requests("met_upgrade", "requests that met an upgrade", |run, _| {
        Some(float(run.fates.met_upgrade))
    }),
    CALLS,
    calls("balancer_calls_per_min", "calls to balancers a minute", |run, _| {
        Some(run.per_min(Asked::Balancer))
    }),
    calls("balancer_calls_busiest_min", "calls to balancers in the busiest minute", |run, _| {
        Some(float(run.counts.busiest_minute(Asked::Balancer)))
    }),
    calls("console_calls_per_min", "calls to Service Center a minute", |run, _| {
        Some(run.per_min(Asked::Console))
    }),
    calls(
        "console_calls_busiest_min",
        "calls to Service Center in the busiest minute",
        |run, _| Some(float(run.counts.busiest_minute(Asked::Console))),
    ),
    share("false_quiet", "share of upgrades with a false quiet", |run| run.counts.false_quiet > 0),
    share("false_done", "share of upgrades with a false done", |run| run.counts.false_done > 0),
    share("done", "share of upgrades that ended done", |run| run.done),
    share("violated", "share of upgrades that broke an invariant", |run| run.violated.is_some()),
];

impl Figure {
    /// Over runs; `left_out_ms` is what was not simulated of each. `None` when no run says.
    #[must_use]
    pub fn over(&self, runs: &[Run], left_out_ms: i64) -> Option<Estimate> {
        match self.kind {
            Kind::Mean(of) => {
                let values: Vec<f64> = runs.iter().filter_map(|run| of(run, left_out_ms)).collect();
                Estimate::mean(&values)
            }
            Kind::Share(of) => {
                Estimate::share(runs.iter().filter(|run| of(run)).count(), runs.len())
            }
        }
    }

    /// The figure of a key.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn named(key: &str) -> &'static Self {
        FIGURES.iter().find(|it| it.key == key).expect("it is in the table")
    }
}

/// A number of a run: far below 2^53.
#[allow(clippy::cast_precision_loss)]
fn float(value: u64) -> f64 {
    value as f64
}
