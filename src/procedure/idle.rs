//! Idle, as `decide` concludes it: every deployment thread idle in N readings over T, the service
//! initialised and the server enabled, and the ping ids those of a proven server of the target
//! version, where there is one; otherwise settled. No threads listed, a stale page, one idle reading:
//! unknown, never done.
use super::layout::{Layout, ServerIx};
use super::progress::{Progress, ServerProgress};
use super::readings::{PingIds, Reading, ThreadState};
use super::view::View;

/// What deployment on a server looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// Not known, or not long enough.
    Unknown,
    /// Done: the readings, for people.
    Done(String),
    /// Threads have been in error for as many readings as would have proven them idle.
    Failed(String),
}

/// Whether a thread of it was busy, as last read. `None` when that is not known: not read lately, no
/// threads listed, one in error. A service that the host reads not to run has none, and one that has
/// not initialised has not begun: whatever it did before has ended with its restart.
#[must_use]
pub fn is_being_deployed_to(layout: &Layout, view: &View, server: ServerIx) -> Option<bool> {
    let last = view.servers[server].threads.back();
    let rows = view.fresh(layout, last, layout.policy().jobs_poll_ms).map_or(&[][..], |rows| rows);
    let any = |state| rows.iter().any(|row| row.state == state);
    let service = view.service(layout, server);
    let begins_nothing = || service.is_some_and(|read| !read.running || !read.initialised);
    match (any(ThreadState::Busy), any(ThreadState::Failed) || rows.is_empty()) {
        (true, _) => Some(true),
        (false, true) => begins_nothing().then_some(false),
        (false, false) => Some(false),
    }
}

/// Whether applications may be being deployed to a fit server; better ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// They are not.
    None,
    /// It is not known.
    Unknown,
    /// They are.
    Deploying,
}

/// Whoever is proven has been deployed to. Others' jobs deploy to an untouched one as they end, so that
/// what was read before the last of them ended, or while one goes on, says nothing.
#[must_use]
pub fn deploying_doubt(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> Doubt {
    if progress.servers[server].touched {
        return Doubt::None;
    }
    let read_ms = view.servers[server].threads.back().map(|round| round.at_ms);
    let jobs_ended_ms = progress.servers.iter().map(|server| server.job_ended_ms).max();
    let goes_on = |one: &ServerProgress| {
        one.job.as_ref().is_some_and(|job| job.ended.is_none() && job.kind.is_for_all())
    };
    match is_being_deployed_to(layout, view, server) {
        Some(true) => Doubt::Deploying,
        Some(false) if read_ms >= jobs_ended_ms && !progress.servers.iter().any(goes_on) => {
            Doubt::None
        }
        _ => Doubt::Unknown,
    }
}

/// Concludes from readings begun after `since_ms`.
#[must_use]
pub fn deployment(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
    since_ms: u64,
) -> Deployment {
    let policy = layout.policy();
    let seen = &view.servers[server];
    let rounds = || seen.threads.iter().rev().take_while(|round| round.at_ms > since_ms);
    let failed = rounds()
        .take_while(|round| round.value.iter().any(|row| row.state == ThreadState::Failed))
        .count();
    if failed >= policy.idle_reads as usize {
        let names: Vec<&str> = seen.threads.back().map_or(Vec::new(), |round| {
            let bad = round.value.iter().filter(|row| row.state == ThreadState::Failed);
            bad.map(|row| row.name.as_str()).collect()
        });
        return Deployment::Failed(format!("deployment threads in error: {}", names.join(", ")));
    }
    let Some(newest) = seen.threads.back() else { return Deployment::Unknown };
    let lately = view.fresh(layout, Some(newest), policy.jobs_poll_ms).is_some();
    if !lately || !view.service(layout, server).is_some_and(|read| read.initialised) {
        return Deployment::Unknown;
    }
    // Nothing is deployed to one that is disabled: its threads idle for another reason.
    if view.flag(layout, server) != Some(true) {
        return Deployment::Unknown;
    }
    let Some(enabled_ms) = seen.enabled_since_ms else { return Deployment::Unknown };
    // What was read in the very instant counts: readings begin together.
    let since_ms = since_ms.max(enabled_ms.saturating_sub(1));
    let rounds = || seen.threads.iter().rev().take_while(|round| round.at_ms > since_ms);
    let window_ms = layout.policy().idle_window_ms;
    let (mut reads, mut oldest_ms, mut enough) = (0, newest.at_ms, false);
    for round in rounds() {
        let idle = !round.value.is_empty()
            && round.value.iter().all(|row| row.state == ThreadState::Idle)
            && round.value.len() == newest.value.len();
        // A gap in the readings may hide a restart, and with it a deployment.
        let gap_ms = oldest_ms - round.at_ms;
        if !idle || gap_ms > policy.stale_ms(policy.jobs_poll_ms) {
            break;
        }
        reads += 1;
        oldest_ms = round.at_ms;
        // As far back as policy asks for and no further: the ids may not have been readable then.
        enough = reads >= policy.idle_reads && newest.at_ms - oldest_ms >= window_ms;
        if enough {
            break;
        }
    }
    if !enough {
        return Deployment::Unknown;
    }
    if !pings_agree(layout, progress, view, server, since_ms, oldest_ms) {
        return Deployment::Unknown;
    }
    Deployment::Done(format!(
        "{} threads idle in {reads} readings over {} s, ping ids agree",
        newest.value.len(),
        (newest.at_ms - oldest_ms) / 1_000
    ))
}

/// The ids of all its modules were read, have not changed since the threads idle, and are those of
/// a proven server wherever one serves the module.
fn pings_agree(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
    since_ms: u64,
    idle_since_ms: u64,
) -> bool {
    let modules = &layout.servers[server].modules;
    if modules.is_empty() {
        return true; // the farm file lists none: the plan says that deployment is then judged by threads alone
    }
    let seen = &view.servers[server].pings;
    let lately = |ids: &&Reading<PingIds>| ids.at_ms > since_ms && is_fresh(layout, view, ids);
    let Some(newest) = seen.back().filter(lately) else { return false };
    let settled = seen
        .iter()
        .rev()
        .take_while(|ids| ids.at_ms > since_ms)
        .take_while(|ids| ids.value == newest.value)
        .any(|ids| ids.at_ms <= idle_since_ms + layout.policy().jobs_poll_ms);
    settled
        && modules.iter().all(|module| {
            let Some(id) = newest.value.get(module) else { return false };
            agrees_with_proven(layout, progress, view, server, module, id)
        })
}

fn is_fresh(layout: &Layout, view: &View, ids: &Reading<PingIds>) -> bool {
    view.fresh(layout, Some(ids), layout.policy().jobs_poll_ms).is_some()
}

/// A module's id is that of every proven server that serves the module and was read lately, and one
/// was read where there is any: right after a resume nothing has been, and that is no agreement. Who
/// was not read and has been silent for so long that a reading would be stale is nobody to agree
/// with: the only other server of a pool may be dead.
fn agrees_with_proven(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    but: ServerIx,
    module: &String,
    id: &String,
) -> bool {
    let policy = layout.policy();
    let stale_ms = policy.stale_ms(policy.jobs_poll_ms);
    let silent = |ix: ServerIx| {
        let since_ms = view.servers[ix].host_failing_since_ms;
        since_ms.is_some_and(|since_ms| since_ms + stale_ms <= view.now_ms)
    };
    let (mut proven, mut read) = (0_usize, 0_usize);
    for (ix, record) in progress.servers.iter().enumerate() {
        let compares = ix != but && record.proven.is_some() && !record.left_out;
        if !compares || !layout.servers[ix].modules.contains(module) {
            continue;
        }
        let lately = view.servers[ix].pings.back().filter(|ids| is_fresh(layout, view, ids));
        match lately.and_then(|ids| ids.value.get(module)) {
            Some(reference) if reference != id => return false,
            Some(_) => (proven, read) = (proven + 1, read + 1),
            None if silent(ix) => {}
            None => proven += 1,
        }
    }
    proven == 0 || read > 0
}
