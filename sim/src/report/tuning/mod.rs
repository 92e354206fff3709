//! What is said about a sweep: [`text`], [`json`], [`csv`], and a page with pictures ([`html`]).
//!
//! All four tell the same rows: a timing with a soak, its figures under load and under faults.
pub mod csv;
pub mod html;
pub mod json;
mod picture;
mod svg;
pub mod text;

use std::collections::BTreeSet;

use crate::tune::choose::{self, Choice};
use crate::tune::figures::{FIGURES, Figure, TIME};
use crate::tune::grid::word;
use crate::tune::race::Dropped;
use crate::tune::stats::Estimate;
use crate::tune::{Sweep, Swept, Tuning};

/// A sweep with what follows from it.
pub struct Told<'a> {
    /// What was asked for.
    pub sweep: &'a Sweep<'a>,
    /// What came of it.
    pub tuning: &'a Tuning,
    /// The recommendation.
    pub choice: Choice,
    /// The Pareto front, by place.
    pub front: BTreeSet<usize>,
}

impl<'a> Told<'a> {
    /// Draws the conclusions.
    #[must_use]
    pub fn new(sweep: &'a Sweep<'a>, tuning: &'a Tuning) -> Self {
        let front = choose::front(tuning).into_iter().collect();
        Self { sweep, tuning, choice: choose::recommend(tuning), front }
    }

    fn chosen(&self) -> &Swept {
        &self.tuning.swept[self.choice.place]
    }

    fn present(&self) -> &Swept {
        &self.tuning.swept[0]
    }

    /// The policy's soak first, then the others.
    fn soaks_ms(&self) -> Vec<u64> {
        let present = self.sweep.scenario.plan.farm.policy.soak_ms;
        let others = self.sweep.grid.soak_ms.iter().copied().filter(|it| *it != present);
        std::iter::once(present).chain(others).collect()
    }

    /// Time that was not simulated of a timing with a soak: negative where the soak is shorter than
    /// what was simulated of the policy's.
    fn left_out_ms(&self, swept: &Swept, soak_ms: u64) -> i64 {
        let signed = |ms: u64| i64::try_from(ms).expect("a policy's times are under a week");
        let present_ms = self.sweep.scenario.plan.farm.policy.soak_ms;
        signed(swept.left_out_ms) + signed(soak_ms) - signed(present_ms)
    }

    /// A figure under load alone, with the policy's soak.
    fn load(&self, figure: &Figure, swept: &Swept) -> Option<Estimate> {
        figure.over(&swept.runs.load, self.left_out_ms(swept, self.soaks_ms()[0]))
    }

    /// Every figure with its estimate, under load and under faults.
    fn figures(&self, swept: &Swept, soak_ms: u64) -> Vec<(&'static str, Vec<Figured>)> {
        let left_out_ms = self.left_out_ms(swept, soak_ms);
        let under = |runs| FIGURES.iter().map(|it| (it, it.over(runs, left_out_ms))).collect();
        vec![("load", under(&swept.runs.load)), ("faults", under(&swept.runs.faults))]
    }

    /// How it was done, a sentence each.
    fn method(&self) -> Vec<String> {
        let Tuning { swept, invalid, runs, rounds, job_rounds, splits, .. } = self.tuning;
        let policy = &self.sweep.scenario.plan.farm.policy;
        let mut said = vec![
            format!(
                "{} settings ({invalid} more are no valid policy and were left out), {rounds} rounds, \
                 {runs} runs: each seed once under load alone and once with faults {}.",
                swept.len(),
                self.sweep.faults
            ),
            "After each round the losing ones were dropped: beaten seed by seed in time or users \
             hurt beyond chance (95 %) by one that was no worse in time, users hurt and calls; and, \
             of each poll interval, the half that hurt most users, and of equals the slower \
             (a race with successive halving)."
                .to_owned(),
            format!(
                "Only the windows that matter were simulated: installers were shortened, the soak was 2 \
                 minutes. What was left out ({:.1} min) is added to the time, exact to {:.1} min (a \
                 poll of jobs for each of {job_rounds} rounds of them). Calls a minute are of the windows.",
                minutes(self.left_out_ms(&swept[0], self.soaks_ms()[0])),
                (policy.jobs_poll_ms * job_rounds) as f64 / 60_000.0,
            ),
            "Soaks differ in time alone here: what a soak is for, failures that show after half an \
             hour, is not in these runs, so the policy's soak stays. Nor are clients that pause on a \
             connection they keep, so no shorter quiet window than the policy's is recommended."
                .to_owned(),
            "Intervals are 95 %: Student's for means, Wilson's for shares.".to_owned(),
        ];
        if splits.len() == 1 {
            said.push("No other split is feasible: only the plan's was run.".to_owned());
        }
        said
    }

    /// Why this one, in a few sentences.
    fn why(&self) -> Vec<String> {
        let [all, clean, kind, calm] = self.choice.passed;
        let seeds = self.present().runs.load.len();
        let mut said = vec![match self.choice.nobody_clean {
            true => format!(
                "Every one of the {all} settings that ran under all {seeds} seeds claimed something \
                 false or broke an invariant: this one is the least evil, and needs a look."
            ),
            false => format!(
                "Of {all} settings that ran under all {seeds} seeds, with no shorter quiet window than \
                 the present policy, {clean} claimed nothing false and broke no invariant; {kind} of \
                 these hurt no more users than the best, within its interval; {calm} of these ask \
                 no more than the present policy, within its interval."
            ),
        }];
        let (chosen, present) = (self.chosen(), self.present());
        let value = |estimate: Option<Estimate>| shown(estimate, 1);
        said.push(format!(
            "It hurts {} users in an upgrade without faults and one with faults together, makes {} \
             calls a minute (the present policy {}), and takes {} minutes (the present {}).",
            value(chosen.runs.hurt()),
            value(chosen.runs.calls()),
            value(present.runs.calls()),
            value(self.load(&TIME, chosen)),
            value(self.load(&TIME, present)),
        ));
        said.push(match (self.choice.keeps, chosen.runs.faster_than_s(&present.runs)) {
            (true, _) => {
                "It is the present policy: none of them is faster beyond chance.".to_owned()
            }
            (false, Some(less)) => format!(
                "Seed by seed it takes {} s less than the present policy.",
                shown(Some(less), 1)
            ),
            (false, None) => "The present policy ended done in no run.".to_owned(),
        });
        said
    }

    /// What goes into the farm file.
    fn toml(&self) -> String {
        let (timing, soak_ms) = (self.chosen().timing, self.soaks_ms()[0]);
        let mut text = format!(
            "[policy]\nbalancer_poll_ms = {}\nbalancer_poll_draining_ms = {}\nquiet_window_ms = {}\n\
             drain_ms_max = {}\ndrain_after_deadline = \"{}\"\nsoak_ms = {soak_ms}\n",
            timing.calm_poll_ms,
            timing.poll_ms,
            timing.quiet_ms,
            timing.drain.ms,
            word(timing.drain.after),
        );
        if timing.split > 0 {
            let updating = &self.tuning.splits[timing.split].updating;
            let names: Vec<String> = updating.iter().map(ToString::to_string).collect();
            text.push_str(&format!(
                "# and `role = \"updating\"` at {}; `role = \"loaded\"` at the others\n",
                names.join(", ")
            ));
        }
        text
    }
}

/// A figure and its estimate.
type Figured = (&'static Figure, Option<Estimate>);

fn minutes(ms: i64) -> f64 {
    ms as f64 / 60_000.0
}

/// A split's name.
fn split_name(split: usize) -> String {
    match split {
        0 => "plan's".to_owned(),
        n => format!("next {n}"),
    }
}

/// Why a setting was dropped, in words; empty when it was not.
fn fate(swept: &Swept) -> String {
    match swept.dropped {
        None => String::new(),
        Some((round, Dropped::Beaten { by })) => format!("round {round}: beaten by {by}"),
        Some((round, Dropped::Halved)) => format!("round {round}: in the worse half"),
    }
}

/// `mean [low, high]`.
fn shown(estimate: Option<Estimate>, digits: usize) -> String {
    match estimate {
        None => "–".to_owned(),
        Some(Estimate { mean, low: Some(low), high: Some(high), .. }) => {
            format!("{mean:.digits$} [{low:.digits$}, {high:.digits$}]")
        }
        Some(Estimate { mean, .. }) => format!("{mean:.digits$}"),
    }
}

/// Users hurt, for pictures: under load and under faults together.
fn hurt(swept: &Swept) -> Option<Estimate> {
    swept.runs.hurt()
}
