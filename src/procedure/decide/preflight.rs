//! Before step 1: everything is read once, the baseline is written down, and what makes the run
//! unsafe from the start is refused while nothing has been touched.
use std::collections::BTreeMap;

use crate::journal::{Baseline, Event, Verdict};

use super::super::layout::{Layout, ServerIx};
use super::super::quiet::in_rotation;
use super::super::readings::{MemberId, MemberReading, ThreadState};
use super::super::view::View;
use super::Decision;

/// The baseline, or a refusal, or nothing as long as something is not known yet.
pub(super) fn decide(layout: &Layout, view: &View, decision: &mut Decision) {
    if let Some(why) = &view.login_refused {
        refuse(vec![format!("Service Center refused the login: {why}")], decision);
        return;
    }
    let mut unknown = Vec::new();
    let baseline = read(layout, view, &mut unknown);
    if !unknown.is_empty() {
        if view.now_ms > layout.policy().unknown_ms_max {
            let why = unknown.into_iter().map(|what| format!("{what} could not be read")).collect();
            refuse(why, decision);
        }
        return;
    }
    let objections = objections(layout, view, &baseline);
    if objections.is_empty() {
        decision.events.push(Event::Baseline(baseline));
    } else {
        refuse(objections, decision);
    }
}

fn refuse(why: Vec<String>, decision: &mut Decision) {
    decision.events.push(Event::Ended { verdict: Verdict::Refused { why } });
}

fn read(layout: &Layout, view: &View, unknown: &mut Vec<String>) -> Baseline {
    let mut baseline = Baseline::default();
    for (seat_ix, seat) in layout.seats.iter().enumerate() {
        let node = layout.nodes[seat.node].name.clone();
        match view.seat(layout, seat_ix) {
            Some(read) => baseline.members.push((node, seat.member.clone(), read.clone())),
            None => unknown.push(format!(
                "member {} of pool {} on balancer {node}",
                seat.member.server, seat.member.pool
            )),
        }
    }
    let poll_ms = layout.policy().jobs_poll_ms;
    for (ix, server) in layout.servers.iter().enumerate() {
        let seen = &view.servers[ix];
        match view.fresh(layout, seen.version.as_ref(), poll_ms) {
            Some(version) => {
                baseline.versions.insert(server.name.clone(), *version);
            }
            None => unknown.push(format!("{}'s version", server.name)),
        }
        if server.front_end.is_none() {
            continue;
        }
        match view.flag(layout, ix) {
            Some(enabled) => {
                baseline.enabled.insert(server.name.clone(), enabled);
            }
            None => unknown.push(format!("{}'s Enabled flag", server.name)),
        }
        match view.service(layout, ix) {
            Some(service) => {
                baseline.automatic.insert(server.name.clone(), service.automatic);
            }
            None => unknown.push(format!("{}'s Deployment Service", server.name)),
        }
        let threads = view.fresh(layout, seen.threads.back(), poll_ms);
        if threads.is_none_or(Vec::is_empty) {
            unknown.push(format!("{}'s deployment threads", server.name));
        }
    }
    baseline
}

fn objections(layout: &Layout, view: &View, baseline: &Baseline) -> Vec<String> {
    let mut objections = Vec::new();
    for (ix, server) in layout.servers.iter().enumerate() {
        let name = &server.name;
        let version = baseline.versions.get(name).copied();
        if version.is_some_and(|version| version != layout.farm.version_from) {
            objections.push(format!(
                "{name} runs {}, the plan was made for {}: make a new plan",
                version.expect("just looked at"),
                layout.farm.version_from
            ));
        }
        if server.front_end.is_none() {
            continue;
        }
        if baseline.enabled.get(name) == Some(&false) {
            objections.push(format!("{name} is Disabled in Service Center: enable it first"));
        }
        let service = view.service(layout, ix);
        if service.is_some_and(|read| !read.running || !read.initialised) {
            objections.push(format!("{name}'s Deployment Service is not running and initialised"));
        }
        // Enable and step 7 leave it automatic, so that it would never again be as it was.
        if service.is_some_and(|read| !read.automatic) {
            objections.push(format!(
                "{name}'s Deployment Service does not start automatically: give it that start type \
                 first, step 7 does so too"
            ));
        }
        let threads = view.servers[ix].threads.back();
        if threads.is_some_and(|round| round.value.iter().any(|row| row.state != ThreadState::Idle))
        {
            objections.push(format!(
                "a deployment thread of {name} is not idle: wait for the deployment to end, and \
                 keep deployments frozen during the upgrade"
            ));
        }
    }
    members_without_requests(baseline, &mut objections);
    sick_members(layout, view, &mut objections);
    objections
}

/// Members that are in rotation and get no requests: nobody would see that they take any, and the
/// switch could not end.
fn members_without_requests(baseline: &Baseline, objections: &mut Vec<String>) {
    for (node, member, read) in baseline.members.iter().filter(|(.., read)| read.admin.ready()) {
        let why = match read {
            MemberReading { weight: 0, .. } => {
                "has weight 0: give it its weight, or drain it if it shall stay out"
            }
            MemberReading { backup: true, .. } => {
                "is a backup, which gets requests only while no other member does: make it a \
                 member like the others, or drain it if it shall stay out"
            }
            _ => continue,
        };
        let MemberId { pool, server } = member;
        objections.push(format!("{server} in pool {pool} on {node} {why}"));
    }
}

/// A half that cannot carry its pools' load without the members that are sick now.
fn sick_members(layout: &Layout, view: &View, objections: &mut Vec<String>) {
    let well = |server: ServerIx, seats: &[usize]| {
        seats
            .iter()
            .filter(|&&seat| layout.seats[seat].server == server)
            .all(|&seat| view.seat(layout, seat).is_some_and(in_rotation))
    };
    for half in [crate::farm::Half::Updating, crate::farm::Half::Loaded] {
        let mut load_permille: BTreeMap<ServerIx, u64> = BTreeMap::new();
        let mut anyone_sick = false;
        for pool in layout.pools.iter().filter(|pool| !pool.may_go_down) {
            let Some(bench) = pool.benches.first() else { continue };
            let all: Vec<usize> =
                pool.benches.iter().flat_map(|bench| bench.seats.iter().copied()).collect();
            let of_half: Vec<ServerIx> = bench
                .seats
                .iter()
                .map(|&seat| layout.seats[seat].server)
                .filter(|&server| layout.servers[server].half == Some(half))
                .collect();
            let healthy: Vec<ServerIx> =
                of_half.iter().copied().filter(|&server| well(server, &all)).collect();
            anyone_sick |= healthy.len() < of_half.len();
            if healthy.len() < pool.floor {
                objections.push(format!(
                    "pool {}: {} of {} {} members are in rotation, the floor is {}",
                    pool.name,
                    healthy.len(),
                    of_half.len(),
                    half_name(half),
                    pool.floor
                ));
                continue;
            }
            let share = pool_load_milli(layout, pool) / healthy.len() as u64;
            for server in healthy {
                *load_permille.entry(server).or_default() += share;
            }
        }
        // Whether the whole half carries the load was judged by the plan, or by who forced it.
        if anyone_sick {
            overloaded(layout, half, &load_permille, objections);
        }
    }
}

fn half_name(half: crate::farm::Half) -> &'static str {
    match half {
        crate::farm::Half::Updating => "updating",
        crate::farm::Half::Loaded => "loaded",
    }
}

/// A pool's load in thousandths of a request per second.
fn pool_load_milli(layout: &Layout, pool: &super::super::layout::PoolEntry) -> u64 {
    let named = |name| layout.farm.pools.iter().find(|pool| pool.name == name);
    let Some(own) = named(pool.name.clone()) else { return 0 };
    let shares: u64 = layout
        .farm
        .pools
        .iter()
        .filter(|other| other.zone == own.zone)
        .map(|other| u64::from(other.load_share))
        .sum();
    let zone = layout.farm.zones.iter().find(|zone| zone.name == own.zone);
    zone.map_or(0, |zone| u64::from(zone.load_rps)) * 1_000 * u64::from(own.load_share)
        / shares.max(1)
}

fn overloaded(
    layout: &Layout,
    half: crate::farm::Half,
    load_milli: &BTreeMap<ServerIx, u64>,
    objections: &mut Vec<String>,
) {
    let usable_percent = u64::from(100 - layout.policy().margin_percent.min(100));
    for (&server, &milli) in load_milli {
        let Some(front_end) = &layout.servers[server].front_end else { continue };
        if milli > u64::from(front_end.capacity_rps) * 10 * usable_percent {
            objections.push(format!(
                "{} would carry {} requests/s while only the {} members that are in rotation now \
                 serve; its capacity within the margin is {}",
                front_end.name,
                milli / 1_000,
                half_name(half),
                u64::from(front_end.capacity_rps) * usable_percent / 100
            ));
        }
    }
}
