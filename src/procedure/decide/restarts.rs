//! Restarts that installers ask for: a machine is told once and waited for until it was seen to have
//! restarted, since it answers for a while before it goes down. It is told again only when it had all
//! the time that a restart may take and did nothing.
use crate::journal::{Event, Notice, ServerFailure};

use super::super::action::Action;
use super::super::layout::{Layout, ServerIx};
use super::super::progress::{Progress, Reboot};
use super::super::view::View;
use super::Decision;
use super::flags::service_since_job;
use super::jobs::is_out;

/// Machines that have restarted, or do not.
pub(super) fn facts(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    for (server, record) in progress.servers.iter().enumerate() {
        let Some(told) = record.reboot.as_ref().filter(|_| !record.left_out) else { continue };
        let name = layout.servers[server].name.clone();
        if has_restarted(layout, view, server, told) {
            decision.events.push(Event::Noticed(Notice::Rebooted { server: name }));
        } else if record.failure.is_none()
            && told.times >= layout.policy().job_attempts_max
            && stands_still(layout, view, server, told)
        {
            let reason = ServerFailure::NotRebooted;
            decision.events.push(Event::Failed { server: name, reason });
        }
    }
}

/// Machines that are to be told.
pub(super) fn actions(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    for (server, record) in progress.servers.iter().enumerate() {
        let may = record.wants_reboot
            && !record.left_out
            && record.failure.is_none()
            && !view.servers[server].acting
            && is_out(layout, view, server);
        let again = |told: &Reboot| {
            told.times < layout.policy().job_attempts_max
                && stands_still(layout, view, server, told)
        };
        if !may || !record.reboot.as_ref().is_none_or(again) {
            continue;
        }
        // Another start of the same services shows later that it has restarted.
        let read = service_since_job(layout, record, view, server);
        if read.is_none() && layout.servers[server].front_end.is_some() {
            continue;
        }
        let (server, start) =
            (layout.servers[server].name.clone(), read.map(|it| it.start.clone()));
        decision.actions.push(Action::Reboot { server, start });
    }
}

/// Its services have another start than before. Of one whose services do not run, or that has none,
/// only its silence tells.
fn has_restarted(layout: &Layout, view: &View, server: ServerIx, told: &Reboot) -> bool {
    let seen = &view.servers[server];
    let was_silent = seen.host_silent_ms > told.told_ms && seen.host_failing_since_ms.is_none();
    match view.service(layout, server) {
        Some(read) if read.running => told.start.as_ref().is_some_and(|start| *start != read.start),
        Some(_) => was_silent,
        None => was_silent && layout.servers[server].front_end.is_none(),
    }
}

/// A reading begun after the time that a restart may take: the machine was not to be restarted.
fn stands_still(layout: &Layout, view: &View, server: ServerIx, told: &Reboot) -> bool {
    let deadline_ms = told.told_ms + layout.policy().initialise_ms_max;
    let seen = &view.servers[server];
    let reads = [
        seen.service.as_ref().map(|read| read.at_ms),
        seen.version.as_ref().map(|read| read.at_ms),
    ];
    reads.into_iter().flatten().any(|at_ms| at_ms > deadline_ms)
}
