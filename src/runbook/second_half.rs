//! The soak and steps 6 to 9: what to do, what is true when each ends, what to do when it fails.
use crate::farm::Stack;
use crate::plan::Plan;
use crate::procedure::action::JobKind;

use super::document::{Document, code};
use super::parts::{ends, idle, names, page, seconds, stages, step, tests_of, verify};
use super::{ADDED, commands, haproxy};

/// Between steps 5 and 6.
pub(super) fn soak(d: &mut Document, plan: &Plan) {
    let policy = &plan.farm.policy;
    d.heading(&format!("Soak, between steps 5 and 6 {ADDED}"));
    d.list(vec![
        format!(
            "Let the new version serve for {} minutes before the old one is given \
            up.",
            policy.soak_ms.div_ceil(60_000)
        ),
        format!(
            "Repeat the tests of step 4 every {} s, and watch each member's errors \
            (`hrsp_5xx`, `econ`, `eresp` in `show stat`).",
            seconds(policy.soak_test_every_ms)
        ),
    ]);
    ends(
        d,
        &format!(
            "the tests kept passing, and no member has more than {} errors per thousand requests \
             over what it had before.",
            policy.soak_errors_permille_max
        ),
        "fall back: the loaded servers `state ready`, then the updating ones `state drain`. From \
         the first command of step 6 on that is no longer possible.",
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
        "the updating servers go on serving. Repeat the command, mend the server by hand, or \
         leave it out.",
    );
    deployment_service(d, plan);
    await_deployment(d, plan);
    restore(d, plan);
}

fn deployment_service(d: &mut Document, plan: &Plan) {
    let service = match plan.farm.stack {
        Stack::Dotnet => {
            "make the OutSystems Deployment Service start automatically, and start it where it is \
             stopped"
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
                "{ADDED} Open {} on an upgraded server: each must be Enabled; where it is not, \
                 press {}.",
                page(plan, &plan.updating, false),
                code(&plan.farm.service_center.labels.enable)
            ),
        ],
    );
    let kind = JobKind::EnsureDeploymentService;
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
        "on every loaded server the Deployment Service runs, starts with the machine and has \
         initialised, and the server is Enabled.",
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
                "Open {} on an upgraded server, and there the Deployment detail of each loaded \
                 server.",
                page(plan, &plan.updating, true)
            ),
            format!("Wait until every thread is {}.", idle(plan)),
            format!(
                "{ADDED} In {} readings in a row over at least {} s: threads are idle for moments \
                 between two deployments. No threads listed means unknown, not done.",
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
        "all deployment threads of the loaded servers are idle and the tests pass on each: all \
         are proven.",
        "the updating servers go on serving. Wait longer, look for the thread that is in error, \
         restart the Deployment Service of that server only, or leave it out.",
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
                "{ADDED} Compare members, weights and states with the answer kept before step 1, \
                 and the Enabled flags too. A server that was left out stays out."
            ),
            "Deployments may go on.".into(),
        ],
    );
    d.commands(haproxy::lines(plan, &plan.loaded, "ready"));
    ends(
        d,
        "every member, weight, flag and start type is as before step 1, and every server runs the \
         new version.",
        "everything is proven: repeat it.",
    );
}
