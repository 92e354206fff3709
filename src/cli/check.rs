//! `evenkeel check FARM [--live]`: is the farm file right, and does it describe the farm?
use std::path::Path;

use serde_json::json;

use crate::farm::LoadedFarm;
use crate::plan::{Phase, Plan};

use super::args::CheckArgs;
use super::live::{self, LiveReport};
use super::{Exit, answer, complain, files, wrapped};

/// Validates a farm file.
pub(crate) fn run(args: &CheckArgs) -> Exit {
    let checked = files::farm(&args.farm, args.json).and_then(|loaded| {
        let plan = files::build(&args.farm, &loaded, None, None, args.json)?;
        Ok((loaded, plan))
    });
    let (loaded, plan) = match checked {
        Ok(checked) => checked,
        Err(exit) => return exit,
    };
    let live = match args.live.then(|| live::check_live(&loaded)).transpose() {
        Ok(live) => live,
        Err(why) => {
            complain(&format!("evenkeel: {why}; nothing was changed"));
            return Exit::Failed;
        }
    };
    if args.json {
        answer(
            &json!({
                "v": files::JSON_FORMAT,
                "farm": loaded.farm.name,
                "text_hash": loaded.text_hash,
                "updating": plan.updating,
                "loaded": plan.loaded,
                "hazards": plan.hazards,
                "live": live,
            })
            .to_string(),
        );
    } else {
        answer(&told(&args.farm, &loaded, &plan, live.as_ref()));
    }
    match live {
        Some(live) if !live.differences.is_empty() => Exit::Failed,
        _ => Exit::Done,
    }
}

fn told(file: &Path, loaded: &LoadedFarm, plan: &Plan, live: Option<&LiveReport>) -> String {
    let farm = &loaded.farm;
    let mut text = format!("{}: no mistake\n", file.display());
    text.push_str(&wrapped(
        "  ",
        &format!(
            "{}: {} in {}, {} on {}, {}",
            farm.name,
            count(farm.front_ends.len(), "front-end"),
            count(farm.zones.len(), "zone"),
            count(farm.pools.len(), "pool"),
            count(farm.balancers.len(), "balancer node"),
            count(farm.tests.len(), "application test"),
        ),
    ));
    let halves = plan.capacity.iter().filter(|figures| figures.phase != Phase::Whole);
    let busiest = halves.map(|figures| figures.busiest_percent).max().unwrap_or(0);
    text.push('\n');
    text.push_str(&wrapped("  ", &format!(
        "a split carries the load: {} updating, {} loaded, the busiest server at {busiest} % of \
         its capacity ({} % allowed); {}, told by `evenkeel plan`",
        plan.updating.len(),
        plan.loaded.len(),
        100 - farm.policy.margin_percent,
        count(plan.hazards.len(), "hazard"),
    )));
    if let Some(live) = live {
        for read in &live.read {
            text.push('\n');
            text.push_str(&wrapped("  read: ", read));
        }
        match live.differences.as_slice() {
            [] => text.push_str("\nlive: nothing differs from the file; nothing was changed"),
            some => {
                for difference in some {
                    text.push('\n');
                    text.push_str(&wrapped("  differs: ", difference));
                }
                text.push_str("\nlive: mend the file or the farm; nothing was changed");
            }
        }
    }
    text
}

fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}
