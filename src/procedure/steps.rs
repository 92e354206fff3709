//! The step a run is in: the lowest unfinished, computed and never stored.
use crate::farm::Half;
use crate::journal::FarmMilestone;

use super::action::JobKind;
use super::layout::{Layout, ServerIx, StageEntry};
use super::progress::{Direction, Progress, ServerProgress};

/// Every front-end of a half that was not left out satisfies a condition.
pub fn everyone_in(
    layout: &Layout,
    progress: &Progress,
    half: Half,
    condition: impl Fn(&ServerProgress) -> bool,
) -> bool {
    layout
        .half(half)
        .map(|server| &progress.servers[server])
        .all(|server| server.left_out || condition(server))
}

/// Every front-end that was not left out satisfies a condition.
pub fn everyone(
    layout: &Layout,
    progress: &Progress,
    condition: impl Fn(&ServerProgress) -> bool,
) -> bool {
    [Half::Updating, Half::Loaded]
        .into_iter()
        .all(|half| everyone_in(layout, progress, half, &condition))
}

/// The lowest unfinished step.
#[must_use]
pub fn step(layout: &Layout, progress: &Progress) -> u8 {
    use Half::{Loaded, Updating};
    let all = |half, condition: &dyn Fn(&ServerProgress) -> bool| {
        everyone_in(layout, progress, half, condition)
    };
    let switched = progress.reached(FarmMilestone::Soaked);
    if !switched {
        if !all(Updating, &|server| server.quiet || server.touched) {
            return 1;
        }
        if !all(Loaded, &|server| server.disabled.is_some() || server.flag_came_back > 0) {
            return 2;
        }
        if !stages_ended(layout, progress, Updating)
            || !all(Updating, &|server| server.deployed_ms.is_some() || server.proven_once)
        {
            return 3;
        }
        if !all(Updating, &|server| server.proven.is_some() || server.proven_once) {
            return 4;
        }
        return 5;
    }
    if !all(Loaded, &|server| server.upgraded.is_some()) {
        return 6;
    }
    if !all(Loaded, &|server| server.ensured_ms.is_some()) {
        return 7;
    }
    if !all(Loaded, &|server| server.proven.is_some() || server.proven_once) {
        return 8;
    }
    9
}

/// The gate before a step is open.
#[must_use]
pub fn may_begin(layout: &Layout, progress: &Progress, step: u8) -> bool {
    !layout.policy().gates.contains(&step) || progress.approved.contains(&step)
}

/// The gate the run waits at.
#[must_use]
pub fn waiting_gate(layout: &Layout, progress: &Progress) -> Option<u8> {
    let step = step(layout, progress);
    let at_rest = progress.direction == Direction::Forward && progress.baseline.is_some();
    (at_rest && !may_begin(layout, progress, step)).then_some(step)
}

/// A server has done a stage's jobs, and its part of the stage is over.
#[must_use]
pub fn stage_done(progress: &Progress, server: ServerIx, kinds: &[JobKind]) -> bool {
    let record = &progress.servers[server];
    record.left_out
        || (kinds.iter().all(|kind| record.jobs_done.contains(kind)) && record.upgraded.is_some())
}

/// A stage is over: every server has done its jobs, was left out, or cannot go on by itself and
/// nobody waits for it. Jobs done once for the farm are waited for.
#[must_use]
pub fn stage_over(progress: &Progress, stage: &StageEntry) -> bool {
    stage.servers.iter().all(|(server, kinds)| {
        let for_all = kinds.iter().any(|kind| kind.is_for_all());
        let given_up = progress.servers[*server].failure.is_some() && !for_all;
        stage_done(progress, *server, kinds) || given_up
    })
}

/// Every stage of a half is over.
#[must_use]
pub fn stages_ended(layout: &Layout, progress: &Progress, half: Half) -> bool {
    layout.stages(half).iter().all(|stage| stage_over(progress, stage))
}

/// Since when nothing more is deployed to every enabled server: the last of the jobs that the farm
/// needs once has ended. `None` while one is left.
#[must_use]
pub fn farm_served_ms(layout: &Layout, progress: &Progress) -> Option<u64> {
    let for_all = |stage: &&StageEntry| {
        stage.servers.iter().any(|(_, kinds)| kinds.iter().any(|kind| kind.is_for_all()))
    };
    let mut ended_ms = 0;
    for stage in layout.stages(Half::Updating).iter().filter(for_all) {
        if !stage_over(progress, stage) {
            return None;
        }
        let servers = stage.servers.iter().map(|(server, _)| &progress.servers[*server]);
        ended_ms = servers.fold(ended_ms, |last_ms, server| last_ms.max(server.job_ended_ms));
    }
    Some(ended_ms)
}

/// The stage of a half that is under way.
#[must_use]
pub fn current_stage<'a>(
    layout: &'a Layout,
    progress: &Progress,
    half: Half,
) -> Option<&'a StageEntry> {
    layout.stages(half).iter().find(|stage| !stage_over(progress, stage))
}

/// A step's name, as the command line takes it.
#[must_use]
pub fn name(step: u8) -> &'static str {
    match step {
        1 => "shift-to-loaded",
        2 => "disable-deployment",
        3 => "upgrade-updating",
        4 => "test-updating",
        5 => "switch-traffic",
        6 => "upgrade-loaded",
        7 => "ensure-deployment-service",
        8 => "await-deployment",
        _ => "restore-traffic",
    }
}
