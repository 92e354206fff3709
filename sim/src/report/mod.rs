//! What is said about runs: [`json`] to programs, [`text`] and [`crash_points`] to people;
//! [`coverage`] of a campaign, and all of it as a [`page`]; [`failure`] with its [`timeline`];
//! [`tuning`] of a sweep.
pub mod coverage;
pub mod crash_points;
pub mod failure;
mod html;
pub mod json;
pub mod page;
pub mod text;
pub mod timeline;
pub mod tuning;

use std::path::Path;

use crate::nemesis::Choice;
use crate::oracle::RunVerdict;
use crate::sabotage::Planted;
use crate::world::Outcome;

/// What a rehearsal does not cover: a farm can still fail there.
pub const NOT_REHEARSED: [&str; 6] = [
    "users' own scripts",
    "TLS",
    "DNS",
    "UNIX sockets",
    "process start and the lock between two processes",
    "signals",
];

/// The one command that plays a run again.
#[must_use]
pub fn replay(path: &Path, seed: u64, faults: &Choice, planted: Option<Planted>) -> String {
    let planted = planted
        .map(|it| format!(" --sabotage {} --guard {}", it.sabotage.name, it.guard))
        .unwrap_or_default();
    let path = shell_word(path);
    format!("evenkeel-sim rehearse {path} --seed {seed} --faults {faults}{planted}")
}

/// A path as a POSIX shell takes it.
fn shell_word(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    match !path.is_empty() && path.chars().all(plain) {
        true => path,
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a printed command can be pasted. Method: a plain path, and ones that a shell would take
    /// apart.
    #[test]
    fn a_printed_path_is_one_word_of_a_shell() {
        for (path, word) in [
            ("scenarios/retail-2.toml", "scenarios/retail-2.toml"),
            ("my farms/retail.toml", "'my farms/retail.toml'"),
            ("it's.toml", "'it'\\''s.toml'"),
            ("$HOME.toml", "'$HOME.toml'"),
        ] {
            let again = replay(Path::new(path), 7, &Choice::None, None);
            assert_eq!(again, format!("evenkeel-sim rehearse {word} --seed 7 --faults none"));
        }
    }
}
