//! What is said about runs: [`json`] to programs, [`text`] and [`crash_points`] to people.
pub mod crash_points;
pub mod json;
pub mod text;

use crate::nemesis::Choice;
use crate::oracle::RunVerdict;
use crate::world::Outcome;

/// What a rehearsal does not cover: a farm can still fail there.
pub const NOT_REHEARSED: [&str; 6] =
    ["users' own scripts", "TLS", "DNS", "UNIX sockets", "process start", "signals"];

/// The one command that plays a run again.
#[must_use]
pub fn replay(path: &str, seed: u64, faults: &Choice) -> String {
    format!("evenkeel-sim rehearse {path} --seed {seed} --faults {faults}")
}

/// A verdict in a word.
#[must_use]
pub fn verdict(verdict: &RunVerdict) -> &'static str {
    match verdict {
        RunVerdict::Done { .. } => "done",
        RunVerdict::Held { .. } => "held",
        RunVerdict::Aborted => "aborted",
        RunVerdict::Refused { .. } => "refused",
        RunVerdict::Stuck => "stuck",
        RunVerdict::Broken { .. } => "broken",
    }
}

/// The faults that struck in a run, in the order of the schedule.
fn faults(outcome: &Outcome) -> String {
    let words: Vec<String> =
        outcome.struck().map(|planned| planned.fault.kind().name.to_owned()).collect();
    words.join(", ")
}
