//! Proof that a server is fit: deployment reached it, its tests passed, and it has not been started
//! again since.
use crate::farm::Half;
use crate::journal::{Event, FarmMilestone, Milestone, ServerFailure};

use super::super::action::Action;
use super::super::idle::{Deployment, deployment};
use super::super::layout::{Layout, ServerIx};
use super::super::progress::{Progress, ServerProgress};
use super::super::steps::{may_begin, stages_ended};
use super::super::view::View;
use super::Decision;

/// Between two rounds of tests of a server that fails them: it may still be warming up.
const RETEST_MS: u64 = 30_000;

/// From when on a server's deployment is judged; `None` while something before it is missing.
#[must_use]
pub fn deployment_since_ms(layout: &Layout, progress: &Progress, server: ServerIx) -> Option<u64> {
    let record = &progress.servers[server];
    let (_, upgraded_ms) = record.upgraded?;
    match layout.servers[server].half? {
        Half::Updating => {
            // Service Center, System Components and `publish` deploy to every enabled server, so
            // nobody's threads count before the last of those jobs has ended.
            if !stages_ended(layout, progress, Half::Updating) {
                return None;
            }
            let jobs = layout.updating_stages.iter().flat_map(|stage| &stage.servers);
            let last_ms = jobs.map(|(server, _)| progress.servers[*server].job_ended_ms).max();
            Some(upgraded_ms.max(last_ms.unwrap_or(0)))
        }
        Half::Loaded => Some(upgraded_ms.max(record.ensured_ms?)),
    }
}

/// Deployed, proven, no longer proven, failed.
pub(super) fn facts(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    for server in layout.front_ends() {
        let record = &progress.servers[server];
        if record.left_out || record.failure.is_some() || record.upgraded.is_none() {
            continue;
        }
        if record.proven.is_some() {
            unproven(layout, record, view, server, decision);
        } else if let Some(since_ms) = record.deployed_ms {
            proven(layout, record, view, server, since_ms, decision);
        } else if let Some(since_ms) = deployment_since_ms(layout, progress, server) {
            deployed(layout, progress, view, server, since_ms, decision);
        }
    }
}

fn unproven(
    layout: &Layout,
    record: &ServerProgress,
    view: &View,
    server: ServerIx,
    decision: &mut Decision,
) {
    let Some((_, start)) = &record.proven else { return };
    if view.service(layout, server).is_some_and(|read| read.start != *start) {
        let evidence = "its Deployment Service was started again".to_owned();
        decision.reached(layout, server, Milestone::Unproven, evidence);
    }
}

fn deployed(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
    since_ms: u64,
    decision: &mut Decision,
) {
    let overdue = view.now_ms > since_ms + layout.policy().idle_ms_max;
    let seen = match deployment(layout, progress, view, server, since_ms) {
        Deployment::Done(evidence) => {
            return decision.reached(layout, server, Milestone::Deployed, evidence);
        }
        Deployment::Failed(seen) => seen,
        Deployment::Unknown if overdue => "not all idle for long enough".to_owned(),
        Deployment::Unknown => return,
    };
    let server = layout.servers[server].name.clone();
    decision.events.push(Event::Failed { server, reason: ServerFailure::NotDeployed { seen } });
}

fn proven(
    layout: &Layout,
    record: &ServerProgress,
    view: &View,
    server: ServerIx,
    since_ms: u64,
    decision: &mut Decision,
) {
    let Some(tested) = record.tested.as_ref().filter(|tested| tested.at_ms > since_ms) else {
        return;
    };
    let name = layout.servers[server].name.clone();
    let start_now = view.service(layout, server).map(|read| &read.start);
    match (&tested.failure, tested.version, &tested.start) {
        (None, Some(version), Some(start)) if Some(start) == start_now => {
            let milestone = Milestone::Proven { version, start: start.clone() };
            decision.reached(
                layout,
                server,
                milestone,
                "every test of its zones passed".to_owned(),
            );
        }
        (Some(failure), _, _) if view.now_ms > since_ms + layout.policy().test_ms_max => {
            let reason = ServerFailure::TestsFailed { failure: failure.clone() };
            decision.events.push(Event::Failed { server: name, reason });
        }
        _ => {}
    }
}

/// Tests to run: on servers deployment has reached, and on those that soak.
pub(super) fn actions(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    let soaking =
        progress.reached(FarmMilestone::SoakBegan) && !progress.reached(FarmMilestone::Soaked);
    for server in layout.front_ends() {
        let record = &progress.servers[server];
        if record.left_out || record.failure.is_some() || view.servers[server].acting {
            continue;
        }
        let half = layout.servers[server].half;
        let step = if half == Some(Half::Updating) { 4 } else { 8 };
        let last_ms = record.tested.as_ref().map(|tested| tested.at_ms);
        let due = match (record.deployed_ms, &record.proven) {
            (Some(since_ms), None) => {
                let again =
                    last_ms.is_none_or(|at| at <= since_ms || at + RETEST_MS <= view.now_ms);
                again && may_begin(layout, progress, step)
            }
            (_, Some(_)) if soaking && half == Some(Half::Updating) => {
                let every_ms = layout.policy().soak_test_every_ms;
                last_ms.is_none_or(|at| at + every_ms <= view.now_ms)
            }
            _ => false,
        };
        if due {
            decision.actions.push(Action::Test { server: layout.servers[server].name.clone() });
        }
    }
}
