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
        // Another start of the machine, or of the same services, shows later that it has restarted; where
        // neither can be read, only its silence does.
        let read = service_since_job(layout, record, view, server);
        let since_ms = record.job_ended_ms.max(view.servers[server].host_back_ms);
        let patient = view.now_ms <= since_ms + layout.policy().initialise_ms_max;
        if read.is_none() && layout.servers[server].front_end.is_some() && patient {
            continue;
        }
        let start = read.filter(|read| read.running).map(|read| read.start.clone());
        let told = record.reboot.as_ref().and_then(|told| told.boot.clone());
        let boot = read.and_then(|read| read.boot.clone()).or(told);
        let server = layout.servers[server].name.clone();
        decision.actions.push(Action::Reboot { server, start, boot });
    }
}

/// Another start of the machine is read than before. Where its host does not tell that, its services have
/// another start than before. Of one whose services did not run, or do not, or cannot
/// be read, only its silence tells: for longer than one question in vain.
fn has_restarted(layout: &Layout, view: &View, server: ServerIx, told: &Reboot) -> bool {
    let (seen, service) = (&view.servers[server], view.service(layout, server));
    if let Some(before) = &told.boot {
        match service.map(|read| &read.boot) {
            None => return false, // it will be read, or has not restarted in time
            Some(Some(now)) => return now != before,
            Some(None) => {} // its script tells that no more
        }
    }
    let silent_ms = seen.host_silent_ms.max(told.told_ms);
    let was_silent = seen.host_failing_since_ms.is_none()
        && seen.host_last_failed_ms >= silent_ms + layout.policy().jobs_poll_ms;
    match (service, &told.start) {
        (Some(read), Some(start)) if read.running => *start != read.start,
        _ => was_silent,
    }
}

/// A reading begun after the time that a restart may take: the machine was not to be restarted.
fn stands_still(layout: &Layout, view: &View, server: ServerIx, told: &Reboot) -> bool {
    let seen = &view.servers[server];
    let deadline_ms = told.told_ms.max(seen.host_back_ms) + layout.policy().initialise_ms_max;
    let reads = [
        seen.service.as_ref().map(|read| read.at_ms),
        seen.version.as_ref().map(|read| read.at_ms),
    ];
    reads.into_iter().flatten().any(|at_ms| at_ms > deadline_ms)
}
