//! A sweep of drain and poll timing under the farm's load and under faults, with a recommendation.
//!
//! A *setting* has a value for each of: drain deadline (and what happens when it passes), the
//! balancer's poll interval while draining (the calm one with it, in the policy's ratio), quiet
//! window, split, soak. Every setting is a policy and a plan, and is rehearsed by the same
//! orchestrator in the same world as everything else.
//!
//! **Rounds.** Settings run under the first seeds of the sweep, each seed once without faults and
//! once with; then losing ones are dropped ([`race`]), and those left run under as many seeds again
//! as they have, until they have them all. A seed gives every setting the same users and faults.
//!
//! **Windows.** Long waits that no setting changes are left out and added to the time ([`windows`]).
//! So settings that differ in the soak alone share their runs: a soak is time and nothing else here. What a
//! soak is *for*, failures that show after half an hour, is not simulated, so no soak shorter than the
//! policy's is recommended.
//!
//! **What is recommended**: see [`choose`].
//!
//! * [`grid`], [`splits`] — the settings. [`windows`], [`watch`] — one run. [`figures`], [`stats`] — what it
//!   says. [`race`] — who is dropped. [`choose`] — the Pareto front, and the recommendation.
//! * [`delays`] — how long the orchestrator needs to notice, for the benchmark.
pub mod choose;
pub mod delays;
pub mod figures;
pub mod grid;
pub mod race;
pub mod splits;
pub mod stats;
mod watch;
mod windows;

use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::ControlFlow;

use crate::campaign::in_order;
use crate::nemesis::{Choice, Source};
use crate::scenario::Scenario;
use crate::world::{Order, rehearse};

use figures::Run;
use grid::{Grid, Timing};
use race::{Dropped, Runs};
use splits::Split;
use watch::Watch;
use windows::Windows;

/// Seeds of the first round: two, the fewest that say anything of the spread.
const SEEDS_FIRST: u64 = 2;

/// What is to be swept.
pub struct Sweep<'a> {
    /// The farm.
    pub scenario: &'a Scenario,
    /// The values.
    pub grid: &'a Grid,
    /// Which faults may strike in every second run.
    pub faults: Choice,
    /// The first seed.
    pub seed_first: u64,
    /// Seeds of those that are not dropped.
    pub seeds: NonZeroU64,
    /// How many runs at a time.
    pub jobs: NonZeroUsize,
}

/// A timing and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Its values.
    pub timing: Timing,
    /// Its runs.
    pub runs: Runs,
    /// Time of its waits that were not simulated, with the policy's soak.
    pub left_out_ms: u64,
    /// The round after which it was dropped, from 1, and why.
    pub dropped: Option<(u64, Dropped)>,
}

/// What came of a sweep. The first timing is the present policy's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The splits that were compared; the first is the plan's.
    pub splits: Vec<Split>,
    /// Combinations that the farm file's reader does not take.
    pub invalid: usize,
    /// Every timing.
    pub swept: Vec<Swept>,
    /// Rounds.
    pub rounds: u64,
    /// Runs altogether.
    pub runs: u64,
    /// Rounds of jobs in an upgrade: the time that was added is exact to a poll of each.
    pub job_rounds: u64,
}

/// How far a sweep is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The round, from 1.
    pub round: u64,
    /// Timings in it.
    pub timings: usize,
    /// Runs done of it.
    pub done: u64,
    /// Runs of it.
    pub of: u64,
}

/// A timing, ready to be run.
struct Ready {
    timing: Timing,
    windows: Windows,
}

impl Sweep<'_> {
    /// Runs it.
    ///
    /// # Errors
    /// Values that make no valid policy, all of them at once; nothing was run.
    pub fn run(&self, mut tell: impl FnMut(Progress)) -> Result<Tuning, Vec<String>> {
        let splits = splits::of(self.scenario, self.grid.splits);
        let combinations = grid::combinations(self.grid, self.scenario, splits.len())?;
        let ready: Vec<Ready> = combinations
            .timings
            .into_iter()
            .map(|timing| self.ready(timing, &splits[timing.split]))
            .collect::<Result<_, _>>()?;
        let mut runs: Vec<Runs> = ready.iter().map(|_| Runs::default()).collect();
        let mut fates: Vec<Option<(u64, Dropped)>> = vec![None; ready.len()];
        let (mut round, mut had) = (0, 0);
        while had < self.seeds.get() {
            round += 1;
            let until = if had == 0 { SEEDS_FIRST } else { 2 * had }.min(self.seeds.get());
            let race: Vec<usize> = (0..ready.len()).filter(|it| fates[*it].is_none()).collect();
            self.round(&ready, &race, had..until, round, &mut runs, &mut tell);
            had = until;
            if had == self.seeds.get() {
                break; // those left have run under every seed
            }
            for (place, why) in race::dropped(&race, &runs, |place| ready[place].timing.poll_ms) {
                fates[place] = Some((round, why));
            }
        }
        let count = |runs: &Runs| (runs.load.len() + runs.faults.len()) as u64;
        Ok(Tuning {
            splits,
            invalid: combinations.invalid,
            rounds: round,
            runs: runs.iter().map(count).sum(),
            job_rounds: ready[0].windows.rounds,
            swept: ready
                .into_iter()
                .zip(runs)
                .zip(fates)
                .map(|((ready, runs), dropped)| {
                    let Ready { timing, windows } = ready;
                    Swept { timing, runs, left_out_ms: windows.left_out_ms, dropped }
                })
                .collect(),
        })
    }

    /// A timing's farm, planned and cut down to its windows.
    fn ready(&self, timing: Timing, split: &Split) -> Result<Ready, Vec<String>> {
        let mut farm = splits::pinned(&self.scenario.plan.farm, &split.updating);
        farm.policy = timing.policy(&farm.policy);
        let scenario = self.scenario.with_farm(farm).map_err(|error| vec![error.to_string()])?;
        Ok(Ready { timing, windows: windows::of(&scenario) })
    }

    /// Runs everybody in the race under some seeds, without and with faults.
    fn round(
        &self,
        ready: &[Ready],
        race: &[usize],
        seeds: std::ops::Range<u64>,
        round: u64,
        runs: &mut [Runs],
        tell: &mut impl FnMut(Progress),
    ) {
        let choices = match self.faults {
            Choice::None => vec![Source::Drawn(Choice::None)],
            _ => vec![Source::Drawn(Choice::None), Source::Drawn(self.faults.clone())],
        };
        let orders: Vec<(usize, u64, usize)> = race
            .iter()
            .flat_map(|place| seeds.clone().map(|seed| (*place, self.seed_first + seed)))
            .flat_map(|(place, seed)| (0..choices.len()).map(move |with| (place, seed, with)))
            .collect();
        let of = orders.len() as u64;
        let mut done = 0;
        let run = |nth: u64| {
            let (place, seed, with) = orders[usize::try_from(nth).expect("it is one of them")];
            (place, with, one(&ready[place].windows.scenario, seed, &choices[with]))
        };
        in_order(self.jobs, of, run, |(place, with, run)| {
            match with {
                0 => runs[place].load.push(run),
                _ => runs[place].faults.push(run),
            }
            done += 1;
            tell(Progress { round, timings: race.len(), done, of });
            ControlFlow::Continue(())
        });
    }
}

fn one(scenario: &Scenario, seed: u64, faults: &Source) -> Run {
    let watch = Watch::default();
    let witness = Some(Box::new(watch.clone()) as _);
    let outcome = rehearse(Order { witness, ..Order::new(scenario, seed, faults) });
    Run::new(&outcome, watch.counts())
}
