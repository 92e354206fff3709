//! Servers that failed and are well again: what kept them passed without a person, so that nobody
//! need come for it.
use crate::journal::{Event, Notice, ServerFailure};

use super::super::idle::{Deployment, deployment};
use super::super::layout::{Layout, ServerIx};
use super::super::progress::{Direction, Progress};
use super::super::view::View;
use super::{Decision, deployment_since_ms};

/// Failures that have passed. The deadlines of such a server run afresh.
pub(super) fn facts(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    for (server, record) in progress.servers.iter().enumerate() {
        let Some(failure) = record.failure.as_ref().filter(|_| !record.left_out) else { continue };
        if has_passed(layout, progress, view, server, failure) {
            let server = layout.servers[server].name.clone();
            decision.events.push(Event::Noticed(Notice::Recovered { server }));
        }
    }
}

fn has_passed(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
    failure: &ServerFailure,
) -> bool {
    let record = &progress.servers[server];
    match failure {
        // It has ended after all; how, is judged as of any other.
        ServerFailure::JobOverdue { .. } => {
            record.job.as_ref().is_some_and(|job| job.ended.is_some())
        }
        ServerFailure::NotInitialised => {
            let service = view.service(layout, server);
            let version = view.servers[server].version.as_ref();
            // Whoever goes back to the baseline has the version that he had.
            let aborting = progress.direction == Direction::Aborting;
            service.is_some_and(|read| read.running && read.initialised)
                && (aborting
                    || record.upgraded.is_some()
                    || version.is_some_and(|read| read.value == layout.target()))
        }
        ServerFailure::NotDeployed { .. } => deployment_since_ms(layout, progress, server)
            .is_some_and(|since_ms| {
                let now = deployment(layout, progress, view, server, since_ms);
                matches!(now, Deployment::Done(_))
            }),
        ServerFailure::TestsFailed { .. } => {
            record.tested.as_ref().is_some_and(|last| last.failure.is_none())
        }
        ServerFailure::NotRebooted => record.reboot.is_none(),
        // More of the same attempts: a person decides.
        ServerFailure::JobFailed { .. } | ServerFailure::WrongVersion { .. } => false,
    }
}
