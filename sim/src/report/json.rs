//! One JSON object a run and one for all of them, a line each. Stable: fields are added, never
//! changed, and `v` counts up if one must be.
use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::campaign::{Campaign, Summary, Told};
use crate::nemesis::Planned;
use crate::oracle::{Excused, RunVerdict, Violation};
use crate::traffic::Fates;
use crate::world::Outcome;

use super::{NOT_REHEARSED, replay, verdict};

/// Version of these objects.
const FORMAT: u32 = 1;

/// A fault of the schedule, and whether its trigger came.
#[derive(Serialize)]
struct PlannedFault<'a> {
    #[serde(flatten)]
    planned: &'a Planned,
    struck: bool,
}

#[derive(Serialize)]
struct Run<'a> {
    v: u32,
    seed: u64,
    digest: &'a str,
    verdict: &'static str,
    /// What the verdict says besides its name: a hold's reason, servers left out.
    detail: Value,
    violations: &'a [Violation],
    excused: &'a [Excused],
    /// Situations that came about, by name.
    sometimes: &'a BTreeSet<&'static str>,
    /// Reasons for which it held, by name.
    holds: &'a BTreeSet<String>,
    /// When a core of the farm was healed for good, if it was.
    healed_at_s: Option<f64>,
    simulated_s: f64,
    wall_s: f64,
    events: u64,
    exchanges: u64,
    requests: Fates,
    faults: Vec<PlannedFault<'a>>,
    replay: String,
}

/// The object of one run.
#[must_use]
pub fn run(campaign: &Campaign<'_>, told: &Told) -> String {
    let outcome = &told.outcome;
    to_line(&Run {
        v: FORMAT,
        seed: outcome.seed,
        digest: &outcome.digest,
        verdict: verdict(&outcome.verdict),
        detail: detail(&outcome.verdict),
        violations: &outcome.judgement.violations,
        excused: &outcome.judgement.excused,
        sometimes: &outcome.judgement.sometimes,
        holds: &outcome.judgement.holds,
        healed_at_s: outcome.healed_at_ms.map(seconds),
        simulated_s: seconds(outcome.simulated_ms),
        wall_s: told.wall.as_secs_f64(),
        events: outcome.events,
        exchanges: outcome.exchanges,
        requests: outcome.fates,
        faults: planned_faults(outcome),
        replay: replay(&campaign.scenario.path, outcome.seed, &campaign.faults, campaign.planted),
    })
}

fn planned_faults(outcome: &Outcome) -> Vec<PlannedFault<'_>> {
    let planned = outcome.schedule.planned.iter().enumerate();
    planned
        .map(|(place, planned)| PlannedFault {
            planned,
            struck: outcome.struck.contains_key(&place),
        })
        .collect()
}

/// The object of all runs together, which took so long by the clock on the wall.
#[must_use]
pub fn summary(campaign: &Campaign<'_>, summary: &Summary, wall_s: f64) -> String {
    to_line(&json!({
        "v": FORMAT,
        "summary": {
            "scenario": campaign.scenario.path.display().to_string(),
            "plan_hash": campaign.scenario.given_plan_hash,
            "faults": campaign.faults.to_string(),
            "seed_first": campaign.seeds.start(),
            "seed_last": campaign.seeds.end(),
            "runs": summary.runs,
            "done": summary.done,
            "held": summary.held,
            "violated": summary.violated,
            "excused": summary.excused,
            "healed": summary.healed,
            "healed_done": summary.healed_done,
            "nobody_needed": summary.nobody_needed,
            "nobody_needed_done": summary.nobody_needed_done,
            "coverage": summary.coverage,
            "gaps": summary.gaps(&campaign.faults),
            "simulated_s": seconds(summary.simulated_ms),
            "wall_s": wall_s,
            "not_rehearsed": NOT_REHEARSED,
        }
    }))
}

fn detail(verdict: &RunVerdict) -> Value {
    match verdict {
        RunVerdict::Done { left_out } => json!({ "left_out": left_out }),
        RunVerdict::Held { reason } => json!({ "reason": reason }),
        RunVerdict::Refused { why } => json!({ "why": why }),
        RunVerdict::Broken { why } => json!({ "why": why }),
        RunVerdict::Aborted | RunVerdict::Stuck => Value::Null,
    }
}

#[allow(clippy::cast_precision_loss)] // milliseconds of a run are far below 2^53
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

fn to_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("every key of a report is a string")
}
