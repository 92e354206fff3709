//! Each reason for a hold as a predicate over ground truth.
use evenkeel::journal::HoldReason;

use super::ground::{CONSOLE_INSTALL, Server};
use super::{Context, Excuse, Ground, longest};

/// Why a hold's reason is not so; `None` when it is.
pub(super) fn why_false(reason: &HoldReason, ground: &Ground, context: &Context) -> Option<String> {
    let (holds, why) = match reason {
        HoldReason::ServerFailed { server } | HoldReason::ServerUnknown { server } => {
            let Some(it) = ground.servers.get(server.as_str()) else {
                return Some(format!("{server} is no server of the farm"));
            };
            (failed(it, ground, context), format!("nothing is wrong with {server}"))
        }
        HoldReason::DrainOverdue { server } => (
            !in_rotation_everywhere(server.as_str(), ground),
            format!("{server} is not being drained"),
        ),
        HoldReason::SwitchOverdue | HoldReason::SoakBad { .. } | HoldReason::FellBack => {
            let sick = context.updating.iter().any(|server| !ground.ready(server));
            (
                sick || context.faults.may_need_a_person(),
                "every updating server is fit and nothing struck".into(),
            )
        }
        HoldReason::DeploymentUnderLoad { server } => (
            ground.servers.get(server.as_str()).is_some_and(|it| it.deploying_since_ms.is_some()),
            format!("nothing is deployed to {server}"),
        ),
        HoldReason::FloorLost { node, pool } => {
            floor_lost(node.as_str(), pool.as_str(), ground, context)
        }
        HoldReason::BalancerUnknown { node } => (false, format!("{node} answers")),
        HoldReason::ConsoleUnknown => {
            (consoles_are_out(ground, context), "a server has a console that answers".into())
        }
        HoldReason::LoginRefused { .. } => (false, "the password is right".into()),
        HoldReason::SomebodyElse { what } => (false, format!("nobody else changed {what}")),
        HoldReason::UnknownWord { .. } => (false, "the doubles use the farm file's words".into()),
        HoldReason::GuardRefused { .. } => {
            (context.guard_may_refuse, "the guard must agree with the procedure".into())
        }
        HoldReason::Asked => (false, "nobody asked".into()),
    };
    (!holds).then_some(why)
}

/// A server really cannot go on, or cannot be read.
fn failed(server: &Server, ground: &Ground, context: &Context) -> bool {
    let policy = &context.policy;
    let lasts = |since_ms: Option<u64>, limit_ms: u64| {
        since_ms.is_some_and(|since_ms| ground.now_ms - since_ms >= limit_ms)
    };
    let job_ms_max =
        policy.upgrade_ms_max.min(policy.service_center_ms_max).min(policy.publish_ms_max);
    server.down_since_ms.is_some()
        || matches!(&server.last_job, Some((_, code)) if *code != Some(0))
        || server.jobs.values().any(|job| lasts(Some(job.since_ms), job_ms_max))
        || lasts(server.uninitialised_since_ms, policy.initialise_ms_max)
        || lasts(server.deploying_since_ms, policy.idle_ms_max)
        || (server.front_end && !server.serves())
}

fn in_rotation_everywhere(server: &str, ground: &Ground) -> bool {
    ground.members.values().filter(|it| it.server == server).all(super::ground::Member::eligible)
}

fn floor_lost(node: &str, pool: &str, ground: &Ground, context: &Context) -> (bool, String) {
    let lanes = ground.lanes();
    let Some(members) = lanes.get(&(node, pool)) else {
        return (false, format!("{pool} on {node} is no pool of the farm"));
    };
    let serving =
        members.iter().filter(|(_, it)| it.eligible() && ground.ready(&it.server)).count();
    let floor = context.floors.get(pool).copied().unwrap_or(1) as usize;
    (serving < floor, format!("{serving} members serve {pool} on {node}, and its floor is {floor}"))
}

/// No console answers that may be asked. Only those of untouched and of whole servers may; each
/// of them is on a server that does not serve, is being replaced, or is an old one on a new
/// database where that does not work.
fn consoles_are_out(ground: &Ground, context: &Context) -> bool {
    !ground.servers.values().any(|it| {
        let may_be_asked = it.front_end && (!it.touched || it.whole_at(&ground.target));
        let being_replaced = it.jobs.values().any(|job| job.kind == CONSOLE_INSTALL);
        let fails = context.old_consoles_fail && ground.database_new && !it.console_new;
        may_be_asked && it.serves() && !being_replaced && !fails
    })
}

/// The excuse of a hold whose reason has just ceased to be so: a server that had crashed came
/// back, and the best orchestrator has not read it yet.
pub(super) fn just_ceased(
    reason: &HoldReason,
    ground: &Ground,
    context: &Context,
) -> Option<Excuse> {
    let faults = &context.faults;
    let came_back =
        |server: &String| faults.back_at(server).and_then(|_| faults.crash_excuse(server));
    match reason {
        HoldReason::ServerFailed { server } | HoldReason::ServerUnknown { server } => {
            came_back(&server.to_string())
        }
        HoldReason::ConsoleUnknown | HoldReason::FloorLost { .. } => {
            longest(ground.servers.keys().filter_map(came_back))
        }
        _ => None,
    }
}
