//! A failure for people: one command that replays it, what was broken, the schedule, every
//! server's state as it changed, and the last events.
use std::fmt::Write as _;
use std::path::Path;

use crate::failure::Case;
use crate::shrink::Shrunk;
use crate::world::{Outcome, clock};

use super::timeline::{LEGEND, Timeline};
use super::{shell_word, verdict};

/// Everything about a failure that was shrunk, which is kept in a file.
#[must_use]
pub fn text(shrunk: &Shrunk, kept: &Path) -> String {
    told(shrunk, &format!("evenkeel-sim replay {}", shell_word(kept)))
}

/// Everything about a failure that was shrunk, with the command that shows it again.
#[must_use]
pub fn told(shrunk: &Shrunk, again: &str) -> String {
    let Shrunk { case, outcome, events_before, runs, cut_short } = shrunk;
    let violation = &outcome.judgement.violations[0];
    let mut text = String::new();
    let mut line = |words: &str| writeln!(text, "{words}").expect("a String can be written");
    line(&format!("{}: {}", violation.invariant, violation.sentence));
    line(&format!("broken at {}: {}", clock(violation.at_ms), violation.what));
    line(&format!("again: {again}"));
    line("");
    let count = case.schedule.planned.len();
    match (runs, cut_short) {
        // Only looked whether it breaks: nothing was tried to make it smaller.
        (1, _) => line(&format!("{count} events, as they were:")),
        (_, true) => line(&format!(
            "{count} of {events_before} events are left after {runs} runs; the budget ended there:"
        )),
        (_, false) => {
            line(&format!("{count} of {events_before} events are left after {runs} runs:"));
        }
    }
    for planned in &case.schedule.planned {
        line(&format!("  {}: {}", planned.trigger, planned.fault));
    }
    if !case.without.is_empty() {
        line(&format!("on the farm without {}", case.without.join(", ")));
    }
    line("");
    let timeline = Timeline::default();
    let _same = case.run(Some(Box::new(timeline.clone())));
    line(&timeline.text(violation.at_ms));
    line(LEGEND);
    line("");
    line("the last events before it:");
    for event in &outcome.last_events {
        line(&format!("  {event}"));
    }
    text
}

/// What came of a replay, and which of its events never came or changed nothing.
#[must_use]
pub fn ending(case: &Case, outcome: &Outcome) -> String {
    let mut text = String::new();
    let mut line = |words: &str| writeln!(text, "{words}").expect("a String can be written");
    line("");
    line(&format!(
        "the run ended {} after {}",
        verdict(&outcome.verdict),
        clock(outcome.simulated_ms)
    ));
    for (place, planned) in stale(case, outcome) {
        line(&format!("stale: fault {place} never struck: {}", planned.fault));
    }
    for (place, planned) in idle(case, outcome) {
        line(&format!("idle: fault {place} struck and changed nothing: {}", planned.fault));
    }
    for violation in &outcome.judgement.violations {
        line(&format!("broken at {}: {}", clock(violation.at_ms), violation.what));
        line(&format!("  {}: {}", violation.invariant, violation.sentence));
    }
    if outcome.judgement.violations.is_empty() {
        line("nothing is broken");
    }
    text
}

/// The events whose trigger never came, with their places.
pub fn stale<'a>(
    case: &'a Case,
    outcome: &'a Outcome,
) -> impl Iterator<Item = (usize, &'a crate::nemesis::Planned)> {
    let planned = case.schedule.planned.iter().enumerate();
    planned.filter(|(place, _)| !outcome.struck.contains_key(place))
}

/// The events that struck and changed nothing, with their places: one that lay in wait was never
/// met, or what it would have done was done already.
pub fn idle<'a>(
    case: &'a Case,
    outcome: &'a Outcome,
) -> impl Iterator<Item = (usize, &'a crate::nemesis::Planned)> {
    let planned = case.schedule.planned.iter().enumerate();
    planned.filter(|(place, _)| outcome.struck.get(place).is_some_and(|hit| hit.changed.is_none()))
}
