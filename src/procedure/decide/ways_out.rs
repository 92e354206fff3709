//! What a person can do about a hold, and what he may not.
use crate::farm::Half;
use crate::journal::{FarmMilestone, HoldReason, WayOut};
use crate::names::ServerName;

use super::super::layout::{Layout, ServerIx};
use super::super::load::overloaded_without;
use super::super::progress::{Direction, Progress, ServerProgress};
use super::super::steps::{current_stage, may_begin, step};

/// What a person can do about a hold, now.
#[must_use]
pub fn ways_out(layout: &Layout, progress: &Progress, reason: &HoldReason) -> Vec<WayOut> {
    let mut ways = match reason {
        HoldReason::ServerFailed { server } | HoldReason::ServerUnknown { server } => {
            let retry = WayOut::Retry { server: Some(server.clone()) };
            let by_hand = WayOut::ByHand { server: server.clone() };
            let leave_out = leaving_out(layout, progress, server);
            let mut ways = vec![retry];
            if may_do_by_hand(layout, progress, server).is_ok() {
                ways.push(by_hand);
            }
            if may_leave_out(layout, progress, server).is_ok() {
                ways.push(leave_out);
            }
            ways
        }
        HoldReason::DrainOverdue { server } => {
            vec![leaving_out(layout, progress, server)]
        }
        HoldReason::KeptOut { server } if may_leave_out(layout, progress, server).is_ok() => {
            vec![WayOut::Retry { server: None }, leaving_out(layout, progress, server)]
        }
        _ => vec![WayOut::Retry { server: None }],
    };
    if may_abort(progress).is_ok() {
        ways.push(WayOut::Abort);
    }
    if may_fall_back(layout, progress).is_ok() {
        ways.push(WayOut::FallBack);
    }
    ways
}

/// Leaving a server out, and what that costs those who stay: a person decides with the figures, since
/// who is dead for good must be left out all the same.
fn leaving_out(layout: &Layout, progress: &Progress, server: &ServerName) -> WayOut {
    let ix = layout.server(server);
    let overloads = ix.and_then(|ix| overloaded_without(layout, progress, ix));
    WayOut::LeaveOut { server: server.clone(), overloads }
}

/// A server's jobs may be done by hand once they have begun, and when they are next: whom the run
/// cannot reach a person upgrades at the machine. Were he not believed, the server would count as
/// untouched, and so as fit to stand in for others.
///
/// # Errors
/// Says why not.
pub fn may_do_by_hand(
    layout: &Layout,
    progress: &Progress,
    server: &ServerName,
) -> Result<(), String> {
    let is_open = |ix: ServerIx| {
        let record = &progress.servers[ix];
        record.upgraded.is_none() && (record.touched || is_next(layout, progress, ix))
    };
    match layout.server(server) {
        Some(ix) if is_open(ix) => Ok(()),
        _ => Err(format!("no upgrade job of {server} stands open")),
    }
}

/// It is a server's turn: that it is out is what the first step has reached. Nothing of what its jobs
/// deploy to every enabled server meets users.
fn is_next(layout: &Layout, progress: &Progress, server: ServerIx) -> bool {
    let record = &progress.servers[server];
    let half = layout.servers[server].half.unwrap_or(Half::Updating);
    let turn = match half {
        Half::Updating => 3,
        Half::Loaded => 6,
    };
    let in_stage = || {
        current_stage(layout, progress, half)
            .is_some_and(|stage| stage.servers.iter().any(|(one, _)| *one == server))
    };
    progress.direction == Direction::Forward
        && step(layout, progress) == turn
        && may_begin(layout, progress, turn)
        && !record.left_out
        && record.rescued_ms.is_none()
        && (half == Half::Loaded || nobody_enabled_serves(layout, progress, server))
        && in_stage()
}

/// The loaded half was read disabled; and where a server's jobs are for all, nobody stands in who has yet
/// to be upgraded.
fn nobody_enabled_serves(layout: &Layout, progress: &Progress, server: ServerIx) -> bool {
    let is_for_all = layout.jobs_of(server).any(|kind| kind.is_for_all());
    let disabled = |ix: ServerIx| {
        let record = &progress.servers[ix];
        record.left_out || record.touched || record.disabled.is_some()
    };
    let stands_in = |it: &ServerProgress| it.rescued_ms.is_some() && !it.touched;
    layout.half(Half::Loaded).all(disabled)
        && !(is_for_all && progress.servers.iter().any(stands_in))
}

/// A server may be left out when its half still has somebody for every pool, and it has no job
/// that is done once for the farm; and on the way back to the baseline.
///
/// # Errors
/// Says why not.
pub fn may_leave_out(
    layout: &Layout,
    progress: &Progress,
    server: &ServerName,
) -> Result<(), String> {
    let Some(ix) = layout.server(server) else {
        return Err(format!("{server} is no server of this plan"));
    };
    // Who goes back to the baseline needs neither anybody's jobs nor a whole half.
    if progress.direction == Direction::Aborting {
        return Ok(());
    }
    let done = &progress.servers[ix].jobs_done;
    let once = layout.jobs_of(ix).any(|kind| kind.is_for_all() && !done.contains(&kind));
    if once {
        return Err(format!("{server} has a job that the whole farm needs"));
    }
    let counts = |record: &ServerProgress| !record.left_out;
    for &seat in &layout.servers[ix].seats {
        let place = &layout.seats[seat];
        let pool = &layout.pools[place.pool];
        let bench = pool.benches.iter().find(|bench| bench.node == place.node);
        let others = bench.map_or(0, |bench| {
            bench
                .seats
                .iter()
                .map(|&seat| layout.seats[seat].server)
                .filter(|&one| one != ix && layout.servers[one].half == layout.servers[ix].half)
                .filter(|&one| counts(&progress.servers[one]))
                .count()
        });
        if others < pool.floor && !pool.may_go_down {
            return Err(format!("without {server} nobody of its half serves pool {}", pool.name));
        }
    }
    Ok(())
}

/// # Errors
/// Says why the baseline cannot be restored any more.
pub fn may_abort(progress: &Progress) -> Result<(), String> {
    if progress.direction == Direction::Aborting {
        return Err("the baseline is being restored already".into());
    }
    if progress.committed() {
        return Err("the commit is behind us: a software-changing command has been sent, the \
                    shared database may be new and old services may not start again"
            .into());
    }
    Ok(())
}

/// # Errors
/// Says why traffic cannot go back to the loaded servers.
pub fn may_fall_back(layout: &Layout, progress: &Progress) -> Result<(), String> {
    if !progress.reached(FarmMilestone::SwitchBegan) {
        return Err("the switch has not begun: loaded servers carry the traffic".into());
    }
    if progress.direction == Direction::FallingBack {
        return Err("traffic is going back already, or has gone".into());
    }
    if layout.half(Half::Loaded).any(|server| progress.servers[server].touched) {
        return Err("a loaded server's upgrade has begun: nothing old is left to go back to".into());
    }
    Ok(())
}
