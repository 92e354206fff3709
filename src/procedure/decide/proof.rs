//! Proof that a server is fit: deployment reached it, its tests passed, and it has not been started
//! again since.
use crate::farm::Half;
use crate::journal::{Event, FarmMilestone, Milestone, ServerFailure};

use super::super::action::Action;
use super::super::idle::{Deployment, deployment};
use super::super::layout::{Layout, Seat, SeatIx, ServerIx};
use super::super::progress::{Direction, Progress, ServerProgress};
use super::super::steps::{farm_served_ms, may_begin};
use super::super::view::View;
use super::rescue::under_floor;
use super::{Decision, consoles_are_silent};

/// Between two rounds of tests of a server that fails them: it may still be warming up.
const RETEST_MS: u64 = 30_000;
/// Rounds of tests of a proven server that fail in a row before it, or the soak, counts as bad:
/// one may be an accident.
pub(super) const TEST_FAILURES_MAX: u32 = 2;
/// Before the switch and after the soak a proven server is tested at every n-th soak test's time:
/// often enough to take a broken member out, seldom enough not to be a load.
const WATCH_EVERY_SOAK_TESTS: u64 = 5;

/// From when on a server's deployment is judged; `None` while something before it is missing.
#[must_use]
pub fn deployment_since_ms(layout: &Layout, progress: &Progress, server: ServerIx) -> Option<u64> {
    let record = &progress.servers[server];
    let (_, upgraded_ms) = record.upgraded?;
    match layout.servers[server].half? {
        // Service Center, System Components and `publish` deploy to every enabled server, so
        // nobody's threads count before the last of those jobs has ended. Others' upgrades change
        // nothing here, and are not waited for: whoever is proven can stand in.
        Half::Updating => Some(upgraded_ms.max(farm_served_ms(layout, progress)?)),
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
            unproven(layout, progress, view, server, decision);
        } else if let Some(since_ms) = record.deployed_ms {
            proven(layout, record, view, server, since_ms, decision);
        } else if let Some(since_ms) = deployment_since_ms(layout, progress, server) {
            deployed(layout, progress, view, server, since_ms, decision);
        }
    }
}

fn unproven(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
    decision: &mut Decision,
) {
    let record = &progress.servers[server];
    let Some((_, start)) = &record.proven else { return };
    // Until only the new version serves there is no soak that judges: the member alone is judged.
    let judged_by_soak = is_on_trial(progress) && progress.reached(FarmMilestone::Switched);
    if record.test_failures >= TEST_FAILURES_MAX && !judged_by_soak {
        let failure = record.tested.as_ref().and_then(|last| last.failure.clone());
        let evidence = format!("its tests fail: {}", failure.unwrap_or_default());
        return decision.reached(layout, server, Milestone::Unproven, evidence);
    }
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
    // Of a host that cannot be read nothing is known, nor of threads that no console tells; and what
    // is known begins afresh after that. So it does after the controller was away, without whom no
    // service initialises.
    let hosts = [Some(server), layout.server(&layout.farm.controller)];
    let mut hosts = hosts.into_iter().flatten().map(|server| &view.servers[server]);
    let back_ms = hosts.clone().map(|host| host.host_back_ms).max().unwrap_or(0);
    let read_since_ms = since_ms.max(back_ms).max(view.consoles_back_ms);
    let unreadable = hosts.any(|host| host.host_failing_since_ms.is_some())
        || view.login_refused.is_some()
        || view.unknown_word(layout).is_some()
        || consoles_are_silent(layout, progress, view);
    let overdue = !unreadable && view.now_ms > read_since_ms + layout.policy().idle_ms_max;
    let seen = match deployment(layout, progress, view, server, since_ms) {
        Deployment::Done(evidence) => {
            return decision.reached(layout, server, Milestone::Deployed, evidence);
        }
        Deployment::Failed(seen) => seen,
        Deployment::Unknown if overdue => match view.service(layout, server) {
            Some(read) if !read.running => "its Deployment Service does not run".to_owned(),
            _ => "not all idle for long enough".to_owned(),
        },
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
    let deadline_ms = since_ms.max(view.servers[server].host_back_ms) + layout.policy().test_ms_max;
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
        // Of a host that did not answer beside its tests, their failure says nothing.
        (Some(failure), Some(_), _) if tested.at_ms > deadline_ms => {
            let reason = ServerFailure::TestsFailed { failure: failure.clone() };
            decision.events.push(Event::Failed { server: name, reason });
        }
        _ => {}
    }
}

/// Tests to run on servers that deployment has reached: on all of them while the run goes on, and
/// whatever holds it on those that protect the farm by being proven.
pub(super) fn actions(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    goes_on: bool,
    decision: &mut Decision,
) {
    for server in layout.front_ends() {
        let record = &progress.servers[server];
        let open = record.failure.is_none() && record.proven.is_none() && !record.left_out;
        if !open || view.servers[server].acting {
            continue;
        }
        if !goes_on && !protects(layout, progress, view, server) {
            continue;
        }
        let Some(since_ms) = record.deployed_ms else { continue };
        let half = layout.servers[server].half;
        let step = if half == Some(Half::Updating) { 4 } else { 8 };
        let last_ms = record.tested.as_ref().map(|tested| tested.at_ms);
        let due = last_ms.is_none_or(|at| at <= since_ms || at + RETEST_MS <= view.now_ms);
        if due && may_begin(layout, progress, step) {
            decision.actions.push(Action::Test { server: layout.servers[server].name.clone() });
        }
    }
}

/// It was proven, served, and has merely started again; or a pool of it is under its floor, which
/// only somebody proven can help.
pub(super) fn protects(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    let lacks = |&seat: &SeatIx| {
        let Seat { pool, node, .. } = layout.seats[seat];
        let mut benches = layout.pools[pool].benches.iter().filter(|bench| bench.node == node);
        benches.any(|bench| under_floor(layout, progress, view, pool, bench))
    };
    progress.servers[server].proven_once || layout.servers[server].seats.iter().any(lacks)
}

/// Tests to run on proven servers, since an application can break while pings, services and
/// versions are as they should be; and on those whose tests failed, which may mend. A hold does
/// not end them: it goes on protecting. Nor does traffic that goes back: whoever has the switch
/// finished again soon is not to admit a member that broke meanwhile.
pub(super) fn watch(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    if progress.direction == Direction::Aborting {
        return;
    }
    let soak_ms = layout.policy().soak_test_every_ms;
    let rarely_ms = soak_ms * if is_on_trial(progress) { 1 } else { WATCH_EVERY_SOAK_TESTS };
    for server in layout.front_ends() {
        let record = &progress.servers[server];
        let last = record.tested.as_ref();
        // Its host did not answer beside its last round, which so says nothing.
        let unsure = last.is_some_and(|last| last.failure.is_some() && last.version.is_none());
        let every_ms = match (&record.failure, &record.proven) {
            (Some(ServerFailure::TestsFailed { .. }), _) => RETEST_MS,
            (None, Some(_)) if record.test_failures > 0 || unsure => soak_ms.min(RETEST_MS),
            (None, Some(_)) => rarely_ms,
            // Its tests have cost it its proof: by them it is known when it is well again.
            (None, None) if record.upgraded.is_some() && record.sick => RETEST_MS,
            _ => continue,
        };
        if record.left_out || view.servers[server].acting {
            continue;
        }
        let last_ms = record.tested.as_ref().map(|tested| tested.at_ms);
        if last_ms.is_none_or(|at| at + every_ms <= view.now_ms) {
            decision.actions.push(Action::Test { server: layout.servers[server].name.clone() });
        }
    }
}

/// The new version serves and may still have to go: a member that fails its tests speaks against
/// the whole of it, and the soak says so. Once traffic goes back, the member alone is judged, or
/// whoever finishes the switch again would admit it as it is.
fn is_on_trial(progress: &Progress) -> bool {
    progress.direction == Direction::Forward
        && progress.reached(FarmMilestone::SwitchBegan)
        && !progress.reached(FarmMilestone::Soaked)
}
