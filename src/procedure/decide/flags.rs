//! The Enabled flags: loaded servers are disabled from step 2 until their own upgrade, watched, and
//! disabled again when a service start enabled one; afterwards they are enabled.
use crate::farm::Half;
use crate::journal::{Event, HoldReason, Milestone, Notice};

use super::super::action::{Action, JobKind};
use super::super::idle::is_being_deployed_to;
use super::super::layout::{Layout, ServerIx};
use super::super::progress::{Direction, Progress, ServerProgress};
use super::super::quiet::in_rotation;
use super::super::readings::ServiceReading;
use super::super::steps::{everyone_in, may_begin};
use super::super::view::{OLD_PAGE_MS_MAX, View};
use super::faces::{has_new_console, tells};
use super::jobs::{is_out, not_initialised};
use super::{Decision, Holding, console_for, proof};

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
    // Its service enables it by itself as it starts; the button is pressed where that did not
    // happen. One that does not run was stopped by Disable, and Enable starts it again. Whoever was
    // proven was enabled then, and waits for nothing, though after a resume jobs ended just now.
    let was_enabled = record.proven_once && record.upgraded.is_some();
    let time_enough = (was_enabled || view.now_ms > record.job_ended_ms + SELF_ENABLING_MS_MAX)
        && view.service(layout, server).is_some_and(|read| read.initialised || !read.running);
    if layout.servers[server].half != Some(Half::Loaded) {
        // One that was admitted early serves, so nothing may be deployed to it; once it is out again
        // it is as it was, and after its own upgrade deployment must reach it.
        return match record.touched {
            false if record.rescued_ms.is_some() => Some(false),
            false => is_out(layout, view, server).then_some(true),
            true => (record.upgraded.is_some() && time_enough).then_some(true),
        };
    }
    if !record.touched {
        let begun = record.disabled.is_some()
            || record.flag_came_back > 0
            || everyone_in(layout, progress, Half::Updating, |one| one.quiet || one.touched);
        return (begun && may_begin(layout, progress, 2)).then_some(false);
    }
    let ensured = record.jobs_done.contains(&JobKind::EnsureDeploymentService);
    (ensured && time_enough).then_some(true)
}

fn baseline_flag(layout: &Layout, progress: &Progress, server: ServerIx) -> Option<bool> {
    progress.baseline.as_ref()?.enabled.get(&layout.servers[server].name).copied()
}

/// A server's flag is not known to be as it shall be.
pub(super) fn is_not_as_wanted(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    let wanted = wanted_flag(layout, progress, view, server);
    wanted.is_some_and(|wanted| view.flag(layout, server) != Some(wanted))
}

/// Flags that are not as they shall be, one at a time: the console serves people too.
pub(super) fn actions(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    hold: Holding,
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
        // Nothing is deployed to one that stays disabled, so that it would never be proven.
        let finishes = wanted && record.touched;
        // Whoever was proven was enabled then, and somebody has disabled it since; and whoever may yet
        // come to a pool that lacks service is not tested before it is enabled.
        let comes = finishes && proof::protects(layout, progress, view, server);
        let name = &layout.servers[server].name;
        // Such changes are what the run waits for.
        let insists = matches!(&progress.held, Some(HoldReason::ConsoleIgnores { .. }));
        let may = match hold {
            Holding::No => true,
            Holding::Finishing => protects || aborting || finishes,
            Holding::Wholly => protects || aborting || insists || comes,
        };
        if !may {
            continue;
        }
        let Some(via) = console_for(layout, progress, view) else { return };
        if view.servers[server].acting || view.servers[via].acting {
            continue;
        }
        // What it shows afterwards would not be believed.
        if record.touched && !tells(layout, progress, via) {
            continue;
        }
        decision.actions.push(Action::Flag {
            via: layout.servers[via].name.clone(),
            server: name.clone(),
            enabled: wanted,
        });
        return;
    }
}

/// Disabled, come back, deploying under load, ensured.
pub(super) fn facts(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    if progress.direction == Direction::Aborting {
        return never_restored(layout, progress, view, decision);
    }
    for server in layout.half(Half::Loaded) {
        let record = &progress.servers[server];
        if record.left_out {
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
        } else if record.ensured_ms.is_none() && record.failure.is_none() {
            if is_ensured(layout, progress, view, server) {
                let evidence = "service automatic, running, initialised; enabled".to_owned();
                decision.reached(layout, server, Milestone::DeploymentServiceEnsured, evidence);
            } else if ensuring_is_overdue(layout, record, view, server) {
                decision.events.push(not_initialised(layout, record, view, server));
            }
        }
    }
}

/// On the way back to the baseline: a service that ran then has had all its time, and does not work.
fn never_restored(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    for server in layout.front_ends() {
        let record = &progress.servers[server];
        let waits = !record.left_out && !record.restored && record.failure.is_none();
        let works = record.job.as_ref().is_some_and(|job| job.ended.is_none());
        let seen = &view.servers[server];
        let since_ms = record.job_ended_ms.max(progress.aborting_ms).max(seen.host_back_ms);
        // Enable starts it, however late.
        let since_ms = since_ms.max(seen.enabled_since_ms.unwrap_or(0));
        let overdue_ms = since_ms + layout.policy().initialise_ms_max;
        let idles = |read: &ServiceReading| !(read.running && read.initialised);
        if waits
            && !works
            && view.now_ms > overdue_ms
            && view.service(layout, server).is_some_and(idles)
        {
            decision.events.push(not_initialised(layout, record, view, server));
        }
    }
}

fn deploys_under_load(layout: &Layout, view: &View, server: ServerIx) -> bool {
    let serves = layout.servers[server]
        .seats
        .iter()
        .any(|&seat| view.seat(layout, seat).is_some_and(in_rotation));
    serves && is_being_deployed_to(layout, view, server) == Some(true)
}

fn is_ensured(layout: &Layout, progress: &Progress, view: &View, server: ServerIx) -> bool {
    let (record, seen) = (&progress.servers[server], &view.servers[server]);
    let flag_since = seen.flag.as_ref().is_some_and(|read| read.at_ms >= record.job_ended_ms);
    let service = service_since_job(layout, record, view, server);
    record.upgraded.is_some()
        && record.jobs_done.contains(&JobKind::EnsureDeploymentService)
        && flag_since
        && view.flag(layout, server) == Some(true)
        && service.is_some_and(|read| read.running && read.automatic && read.initialised)
}

/// The Deployment Service, read since the last job ended, and lately.
pub(super) fn service_since_job<'a>(
    layout: &Layout,
    record: &ServerProgress,
    view: &'a View,
    server: ServerIx,
) -> Option<&'a ServiceReading> {
    let read = view.servers[server].service.as_ref()?;
    view.service(layout, server).filter(|_| read.at_ms >= record.job_ended_ms)
}

/// Step 7's job has ended for so long that its service should work, and is read not to. A console
/// or a host that cannot be read has a deadline of its own.
fn ensuring_is_overdue(
    layout: &Layout,
    record: &ServerProgress,
    view: &View,
    server: ServerIx,
) -> bool {
    let works = |read: &ServiceReading| read.running && read.automatic && read.initialised;
    record.upgraded.is_some()
        && record.jobs_done.contains(&JobKind::EnsureDeploymentService)
        && record.job.as_ref().is_none_or(|job| job.ended.is_some())
        && view.now_ms
            > record.job_ended_ms.max(view.servers[server].host_back_ms)
                + layout.policy().initialise_ms_max
        && view.service(layout, server).is_some_and(|read| !works(read))
}

/// Nothing will be deployed to a loaded server: it was read disabled lately, or was so once and its
/// Deployment Service has not been started since (nothing else enables a server but a person).
///
/// While no console tells, and the commit is behind us, a service that does not run is as good: it
/// neither enables its server nor deploys. So is one that runs and has not initialised, once
/// consoles have been silent for so long that it had every time to: an old one cannot on a new
/// database, where old consoles fail too, and the job that brings a console back would wait for a
/// console for ever.
#[must_use]
pub(in crate::procedure) fn stays_disabled(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    let disabled = progress.servers[server].disabled.as_ref();
    if let Some(enabled) = view.flag(layout, server) {
        let is_past = || enabled && shows_the_past(layout, progress, view, server);
        return (disabled.is_some() && !enabled) || is_past();
    }
    let Some(service) = view.service(layout, server) else { return false };
    let as_then = disabled.is_some_and(|then| then.as_ref() == Some(&service.start));
    let for_long = progress.held == Some(HoldReason::ConsoleUnknown);
    let asleep = !service.running || (!service.initialised && for_long);
    as_then || (asleep && progress.committed())
}

/// Disable was answered and has no effect that is shown, and only old consoles are left on what may be
/// a new database: they may go on showing what was so before. Its service does not run, as was read
/// since, so that it neither enables it nor deploys.
fn shows_the_past(layout: &Layout, progress: &Progress, view: &View, server: ServerIx) -> bool {
    let seen = &view.servers[server];
    let read_since = (seen.flag.as_ref().zip(seen.service.as_ref()))
        .is_some_and(|(flag, service)| service.at_ms >= flag.at_ms);
    progress.committed()
        && !has_new_console(layout, progress)
        && seen.flag_in_vain.is_some()
        && read_since
        && view.service(layout, server).is_some_and(|read| !read.running)
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
    // Where Disable stopped its service, Enable starts it again: what was read before it was read
    // enabled says nothing, whether or not it was written down that it had been disabled.
    let seen = &view.servers[server];
    let read_since = seen.service.as_ref().is_some_and(|service| {
        seen.enabled_since_ms.is_none_or(|enabled_ms| service.at_ms >= enabled_ms)
    });
    // A page may be older than the change that it does not show, until it would be told by its clock.
    let shown_since = progress.servers[server].flag_unclear.as_ref().is_none_or(|unclear| {
        seen.flag.as_ref().is_some_and(|read| read.at_ms >= unclear.since_ms + OLD_PAGE_MS_MAX)
    });
    let known = (read_since && shown_since) || progress.direction != Direction::Aborting;
    !seen.acting
        && flag.is_some()
        && known
        && flag == baseline_flag(layout, progress, server)
        && service.is_some_and(|read| {
            Some(read.automatic) == automatic && read.running && read.initialised
        })
}
