//! A table and a few sentences for people.
use std::fmt::Write;

use crate::campaign::{Campaign, Summary, Told};
use crate::oracle::{Bounds, RunVerdict};
use crate::world::{Outcome, clock};

use super::{NOT_REHEARSED, faults, replay, verdict};

/// What is about to run, and the table's head.
#[must_use]
pub fn head(campaign: &Campaign<'_>) -> String {
    let (first, last) = (campaign.seeds.start(), campaign.seeds.end());
    let farm = &campaign.scenario.plan.farm;
    format!(
        "{}: farm {}, {} front-ends, {} to {}; faults {}; seeds {first} to {last}\n\n\
         {:>6}  {:<8}  {:>9}  {:>8}  {:>9}  {:>7}  {:<7}  {}",
        campaign.scenario.path.display(),
        farm.name,
        farm.front_ends.len(),
        farm.version_from,
        farm.version_to,
        campaign.faults,
        "seed",
        "verdict",
        "simulated",
        "wall ms",
        "exchanges",
        "excused",
        "digest",
        "what went wrong"
    )
}

/// A run's row, and what was broken in it.
#[must_use]
pub fn run(campaign: &Campaign<'_>, told: &Told) -> String {
    let outcome = &told.outcome;
    let word = match outcome.judgement.violations.is_empty() {
        true => verdict(&outcome.verdict),
        false => "VIOLATED",
    };
    let simulated_s = outcome.simulated_ms / 1_000;
    let mut text = format!(
        "{:>6}  {word:<8}  {:>9}  {:>8}  {:>9}  {:>7}  {:<7}  {}",
        outcome.seed,
        format!("{}:{:02}:{:02}", simulated_s / 3_600, simulated_s / 60 % 60, simulated_s % 60),
        told.wall.as_millis(),
        outcome.exchanges,
        outcome.judgement.excused.len(),
        outcome.digest.get(..7).unwrap_or(&outcome.digest),
        faults(outcome),
    );
    if let Some(why) = why_not_done(outcome) {
        text.push_str(&format!("\n{:>8}{why}", ""));
    }
    if !outcome.judgement.violations.is_empty() {
        text.push('\n');
        text.push_str(&violations(campaign, outcome));
    }
    text
}

/// What was broken in a run, the last events before it, and how to see it again.
pub(super) fn violations(campaign: &Campaign<'_>, outcome: &Outcome) -> String {
    let mut text = String::new();
    for violation in &outcome.judgement.violations {
        let at = clock(violation.at_ms);
        line(&mut text, &format!("\n  violated at {at}: {}", violation.what));
        line(&mut text, &format!("    {}: {}", violation.invariant, violation.sentence));
    }
    line(&mut text, "\n  the last events before it:");
    for event in &outcome.last_events {
        for (n, part) in event.lines().enumerate() {
            let indent = if n == 0 { "    " } else { "                " };
            line(&mut text, &format!("{indent}{part}"));
        }
    }
    let path = &campaign.scenario.path;
    let again = replay(path, outcome.seed, &campaign.faults, campaign.planted);
    line(&mut text, &format!("\n  again: {again}"));
    text
}

/// What all runs together say, and what they do not.
#[must_use]
pub fn summary(
    campaign: &Campaign<'_>,
    summary: &Summary,
    bounds: &Bounds,
    excuses: &[String],
    wall_s: f64,
) -> String {
    let mut text = String::new();
    line(&mut text, "");
    verdicts(campaign, summary).iter().for_each(|it| line(&mut text, it));
    text.push_str(&super::coverage::text(&summary.coverage, &campaign.faults));
    if !excuses.is_empty() {
        line(&mut text, &format!("excused in {} runs, as invariants state:", summary.excused));
        for excuse in excuses {
            line(&mut text, &format!("  {excuse}"));
        }
        line(&mut text, &format!("  {}", bound_words(bounds)));
    }
    line(&mut text, &speed(campaign, summary, wall_s));
    line(&mut text, &format!("not rehearsed: {}", NOT_REHEARSED.join(", ")));
    for gap in summary.gaps(&campaign.faults) {
        line(&mut text, &format!("gap: {gap}"));
    }
    text
}

/// How the runs ended, in sentences.
pub(super) fn verdicts(campaign: &Campaign<'_>, summary: &Summary) -> Vec<String> {
    let (first, last) = (campaign.seeds.start(), campaign.seeds.end());
    let mut sentences = vec![format!(
        "seeds {first} to {last}: {} of {} ended done, {} held, {} with a violation",
        share(summary.done, summary.runs),
        summary.runs,
        summary.held,
        summary.violated
    )];
    if summary.nobody_needed > 0 {
        sentences.push(format!(
            "of {} without a fault after which a person may be needed, {} ended done",
            summary.nobody_needed, summary.nobody_needed_done
        ));
    }
    if summary.healed > 0 {
        sentences.push(format!(
            "{} called a person and had a core of their farm healed; of them {} ended done",
            summary.healed, summary.healed_done
        ));
    }
    sentences
}

/// How long excuses last.
fn bound_words(bounds: &Bounds) -> String {
    let s = |ms: u64| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
    format!(
        "undisturbed, an excuse lasts {} after a member died, {} after a reload, {} after a \
         server came back, {} after one enabled itself",
        s(bounds.of(bounds.death)),
        s(bounds.of(bounds.reload)),
        s(bounds.of(bounds.back)),
        s(bounds.of(bounds.flag))
    )
}

/// A run's excuses, a line each.
#[must_use]
pub fn excuses(outcome: &Outcome) -> Vec<String> {
    outcome
        .judgement
        .excused
        .iter()
        .map(|it| {
            let until = match it.excuse.until_ms {
                Some(until_ms) => format!("until {}", clock(until_ms)),
                None => "while that lasted".to_owned(),
            };
            format!(
                "seed {}, {}: {} from {}, for {} ms; {} of {}, {until}",
                outcome.seed,
                it.invariant,
                it.what,
                clock(it.at_ms),
                it.for_ms,
                it.excuse.fault,
                it.excuse.at,
            )
        })
        .collect()
}

/// Why a run did not end done, in a line; `None` when it did.
pub(super) fn why_not_done(outcome: &Outcome) -> Option<String> {
    match &outcome.verdict {
        RunVerdict::Done { left_out } if left_out.is_empty() => None,
        RunVerdict::Done { left_out } => Some(format!("left out {}", left_out.join(", "))),
        RunVerdict::Held { reason } => Some(format!("held for {reason:?}")),
        RunVerdict::Refused { why } => Some(format!("refused: {}", why.join("; "))),
        RunVerdict::Broken { why } => Some(format!("the program broke: {why}")),
        RunVerdict::Stuck => Some("neither done nor held by its deadline".into()),
        RunVerdict::Aborted => Some("aborted".into()),
    }
}

fn share(part: u64, of: u64) -> String {
    match of {
        0 => format!("{part}"),
        _ => format!("{part} ({} %)", part * 100 / of),
    }
}

/// How much was simulated in how long. By the clock on the wall: how much of a processor it took is
/// another question.
#[allow(clippy::cast_precision_loss)] // milliseconds of a campaign are far below 2^53
pub(super) fn speed(campaign: &Campaign<'_>, summary: &Summary, wall_s: f64) -> String {
    let simulated_s = summary.simulated_ms as f64 / 1_000.0;
    let hours = simulated_s / 3_600.0;
    let factor = simulated_s / wall_s.max(0.001);
    let at_a_time = match campaign.jobs.get() {
        1 => String::new(),
        jobs => format!(" with {jobs} runs at a time"),
    };
    format!(
        "{hours:.1} h simulated in {wall_s:.1} s by the wall{at_a_time}: {factor:.0} times real time"
    )
}

fn line(text: &mut String, words: &str) {
    writeln!(text, "{words}").expect("writing to a String does not fail");
}
