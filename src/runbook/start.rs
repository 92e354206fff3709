//! When to begin, in words: shared by the runbook and the plan's text.
use crate::plan::{StartWindow, Takes, hours};

/// The times at which it may begin.
#[must_use]
pub fn told(window: &StartWindow) -> String {
    let StartWindow { from, until, best, all_day, .. } = window;
    if *all_day {
        format!("begin at any time of day, best at {best}")
    } else if from == until {
        format!("begin at {best}")
    } else {
        format!("begin between {from} and {until}, best at {best}")
    }
}

/// How long it is assumed to take, and why.
#[must_use]
pub fn assumed(takes: &Takes) -> String {
    let all = hours(takes.minutes);
    if takes.parts.is_empty() {
        return format!("it takes {all}, as was said by `--takes`");
    }
    let parts = takes.parts.iter().map(|part| format!("{} {}", part.what, hours(part.minutes)));
    format!(
        "it is assumed to take {all}: {}; installers a third of their deadlines, which are three \
         times the usual, and nobody is waited for at gates; `evenkeel plan --takes` takes a \
         better figure, from a rehearsal or the last upgrade",
        parts.collect::<Vec<_>>().join(", ")
    )
}
