//! A plan as people read it: sets, stages, capacity, hazards, policy, first effects.
use std::fmt::Write;
use std::path::Path;

use crate::farm::policy_reasons::REASONS;
use crate::farm::{Policy, Stack};
use crate::names::ServerName;
use crate::plan::{HazardAt, Phase, Plan, Stage};
use crate::runbook::{haproxy, start};

use super::output::table;
use super::wrapped;

/// The whole plan.
pub(crate) fn told(plan: &Plan, file: &Path) -> String {
    let mut text = head(plan);
    stages(&mut text, plan);
    start(&mut text, plan);
    capacity(&mut text, plan);
    hazards(&mut text, plan);
    policy(&mut text, &plan.farm.policy);
    first_effects(&mut text, plan);
    let untested: Vec<&str> = (plan.farm.zones.iter())
        .filter(|zone| !plan.farm.tests.iter().any(|test| test.zone == zone.name))
        .map(|zone| zone.name.as_str())
        .collect();
    if !untested.is_empty() {
        let zones = untested.join(", ");
        let warning =
            format!("{zones}: no application test, so a broken upgrade would pass for a good one");
        add(&mut text, &wrapped("WARNING ", &warning));
        text.push('\n');
    }
    let line = format!("Written to {} (hash {})", file.display(), &plan.hash()[..12]);
    add(&mut text, &line);
    text
}

fn add(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn heading(text: &mut String, title: &str) {
    write!(text, "\n{title}\n").expect("writing to a String does not fail");
}

fn head(plan: &Plan) -> String {
    let farm = &plan.farm;
    let stack = match farm.stack {
        Stack::Dotnet => ".NET",
        Stack::J2ee => "J2EE",
    };
    let kind = if farm.pure_controller.is_some() { "serves no users" } else { "a front-end" };
    let mut text = String::new();
    add(&mut text, &format!("{}: {stack}, {} → {}", farm.name, farm.version_from, farm.version_to));
    add(&mut text, &format!("Controller: {} ({kind})", farm.controller));
    if let Some(reason) = &plan.forced {
        add(&mut text, &wrapped("FORCED although it was refused: ", reason));
    }
    add(&mut text, &set("Updating, upgraded first: ", &plan.updating));
    add(&mut text, &set("Loaded, carry the load:   ", &plan.loaded));
    text
}

fn set(title: &str, servers: &[ServerName]) -> String {
    wrapped(title, &names(servers))
}

fn names(servers: &[ServerName]) -> String {
    servers.iter().map(ServerName::as_str).collect::<Vec<_>>().join(" ")
}

fn stages(text: &mut String, plan: &Plan) {
    heading(text, "Order of upgrades");
    let parallel = plan.farm.policy.parallel_max;
    for (step, stages) in [(3, &plan.updating_stages), (6, &plan.loaded_stages)] {
        for (index, stage) in stages.iter().enumerate() {
            add(
                text,
                &wrapped(&format!("  step {step}.{}  ", index + 1), &stage_text(stage, parallel)),
            );
        }
    }
}

fn stage_text(stage: &Stage, parallel: u32) -> String {
    let servers: Vec<ServerName> = stage.servers.iter().map(|jobs| jobs.server.clone()).collect();
    let kinds = stage.servers.first().map_or_else(Vec::new, |jobs| jobs.kinds.clone());
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    let at_a_time =
        if servers.len() > 1 { format!(", {parallel} at a time") } else { String::new() };
    format!("{}: {}{at_a_time}", names(&servers), kinds.join(", then "))
}

/// When to begin, where the farm file has the load over a day.
fn start(text: &mut String, plan: &Plan) {
    let Some(load) = &plan.farm.load else { return };
    heading(text, "Start (times of day in UTC)");
    let Some(window) = &plan.window else {
        add(text, "  no time of day holds; the plan was forced");
        return;
    };
    add(text, &wrapped("  ", &start::told(window)));
    add(text, &wrapped("  ", &start::assumed(&window.takes)));
    add(
        text,
        &wrapped(
            "  ",
            &format!(
                "both halves carry the highest load of those hours, taken over {} minutes at a \
                 time; measured: {}",
                load.slot_minutes, load.measured
            ),
        ),
    );
}

fn capacity(text: &mut String, plan: &Plan) {
    heading(text, "Capacity (requests per second; the busiest server in % of its capacity)");
    let titles = ["who serves", "zone", " load", " members", " carries", " busiest", " one lost"];
    let mut rows: Vec<Vec<String>> = vec![titles.map(str::to_owned).to_vec()];
    for figures in &plan.capacity {
        let phase = match figures.phase {
            Phase::Whole => "all",
            Phase::OnLoaded => "loaded (steps 1-5)",
            Phase::OnUpdating => "updating (steps 5-9)",
        };
        let lost = figures.busiest_percent_one_lost;
        rows.push(vec![
            phase.to_owned(),
            figures.zone.to_string(),
            figures.load_rps.to_string(),
            figures.members.to_string(),
            figures.capacity_rps.to_string(),
            format!("{} %", figures.busiest_percent),
            lost.map_or("nobody left".to_owned(), |percent| format!("{percent} %")),
        ]);
    }
    add(text, &table(&rows));
    if plan.farm.load.is_some() {
        let window = match &plan.window {
            Some(window) => format!("begun at {}", window.best),
            None => "in the quietest hours".to_owned(),
        };
        let loads = format!(
            "loads are the highest of the day when all serve, and the highest during an upgrade \
             {window} when a half does"
        );
        add(text, &wrapped("  ", &loads));
    }
    let allowed = 100 - plan.farm.policy.margin_percent;
    add(
        text,
        &wrapped(
            "  ",
            &format!(
                "\"carries\" is what the zone could have within {allowed} % per server, the other \
                    zones \
         being as they are; \"one lost\" is with the one server lost whose loss is worst"
            ),
        ),
    );
}

fn hazards(text: &mut String, plan: &Plan) {
    heading(text, &format!("Hazards ({})", plan.hazards.len()));
    for hazard in &plan.hazards {
        let kind = serde_json::to_value(hazard.kind).expect("a kind is a word");
        let at = match &hazard.at {
            HazardAt::Farm => plan.farm.name.clone(),
            HazardAt::Zone(zone, _) => format!("zone {zone}"),
            HazardAt::Pool(pool) => format!("pool {pool}"),
            HazardAt::Node(node) => format!("node {node}"),
        };
        add(text, &format!("  {} ({at})", kind.as_str().expect("a kind is a word")));
        add(text, &wrapped("    ", &hazard.text));
    }
}

fn policy(text: &mut String, policy: &Policy) {
    heading(text, "Policy");
    let json = |policy: &Policy| serde_json::to_value(policy).expect("a policy has string keys");
    let (own, default) = (json(policy), json(&Policy::default()));
    let mut rows = Vec::new();
    for (key, reason) in REASONS {
        let why = if own[key] == default[key] {
            reason.to_owned()
        } else {
            format!("by the farm file; default {}: {reason}", default[key])
        };
        rows.push(vec![key.to_owned(), own[key].to_string(), why]);
    }
    let rehearsal = &policy.rehearsal;
    rows.push(vec![
        "rehearsal".into(),
        format!("{} seeds", rehearsal.seeds_min),
        format!("faults {}, at most {} h old", rehearsal.faults, rehearsal.age_h_max),
    ]);
    add(text, &table(&rows));
}

fn first_effects(text: &mut String, plan: &Plan) {
    heading(text, "First effects of `evenkeel apply` (step 1, after everything has been read)");
    for node in &plan.farm.balancers {
        for command in haproxy::commands(plan, &node.name, &plan.updating, "drain") {
            add(text, &format!("  {}: {command}", node.name));
        }
    }
    let gate = plan.farm.policy.gates.first();
    let gate = gate.map_or("no gate".to_owned(), |step| format!("first gate before step {step}"));
    add(
        text,
        &format!("  then step 2 disables {} in Service Center; {gate}\n", names(&plan.loaded)),
    );
}
