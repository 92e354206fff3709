//! The runbook's text: what to do, what is true when a step ends, what to do when it fails.
use crate::farm::{Generation, Scheme, Stack};
use crate::names::ServerName;
use crate::plan::{Phase, Plan, Stage};

use super::document::{Document, code};
use super::{ADDED, commands, haproxy};

/// The two sets, who is upgraded when, and whether the others carry the load.
pub(super) fn sets(d: &mut Document, plan: &Plan) {
    d.heading("Who");
    d.list(vec![
        format!("**Updating**, upgraded first: {}", names(&plan.updating)),
        format!("**Loaded**, carry the load meanwhile: {}", names(&plan.loaded)),
        format!(
            "**Controller**: {}{}",
            code(plan.farm.controller.as_str()),
            if plan.farm.pure_controller.is_some() { ", which serves no users" } else { "" }
        ),
    ]);
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

fn names(servers: &[ServerName]) -> String {
    servers.iter().map(|server| code(server.as_str())).collect::<Vec<_>>().join(", ")
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

/// A page of the console of the first of these servers.
fn page(plan: &Plan, servers: &[ServerName], health: bool) -> String {
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

fn idle(plan: &Plan) -> String {
    let words = plan.farm.service_center.labels.idle_words.iter();
    words.map(|word| code(word)).collect::<Vec<_>>().join(" or ")
}

/// The three parts of every step.
fn step(d: &mut Document, number: u8, title: &str, todo: Vec<String>) {
    d.heading(&format!("Step {number}: {title}"));
    d.list(todo);
}

fn ends(d: &mut Document, truth: &str, failure: &str) {
    d.text(&format!("**True when it ends:** {truth}"));
    d.text(&format!("**When it fails:** {failure}"));
}

fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1_000)
}

/// Steps 1 to 5.
pub(super) fn one_to_five(d: &mut Document, plan: &Plan) {
    shift(d, plan);
    disable(d, plan);
    upgrade_updating(d, plan);
    test_updating(d, plan);
    switch(d, plan);
}

fn quiet(plan: &Plan) -> String {
    format!(
        "{ADDED} Wait until each of them is quiet on every node and in every pool: `stot` unchanged \
         and `scur` 0 in `show stat` for {} s, the process not reloaded meanwhile (`Uptime_sec` in \
         `show info`). A drain may take {} s; then look for who still is connected.",
        seconds(plan.farm.policy.quiet_window_ms),
        seconds(plan.farm.policy.drain_ms_max),
    )
}

fn shift(d: &mut Document, plan: &Plan) {
    step(
        d,
        1,
        "take the updating servers out of the balancer",
        vec![
            format!("Drain {} with the commands below, on every node.", names(&plan.updating)),
            quiet(plan),
            format!("{ADDED} After a reload of the balancer: drain them again, and wait again."),
        ],
    );
    d.commands(haproxy::lines(plan, &plan.updating, "drain"));
    ends(
        d,
        "the updating servers get no new requests, in any pool or node, and are quiet.",
        "nothing has been touched. Repeat it, or put them back with `state ready` and stop.",
    );
}

fn disable(d: &mut Document, plan: &Plan) {
    step(
        d,
        2,
        "disable deployment on the loaded servers",
        vec![
            format!(
                "Open {}, on a server itself and not through the balancer.",
                page(plan, &plan.loaded, false)
            ),
            format!(
                "Open each of {} and press {}.",
                names(&plan.loaded),
                code(&plan.farm.service_center.labels.disable)
            ),
            format!("{ADDED} Reload the list: each is shown as not Enabled."),
            format!(
                "{ADDED} Look again every few minutes until step 6: a restart of the Deployment Service, or of the machine, enables a server again. Disable it again."
            ),
        ],
    );
    ends(
        d,
        "every loaded front-end is Disabled, by the list itself.",
        "nothing has been touched. Repeat it, or press Enable on each, put the updating servers back with `state ready` and stop.",
    );
}

fn upgrade_updating(d: &mut Document, plan: &Plan) {
    let farm = &plan.farm;
    step(d, 3, "upgrade the controller and the updating servers", vec![
        "**From the first command on there is no way back:** the database may be new, and old services may not start again.".into(),
        format!("{ADDED} In this order; a stage begins when the one before has ended, at most {} at a time.", farm.policy.parallel_max),
    ]);
    stages(d, plan, &plan.updating_stages, 3);
    verify(d, plan, &plan.updating);
    ends(
        d,
        &format!(
            "each runs {}, its services are initialised and its deployment threads idle.",
            code(&farm.version_to.to_string())
        ),
        "the loaded servers go on serving. Repeat the command on the server that failed (installers may run again), mend it by hand, or leave it out: it then stays out of the balancer. Do not restart services on loaded servers.",
    );
}

fn stages(d: &mut Document, plan: &Plan, stages: &[Stage], step: u8) {
    for (index, stage) in stages.iter().enumerate() {
        let mut lines = Vec::new();
        for jobs in &stage.servers {
            for kind in &jobs.kinds {
                let start = &plan.farm.host.start;
                lines.push(commands::line(&plan.farm, start, &jobs.server, Some(*kind)));
            }
        }
        d.text(&format!("Stage {step}.{}:", index + 1));
        d.commands(lines);
    }
}

/// How to see that servers are upgraded.
fn verify(d: &mut Document, plan: &Plan, servers: &[ServerName]) {
    d.text(&format!("{ADDED} Read each one's version and Deployment Service:"));
    let host = &plan.farm.host;
    let verbs = [&host.version, &host.service];
    let lines = servers.iter().flat_map(|server| {
        verbs.into_iter().map(move |verb| commands::line(&plan.farm, verb, server, None))
    });
    d.commands(lines.collect());
}

fn tests_of(plan: &Plan, servers: &[ServerName]) -> Vec<String> {
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

fn what_passes(plan: &Plan) -> String {
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

fn test_updating(d: &mut Document, plan: &Plan) {
    step(
        d,
        4,
        "test the updating servers",
        vec![
            format!(
                "Run every test of its zones on each server itself, under the zone's public name: {}.",
                what_passes(plan)
            ),
            format!(
                "{ADDED} After {} requests to warm up, each must pass {} times in a row.",
                plan.farm.policy.test_warm_up, plan.farm.policy.test_passes
            ),
        ],
    );
    d.commands(tests_of(plan, &plan.updating));
    ends(
        d,
        "the tests pass on each updating server: all are proven.",
        "as in step 3: the loaded servers go on serving; mend, repeat, or leave the server out.",
    );
}

fn switch(d: &mut Document, plan: &Plan) {
    step(
        d,
        5,
        "switch traffic",
        vec![
            format!("Put {} back with `state ready`, on every node.", names(&plan.updating)),
            format!(
                "{ADDED} Only when each takes requests (`stot` rises, on every node and in every pool; where there are no requests, send one), drain {}.",
                names(&plan.loaded)
            ),
            format!(
                "{ADDED} Both versions serve meanwhile: be done within {} s.",
                seconds(plan.farm.policy.switch_ms_max)
            ),
            quiet(plan),
        ],
    );
    d.commands(haproxy::lines(plan, &plan.updating, "ready"));
    d.text("Then:");
    d.commands(haproxy::lines(plan, &plan.loaded, "drain"));
    ends(
        d,
        "only updating servers get requests, and the loaded ones are quiet.",
        "put the loaded servers back with `state ready` first, then drain the updating ones: both halves are fit.",
    );
}

/// Between steps 5 and 6.
pub(super) fn soak(d: &mut Document, plan: &Plan) {
    let policy = &plan.farm.policy;
    d.heading(&format!("Soak, between steps 5 and 6 {ADDED}"));
    d.list(vec![
        format!("Let the new version serve for {} minutes before the old one is given up.", policy.soak_ms.div_ceil(60_000)),
        format!("Repeat the tests of step 4 every {} s, and watch each member's errors (`hrsp_5xx`, `econ`, `eresp` in `show stat`).", seconds(policy.soak_test_every_ms)),
    ]);
    ends(
        d,
        &format!(
            "the tests kept passing, and no member has more than {} errors per thousand requests over what it had before.",
            policy.soak_errors_permille_max
        ),
        "fall back: the loaded servers `state ready`, then the updating ones `state drain`. From the first command of step 6 on that is no longer possible.",
    );
}

/// Steps 6 to 9.
pub(super) fn six_to_nine(d: &mut Document, plan: &Plan) {
    step(
        d,
        6,
        "upgrade the loaded servers",
        vec![format!("{ADDED} At most {} at a time.", plan.farm.policy.parallel_max)],
    );
    stages(d, plan, &plan.loaded_stages, 6);
    verify(d, plan, &plan.loaded);
    ends(
        d,
        &format!("each loaded server runs {}.", code(&plan.farm.version_to.to_string())),
        "the updating servers go on serving. Repeat the command, mend the server by hand, or leave it out.",
    );
    deployment_service(d, plan);
    await_deployment(d, plan);
    restore(d, plan);
}

fn deployment_service(d: &mut Document, plan: &Plan) {
    let service = match plan.farm.stack {
        Stack::Dotnet => {
            "make the OutSystems Deployment Service start automatically, and start it where it is stopped"
        }
        Stack::J2ee => "run `service outsystems start DEPLOYER`",
    };
    step(
        d,
        7,
        "ensure the Deployment Service on the loaded servers",
        vec![
            format!("On each of {}: {service}.", names(&plan.loaded)),
            format!(
                "{ADDED} Running is not enough: wait until it has initialised (`initialised=yes`)."
            ),
            format!(
                "{ADDED} Open {} on an upgraded server: each must be Enabled; where it is not, press {}.",
                page(plan, &plan.updating, false),
                code(&plan.farm.service_center.labels.enable)
            ),
        ],
    );
    let kind = crate::procedure::action::JobKind::EnsureDeploymentService;
    let host = &plan.farm.host;
    let lines = plan.loaded.iter().flat_map(|server| {
        [
            commands::line(&plan.farm, &host.start, server, Some(kind)),
            commands::line(&plan.farm, &host.service, server, None),
        ]
    });
    d.commands(lines.collect());
    ends(
        d,
        "on every loaded server the Deployment Service runs, starts with the machine and has initialised, and the server is Enabled.",
        "the updating servers go on serving. Repeat it; look at the service's log on the server.",
    );
}

fn await_deployment(d: &mut Document, plan: &Plan) {
    let policy = &plan.farm.policy;
    let modules: Vec<&str> =
        plan.farm.zones.iter().flat_map(|zone| zone.modules.iter().map(String::as_str)).collect();
    step(
        d,
        8,
        "wait until everything is deployed on the loaded servers",
        vec![
            format!(
                "Open {} on an upgraded server, and there the Deployment detail of each loaded server.",
                page(plan, &plan.updating, true)
            ),
            format!("Wait until every thread is {}.", idle(plan)),
            format!(
                "{ADDED} In {} readings in a row over at least {} s: threads are idle for moments between two deployments. No threads listed means unknown, not done.",
                policy.idle_reads,
                seconds(policy.idle_window_ms)
            ),
            format!(
                "{ADDED} The ids in {} of {} equal those on an upgraded updating server.",
                code("/MODULE/_ping.html"),
                modules.iter().map(|module| code(module)).collect::<Vec<_>>().join(", ")
            ),
            format!("{ADDED} Run the tests of step 4 on each loaded server."),
        ],
    );
    d.commands(tests_of(plan, &plan.loaded));
    ends(
        d,
        "all deployment threads of the loaded servers are idle and the tests pass on each: all are proven.",
        "the updating servers go on serving. Wait longer, look for the thread that is in error, restart the Deployment Service of that server only, or leave it out.",
    );
}

fn restore(d: &mut Document, plan: &Plan) {
    step(
        d,
        9,
        "put everything back into the balancer",
        vec![
            format!("Put {} back with `state ready`, on every node.", names(&plan.loaded)),
            format!(
                "{ADDED} Compare members, weights and states with the answer kept before step 1, and the Enabled flags too. A server that was left out stays out."
            ),
            "Deployments may go on.".into(),
        ],
    );
    d.commands(haproxy::lines(plan, &plan.loaded, "ready"));
    ends(
        d,
        "every member, weight, flag and start type is as before step 1, and every server runs the new version.",
        "everything is proven: repeat it.",
    );
}
