//! What is said about runs: [`json`] to programs, [`text`] to people.
pub mod json;
pub mod text;

use crate::nemesis::{Choice, Fault};
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

/// The faults that struck in a run in a few words, in the order of the schedule.
fn faults(outcome: &Outcome) -> String {
    let words: Vec<String> = outcome
        .struck()
        .map(|planned| match &planned.fault {
            Fault::Latency { extra_ms, .. } => format!("latency +{extra_ms} ms"),
            Fault::LostResponse { .. } => "lost-response".into(),
            Fault::OrchestratorCrash { away_ms } => {
                format!("orchestrator-crash {} s", away_ms / 1_000)
            }
            Fault::FrontEndCrash { server, back_after_ms } => match back_after_ms {
                Some(after_ms) => format!("{server} crash {} min", after_ms / 60_000),
                None => format!("{server} crash for good"),
            },
            Fault::InstallerFails { server, times, .. } => match times {
                1 => format!("{server} installer fails once"),
                _ => format!("{server} installer fails"),
            },
            Fault::BalancerReload { node } => format!("{node} reload"),
        })
        .collect();
    words.join(", ")
}
