//! What several steps of the runbook share: pages, commands, tests, the quiet rule.
use crate::farm::{Generation, Scheme};
use crate::names::ServerName;
use crate::plan::{Plan, Stage};

use super::document::{Document, code};
use super::{ADDED, commands};

pub(super) fn names(servers: &[ServerName]) -> String {
    servers.iter().map(|server| code(server.as_str())).collect::<Vec<_>>().join(", ")
}

/// A page of the console of the first of these servers.
pub(super) fn page(plan: &Plan, servers: &[ServerName], health: bool) -> String {
    let console = &plan.farm.service_center;
    let Some(server) = servers.first() else { return "Service Center".into() };
    let front_end = plan.farm.front_ends.iter().find(|front_end| front_end.name == *server);
    let (scheme, usual) = match console.scheme {
        Scheme::Http => ("http", 80),
        Scheme::Https => ("https", 443),
    };
    let port = front_end.map_or(usual, |front_end| front_end.port);
    let port = if port == usual { String::new() } else { format!(":{port}") };
    let address = commands::address(&plan.farm, server);
    let (path, menu) = match (health, console.generation) {
        (false, Generation::Environment) => (console.servers_page(), "Administration › Servers"),
        (false, Generation::Platform) => {
            (console.servers_page(), "Administration › Front-end Servers")
        }
        (true, Generation::Environment) => {
            (console.health_page(), "Monitoring › Environment Health")
        }
        (true, Generation::Platform) => (console.health_page(), "Monitoring › Platform Monitoring"),
    };
    let url = code(&format!("{scheme}://{address}{port}/ServiceCenter/{path}"));
    format!("{url} ({menu})")
}

pub(super) fn idle(plan: &Plan) -> String {
    let words = plan.farm.service_center.labels.idle_words.iter();
    words.map(|word| code(word)).collect::<Vec<_>>().join(" or ")
}

/// The three parts of every step.
pub(super) fn step(d: &mut Document, number: u8, title: &str, todo: Vec<String>) {
    d.heading(&format!("Step {number}: {title}"));
    d.list(todo);
}

pub(super) fn ends(d: &mut Document, truth: &str, failure: &str) {
    d.text(&format!("**True when it ends:** {truth}"));
    d.text(&format!("**When it fails:** {failure}"));
}

pub(super) fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1_000)
}

pub(super) fn quiet(plan: &Plan) -> String {
    format!(
        "{ADDED} Wait until each of them is quiet on every node and in every pool: `stot` \
         unchanged \
         and `scur` 0 in `show stat` for {} s, the process not reloaded meanwhile (`Uptime_sec` \
         in \
         `show info`). A drain may take {} s; then look for who still is connected.",
        seconds(plan.farm.policy.quiet_window_ms),
        seconds(plan.farm.policy.drain_ms_max),
    )
}

pub(super) fn stages(d: &mut Document, plan: &Plan, stages: &[Stage], step: u8) {
    d.text(
        "Each command below returns at once. Ask what became of it with the one after it, until it \
         says `status=exited`; `exit_code=0` is success. A server's next command waits for that.",
    );
    for (index, stage) in stages.iter().enumerate() {
        let mut lines = Vec::new();
        for jobs in &stage.servers {
            for kind in &jobs.kinds {
                for verb in [&plan.farm.host.start, &plan.farm.host.job] {
                    lines.push(commands::line(&plan.farm, verb, &jobs.server, Some(*kind)));
                }
            }
        }
        d.text(&format!("Stage {step}.{}:", index + 1));
        d.commands(lines);
    }
}

/// How to see that servers are upgraded.
pub(super) fn verify(d: &mut Document, plan: &Plan, servers: &[ServerName]) {
    d.text(&format!("{ADDED} Read each one's version and Deployment Service:"));
    let host = &plan.farm.host;
    let lines = servers.iter().flat_map(|server| {
        // A pure controller has no Deployment Service.
        let service = plan.half_of(server).map(|_| &host.service);
        let verbs = std::iter::once(&host.version).chain(service);
        verbs.map(move |verb| commands::line(&plan.farm, verb, server, None))
    });
    d.commands(lines.collect());
}

pub(super) fn tests_of(plan: &Plan, servers: &[ServerName]) -> Vec<String> {
    let scheme = match plan.farm.service_center.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let mut lines = Vec::new();
    for server in plan.farm.front_ends.iter().filter(|s| servers.contains(&s.name)) {
        for test in plan.farm.tests.iter().filter(|test| server.zones.contains(&test.zone)) {
            let Some(zone) = plan.farm.zones.iter().find(|zone| zone.name == test.zone) else {
                continue;
            };
            let (name, port) = (&zone.public_name, server.port);
            let arguments = [
                format!("{name}:{port}:{}", server.address),
                format!("{scheme}://{name}:{port}{}", test.path),
            ]
            .map(|argument| commands::quoted(&argument));
            lines.push(format!("curl -sSi --resolve {} {}", arguments[0], arguments[1]));
        }
    }
    lines
}

pub(super) fn what_passes(plan: &Plan) -> String {
    let mut parts = Vec::new();
    for test in &plan.farm.tests {
        let text = test.expect_text.as_ref();
        let text = text.map_or(String::new(), |text| format!(" and the text {}", code(text)));
        parts.push(format!("{} answers {}{text}", code(&test.path), test.expect_status));
    }
    if parts.is_empty() {
        "the farm file has no tests: use your own".into()
    } else {
        parts.join("; ")
    }
}
