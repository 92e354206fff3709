//! Which settings are dropped after a round, and why.
//!
//! Two rules, the first of a race, the second of successive halving:
//!
//! 1. A setting is **beaten** when another in the race has no worse a mean in any of the three objectives
//!    (time of the upgrade, users hurt, calls a minute), is better beyond chance in time or in
//!    users hurt, and has claimed nothing false. Settings are compared seed by seed: with the same
//!    seed both have the same users, links and faults, so that what they have in common cancels
//!    out (common random numbers). Beyond chance: Student's 95 % interval of the paired
//!    differences does not hold zero. After Maron and Moore, "The racing algorithm" (1997), and,
//!    for several objectives, Zhang and others, "S-Race" (2013).
//! 2. Of each poll interval, on which calls a minute depend, more than **half** of those that began
//!    the round do not go on: first those that claimed something false or broke an
//!    invariant in most runs, then those that hurt most users, then the slower, then those with more
//!    calls (Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter
//!    optimization", 2016). So a sweep has a bound, whatever the grid.
//!
//! The present policy's setting is never dropped: everything is compared with it.
use std::collections::BTreeSet;

use super::figures::Run;
use super::stats::{Estimate, Sign};

/// Halving ends with so many of each poll interval: a winner, and whom it won against.
const FINALISTS: usize = 2;

/// The runs of a setting, seed by seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Under the farm's load alone.
    pub load: Vec<Run>,
    /// Under load and faults; empty where none were wanted.
    pub faults: Vec<Run>,
}

/// An objective: less is better. By seed; `None` of a seed that does not say.
type Objective = fn(&Runs, usize) -> Option<f64>;

/// Simulated time under load alone: under faults it is the faults' doing.
fn time_ms(runs: &Runs, place: usize) -> Option<f64> {
    runs.load.get(place).filter(|run| run.done).map(Run::simulated)
}

/// Users hurt, without and with faults together.
fn hurt(runs: &Runs, place: usize) -> Option<f64> {
    let of = |runs: &[Run]| runs.get(place).map(Run::hurt_float);
    Some(of(&runs.load)? + of(&runs.faults).unwrap_or(0.0))
}

/// Calls a minute, under load alone.
fn calls(runs: &Runs, place: usize) -> Option<f64> {
    runs.load.get(place).map(Run::calls_per_min)
}

impl Runs {
    /// Users hurt in an upgrade without and one with faults together.
    #[must_use]
    pub fn hurt(&self) -> Option<Estimate> {
        self.estimate(hurt)
    }

    /// Time of the windows simulated, under load alone, in milliseconds.
    pub(super) fn time_ms(&self) -> Option<Estimate> {
        self.estimate(time_ms)
    }

    /// Calls a minute under load alone.
    #[must_use]
    pub fn calls(&self) -> Option<Estimate> {
        self.estimate(calls)
    }

    /// A run claimed something that was not so, or broke an invariant.
    #[must_use]
    pub fn wronged(&self) -> bool {
        self.all().any(Run::wronged)
    }

    fn all(&self) -> impl Iterator<Item = &Run> {
        self.load.iter().chain(&self.faults)
    }

    /// By how many seconds it is faster than another, paired by seed.
    #[must_use]
    pub fn faster_than_s(&self, other: &Self) -> Option<Estimate> {
        let of_ms = other.differences(self, time_ms)?;
        let seconds = |ms: f64| ms / 1_000.0;
        let (low, high) = (of_ms.low.map(seconds), of_ms.high.map(seconds));
        Some(Estimate { mean: seconds(of_ms.mean), low, high, ..of_ms })
    }

    /// Invariants that a run broke first.
    #[must_use]
    pub fn broken(&self) -> BTreeSet<&'static str> {
        self.all().filter_map(|run| run.violated).collect()
    }

    fn estimate(&self, objective: Objective) -> Option<Estimate> {
        let values: Vec<f64> =
            (0..self.load.len()).filter_map(|place| objective(self, place)).collect();
        Estimate::mean(&values)
    }

    fn differences(&self, other: &Self, objective: Objective) -> Option<Estimate> {
        let both = 0..self.load.len().min(other.load.len());
        let difference = |place| Some(objective(self, place)? - objective(other, place)?);
        Estimate::mean(&both.filter_map(difference).collect::<Vec<_>>())
    }

    /// Another setting is better beyond chance, and no worse in anything.
    fn beaten_by(&self, other: &Self) -> bool {
        let worse = |objective| self.differences(other, objective);
        let [time, hurt, calls] = [worse(time_ms), worse(hurt), worse(calls)];
        let no_less = [time, hurt, calls].iter().all(|it| it.is_some_and(|it| it.mean >= 0.0));
        let beyond_chance = [time, hurt].iter().flatten().any(|it| it.sign() == Sign::More);
        no_less && beyond_chance && !other.wronged()
    }

    /// By what halving orders: least harm first.
    fn order(&self) -> [f64; 4] {
        let mean = |it: Option<Estimate>| it.map_or(f64::INFINITY, |it| it.mean);
        let all: Vec<f64> = self.all().map(|run| f64::from(u8::from(run.wronged()))).collect();
        let wronged = mean(Estimate::mean(&all));
        [wronged, mean(self.hurt()), mean(self.time_ms()), mean(self.calls())]
    }
}

/// Why a setting was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// That one is better, and not worse in anything.
    Beaten {
        /// Its place.
        by: usize,
    },
    /// It was in the worse half.
    Halved,
}

/// Who is dropped of those in the race, by place; the first is the present policy's and stays.
/// `stratum` tells the poll interval of a place.
pub(super) fn dropped(
    race: &[usize],
    runs: &[Runs],
    stratum: impl Fn(usize) -> u64,
) -> Vec<(usize, Dropped)> {
    let (mut left, mut gone) = (race.to_vec(), Vec::new());
    for &one in race.iter().filter(|one| **one != 0) {
        let better = |other: &&usize| **other != one && runs[one].beaten_by(&runs[**other]);
        if let Some(&by) = left.iter().find(better) {
            left.retain(|it| *it != one);
            gone.push((one, Dropped::Beaten { by }));
        }
    }
    left.sort_by(|a, b| {
        let orders = runs[*a].order().into_iter().zip(runs[*b].order());
        let first = orders.map(|(a, b)| a.total_cmp(&b)).find(|it| it.is_ne());
        first.unwrap_or_else(|| a.cmp(b))
    });
    let strata: BTreeSet<u64> = race.iter().map(|place| stratum(*place)).collect();
    for of in strata {
        let began = race.iter().filter(|place| stratum(**place) == of).count();
        let room = began.div_ceil(2).max(FINALISTS);
        let stay = left.iter().copied().filter(|place| stratum(*place) == of);
        let worse = stay.skip(room).filter(|place| *place != 0);
        gone.extend(worse.map(|place| (place, Dropped::Halved)));
    }
    gone
}
