//! Steps 1 to 5: what to do, what is true when each ends, what to do when it fails.
use crate::names::ServerName;
use crate::plan::Plan;

use super::document::{Document, code};
use super::parts::{
    ends, idle, names, page, quiet, seconds, stages, step, tests_of, verify, what_passes,
};
use super::{ADDED, haproxy};

/// Steps 1 to 5.
pub(super) fn one_to_five(d: &mut Document, plan: &Plan) {
    shift(d, plan);
    disable(d, plan);
    upgrade_updating(d, plan);
    test_updating(d, plan);
    switch(d, plan);
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
                "{ADDED} Look again every few minutes until step 6: a restart of the Deployment \
                 Service, or of the machine, enables a server again. Disable it again."
            ),
        ],
    );
    ends(
        d,
        "every loaded front-end is Disabled, by the list itself.",
        "nothing has been touched. Repeat it, or press Enable on each, put the updating servers \
         back with `state ready` and stop.",
    );
}

fn upgrade_updating(d: &mut Document, plan: &Plan) {
    let farm = &plan.farm;
    step(
        d,
        3,
        "upgrade the controller and the updating servers",
        vec![
            "**From the first command on there is no way back:** the database may be new, and old \
         services may not start again."
                .into(),
            format!(
                "{ADDED} In this order; a stage begins when the one before has ended, at most {} \
            at a time.",
                farm.policy.parallel_max
            ),
        ],
    );
    stages(d, plan, &plan.updating_stages, 3);
    let controller = plan.farm.pure_controller.iter().map(|controller| controller.name.clone());
    let servers: Vec<ServerName> = controller.chain(plan.updating.iter().cloned()).collect();
    verify(d, plan, &servers);
    d.text(&format!(
        "{ADDED} On {} the deployment threads of each updating server are {}.",
        page(plan, &plan.updating, true),
        idle(plan)
    ));
    ends(
        d,
        &format!(
            "each runs {}, its services are initialised and its deployment threads idle.",
            code(&farm.version_to.to_string())
        ),
        "the loaded servers go on serving. Repeat the command on the server that failed \
         (installers may run again), mend it by hand, or leave it out: it then stays out of the \
         balancer. Do not restart services on loaded servers.",
    );
}

fn test_updating(d: &mut Document, plan: &Plan) {
    step(
        d,
        4,
        "test the updating servers",
        vec![
            format!(
                "Run every test of its zones on each server itself, under the zone's public name: \
                 {}.",
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
                "{ADDED} Only when each takes requests (`stot` rises, on every node and in every \
                 pool; where there are no requests, send one), drain {}.",
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
        "put the loaded servers back with `state ready` first, then drain the updating ones: both \
         halves are fit.",
    );
}
