//! Each reason for a hold as a predicate over ground truth.
use evenkeel::journal::{HoldReason, Wanted};
use evenkeel_fakes::truth::OldConsole;

use crate::nemesis::Fault;
use crate::nemesis::fault::{BalancerFault, ServiceCenterFault};
use crate::traffic::REQUEST_MS_MAX;

use super::ground::{Member, Server};

use super::words::{CONSOLE_INSTALL, ended_well, same_version};
use super::{Context, Excuse, Ground, Incident, longest};

/// Why a hold's reason is not so; `None` when it is.
pub(super) fn why_false(reason: &HoldReason, ground: &Ground, context: &Context) -> Option<String> {
    let (holds, why) = match reason {
        HoldReason::ServerFailed { server } | HoldReason::ServerUnknown { server } => {
            let Some(it) = ground.servers.get(server.as_str()) else {
                return Some(format!("{server} is no server of the farm"));
            };
            let name = server.as_str();
            let silent = matches!(reason, HoldReason::ServerUnknown { .. })
                && unknown(name, ground, context);
            let failed = failed(it, ground, context) || seems_to_fail(name, ground, context);
            (silent || failed, format!("nothing is wrong with {server}"))
        }
        HoldReason::DrainOverdue { server } => (
            may_be_busy(server.as_str(), ground, context),
            format!("{server} is not being drained, or its last request must be long over"),
        ),
        HoldReason::SwitchOverdue | HoldReason::SoakBad { .. } | HoldReason::FellBack => (
            something_struck(reason, ground, context),
            "it has time left, or every updating server is fit and nothing has struck since".into(),
        ),
        HoldReason::DeploymentUnderLoad { server } => (
            was_deployed_to(server.as_str(), ground),
            format!("nothing was deployed to {server} before its upgrade"),
        ),
        HoldReason::TooFew { server } => (
            !context.left_out.is_empty() && context.demand.needs(server.as_str(), ground),
            format!("nobody was left out, or the others could carry the users of {server}"),
        ),
        HoldReason::CannotLeave { server } => (
            cannot_leave(server.as_str(), ground, context),
            format!("enough others serve every pool of {server}"),
        ),
        HoldReason::KeptOut { server } => (
            is_kept_out(server.as_str(), ground, context),
            format!("{server} serves wherever it is ready to"),
        ),
        HoldReason::FloorLost { node, pool } => {
            floor_lost(node.as_str(), pool.as_str(), ground, context)
        }
        HoldReason::BalancerUnknown { node } => {
            let holds = !ground.node_up(node.as_str()) || unknown(node.as_str(), ground, context);
            (holds, format!("{node} answers"))
        }
        HoldReason::BalancerIgnores { node } => {
            (is_ignoring(node.as_str(), ground, context), format!("{node} does what it is asked"))
        }
        HoldReason::ConsoleIgnores { server } => (
            flags_are_ignored(ground, context),
            format!("{server}'s flag becomes what it is set to"),
        ),
        HoldReason::ConsoleUnknown => {
            (consoles_are_out(ground, context), "a server has a console that answers".into())
        }
        HoldReason::LoginRefused { .. } => (
            felt(ground, context, |it| matches!(it, ServiceCenterFault::Lockout { .. })),
            "the password is right, and nobody has locked the user out".into(),
        ),
        HoldReason::SomebodyElse { what } => {
            (meddled_with(what, context), format!("nobody else changed {what}"))
        }
        HoldReason::UnknownWord { .. } => (
            felt(ground, context, |it| matches!(it, ServiceCenterFault::UnknownWord { .. })),
            "every word that is shown is in the farm file".into(),
        ),
        HoldReason::GuardRefused { .. } => {
            (context.guard_may_refuse, "the guard must agree with the procedure".into())
        }
        HoldReason::Asked => (context.faults.asked_to_hold(), "nobody asked, or no more".into()),
    };
    (!holds).then_some(why)
}

/// An updating server is sick, or was since the switch began, or the switch stood still; and one that
/// is overdue has had its time.
fn something_struck(reason: &HoldReason, ground: &Ground, context: &Context) -> bool {
    let (policy, faults) = (&context.policy, &context.faults);
    let began_ms = context.switch_began_ms.unwrap_or(0);
    let taken_up_ms = context.switch_ms.unwrap_or(0);
    if *reason == HoldReason::SwitchOverdue && taken_up_ms + policy.switch_ms_max > ground.now_ms {
        return false;
    }
    let sick = context.updating.iter().any(|server| !ground.ready(server));
    // As long as a person holds it the switch does not go on, and its deadline passes.
    let lately_ms = match reason {
        HoldReason::FellBack => policy.switch_ms_max + policy.drain_ms_max,
        _ => policy.switch_ms_max,
    };
    // Whoever soaks badly does so for another reason than that somebody held the run, or meddled.
    let was_held = !matches!(reason, HoldReason::SoakBad { .. })
        && (faults.held_since(ground.now_ms.saturating_sub(lately_ms))
            || faults.meddled_again_since(began_ms));
    let asked = *reason == HoldReason::FellBack && faults.asked(&Wanted::FallBack);
    sick || was_held || asked || faults.may_need_a_person_since(began_ms)
}

/// Somebody else changed what the run holds: a server's flag, or members.
fn meddled_with(what: &str, context: &Context) -> bool {
    match what.strip_suffix("'s Enabled flag, again and again") {
        Some(server) => context.faults.flag_edited(server),
        // Once is put right: it takes a second time to be somebody's will.
        None => context.faults.meddled() > 1,
    }
}

/// For long enough now a node has answered changes and not made them.
fn is_ignoring(node: &str, ground: &Ground, context: &Context) -> bool {
    context.faults.incidents().any(|it| {
        ignores(&it.fault, node)
            && it.from_ms + context.policy.unknown_ms_max <= ground.now_ms
            && it.until_ms.is_none()
    })
}

/// A node answers changes and does not make them.
fn ignores(fault: &Fault, node: &str) -> bool {
    matches!(
        fault,
        Fault::Balancer(
            BalancerFault::OkWithoutEffect { node: at, .. }
                | BalancerFault::ProseForError { node: at, .. }
        ) if at == node
    )
}

/// Consoles do not set flags, or nobody has a new one on the new database yet and old ones show what
/// was so before it.
fn flags_are_ignored(ground: &Ground, context: &Context) -> bool {
    let stale = context.old_console == OldConsole::Stale
        && ground.database_new
        && !ground.servers.values().any(|it| it.console_new);
    stale || felt(ground, context, |it| matches!(it, ServiceCenterFault::DisableIgnored { .. }))
}

/// A fault of Service Center is felt now.
fn felt(ground: &Ground, context: &Context, which: impl Fn(&ServiceCenterFault) -> bool) -> bool {
    let is = |fault: &Fault| matches!(fault, Fault::ServiceCenter(it) if which(it));
    context.faults.felt(ground.now_ms, is)
}

/// A server's deployment threads were in error for as long as it takes to find them so, be it for one
/// reason after another: what was found then stands until a person says otherwise.
fn failed_to_deploy(server: &str, context: &Context) -> bool {
    let policy = &context.policy;
    let found_ms = u64::from(policy.idle_reads - 1) * policy.jobs_poll_ms;
    let faults = &context.faults;
    let in_error = faults.incidents().filter(|it| {
        matches!(&it.fault, Fault::ServiceCenter(ServiceCenterFault::ThreadInError { server: one, .. })
            if one == server)
    });
    let mut felt: Vec<_> = in_error.filter_map(Incident::felt_ms).collect();
    felt.sort_unstable();
    // Between two readings nobody sees that it was well for a moment.
    let goes_on = |one: &(u64, u64), next: &(u64, u64)| next.0 <= one.1 + policy.jobs_poll_ms;
    felt.chunk_by(goes_on).any(|spell| {
        let begin_ms = spell.first().map_or(0, |it| it.0);
        let over_ms = spell.iter().map(|it| it.1).max().unwrap_or(0);
        over_ms >= begin_ms + found_ms && faults.retried_since_ms(over_ms).is_none()
    })
}

/// What a server's threads showed is reason enough to call somebody.
fn seems_to_fail(server: &str, ground: &Ground, context: &Context) -> bool {
    failed_to_deploy(server, context) || seemed_to_deploy(server, ground, context)
}

/// A server's threads were stuck for most of the time that a deployment may take; the deployment
/// before that took the rest.
fn seemed_to_deploy(server: &str, ground: &Ground, context: &Context) -> bool {
    let stuck = context.faults.incidents().filter(|it| {
        matches!(&it.fault, Fault::ServiceCenter(ServiceCenterFault::ThreadStuck { server: one, .. })
            if one == server)
    });
    let felt = stuck.filter_map(Incident::felt_ms);
    let stands = |(_, over_ms): &(u64, u64)| context.faults.retried_since_ms(*over_ms).is_none();
    let mut felt: Vec<_> = felt.filter(stands).collect();
    felt.sort_unstable();
    let (mut shown_ms, mut counted_ms) = (0, 0);
    for (met_ms, over_ms) in felt {
        let over_ms = over_ms.min(ground.now_ms);
        shown_ms += over_ms.saturating_sub(met_ms.max(counted_ms));
        counted_ms = counted_ms.max(over_ms);
    }
    2 * shown_ms > context.policy.idle_ms_max
}

/// A server really cannot go on, or cannot be read.
fn failed(server: &Server, ground: &Ground, context: &Context) -> bool {
    let policy = &context.policy;
    let lasts = |since_ms: Option<u64>, limit_ms: u64| {
        since_ms.is_some_and(|since_ms| ground.now_ms - since_ms >= limit_ms)
    };
    // Counted from the intent on, which the server hears of a little later.
    let bounds = context.faults.bounds;
    let job_ms_max = policy
        .upgrade_ms_max
        .min(policy.service_center_ms_max)
        .min(policy.publish_ms_max)
        .saturating_sub(bounds.start_ms + bounds.lost_ms);
    // What an installation under way leaves behind, and stops meanwhile, says nothing yet.
    let rests = !server.being_changed();
    server.down_since_ms.is_some()
        || (rests && server.last_job.as_ref().is_some_and(|(_, code)| !ended_well(*code)))
        || installed_nothing(server, &ground.target)
        || server.jobs.values().any(|job| lasts(Some(job.since_ms), job_ms_max))
        || lasts(server.uninitialised_since_ms, policy.initialise_ms_max)
        || lasts(server.deploying_since_ms, policy.idle_ms_max)
        || (rests && server.front_end && !server.serves())
}

/// Its installer ended well, and the version is another than the target.
fn installed_nothing(server: &Server, target: &str) -> bool {
    let installed =
        |(kind, _): &(String, Option<i32>)| kind.ends_with("-upgrade") && server.jobs.is_empty();
    server.last_job.as_ref().is_some_and(installed) && !same_version(&server.version, target)
}

/// A host has been cut off for so long that a person must know.
fn unknown(host: &str, ground: &Ground, context: &Context) -> bool {
    context.faults.is_cut_off_for(host, context.policy.unknown_ms_max, ground.now_ms)
}

/// A member of a server is out of rotation, and left it so lately that it may have requests to answer,
/// or be thought to.
fn may_be_busy(server: &str, ground: &Ground, context: &Context) -> bool {
    let (policy, faults) = (&context.policy, &context.faults);
    let quiet_ms = REQUEST_MS_MAX + policy.quiet_window_ms;
    let mut members = ground.members.values().filter(|it| it.server == server);
    members.any(|it| {
        let end_ms = it.left_ms.map(|ms| faults.end(ms + quiet_ms, faults.bounds.react));
        !it.eligible() && end_ms.is_some_and(|end_ms| ground.now_ms < end_ms)
    })
}

fn floor_lost(node: &str, pool: &str, ground: &Ground, context: &Context) -> (bool, String) {
    let lanes = ground.lanes();
    let Some(members) = lanes.get(&(node, pool)) else {
        return (false, format!("{pool} on {node} is no pool of the farm"));
    };
    let serving =
        members.iter().filter(|(_, it)| it.eligible() && ground.ready(&it.server)).count();
    let floor = context.floor(pool);
    (serving < floor, format!("{serving} members serve {pool} on {node}, and its floor is {floor}"))
}

/// Deployment has begun on a server before its upgrade.
fn was_deployed_to(server: &str, ground: &Ground) -> bool {
    let server = ground.servers.get(server);
    server.is_some_and(|it| it.deployment_began_ms.is_some() && !it.touched)
}

/// A member of a server is ready and gets no requests, or did not until lately.
fn is_kept_out(server: &str, ground: &Ground, context: &Context) -> bool {
    let (policy, faults) = (&context.policy, &context.faults);
    let mut members = ground.members.values().filter(|it| it.server == server && it.admin == 0);
    members.any(|it| {
        let steady_ms = it.eligible_since_ms.map(|ms| ms + policy.warm_up_ms);
        let read_ms = steady_ms.map(|ms| faults.end(ms, faults.bounds.react));
        !it.eligible() || read_ms.is_none_or(|ms| ground.now_ms < ms)
    })
}

/// In a pool of a server, on some node, fewer serve than its floor of those that stay: others of its half
/// leave with it.
fn cannot_leave(server: &str, ground: &Ground, context: &Context) -> bool {
    let lanes = ground.lanes();
    lanes.iter().filter(|(_, members)| members.iter().any(|(_, it)| it.server == server)).any(
        |((_, pool), members)| {
            let stay = members.iter().filter(|(_, it)| !context.updating.contains(&it.server));
            let serve = stay.filter(|(_, it)| it.eligible() && ground.ready(&it.server));
            serve.count() < context.floor(pool)
        },
    )
}

/// No console answers that may be asked, or all that do are old ones on a new database, where those do
/// not work.
pub(super) fn consoles_are_out(ground: &Ground, context: &Context) -> bool {
    let fails = |it: &Server| {
        context.old_console == OldConsole::Fails && ground.database_new && !it.console_new
    };
    consoles(ground, context).all(fails)
}

/// Servers whose consoles tell what is so: old ones on a new database may fail or show the past.
pub(super) fn telling_consoles<'a>(
    ground: &'a Ground,
    context: &'a Context,
) -> impl Iterator<Item = &'a Server> {
    let works = context.old_console == OldConsole::Works || !ground.database_new;
    consoles(ground, context).filter(move |it| works || it.console_new)
}

/// Servers whose consoles may be asked and answer something. Asked may be those of untouched and of
/// whole servers, and the one that was installed first, which alone is believed where it is known to be
/// new; none answers on a server that does not serve or is cut off, while it is being replaced, or while
/// a fault silences it.
fn consoles<'a>(ground: &'a Ground, context: &'a Context) -> impl Iterator<Item = &'a Server> {
    let known_new = |(name, it): (&String, &Server)| {
        let by_hand = it.console_by_hand && context.by_hand.contains_key(name);
        let told = it.console_installed || by_hand;
        let is_new = it.console_new && (told || context.deployed.contains(name));
        it.front_end && it.touched && is_new && !context.left_out.contains(name)
    };
    let only_new = ground.servers.iter().any(known_new);
    let answering = ground.servers.iter().filter(move |(name, it)| {
        let tells = !only_new || known_new((name, it));
        let silenced = context.faults.console_silenced(name, ground.now_ms)
            || context.faults.is_cut_off(name, ground.now_ms);
        let told = context.by_hand.contains_key(*name);
        let by_hand = it.console_new && told;
        // Of what somebody did when it was not his to do the run took up nothing: it has its own job
        // for that yet, and believes that console when it has ended.
        let untold = it.console_by_hand && !it.console_installed && !told;
        let whole = it.whole_at(&ground.target) && !untold;
        let fresh = it.console_installed || by_hand || whole;
        // What a job that went wrong has left there is nothing to be believed.
        let failed = it.last_job.as_ref().is_some_and(|(_, code)| !ended_well(*code));
        let may_be_asked = it.front_end && (!it.touched || (fresh && !failed));
        let being_replaced = it.jobs.values().any(|job| job.kind == CONSOLE_INSTALL);
        tells && may_be_asked && it.serves() && !being_replaced && !silenced
    });
    answering.map(|(_, it)| it)
}

/// The excuse of a hold whose reason has just ceased to be so: a server that had crashed came
/// back, a host that was cut off can be reached again, or somebody let the run go on while no process
/// ran, and the best orchestrator has not read it yet.
pub(super) fn just_ceased(
    reason: &HoldReason,
    ground: &Ground,
    context: &Context,
) -> Option<Excuse> {
    let faults = &context.faults;
    let came_back =
        |server: &String| faults.back_at(server).and_then(|_| faults.crash_excuse(server));
    let healed = |server: &String| {
        faults.healed_excuse(server, ground.servers.get(server.as_str())?.better_at_ms)
    };
    let reached =
        |host: &str| faults.cut_off_excuse(host, context.policy.unknown_ms_max, ground.now_ms);
    match reason {
        HoldReason::ServerFailed { server } => {
            let server = server.to_string();
            longest([came_back(&server), healed(&server)].into_iter().flatten())
        }
        HoldReason::ServerUnknown { server } => {
            let server = server.to_string();
            longest([came_back(&server), healed(&server), reached(&server)].into_iter().flatten())
        }
        HoldReason::BalancerUnknown { node } => {
            let upset = faults.reload_excuse(node.as_str());
            longest(reached(node.as_str()).into_iter().chain(upset))
        }
        HoldReason::BalancerIgnores { node } => {
            let ended = |it: &Incident| {
                let until_ms = it.until_ms.filter(|_| ignores(&it.fault, node.as_str()))?;
                // Whoever asked in vain rests before the next try.
                let end_ms = faults.end_with(node.as_str(), until_ms, faults.bounds.react);
                Some(Excuse::until(it.fault.kind().name, node.as_str(), end_ms))
            };
            longest(faults.incidents().filter_map(ended))
        }
        HoldReason::ConsoleUnknown => {
            let of = |it| [came_back(it), healed(it), faults.cut_off_excuse(it, 0, ground.now_ms)];
            longest(ground.servers.keys().flat_map(of).flatten())
        }
        HoldReason::CannotLeave { .. } => {
            let of = |it: &String| [came_back(it), healed(it), faults.edit_excuse(it)];
            let upsets = ground.members.keys().filter_map(|key| faults.reload_excuse(&key.node));
            longest(ground.servers.keys().flat_map(of).flatten().chain(upsets))
        }
        HoldReason::FloorLost { node, pool } => {
            let of = |it: &String| {
                let flapped = faults.flap_excuse(node.as_str(), it);
                [came_back(it), healed(it), faults.edit_excuse(it), flapped]
            };
            // Whoever is ready again has yet to be proven before he may serve.
            let proving = |it: &String| {
                let server = &ground.servers[it];
                let ready_ms = server.ready_since_ms.filter(|_| server.touched)?;
                let crash = faults.crashed_at(it).map(|_| "front-end-crash");
                let end_ms = faults.proven_end(it, ready_ms, true);
                Some(Excuse::until(faults.sickness(it).or(crash)?, it, end_ms))
            };
            let proving = ground.servers.keys().filter_map(proving);
            let upset = faults.reload_excuse(node.as_str());
            let refilled = refilled(node.as_str(), pool.as_str(), ground, context);
            let of = ground.servers.keys().flat_map(of).flatten();
            longest(of.chain(proving).chain(upset).chain(refilled))
        }
        HoldReason::Asked => faults.let_go_excuse(),
        _ => None,
    }
}

/// A pool that machines which are down have left to too few comes and goes with their load: it has
/// just reached its floor again, and its node was not read since.
fn refilled(node: &str, pool: &str, ground: &Ground, context: &Context) -> Option<Excuse> {
    let lanes = ground.lanes();
    let members = lanes.get(&(node, pool))?;
    let down = members
        .iter()
        .filter_map(|(_, it)| context.faults.crash_excuse(&it.server))
        .find(|it| it.covers(ground.now_ms))?;
    let serves_since =
        |it: &Member| Some(it.eligible_since_ms?.max(ground.servers[&it.server].ready_since_ms?));
    let mut since: Vec<u64> = members.iter().filter_map(|(_, it)| serves_since(it)).collect();
    since.sort_unstable();
    let floor = context.floor(pool);
    let refilled_ms = *since.get(floor.checked_sub(1)?)?;
    let end_ms = context.faults.end_with(node, refilled_ms, context.faults.bounds.react);
    Some(Excuse::until(&down.fault, node, end_ms))
}
