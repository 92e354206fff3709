//! The Enabled flags: loaded servers are disabled from step 2 until their own upgrade, watched, and
//! disabled again when a service start enabled one; afterwards they are enabled.
use crate::farm::Half;
use crate::journal::{Event, Milestone, Notice};

use super::super::action::{Action, JobKind};
use super::super::layout::{Layout, ServerIx};
use super::super::progress::{Direction, Progress};
use super::super::quiet::in_rotation;
use super::super::readings::ThreadState;
use super::super::steps::{everyone_in, may_begin};
use super::super::view::View;
use super::{Decision, console_for};

/// How long a started Deployment Service is given to enable its front-end by itself: twice its
/// usual initialisation (29 s in the published log).
const SELF_ENABLING_MS_MAX: u64 = 60_000;

/// What a server's flag shall be; `None` while that is its own business.
fn wanted_flag(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> Option<bool> {
    let record = &progress.servers[server];
    if record.left_out {
        return None;
    }
    if progress.direction == Direction::Aborting {
        return baseline_flag(layout, progress, server);
    }
    if layout.servers[server].half != Some(Half::Loaded) {
        // One that was admitted early serves, so nothing may be deployed to it; before its own
        // upgrade it is as it was.
        return (!record.touched).then_some(record.rescued_ms.is_none());
    }
    if !record.touched {
        let begun = record.disabled.is_some()
            || record.flag_came_back > 0
            || everyone_in(layout, progress, Half::Updating, |one| one.quiet || one.touched);
        return (begun && may_begin(layout, progress, 2)).then_some(false);
    }
    // Its service enables it by itself as it starts; the button is pressed where that did not happen.
    let time_enough = view.now_ms > record.job_ended_ms + SELF_ENABLING_MS_MAX
        && view.service(layout, server).is_some_and(|read| read.initialised);
    let ensured = record.jobs_done.contains(&JobKind::EnsureDeploymentService);
    (ensured && time_enough).then_some(true)
}

fn baseline_flag(layout: &Layout, progress: &Progress, server: ServerIx) -> Option<bool> {
    progress.baseline.as_ref()?.enabled.get(&layout.servers[server].name).copied()
}

/// Flags that are not as they shall be, one at a time: the console serves people too.
pub(super) fn actions(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    holding: bool,
    decision: &mut Decision,
) {
    let busy = progress.open.values().any(|action| matches!(action, Action::Flag { .. }));
    if busy && view.servers.iter().any(|server| server.acting) {
        return;
    }
    for server in layout.front_ends() {
        let Some(wanted) = wanted_flag(layout, progress, view, server) else { continue };
        if view.flag(layout, server) != Some(!wanted) {
            continue;
        }
        let record = &progress.servers[server];
        // A hold begins nothing, but it goes on protecting what was disabled.
        let held = record.disabled.is_some() || record.flag_came_back > 0;
        let protects = !wanted && (held || record.rescued_ms.is_some());
        let aborting = progress.direction == Direction::Aborting;
        if holding && !protects && !aborting {
            continue;
        }
        let Some(via) = console_for(layout, progress, view) else { return };
        if view.servers[server].acting || view.servers[via].acting {
            continue;
        }
        decision.actions.push(Action::Flag {
            via: layout.servers[via].name.clone(),
            server: layout.servers[server].name.clone(),
            enabled: wanted,
        });
        return;
    }
}

/// Disabled, come back, deploying under load, ensured.
pub(super) fn facts(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    for server in layout.half(Half::Loaded) {
        let record = &progress.servers[server];
        if record.left_out || progress.direction == Direction::Aborting {
            continue;
        }
        let name = &layout.servers[server].name;
        if !record.touched {
            let watched = wanted_flag(layout, progress, view, server) == Some(false);
            match view.flag(layout, server) {
                Some(false) if watched && record.disabled.is_none() => {
                    let start = view.service(layout, server).map(|read| read.start.clone());
                    let evidence = "the console's list shows it disabled".to_owned();
                    decision.reached(layout, server, Milestone::Disabled { start }, evidence);
                }
                Some(true) if record.disabled.is_some() => {
                    let notice = Notice::FlagCameBack { server: name.clone() };
                    decision.events.push(Event::Noticed(notice));
                }
                _ => {}
            }
            if record.flag_came_back > 0
                && !record.tainted
                && deploys_under_load(layout, view, server)
            {
                let notice = Notice::DeployingUnderLoad { server: name.clone() };
                decision.events.push(Event::Noticed(notice));
            }
        } else if record.ensured_ms.is_none() && is_ensured(progress, view, server) {
            let evidence = "service automatic, running, initialised; enabled".to_owned();
            decision.reached(layout, server, Milestone::DeploymentServiceEnsured, evidence);
        }
    }
}

fn deploys_under_load(layout: &Layout, view: &View, server: ServerIx) -> bool {
    let busy = view.servers[server].threads.back().is_some_and(|round| {
        let interval_ms =
            layout.policy().jobs_poll_ms * u64::from(layout.policy().stale_after_polls);
        round.at_ms + interval_ms >= view.now_ms
            && round.value.iter().any(|row| row.state == ThreadState::Busy)
    });
    let serves = layout.servers[server]
        .seats
        .iter()
        .any(|&seat| view.seat(layout, seat).is_some_and(in_rotation));
    busy && serves
}

fn is_ensured(progress: &Progress, view: &View, server: ServerIx) -> bool {
    let record = &progress.servers[server];
    let since_ms = record.job_ended_ms;
    let flag = view.servers[server].flag.as_ref();
    let service = view.servers[server].service.as_ref();
    record.upgraded.is_some()
        && record.jobs_done.contains(&JobKind::EnsureDeploymentService)
        && flag.is_some_and(|read| read.at_ms >= since_ms && read.value)
        && service.is_some_and(|read| {
            read.at_ms >= since_ms
                && read.value.running
                && read.value.automatic
                && read.value.initialised
        })
}

/// A loaded server is disabled beyond doubt: read so lately, or read so once and its Deployment
/// Service has not been started since (nothing else enables a server but a person).
#[must_use]
pub(in crate::procedure) fn stays_disabled(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    let Some(start_then) = &progress.servers[server].disabled else { return false };
    match view.flag(layout, server) {
        Some(enabled) => !enabled,
        None => {
            let start_now = view.service(layout, server).map(|read| &read.start);
            start_now.is_some() && start_now == start_then.as_ref()
        }
    }
}

/// The flag and the start type are as the baseline had them, or as step 7 wants them.
pub(super) fn is_restored(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    let name = &layout.servers[server].name;
    let automatic = progress.baseline.as_ref().and_then(|all| all.automatic.get(name).copied());
    let flag = view.flag(layout, server);
    let service = view.service(layout, server);
    flag.is_some()
        && flag == baseline_flag(layout, progress, server)
        && service.is_some_and(|read| {
            Some(read.automatic) == automatic && read.running && read.initialised
        })
}
