//! Makes a failure small: the fewest, simplest faults and the fewest servers that still break the
//! same invariant.
//!
//! In this order, each kept only when the same invariant is the first to break: events that did
//! not strike go; events go in halves, quarters and one by one until none can (after Zeller and
//! Hildebrandt's ddmin, "Simplifying and isolating failure-inducing input", 2002); servers go that
//! no event names; what is left is made simpler ([`simpler`]). Draws are keyed, so what remains
//! happens as it did before.
mod simpler;

use std::mem::Discriminant;
use std::ops::ControlFlow;

use crate::failure::Case;
use crate::nemesis::{Planned, Schedule};
use crate::oracle::RunVerdict;
use crate::world::Outcome;

/// How far a failure was made smaller.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest case found.
    pub case: Case,
    /// What came of it.
    pub outcome: Outcome,
    /// Events before.
    pub events_before: usize,
    /// Runs that it took.
    pub runs: u32,
    /// The budget was spent, or it was small enough, before nothing more could be left out.
    pub cut_short: bool,
}

/// Shrinks a failure within a budget of runs; `progress` is told runs and events after each run, and
/// may say that this is small enough. `None` when the case does not break `invariant`.
pub fn shrink(
    case: &Case,
    invariant: &str,
    runs_max: u32,
    progress: impl FnMut(u32, usize) -> ControlFlow<()>,
) -> Option<Shrunk> {
    let outcome = case.run(None);
    if !breaks(&outcome, invariant) {
        return None;
    }
    let mut search = Search {
        whole: case,
        ended: std::mem::discriminant(&outcome.verdict),
        best: case.clone(),
        outcome,
        invariant,
        runs: 1,
        runs_max,
        progress,
        is_enough: false,
    };
    search.leave_out_what_did_not_strike();
    search.drop_events();
    search.drop_servers();
    search.simplify();
    // Simpler events may have made others needless.
    search.drop_events();
    Some(Shrunk {
        events_before: case.schedule.planned.len(),
        runs: search.runs,
        cut_short: search.is_enough || search.runs >= runs_max,
        case: search.best,
        outcome: search.outcome,
    })
}

fn breaks(outcome: &Outcome, invariant: &str) -> bool {
    outcome.judgement.violations.first().is_some_and(|it| it.invariant == invariant)
}

struct Search<'a, P> {
    /// What is made smaller.
    whole: &'a Case,
    /// How its run ends: a panic is not made smaller by whatever else is no end.
    ended: Discriminant<RunVerdict>,
    best: Case,
    outcome: Outcome,
    invariant: &'a str,
    runs: u32,
    runs_max: u32,
    progress: P,
    /// Whoever is told of the progress has said so.
    is_enough: bool,
}

impl<P: FnMut(u32, usize) -> ControlFlow<()>> Search<'_, P> {
    /// Runs a candidate, and keeps it when it still fails the same way.
    fn keeps(&mut self, candidate: Case) -> bool {
        if self.is_enough || self.runs >= self.runs_max {
            return false;
        }
        self.runs += 1;
        let outcome = candidate.run(None);
        let kept = breaks(&outcome, self.invariant)
            && (std::mem::discriminant(&outcome.verdict) == self.ended || !self.is_of_the_end());
        if kept {
            self.best = candidate;
            self.outcome = outcome;
        }
        let events = self.best.schedule.planned.len();
        self.is_enough = (self.progress)(self.runs, events).is_break();
        kept
    }

    /// What is broken is broken by the run's end.
    fn is_of_the_end(&self) -> bool {
        let first = self.outcome.judgement.violations.first();
        first.is_some_and(|it| it.at_ms >= self.outcome.simulated_ms)
    }

    fn keeps_events(&mut self, planned: Vec<Planned>) -> bool {
        self.keeps(Case { schedule: Schedule { planned }, ..self.best.clone() })
    }

    fn leave_out_what_did_not_strike(&mut self) {
        let struck: Vec<Planned> = self.outcome.struck().cloned().collect();
        if struck.len() < self.best.schedule.planned.len() {
            self.keeps_events(struck);
        }
    }

    fn drop_events(&mut self) {
        let mut size = self.best.schedule.planned.len().div_ceil(2);
        while size > 0 {
            let mut dropped = false;
            let mut from = 0;
            while from < self.best.schedule.planned.len() {
                let mut fewer = self.best.schedule.planned.clone();
                fewer.drain(from..(from + size).min(fewer.len()));
                // What follows moves to this place when they go.
                match self.keeps_events(fewer) {
                    true => dropped = true,
                    false => from += size,
                }
            }
            if !(size == 1 && dropped) {
                size /= 2;
            }
        }
    }

    fn drop_servers(&mut self) {
        let names: Vec<String> =
            self.best.scenario.spec.front_ends.iter().rev().map(|it| it.name.clone()).collect();
        for name in names {
            let named = toml::to_string(&self.best.schedule).expect("a schedule is data");
            if named.contains(&format!("\"{name}\"")) {
                continue;
            }
            // All at once, as whoever replays it does: loads are rounded each time.
            let mut without = self.best.without.clone();
            without.push(name);
            let fewer = without.strip_prefix(&self.whole.without[..]).expect("it only grows");
            let Some(scenario) = self.whole.scenario.without(fewer) else { continue };
            self.keeps(Case { scenario, without, ..self.best.clone() });
        }
    }

    fn simplify(&mut self) {
        for place in 0..self.best.schedule.planned.len() {
            while self.simplify_one(place) {}
        }
    }

    fn simplify_one(&mut self, place: usize) -> bool {
        let planned = &self.best.schedule.planned[place];
        let after = self.outcome.struck.get(&place).and_then(|hit| hit.after.clone());
        simpler::of(planned, after).into_iter().any(|simpler| {
            let mut events = self.best.schedule.planned.clone();
            events[place] = simpler;
            self.keeps_events(events)
        })
    }
}
