//! What could go wrong, found beforehand in the farm file: each with what it means for this run
//! and what can be done.
use crate::farm::policy::{AfterDeadline, Scheduler};
use crate::farm::{BalancerNode, Farm, Half, Pool, PoolMode, Zone};

use super::capacity;
use super::model::{Hazard, HazardAt, HazardKind, Phase};
use super::share::{Shares, percent};

/// The longest a request may execute on IIS by default (`executionTimeout`), in milliseconds.
const IIS_EXECUTION_MS_MAX: u64 = 110_000;

/// Every hazard of a farm, split like this.
pub(super) fn of(shares: &Shares<'_>, updating: &[bool]) -> Vec<Hazard> {
    let farm = shares.farm;
    let mut hazards = Vec::new();
    for zone in &farm.zones {
        for half in [Half::Updating, Half::Loaded] {
            hazards.extend(half_of_zone(shares, updating, zone, half));
        }
    }
    hazards.extend(farm.pools.iter().flat_map(of_pool));
    hazards.extend(service_center(farm));
    hazards.extend(farm.zones.iter().filter_map(|zone| zone_address(farm, zone)));
    hazards.extend(drain_deadline(farm));
    hazards.extend(scheduler(farm));
    hazards.extend(version_skipped(farm));
    let lossy = farm.balancers.iter().filter(|node| !node.state_survives_reload);
    hazards.extend(lossy.map(|node| state_lost(farm, node)));
    hazards
}

fn hazard(kind: HazardKind, at: HazardAt, text: String) -> Hazard {
    Hazard { kind, at, text }
}

fn state_lost(farm: &Farm, node: &BalancerNode) -> Hazard {
    let seconds = farm.policy.balancer_poll_ms.div_ceil(1_000);
    let text = format!(
        "When {} reloads, every drained member is back in rotation. Evenkeel notices within \
         {seconds} s and drains them again, but until then users reach servers that are being \
         upgraded. Freeze its configuration for the run, or give it a state file that is kept \
         current (`load-server-state-from-file`) and set `state_survives_reload = true`.",
        node.name
    );
    hazard(HazardKind::StateLostOnReload, HazardAt::Node(node.name.clone()), text)
}

fn half_of_zone(shares: &Shares<'_>, updating: &[bool], zone: &Zone, half: Half) -> Option<Hazard> {
    let (phase, word, steps) = match half {
        Half::Updating => (Phase::OnUpdating, "updating", "from step 5 to step 9"),
        Half::Loaded => (Phase::OnLoaded, "loaded", "from step 1 to step 5"),
    };
    let serving = capacity::serving(updating, phase);
    let at = HazardAt::Zone(zone.name.clone(), Some(half));
    let members = capacity::members(shares, &serving, &zone.name);
    let counts = shares.counts(&serving);
    let pools = shares.farm.pools.iter().zip(&counts);
    let alone = pools.filter(|(pool, count)| pool.zone == zone.name && **count <= 1);
    let alone: Vec<&Pool> = alone.map(|(pool, _)| pool).collect();
    if members.is_empty() {
        return Some(hazard(
            HazardKind::HalfOfOne,
            at,
            format!(
                "No server of the {word} half serves {}: it is down {steps}, as `may_go_down` \
                 allows. Tell its users.",
                zone.name
            ),
        ));
    }
    if let Some(pool) = alone.first() {
        return Some(hazard(
            HazardKind::HalfOfOne,
            at,
            format!(
                "In the {word} half one server alone serves pool {}: if it fails {steps}, {} is \
                 down until a server of the other half can be admitted. Add a front-end, or \
                 accept it.",
                pool.name, zone.name
            ),
        ));
    }
    let lost = capacity::one_lost(shares, &serving, &zone.name)?;
    // The margin is there to be used by such a loss; beyond the whole capacity nothing is left.
    (!Shares::within(lost, 1.0)).then(|| hazard(HazardKind::NotNPlusOne, at, format!(
        "If one of the {word} half's servers fails {steps}, the busiest server of {} is at {} % \
         of its capacity. Upgrade when there is less load, or add capacity.",
        zone.name, percent(lost)
    )))
}

fn of_pool(pool: &Pool) -> Vec<Hazard> {
    let name = &pool.name;
    let mut found = Vec::new();
    let mut add = |kind, text| found.push(hazard(kind, HazardAt::Pool(name.clone()), text));
    if !pool.health_check {
        add(
            HazardKind::NoHealthCheck,
            format!(
                "The balancer does not check the members of {name}: it sends users to a server \
                 that died, and only Evenkeel's own tests stand between a broken server and its \
                 users. Add a health check."
            ),
        );
    }
    if pool.sticky {
        add(
            HazardKind::Stickiness,
            format!(
                "Clients stick to members of {name}: a drained member still gets requests from \
                 its own clients, and its drain may not end before they leave. OutSystems keeps \
                 sessions in the database and advises against stickiness; without it, drains \
                 take seconds."
            ),
        );
    }
    if let Some(tracked) = &pool.tracks {
        add(
            HazardKind::TrackedServer,
            format!(
                "Members of {name} follow the state of {tracked}: a drain there drains them here \
                 too, and HAProxy answers \"done\" to a change here that it ignores. Change \
                 members in {tracked} only; Evenkeel reads back what became of them here."
            ),
        );
    }
    if pool.agent_check {
        add(
            HazardKind::AgentCheck,
            format!(
                "An agent check sets the state of members of {name}: it can undo a drain within a \
                 second, or drain a member that has just been admitted. Disable it for the run \
                 (`disable agent {name}/MEMBER`)."
            ),
        );
    }
    if pool.mode == PoolMode::Tcp {
        add(
            HazardKind::TcpMode,
            format!(
                "{name} forwards connections, not requests: a client with an open connection \
                 keeps sending new requests to a drained member, so a drain takes as long as the \
                 longest connection. Use `mode http`, or expect the drain's deadline to pass: with \
                 `drain_after_deadline = \"wait\"` busy clients can keep a drain from ever ending, \
                 and the run then holds after `drain_ms_max` and `switch_ms_max`."
            ),
        );
    }
    found
}

/// Whether a name is one by which users reach the balancer.
fn is_balancer(farm: &Farm, name: &str) -> bool {
    let host = |at: &String| at.rsplit_once(':').map(|(host, _)| host.to_owned());
    let mut fronts = farm.pools.iter().flat_map(|pool| pool.traffic.values().filter_map(host));
    farm.zones.iter().any(|zone| zone.public_name.eq_ignore_ascii_case(name))
        || fronts.any(|front| front.eq_ignore_ascii_case(name))
}

fn is_server(farm: &Farm, name: &str) -> bool {
    let names = farm.front_ends.iter().flat_map(|s| [s.address.as_str(), s.name.as_str()]);
    names.into_iter().any(|own| own.eq_ignore_ascii_case(name))
}

fn service_center(farm: &Farm) -> Option<Hazard> {
    let address = farm.service_center.address.as_ref()?;
    let through = if is_balancer(farm, address) {
        "is the balancer"
    } else if is_server(farm, address) {
        return None;
    } else {
        "is none of the front-ends, so it may be the balancer"
    };
    Some(hazard(
        HazardKind::ServiceCenterThroughBalancer,
        HazardAt::Farm,
        format!(
            "Service Center's address {address} {through}: people who use it there reach now one \
             front-end, now another, of either version. Evenkeel asks a named front-end; people \
             should too, for the run."
        ),
    ))
}

fn zone_address(farm: &Farm, zone: &Zone) -> Option<Hazard> {
    let address = zone.deployment_address.as_ref()?;
    let own = is_server(farm, address);
    (!own || is_balancer(farm, address)).then(|| {
        hazard(HazardKind::ZoneAddressIsBalancer, HazardAt::Zone(zone.name.clone(), None), format!(
            "The Deployment Zone Address of {} is {address}, which is the balancer: while half of \
             the farm is drained, calls between zones, timers, e-mails and processes of the \
             drained servers land on the other half, of the other version. Expect it when you \
             read errors of that time.",
            zone.name
        ))
    })
}

fn drain_deadline(farm: &Farm) -> Option<Hazard> {
    let deadline = farm.policy.drain_ms_max;
    (deadline < IIS_EXECUTION_MS_MAX).then(|| {
        hazard(
            HazardKind::DrainDeadlineShort,
            HazardAt::Farm,
            format!(
                "`drain_ms_max` is {} s, and IIS lets a request execute for up to 110 s: long \
             requests outlive it, and then `drain_after_deadline = \"{}\"` applies.",
                deadline / 1_000,
                match farm.policy.drain_after_deadline {
                    AfterDeadline::Wait => "wait",
                    AfterDeadline::Hold => "hold",
                    AfterDeadline::Cut => "cut",
                }
            ),
        )
    })
}

fn scheduler(farm: &Farm) -> Option<Hazard> {
    match farm.policy.scheduler {
        Scheduler::Leave => Some(hazard(
            HazardKind::SchedulerLeftRunning,
            HazardAt::Farm,
            "The Scheduler Service runs on all servers throughout, so timers, processes and \
             e-mails run in both versions while they are mixed (steps 3 to 9). Deactivate timers \
             that cannot bear that beforehand."
                .into(),
        )),
    }
}

/// Versions between are known to be skipped when a major or minor number is left out. Going to a
/// later minor version of the next major one leaves out those before it.
fn version_skipped(farm: &Farm) -> Option<Hazard> {
    let [from_major, from_minor, ..] = farm.version_from.parts();
    let [to_major, to_minor, ..] = farm.version_to.parts();
    let skipped = match to_major - from_major {
        0 => to_minor - from_minor > 1,
        1 => to_minor > 0,
        _ => true,
    };
    // Since 11.12 an upgrade prepares modules; not from 11.10 or before.
    let unprepared = (from_major, from_minor) <= (11, 10) && (to_major, to_minor) >= (11, 12);
    let publish = if unprepared && !farm.host.publish {
        " From 11.10 or before, modules are not prepared by the upgrade: publish all of them \
         (`host.publish = true`)."
    } else {
        ""
    };
    skipped.then(|| {
        hazard(HazardKind::VersionSkipped, HazardAt::Farm, format!(
            "From {} to {} skips the versions between: their release notes apply too, with their \
             side effects and breaking changes. Rehearse on a farm with your applications \
             first.{publish}",
            farm.version_from, farm.version_to
        ))
    })
}
