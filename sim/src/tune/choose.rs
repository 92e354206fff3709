//! The Pareto front of a sweep, and the one setting that is recommended.
//!
//! The **front** is of three: time of the upgrade, users hurt (an upgrade without faults and one with
//! faults together), calls a minute to balancers and Service Center; a timing is on it when no other that
//! ran under every seed is as good in all three and better in one.
//!
//! **Recommended** is, of those that ran under every seed and have no shorter quiet window than the
//! present policy,
//!
//! 1. that claimed nothing false and broke no invariant in any run,
//! 2. that hurt no more users than the best of them, within its 95 % interval; where the best
//!    hurt none, that interval is the one of a count: 3.7 in all its upgrades together may be zero by
//!    chance (Garwood, "Fiducial limits for the Poisson distribution", Biometrika 1936),
//! 3. that ask no more a minute than the present policy does, within its 95 % interval,
//!
//! the fastest; and the present policy where it is one of them and the fastest is not faster beyond
//! chance (paired by seed): a change wants a reason. Where nobody passes 1, the first rule becomes
//! the last wish, and it is said.
//!
//! A quiet window is for clients that pause between two requests on a connection that they keep, and
//! such are not simulated: no run can show that a shorter one does no harm.
use super::stats::{Estimate, Sign};
use super::{Swept, Tuning};

/// Upper end of the 95 % interval of a count of none: e^-3.689 is 2.5 %.
const NONE_MAY_BE: f64 = 3.689;

/// The recommendation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The timing's place.
    pub place: usize,
    /// How many could be chosen, and how many of those passed each rule, in turn.
    pub passed: [usize; 4],
    /// It is the present policy's, since nothing is faster beyond chance.
    pub keeps: bool,
    /// Every timing claimed something false or broke an invariant.
    pub nobody_clean: bool,
}

/// Timings that ran under every seed.
#[must_use]
pub fn finalists(tuning: &Tuning) -> Vec<usize> {
    let seeds = tuning.swept.iter().map(|it| it.runs.load.len()).max().unwrap_or(0);
    (0..tuning.swept.len()).filter(|place| tuning.swept[*place].runs.load.len() == seeds).collect()
}

/// The front, by place.
#[must_use]
pub fn front(tuning: &Tuning) -> Vec<usize> {
    let all = finalists(tuning);
    let objectives = |place: usize| objectives(&tuning.swept[place]);
    let beats = |a: [f64; 3], b: [f64; 3]| {
        a.iter().zip(&b).all(|(a, b)| a <= b) && a.iter().zip(&b).any(|(a, b)| a < b)
    };
    let beaten =
        |place: usize| all.iter().any(|other| beats(objectives(*other), objectives(place)));
    all.iter().copied().filter(|place| !beaten(*place)).collect()
}

/// Time, users hurt, calls.
fn objectives(swept: &Swept) -> [f64; 3] {
    let runs = &swept.runs;
    [time(swept), mean(runs.hurt()), mean(runs.calls())]
}

fn time(swept: &Swept) -> f64 {
    mean(swept.runs.time_ms())
}

/// What never ended done is slower than anything.
fn mean(estimate: Option<Estimate>) -> f64 {
    estimate.map_or(f64::INFINITY, |it| it.mean)
}

fn high(estimate: Option<Estimate>) -> f64 {
    estimate.map_or(f64::INFINITY, |it| it.high.unwrap_or(it.mean))
}

/// As many as users hurt may be: none in so many upgrades shows no less than a share of each.
fn hurt_max(best: Option<Estimate>) -> f64 {
    let upgrades = best.map_or(1, |it| it.runs).max(1);
    high(best).max(NONE_MAY_BE / f64::from(u32::try_from(upgrades).unwrap_or(u32::MAX)))
}

/// Recommends.
#[must_use]
pub fn recommend(tuning: &Tuning) -> Choice {
    let swept = &tuning.swept;
    let present_ms = swept[0].timing.quiet_ms;
    let mut all = finalists(tuning);
    all.retain(|place| swept[*place].timing.quiet_ms >= present_ms);
    let chosen_from = all.len();
    let clean: Vec<usize> = all.iter().copied().filter(|it| !swept[*it].runs.wronged()).collect();
    let nobody_clean = clean.is_empty();
    let pool = if nobody_clean { all } else { clean.clone() };
    let hurt = |place: &usize| mean(swept[*place].runs.hurt());
    let best = pool.iter().copied().min_by(|a, b| hurt(a).total_cmp(&hurt(b)));
    let best = best.expect("the present policy's timing ran under every seed");
    let hurt_max = hurt_max(swept[best].runs.hurt());
    let kind: Vec<usize> = pool.into_iter().filter(|it| hurt(it) <= hurt_max).collect();
    let calls_max = high(swept[0].runs.calls());
    let calls = |place: &usize| mean(swept[*place].runs.calls());
    let calm: Vec<usize> = kind.iter().copied().filter(|it| calls(it) <= calls_max).collect();
    let passed = [chosen_from, clean.len(), kind.len(), calm.len()];
    // Nobody asks as little and hurts as few: harm comes before calls.
    let pool = if calm.is_empty() { &kind } else { &calm };
    let fastest = pool.iter().copied().min_by(|a, b| time(&swept[*a]).total_cmp(&time(&swept[*b])));
    let fastest = fastest.expect("the best is one of them");
    let gain = swept[fastest].runs.faster_than_s(&swept[0].runs);
    let keeps = pool.contains(&0) && gain.is_none_or(|it| it.sign() != Sign::More);
    Choice { place: if keeps { 0 } else { fastest }, passed, keeps, nobody_clean }
}
