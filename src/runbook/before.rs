//! The runbook before step 1: who, whether the others carry the load, hazards, what must hold.
use crate::plan::{Phase, Plan};

use super::document::{Document, code};
use super::parts::{idle, names, page};
use super::{ADDED, haproxy, start};

/// The two sets, who is upgraded when, and whether the others carry the load.
pub(super) fn sets(d: &mut Document, plan: &Plan) {
    d.heading("Who");
    let mut sets = vec![
        format!("**Updating**, upgraded first: {}", names(&plan.updating)),
        format!("**Loaded**, carry the load meanwhile: {}", names(&plan.loaded)),
        format!(
            "**Controller**: {}{}",
            code(plan.farm.controller.as_str()),
            if plan.farm.pure_controller.is_some() { ", which serves no users" } else { "" }
        ),
    ];
    if let Some(window) = &plan.window {
        let (told, assumed) = (start::told(window), start::assumed(&window.takes));
        sets.push(format!("**When**, times in UTC {ADDED}: {told}; {assumed}"));
    }
    d.list(sets);
    let titles = ["Who serves", "Zone", "Load", "Members", "Busiest server", "With one lost"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for figures in &plan.capacity {
        let phase = match figures.phase {
            Phase::Whole => "all",
            Phase::OnLoaded => "loaded",
            Phase::OnUpdating => "updating",
        };
        let lost = figures.busiest_percent_one_lost;
        rows.push(vec![
            phase.to_owned(),
            code(figures.zone.as_str()),
            format!("{} requests/s", figures.load_rps),
            figures.members.to_string(),
            format!("{} % of its capacity", figures.busiest_percent),
            lost.map_or("nobody left".to_owned(), |percent| format!("{percent} %")),
        ]);
    }
    d.table(rows);
}

/// What could go wrong.
pub(super) fn hazards(d: &mut Document, plan: &Plan) {
    if plan.hazards.is_empty() {
        return;
    }
    d.heading("What could go wrong");
    d.list(plan.hazards.iter().map(|hazard| hazard.text.clone()).collect());
}

/// What must hold before step 1.
pub(super) fn before(d: &mut Document, plan: &Plan) {
    d.heading(&format!("Before step 1 {ADDED}"));
    let balancers = plan.farm.balancers.iter();
    d.list(vec![
        "Deployments are frozen: nobody publishes, no two-stage deployment is prepared.".into(),
        format!(
            "On {} every front-end is Enabled, and every deployment thread is {}.",
            page(plan, &plan.loaded, true),
            idle(plan)
        ),
        "Every member is up in the balancer, on every node. Keep this answer: step 9 restores it."
            .into(),
        "Back the database up: from step 3 on there is no way back to the old version.".into(),
    ]);
    d.commands(
        balancers.map(|node| haproxy::line(plan, &node.name, "show servers state")).collect(),
    );
}
