//! Rescue: when a pool falls under its floor, any fit member may be admitted early. Service goes
//! before one version.
use crate::journal::{Event, FarmMilestone, Notice};

use super::super::fitness::{eligible_beside, in_rotation_among, is_fit, is_spoilt, still_answers};
use super::super::idle::{Doubt, deploying_doubt};
use super::super::layout::{Bench, Layout, PoolIx, Seat, SeatIx, ServerIx};
use super::super::load::{can_do_without, misses_left_out};
use super::super::progress::{Direction, Progress};
use super::super::quiet::in_rotation;
use super::super::readings::{CheckState, OperState};
use super::super::rotation::{Sides, Wanted, baseline_out, helps_itself};
use super::super::view::View;
use super::Decision;

/// A rescue lasts at least this long, and until the others have held their pools for as long: a
/// flapping member shall not make another one flap, and one that has just started is cold and
/// would carry alone what it cannot carry yet.
const RESCUE_MS_MIN: u64 = 60_000;

/// Rescues to begin or to end.
pub(super) fn facts(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    if progress.direction == Direction::Aborting {
        return;
    }
    for pool in 0..layout.pools.len() {
        for bench in &layout.pools[pool].benches {
            if let Some(server) = rescuer(layout, progress, view, pool, bench) {
                let notice = Notice::Rescued {
                    server: layout.servers[server].name.clone(),
                    pool: layout.pools[pool].name.clone(),
                };
                decision.events.push(Event::Noticed(notice));
                return; // one at a time: the next reading tells whether it was enough
            }
        }
    }
    for (server, record) in progress.servers.iter().enumerate() {
        let long_enough =
            record.rescued_ms.is_some_and(|since| since + RESCUE_MS_MIN <= view.now_ms);
        if long_enough && spared(layout, progress, view, server) {
            let server = layout.servers[server].name.clone();
            decision.events.push(Event::Noticed(Notice::RescueEnded { server }));
            return; // one at a time: another one may be spared because of him
        }
    }
}

/// A bench under its floor that nobody is on the way to, as last read: whoever belongs there and was
/// taken out by somebody else, or has just become fit, is there as soon.
#[must_use]
pub(super) fn under_floor(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    pool: PoolIx,
    bench: &Bench,
) -> bool {
    let eligible = eligible_beside(layout, progress, view, pool, bench.node, None);
    if layout.pools[pool].may_go_down
        || eligible.is_none_or(|eligible| eligible >= layout.pools[pool].floor)
    {
        return false;
    }
    let sides = Sides::of(layout, progress);
    !bench.seats.iter().any(|&seat| helps_itself(layout, progress, view, sides, seat))
}

fn rescuer(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    pool: PoolIx,
    bench: &Bench,
) -> Option<ServerIx> {
    if !under_floor(layout, progress, view, pool, bench) {
        return None;
    }
    let sides = Sides::of(layout, progress);
    let can = |server: ServerIx, seat| {
        let record = &progress.servers[server];
        let read = view.seat(layout, seat)?;
        // In maintenance by somebody's command checks stand still, and it counts as stopped: that
        // its host answers must do there.
        let unchecked = read.admin.by_command()
            && !read.admin.inherited()
            && !read.admin.by_dns()
            && !baseline_out(progress, seat);
        let alive = match unchecked {
            true => still_answers(layout, progress, view, server),
            false => {
                read.oper != OperState::Stopped
                    && matches!(read.check, CheckState::Passing | CheckState::None)
            }
        };
        let free = record.job.as_ref().is_none_or(|job| job.ended.is_some());
        let out = sides.wanted(layout, progress, server) == Wanted::Out;
        (is_fit(progress, server) && out && alive && free).then_some(server)
    };
    let able = bench.seats.iter().filter_map(|&seat| can(layout.seats[seat].server, seat));
    // Of those that are equally fit, one of the version that serves.
    let new_serves = progress.reached(FarmMilestone::Switched);
    let doubt = |server: ServerIx| deploying_doubt(layout, progress, view, server);
    let best = able.min_by_key(|&one| (doubt(one), progress.servers[one].touched != new_serves))?;
    // Service goes before everything, so that one to which applications are being deployed, or may
    // be, is better than none; but no better than another such one that serves meanwhile.
    let served = bench.seats.iter().any(|&seat| {
        let spoilt = is_spoilt(progress, layout.seats[seat].server);
        spoilt && view.seat(layout, seat).is_some_and(in_rotation)
    });
    (doubt(best) == Doubt::None || !served).then_some(best)
}

/// Whoever was admitted early may leave again: its pools have held without it, and nobody is missed
/// who was left out.
pub(super) fn spared(layout: &Layout, progress: &Progress, view: &View, server: ServerIx) -> bool {
    have_held(layout, progress, view, server) && !replaces_left_out(layout, progress, view, server)
}

/// It serves in place of servers that were left out, so that nobody comes whom it could wait for, and
/// those who stay cannot carry its users: overloaded, they are soon gone again, and it would come and
/// go for ever. One that is upgraded keeps nothing from going on.
pub(super) fn replaces_left_out(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    let record = &progress.servers[server];
    let serves = |other| serves_beside(layout, progress, view, server, other);
    let missed = |&seat: &SeatIx| {
        let Seat { pool, node, .. } = layout.seats[seat];
        let mut benches = layout.pools[pool].benches.iter().filter(|bench| bench.node == node);
        benches.any(|bench| misses_left_out(layout, progress, view, server, bench, serves))
    };
    !record.touched && !record.let_go && layout.servers[server].seats.iter().any(missed)
}

/// Another server's seat gets requests, and it is fit for them.
fn serves_beside(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
    other: SeatIx,
) -> bool {
    let one = layout.seats[other].server;
    one != server && is_fit(progress, one) && view.seat(layout, other).is_some_and(in_rotation)
}

/// Every bench it sits on has held without it for as long as a rescue lasts, does now, and those who
/// stay can carry its users, or are all that are left: whoever is overloaded is soon gone again.
pub(super) fn have_held(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    let begin_ms = view.now_ms.saturating_sub(RESCUE_MS_MIN);
    let sides = Sides::of(layout, progress);
    let stays = |one: ServerIx| {
        one != server && is_fit(progress, one) && sides.wanted(layout, progress, one) == Wanted::In
    };
    layout.servers[server].seats.iter().all(|&seat| {
        let Seat { pool, node, .. } = layout.seats[seat];
        let floor = layout.pools[pool].floor;
        let Some(bench) = layout.pools[pool].benches.iter().find(|bench| bench.node == node) else {
            return false;
        };
        let samples = &view.nodes[node].samples;
        // The newest in any case: where polls are rare it is the only one, and none is no yes.
        let lately = samples.iter().rev().take_while(|sample| sample.at_ms >= begin_ms);
        let mut lately = samples.back().into_iter().chain(lately);
        let serves = |other: SeatIx| {
            let in_rotation = view.seat(layout, other).is_some_and(in_rotation);
            in_rotation && stays(layout.seats[other].server)
        };
        view.fresh_sample(layout, node).is_some()
            && samples.front().is_some_and(|sample| sample.at_ms <= begin_ms)
            && lately.all(|sample| in_rotation_among(layout, bench, sample, stays) >= floor)
            && can_do_without(layout, progress, view, server, bench, serves)
    })
}
