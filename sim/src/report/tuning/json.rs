//! A sweep as one JSON object. Stable: fields are added, never changed, and `v` counts up if one must be.
use serde_json::{Map, Value, json};

use crate::report::NOT_REHEARSED;
use crate::tune::Swept;
use crate::tune::figures::{FIGURES, TIME};
use crate::tune::grid::word;
use crate::tune::race::Dropped;

use super::Told;

/// Version of the object.
const FORMAT: u32 = 1;

/// The object, in a line.
#[must_use]
pub fn json(told: &Told<'_>) -> String {
    let Told { sweep, tuning, choice, .. } = told;
    let settings: Vec<Value> =
        tuning.swept.iter().enumerate().map(|(place, swept)| setting(told, place, swept)).collect();
    let splits: Vec<Value> = tuning
        .splits
        .iter()
        .map(|it| json!({ "updating": it.updating, "busiest_percent": it.busiest_percent }))
        .collect();
    let figures: Map<String, Value> =
        FIGURES.iter().map(|it| (it.key.to_owned(), it.words.into())).collect();
    json!({
        "v": FORMAT,
        "tune": {
            "scenario": sweep.scenario.path.display().to_string(),
            "plan_hash": sweep.scenario.given_plan_hash,
            "faults": sweep.faults.to_string(),
            "seed_first": sweep.seed_first,
            "seeds": sweep.seeds,
            "rounds": tuning.rounds,
            "runs": tuning.runs,
            "invalid": tuning.invalid,
            "splits": splits,
            "figures": figures,
            "settings": settings,
            "recommended": {
                "setting": choice.place,
                "soak_ms": told.soaks_ms()[0],
                "keeps": choice.keeps,
                "passed": choice.passed,
                "nobody_clean": choice.nobody_clean,
                "why": told.why(),
                "toml": told.toml(),
            },
            "method": told.method(),
            "not_rehearsed": NOT_REHEARSED,
        }
    })
    .to_string()
}

fn setting(told: &Told<'_>, place: usize, swept: &Swept) -> Value {
    let timing = swept.timing;
    let soaks: Vec<Value> = told
        .soaks_ms()
        .into_iter()
        .map(|soak_ms| {
            let time = TIME.over(&swept.runs.load, told.left_out_ms(swept, soak_ms));
            json!({ "soak_ms": soak_ms, "time_min": time })
        })
        .collect();
    let mut object = json!({
        "setting": place,
        "split": timing.split,
        "drain_ms_max": timing.drain.ms,
        "drain_after_deadline": word(timing.drain.after),
        "balancer_poll_draining_ms": timing.poll_ms,
        "balancer_poll_ms": timing.calm_poll_ms,
        "quiet_window_ms": timing.quiet_ms,
        "soaks": soaks,
        "seeds": swept.runs.load.len(),
        "dropped": swept.dropped.map(|(round, why)| match why {
            Dropped::Beaten { by } => json!({ "round": round, "why": "beaten", "by": by }),
            Dropped::Halved => json!({ "round": round, "why": "worse-half" }),
        }),
        "front": told.front.contains(&place),
        "hurt_together": swept.runs.hurt(),
        "invariants_broken": swept.runs.broken(),
    });
    for (under, figures) in told.figures(swept, told.soaks_ms()[0]) {
        let figures: Map<String, Value> = figures
            .into_iter()
            .map(|(it, estimate)| (it.key.to_owned(), json!(estimate)))
            .collect();
        object[under] = figures.into();
    }
    object
}
