//! Draws a schedule from a seed.
//!
//! Every choice has a key of its own (family, ordinal), so that leaving a family out leaves the
//! others as they were. Aims are drawn by effect: first its kind, evenly, then which of them;
//! drawn the other way round, the many drains would hide the one install of Service Center.
use std::collections::BTreeSet;

use evenkeel::plan::model::Plan;
use evenkeel::procedure::action::JobKind;

use crate::random::{Keyed, Stream};

use super::{Choice, Effect, Family, Fault, Planned, Schedule, Trigger};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

/// What faults can be aimed at: the kinds of effects of a plan, and how many of each it has at
/// least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aims {
    effects: Vec<(Effect, u32)>,
    jobs: Vec<(JobKind, u32, Vec<String>)>,
    front_ends: Vec<String>,
    hosts: Vec<String>,
    nodes: Vec<String>,
}

impl Aims {
    /// The aims of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let farm = &plan.farm;
        let (updating, loaded) = (plan.updating.len() as u32, plan.loaded.len() as u32);
        let jobs = jobs(plan);
        // One action changes all members of a half on a node: steps 1 and 5, 5 and 9.
        let moves = 2 * farm.balancers.len() as u32;
        let mut effects = vec![
            (Effect::Drain, moves),
            (Effect::Admit, moves),
            (Effect::Disable, loaded),
            (Effect::Test, updating + loaded),
        ];
        effects.extend(jobs.iter().map(|(kind, n, _)| (Effect::Start(*kind), *n)));
        let front_ends: Vec<String> =
            farm.front_ends.iter().map(|it| it.name.to_string()).collect();
        let nodes: Vec<String> = farm.balancers.iter().map(|it| it.name.to_string()).collect();
        let hosts = front_ends.iter().chain(&nodes).cloned().collect();
        Self { effects, jobs, front_ends, hosts, nodes }
    }

    /// Aims without a plan, for tests.
    #[cfg(test)]
    pub(super) fn by_hand(
        effects: Vec<(Effect, u32)>,
        jobs: Vec<(JobKind, u32, Vec<String>)>,
        front_ends: Vec<String>,
        nodes: Vec<String>,
    ) -> Self {
        let hosts = front_ends.iter().chain(&nodes).cloned().collect();
        Self { effects, jobs, front_ends, hosts, nodes }
    }
}

/// Kinds of upgrade jobs with how many there are and on which servers.
fn jobs(plan: &Plan) -> Vec<(JobKind, u32, Vec<String>)> {
    let kinds = [
        JobKind::ControllerUpgrade,
        JobKind::FrontEndUpgrade,
        JobKind::ServiceCenterInstall,
        JobKind::Publish,
    ];
    let stages = plan.updating_stages.iter().chain(&plan.loaded_stages);
    let servers: Vec<_> = stages.flat_map(|stage| &stage.servers).collect();
    let of = |kind| {
        let servers = servers.iter().filter(|it| it.kinds.contains(&kind));
        servers.map(|it| it.server.to_string()).collect::<Vec<_>>()
    };
    kinds
        .into_iter()
        .map(|kind| (kind, of(kind)))
        .filter(|(_, servers)| !servers.is_empty())
        .map(|(kind, servers)| (kind, servers.len() as u32, servers))
        .collect()
}

/// The schedule of a seed.
#[must_use]
pub fn schedule(keyed: &Keyed, choice: &Choice, aims: &Aims) -> Schedule {
    let always = matches!(choice, Choice::Families(_));
    let mut planned = Vec::new();
    for family in choice.families() {
        let mut draw = keyed.stream("nemesis", family.name());
        // Drawn also where it decides nothing, so that what follows is the same.
        let strikes = draw.ratio(1, 2);
        if strikes || always {
            planned.extend(of_family(family, &mut draw, aims));
        }
    }
    Schedule { planned }
}

fn of_family(family: Family, draw: &mut Stream, aims: &Aims) -> Vec<Planned> {
    match family {
        Family::Latency => (0..draw.between(1, 3)).map(|_| latency(draw, aims)).collect(),
        Family::LostResponse => {
            (0..draw.between(1, 4)).map(|_| lost_response(draw, aims)).collect()
        }
        Family::OrchestratorCrash => {
            // One crash is usual; a second one may meet the recovery from the first.
            (0..draw.between(1, 2)).map(|_| orchestrator_crash(draw, aims)).collect()
        }
        Family::FrontEndCrash => vec![front_end_crash(draw, aims)],
        Family::InstallerFails => vec![installer_fails(draw, aims)],
        Family::BalancerReload => {
            (0..draw.between(1, 2)).map(|_| balancer_reload(draw, aims)).collect()
        }
    }
}

/// One of a list, which is not empty.
fn one<'a, T>(draw: &mut Stream, of: &'a [T]) -> &'a T {
    &of[draw.below(of.len() as u64) as usize]
}

/// An effect: before it leaves, while it is done, just after, or a while later.
fn at_effect(draw: &mut Stream, aims: &Aims) -> Trigger {
    let (effect, count) = *one(draw, &aims.effects);
    let nth = draw.between(1, u64::from(count.max(1))) as u32;
    match draw.below(4) {
        0 => Trigger::Intent { effect, nth, after_ms: 0 },
        1 => Trigger::Intent { effect, nth, after_ms: draw.between(1, 10) },
        2 => Trigger::Outcome { effect, nth, after_ms: 0 },
        _ => Trigger::Outcome { effect, nth, after_ms: draw.between(1, 30) * SECOND },
    }
}

fn latency(draw: &mut Stream, aims: &Aims) -> Planned {
    let hosts = match draw.ratio(1, 2) {
        true => BTreeSet::new(),
        false => BTreeSet::from([one(draw, &aims.hosts).clone()]),
    };
    let fault = Fault::Latency {
        hosts,
        extra_ms: draw.between(50, 1_500),
        for_ms: draw.between(10 * SECOND, 5 * MINUTE),
    };
    Planned { trigger: at_effect(draw, aims), fault }
}

fn lost_response(draw: &mut Stream, aims: &Aims) -> Planned {
    let (effect, count) = *one(draw, &aims.effects);
    let nth = draw.between(1, u64::from(count.max(1))) as u32;
    // Three in four lose the answer to an effect, the others one to a reading some time later: a
    // node's, since nodes are read all the time.
    match draw.ratio(3, 4) {
        true => Planned {
            trigger: Trigger::Intent { effect, nth, after_ms: 0 },
            fault: Fault::LostResponse { host: None },
        },
        false => Planned {
            trigger: Trigger::Outcome { effect, nth, after_ms: draw.between(0, 10) * SECOND },
            fault: Fault::LostResponse { host: Some(one(draw, &aims.nodes).clone()) },
        },
    }
}

fn orchestrator_crash(draw: &mut Stream, aims: &Aims) -> Planned {
    let away_ms = *one(draw, &[SECOND, 60 * MINUTE]);
    Planned { trigger: at_effect(draw, aims), fault: Fault::OrchestratorCrash { away_ms } }
}

fn front_end_crash(draw: &mut Stream, aims: &Aims) -> Planned {
    let server = one(draw, &aims.front_ends).clone();
    let back_after_ms = match draw.ratio(2, 3) {
        true => Some(draw.between(2 * MINUTE, 30 * MINUTE)),
        false => None,
    };
    // Half of them during somebody's installer: the time in which the farm has least to spare.
    let trigger = match draw.ratio(1, 2) {
        true => {
            let (kind, count, _) = one(draw, &aims.jobs);
            let nth = draw.between(1, u64::from(*count)) as u32;
            Trigger::JobStarted { kind: *kind, nth, after_ms: draw.between(0, 300) * SECOND }
        }
        false => at_effect(draw, aims),
    };
    Planned { trigger, fault: Fault::FrontEndCrash { server, back_after_ms } }
}

fn installer_fails(draw: &mut Stream, aims: &Aims) -> Planned {
    let (kind, _, servers) = one(draw, &aims.jobs);
    let fault = Fault::InstallerFails {
        server: one(draw, servers).clone(),
        kind: *kind,
        code: 2, // what NSIS installers leave after an error
        times: *one(draw, &[1, u32::MAX]),
    };
    Planned { trigger: Trigger::At { at_ms: 0 }, fault }
}

fn balancer_reload(draw: &mut Stream, aims: &Aims) -> Planned {
    let node = one(draw, &aims.nodes).clone();
    let trigger = match draw.below(3) {
        // In the middle of a drain.
        0 => {
            let drains = aims.effects.iter().find(|(effect, _)| *effect == Effect::Drain);
            let count = drains.map_or(1, |(_, count)| *count).max(1);
            let nth = draw.between(1, u64::from(count)) as u32;
            Trigger::Outcome { effect: Effect::Drain, nth, after_ms: draw.between(0, 20) * SECOND }
        }
        1 => Trigger::At { at_ms: draw.between(0, 150) * MINUTE },
        _ => at_effect(draw, aims),
    };
    Planned { trigger, fault: Fault::BalancerReload { node } }
}
