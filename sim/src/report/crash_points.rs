//! What came of every crash point: a table, and every failure with the command that plays it again.
use std::fmt::Write;

use crate::campaign::crash_points::{CrashPoints, Failure, Findings, Part};
use crate::nemesis::Choice;
use crate::oracle::RunVerdict;
use crate::world::{Outcome, clock};

use super::text::why_not_done;
use super::{replay, shell_word, verdict};

/// Failures told with all that happened before; of the others, only the command.
const TOLD: usize = 3;

/// What is about to be crashed.
#[must_use]
pub fn head(campaign: &CrashPoints<'_>, undisturbed: &Outcome, part: Part) -> String {
    let points = undisturbed.points;
    let of_part = match part {
        Part::WHOLE => String::new(),
        part => format!("; only part {part} of its points is played"),
    };
    format!(
        "{}: seed {} ends {} without a crash; it writes {} records, and sends {} times to where an \
         effect is under way{of_part}",
        campaign.scenario.path.display(),
        campaign.seed,
        verdict(&undisturbed.verdict),
        points.records,
        points.sent,
    )
}

/// All runs in a table.
#[must_use]
pub fn findings(findings: &Findings, wall_s: f64) -> String {
    let mut text = String::new();
    line(
        &mut text,
        &format!(
            "\n{:<40}  {:>4}  {:>7}  {:>7}  {:>5}  {:>6}  {:>11}",
            "killed at", "away", "runs", "done", "held", "failed", "not reached"
        ),
    );
    for ((classes, away), it) in &findings.tallies {
        let words: Vec<String> = classes.iter().map(ToString::to_string).collect();
        line(
            &mut text,
            &format!(
                "{:<40}  {:>4}  {:>7}  {:>7}  {:>5}  {:>6}  {:>11}",
                words.join(" + "),
                away.name(),
                it.runs,
                it.done,
                it.held,
                it.failed,
                it.not_reached
            ),
        );
    }
    let runs = findings.runs();
    let hours = findings.simulated_ms / 3_600_000;
    line(
        &mut text,
        &format!(
            "\n{runs} runs, {} failed; {hours} h simulated in {wall_s:.1} s by the wall",
            findings.failures.len()
        ),
    );
    text
}

/// What went wrong, as so many did before.
#[must_use]
pub fn failure(campaign: &CrashPoints<'_>, failure: &Failure, before: usize) -> String {
    let Failure { crashes, outcome } = failure;
    let mut text = String::new();
    line(&mut text, &format!("\n{crashes}: {}", verdict(&outcome.verdict)));
    violations(&mut text, outcome);
    if before < TOLD {
        last_events(&mut text, outcome);
    }
    let path = shell_word(&campaign.scenario.path);
    let seed = campaign.seed;
    let again = format!("evenkeel-sim rehearse {path} --seed {seed} --crash-points={crashes}");
    line(&mut text, &format!("  again: {again}"));
    text
}

/// What is wrong with the run without a crash, of which no crash would be the cause; `None` when
/// nothing is.
#[must_use]
pub fn wrong_without_a_crash(campaign: &CrashPoints<'_>, undisturbed: &Outcome) -> Option<String> {
    let ended = match &undisturbed.verdict {
        RunVerdict::Done { left_out } => left_out.is_empty(),
        verdict => matches!(verdict, RunVerdict::Held { .. }),
    };
    if ended && undisturbed.judgement.violations.is_empty() {
        return None;
    }
    let mut text = String::new();
    line(&mut text, "\nthis run is wrong without a crash already, so no crash was tried:");
    if let Some(why) = why_not_done(undisturbed) {
        line(&mut text, &format!("  {why}"));
    }
    violations(&mut text, undisturbed);
    last_events(&mut text, undisturbed);
    let again = replay(&campaign.scenario.path, campaign.seed, &Choice::None, None);
    line(&mut text, &format!("  again: {again}"));
    Some(text)
}

fn violations(text: &mut String, outcome: &Outcome) {
    for violation in &outcome.judgement.violations {
        line(text, &format!("  at {}: {}", clock(violation.at_ms), violation.what));
        line(text, &format!("    {}: {}", violation.invariant, violation.sentence));
    }
}

fn last_events(text: &mut String, outcome: &Outcome) {
    line(text, "  the last events before:");
    outcome.last_events.iter().for_each(|event| line(text, &format!("    {event}")));
}

fn line(text: &mut String, words: &str) {
    writeln!(text, "{words}").expect("writing to a String does not fail");
}
