//! Upgrade jobs: started, followed, tried again, verified by the host's own reading.
use crate::farm::Half;
use crate::farm::Version;
use crate::journal::{Event, FarmMilestone, Milestone, Notice, ServerFailure};

use super::super::action::{Action, JobKind};
use super::super::layout::{Layout, ServerIx};
use super::super::progress::{Direction, Job, Progress, ServerProgress, installer, succeeded};
use super::super::quiet::{in_rotation, server_is_quiet};
use super::super::readings::JobReading;
use super::super::rotation::{Wanted, wanted};
use super::super::steps::{current_stage, everyone_in, may_begin, stage_done};
use super::super::view::View;
use super::Decision;
use super::flags::{service_since_job, stays_disabled};

/// How long after its last job a service that is to start by itself is given before it is started.
const SELF_STARTING_MS_MAX: u64 = 60_000;

/// Jobs that ended, servers that failed, servers that run the target version.
pub(super) fn facts(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    for (server, record) in progress.servers.iter().enumerate() {
        if record.left_out {
            continue;
        }
        if let Some(job) = record.job.as_ref().filter(|job| job.ended.is_none()) {
            follow(layout, record, view, server, job, decision);
        } else if record.failure.is_none() {
            verify(layout, record, view, server, decision);
        }
    }
}

fn follow(
    layout: &Layout,
    record: &ServerProgress,
    view: &View,
    server: ServerIx,
    job: &Job,
    decision: &mut Decision,
) {
    let name = &layout.servers[server].name;
    let read = view.servers[server].job.as_ref().filter(|(id, _)| *id == job.id);
    let reading = read.map(|(_, reading)| &reading.value);
    let job_ms = job_ms_max(layout, job.kind);
    // What was sent may have arrived only when the host could be reached again.
    let since_ms = job.since_ms.max(view.servers[server].host_returned_ms);
    let deadline_ms = match reading {
        // It is sent again, and has its time from then on; but not for ever.
        Some(JobReading::Never) => since_ms + job_ms + patience_ms(layout),
        _ => since_ms.max(job.sent_ms) + job_ms,
    };
    match reading {
        Some(reading @ (JobReading::Exited { .. } | JobReading::Interrupted)) => {
            decision.events.push(Event::JobEnded {
                server: name.clone(),
                kind: job.kind,
                job: job.id.clone(),
                reading: reading.clone(),
            });
        }
        _ if record.failure.is_none() && overdue(layout, view, server, deadline_ms) => {
            let reason = ServerFailure::JobOverdue { kind: job.kind };
            decision.events.push(Event::Failed { server: name.clone(), reason });
        }
        _ => {}
    }
}

/// A reading begun after a job's deadline shows that it has not ended: of a server that cannot be
/// read, nothing is known. One that answers everything but this question has longer.
fn overdue(layout: &Layout, view: &View, server: ServerIx, deadline_ms: u64) -> bool {
    let seen = &view.servers[server];
    let patience_ms = patience_ms(layout);
    seen.job.as_ref().is_some_and(|(_, read)| read.at_ms > deadline_ms)
        || seen.service.as_ref().is_some_and(|read| read.at_ms > deadline_ms + patience_ms)
}

/// How long a server has that answers everything but one question.
fn patience_ms(layout: &Layout) -> u64 {
    4 * layout.policy().unknown_ms_max
}

fn job_ms_max(layout: &Layout, kind: JobKind) -> u64 {
    let policy = layout.policy();
    match kind {
        JobKind::ControllerUpgrade | JobKind::FrontEndUpgrade => policy.upgrade_ms_max,
        JobKind::ServiceCenterInstall => policy.service_center_ms_max,
        JobKind::Publish => policy.publish_ms_max,
        JobKind::EnsureDeploymentService => policy.initialise_ms_max,
    }
}

/// After its last job: failed for good, or at the target version.
fn verify(
    layout: &Layout,
    record: &ServerProgress,
    view: &View,
    server: ServerIx,
    decision: &mut Decision,
) {
    let Some(job) = &record.job else {
        return verify_by_hand(layout, record, view, server, decision);
    };
    let name = &layout.servers[server].name;
    if let Some(reason) = spent(layout, record, job) {
        decision.events.push(Event::Failed { server: name.clone(), reason });
        return;
    }
    verify_by_hand(layout, record, view, server, decision);
}

/// The failure of a job that has been tried as often as policy allows.
fn spent(layout: &Layout, record: &ServerProgress, job: &Job) -> Option<ServerFailure> {
    let (code, output) = match job.ended.as_ref()? {
        JobReading::Exited { code, .. } if succeeded(*code) => return None,
        JobReading::Exited { code, output } => (Some(*code), output.clone()),
        _ => (None, "the machine went down under it".to_owned()),
    };
    let tries = record.tries.get(&job.kind).copied().unwrap_or(0);
    (tries >= layout.policy().job_attempts_max).then_some(ServerFailure::JobFailed {
        kind: job.kind,
        code,
        output,
    })
}

/// The upgrade jobs of a server are done, whoever did them.
fn jobs_done(layout: &Layout, record: &ServerProgress, server: ServerIx) -> bool {
    let mut kinds = layout.jobs_of(server).filter(|kind| *kind != JobKind::Publish);
    record.touched && kinds.all(|kind| record.jobs_done.contains(&kind))
}

fn verify_by_hand(
    layout: &Layout,
    record: &ServerProgress,
    view: &View,
    server: ServerIx,
    decision: &mut Decision,
) {
    if record.upgraded.is_some() || record.wants_reboot {
        return;
    }
    let version = version_since(record, view, server);
    // Told before anything that needs the new version is begun on it.
    if let Some(version) = version.filter(|version| *version != layout.target())
        && installer(layout, server).is_some_and(|kind| record.jobs_done.contains(&kind))
    {
        let why = format!("the host reads version {version}");
        let otherwise = ServerFailure::WrongVersion { version };
        return decision.events.push(in_vain(layout, record, server, why, otherwise));
    }
    if !jobs_done(layout, record, server) {
        return;
    }
    let loaded = layout.servers[server].half == Some(Half::Loaded);
    // A loaded server's Deployment Service is step 7's; a pure controller has none.
    let initialised = loaded
        || layout.servers[server].front_end.is_none()
        || service_since_job(layout, record, view, server)
            .is_some_and(|read| read.running && read.initialised);
    match version {
        Some(version) if initialised => {
            let evidence = format!("the host reads version {version}");
            decision.reached(layout, server, Milestone::Upgraded { version }, evidence);
        }
        // Its silence is no sign of anything: only a reading begun after the deadline is.
        _ if view.servers[server].service.as_ref().is_some_and(|read| {
            let well = read.value.running && read.value.initialised;
            let patience_ms = if well { patience_ms(layout) } else { 0 };
            // A machine that was away starts its services as it comes back.
            let since_ms = record.job_ended_ms.max(view.servers[server].host_back_ms);
            read.at_ms > since_ms + layout.policy().initialise_ms_max + patience_ms
        }) =>
        {
            decision.events.push(not_initialised(layout, record, view, server));
        }
        _ => {}
    }
}

/// The installed version, read since the last job ended.
fn version_since(record: &ServerProgress, view: &View, server: ServerIx) -> Option<Version> {
    let read = view.servers[server].version.as_ref()?;
    (read.at_ms >= record.job_ended_ms).then_some(read.value)
}

/// Services did not initialise in time: perhaps not all was installed. A server that did not even
/// come back is helped by no installer.
pub(super) fn not_initialised(
    layout: &Layout,
    record: &ServerProgress,
    view: &View,
    server: ServerIx,
) -> Event {
    let otherwise = ServerFailure::NotInitialised;
    if view.service(layout, server).is_none() {
        return Event::Failed { server: layout.servers[server].name.clone(), reason: otherwise };
    }
    let why = "its services have not initialised in time".to_owned();
    in_vain(layout, record, server, why, otherwise)
}

/// An installer that ended well has not done what it is for: it is run again as often as policy
/// allows. After that, and where a person did its work, the server has failed.
fn in_vain(
    layout: &Layout,
    record: &ServerProgress,
    server: ServerIx,
    why: String,
    otherwise: ServerFailure,
) -> Event {
    let name = layout.servers[server].name.clone();
    let again = installer(layout, server).filter(|kind| {
        let tries = record.tries.get(kind).copied().unwrap_or(0);
        (1..layout.policy().job_attempts_max).contains(&tries)
    });
    match again {
        Some(kind) => Event::Noticed(Notice::JobInVain { server: name, kind, why }),
        None => Event::Failed { server: name, reason: otherwise },
    }
}

/// Jobs to start. While `finishing`, only on servers that were touched already.
pub(super) fn actions(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    finishing: bool,
    decision: &mut Decision,
) {
    if may_upgrade_updating(layout, progress, view) {
        stage_actions(layout, progress, view, Half::Updating, finishing, decision);
    }
    if progress.reached(FarmMilestone::Soaked) && may_begin(layout, progress, 6) {
        stage_actions(layout, progress, view, Half::Loaded, finishing, decision);
        ensure_actions(layout, progress, view, decision);
    }
}

/// Step 3 may begin or go on: step 1 and 2 have held, and the gate is open.
fn may_upgrade_updating(layout: &Layout, progress: &Progress, view: &View) -> bool {
    let quiet =
        || everyone_in(layout, progress, Half::Updating, |server| server.quiet || server.touched);
    let disabled = || {
        layout.half(Half::Loaded).all(|server| {
            let record = &progress.servers[server];
            record.left_out || record.touched || stays_disabled(layout, progress, view, server)
        })
    };
    may_begin(layout, progress, 3) && quiet() && disabled()
}

fn stage_actions(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    half: Half,
    finishing: bool,
    decision: &mut Decision,
) {
    let Some(stage) = current_stage(layout, progress, half) else { return };
    let mut under_way = stage
        .servers
        .iter()
        .filter(|(server, kinds)| {
            let record = &progress.servers[*server];
            record.touched
                && record.failure.is_none()
                && in_hand(record, kinds)
                && !stage_done(progress, *server, kinds)
        })
        .count();
    let max = layout.policy().parallel_max as usize;
    let mut starting = 0;
    for (server, kinds) in &stage.servers {
        let begun = in_hand(&progress.servers[*server], kinds);
        let full = under_way >= max;
        if (!begun && full) || (finishing && !progress.servers[*server].touched) {
            continue;
        }
        let remedy = [JobKind::EnsureDeploymentService];
        let stopped =
            half == Half::Updating && service_stays_stopped(layout, progress, view, *server);
        let kinds: &[JobKind] = if stopped { &remedy } else { kinds };
        // What was done in vain is done again when there is room.
        let room = at_work_beside(progress, *server) + starting < max;
        let step = next_job(layout, progress, view, *server, kinds)
            .filter(|it| !it.kind().is_for_all() || serves_nobody_enabled(layout, progress, view))
            .filter(|it| room || !it.kind().touches());
        if let Some(step) = step {
            starting += usize::from(step.kind().touches());
            if !begun {
                under_way += 1;
            }
            begin(layout, progress, *server, step, decision);
        }
    }
}

/// How many other servers are at work: an upgrade job there has not ended, and was not given up.
fn at_work_beside(progress: &Progress, server: ServerIx) -> usize {
    let works = |record: &ServerProgress| {
        let job = record.job.as_ref().filter(|job| job.ended.is_none());
        job.is_some_and(|job| job.kind.touches()) && record.failure.is_none() && !record.left_out
    };
    progress.servers.iter().enumerate().filter(|(ix, it)| *ix != server && works(it)).count()
}

/// What is deployed to every enabled server meets no users: whoever has yet to be upgraded is out, or
/// was read disabled. Whoever was admitted early may be neither, where no console is left that could
/// disable him; then it waits until he has left, as his own upgrade does.
fn serves_nobody_enabled(layout: &Layout, progress: &Progress, view: &View) -> bool {
    let out =
        |server| wanted(layout, progress, server) == Wanted::Out && is_out(layout, view, server);
    layout.half(Half::Updating).all(|server| {
        let record = &progress.servers[server];
        record.left_out || record.touched || view.flag(layout, server) == Some(false) || out(server)
    })
}

/// A server's last job is of this stage, or puts right what one of it left undone.
fn in_hand(record: &ServerProgress, kinds: &[JobKind]) -> bool {
    let of_stage = |kind| kinds.contains(&kind) || kind == JobKind::EnsureDeploymentService;
    record.job.as_ref().is_some_and(|job| of_stage(job.kind))
}

/// Its jobs are done, and its Deployment Service has not started with them.
fn service_stays_stopped(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    let record = &progress.servers[server];
    let left_alone = record.job.as_ref().is_none_or(|job| job.ended.is_some());
    let long_enough = view.now_ms > record.job_ended_ms + SELF_STARTING_MS_MAX;
    left_alone
        && long_enough
        && record.upgraded.is_none()
        && layout.servers[server].front_end.is_some()
        && jobs_done(layout, record, server)
        && view.service(layout, server).is_some_and(|read| !read.running)
}

/// Which job a server's next start is for, and whether its id is new.
enum NextJob {
    /// Again with the same id: the server never heard of it.
    Resend(Job),
    /// Another.
    Fresh(JobKind),
}

impl NextJob {
    fn kind(&self) -> JobKind {
        match self {
            Self::Resend(job) => job.kind,
            Self::Fresh(kind) => *kind,
        }
    }
}

fn next_job(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
    kinds: &[JobKind],
) -> Option<NextJob> {
    let record = &progress.servers[server];
    let idle = record.failure.is_none()
        && !record.left_out
        && !record.wants_reboot
        && record.rescued_ms.is_none()
        && view.servers[server].host_failing_since_ms.is_none()
        && !view.servers[server].acting
        && (progress.direction == Direction::Aborting || is_out(layout, view, server));
    if !idle {
        return None;
    }
    if let Some(job) = record.job.as_ref().filter(|job| job.ended.is_none()) {
        return never_heard(view, server, job).then(|| NextJob::Resend(job.clone()));
    }
    let kind = *kinds.iter().find(|kind| !record.jobs_done.contains(kind))?;
    let needs_new = kind == JobKind::ServiceCenterInstall;
    if needs_new && version_since(record, view, server) != Some(layout.target()) {
        return None; // installed is what the host reads, not what an installer says
    }
    let serves = layout.servers[server].front_end.is_some();
    // Marked as touched is not begun: a process that was killed in between watched for a window, and
    // the one that takes the run up has to watch again.
    let harmless = record.jobs_begun > 0 || !serves || !kind.touches();
    // One that was admitted early is enabled again before its installer stops its services.
    let still_disabled = layout.servers[server].half == Some(Half::Updating)
        && !record.touched
        && view.servers[server].flag.as_ref().is_some_and(|read| !read.value);
    if still_disabled {
        return None;
    }
    let ready = harmless || is_out_and_quiet(layout, progress, view, server);
    // Once it is touched it serves nobody until it is proven: only finishing helps its pools then.
    let spared = !serves || !kind.touches() || record.touched || others_serve(layout, view, server);
    (ready && spared).then_some(NextJob::Fresh(kind))
}

/// Every pool of the server has its floor of other members in rotation, on every node.
fn others_serve(layout: &Layout, view: &View, server: ServerIx) -> bool {
    layout.servers[server].seats.iter().all(|&seat| {
        let place = &layout.seats[seat];
        let pool = &layout.pools[place.pool];
        let beside = pool.benches.iter().filter(|bench| bench.node == place.node);
        let serving = beside
            .flat_map(|bench| &bench.seats)
            .filter(|&&other| layout.seats[other].server != server)
            .filter(|&&other| view.seat(layout, other).is_some_and(in_rotation))
            .count();
        pool.may_go_down || serving >= pool.floor
    })
}

/// Fresh readings of every node show that the server gets no new requests.
pub(super) fn is_out(layout: &Layout, view: &View, server: ServerIx) -> bool {
    let seats = &layout.servers[server].seats;
    seats.iter().all(|&seat| view.seat(layout, seat).is_some_and(|read| !read.admin.ready()))
}

fn is_out_and_quiet(layout: &Layout, progress: &Progress, view: &View, server: ServerIx) -> bool {
    wanted(layout, progress, server) == Wanted::Out && server_is_quiet(layout, view, server)
}

/// A reading begun after the start was last sent says that the server never heard of the job.
fn never_heard(view: &View, server: ServerIx, job: &Job) -> bool {
    view.servers[server].job.as_ref().is_some_and(|(id, read)| {
        *id == job.id && read.at_ms > job.sent_ms && read.value == JobReading::Never
    })
}

fn begin(
    layout: &Layout,
    progress: &Progress,
    server: ServerIx,
    next: NextJob,
    decision: &mut Decision,
) {
    let record = &progress.servers[server];
    let name = layout.servers[server].name.clone();
    match next {
        NextJob::Fresh(kind) if kind.touches() && !record.touched => {
            let evidence = format!("{} is next", kind.as_str());
            decision.events.push(Event::Reached {
                server: name,
                milestone: Milestone::Touched,
                evidence,
            });
        }
        NextJob::Fresh(kind) => {
            let job = format!("{}-{name}-{}", layout.job_prefix, record.jobs_begun + 1);
            decision.actions.push(Action::Start { server: name, kind, job });
        }
        NextJob::Resend(job) => {
            decision.actions.push(Action::Start { server: name, kind: job.kind, job: job.id });
        }
    }
}

/// On the way back: where Disable stopped the Deployment Service, or a machine came back without it, it
/// is started again.
pub(super) fn abort_actions(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    decision: &mut Decision,
) {
    for server in layout.front_ends() {
        let service = view.service(layout, server);
        let stopped = service.is_some_and(|read| !read.running || !read.automatic);
        let kinds = [JobKind::EnsureDeploymentService];
        if stopped && let Some(next) = next_job(layout, progress, view, server, &kinds) {
            begin(layout, progress, server, next, decision);
        }
    }
}

/// Step 7, server by server, as soon as each is upgraded.
fn ensure_actions(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    if !may_begin(layout, progress, 7) {
        return;
    }
    for server in layout.half(Half::Loaded) {
        if progress.servers[server].upgraded.is_none() {
            continue;
        }
        let kinds = [JobKind::EnsureDeploymentService];
        if let Some(next) = next_job(layout, progress, view, server, &kinds) {
            begin(layout, progress, server, next, decision);
        }
    }
}
