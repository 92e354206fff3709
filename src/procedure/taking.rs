//! Whether a server that was admitted takes users' requests: what lets others go.
use super::layout::{Layout, SeatIx, ServerIx};
use super::progress::Progress;
use super::quiet::in_rotation;
use super::readings::{CheckState, OperState};
use super::rotation::baseline_out;
use super::view::View;

/// Eligible on every node and, in every pool, arrivals have risen since it was admitted; in a pool
/// where a request of ours cannot be sent and nobody else's came either, a passing check must do.
pub(super) fn takes_traffic(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    layout.servers[server].seats.iter().all(|&seat| {
        if baseline_out(progress, seat) {
            return true;
        }
        let place = &layout.seats[seat];
        // What is under way there may be a change of this very seat.
        if view.nodes[place.node].acting {
            return false;
        }
        let Some(read) = view.seat(layout, seat) else { return false };
        let offset = seat - layout.nodes[place.node].first_seat;
        let first = view.nodes[place.node].first_ready[offset];
        let rose = first.is_some_and(|(arrivals, _)| read.arrivals > arrivals);
        in_rotation(read)
            && read.check != CheckState::Failing
            && is_warm(layout, progress, view, seat)
            && (rose || (!is_nudgeable(layout, seat) && bench_is_silent(layout, view, seat)))
    })
}

/// The balancer has seen it up for a while, and so have our tests: one that has just started is cold,
/// and carries less than those whose users it is to take over. A ping may pass all the time while its
/// applications do not run.
fn is_warm(layout: &Layout, progress: &Progress, view: &View, seat: SeatIx) -> bool {
    let place = &layout.seats[seat];
    let mended_ms = progress.servers[place.server].mended_ms;
    if mended_ms.is_some_and(|ms| ms + layout.policy().warm_up_ms > view.now_ms) {
        return false;
    }
    let offset = seat - layout.nodes[place.node].first_seat;
    let samples = &view.nodes[place.node].samples;
    let begin_ms = view.now_ms.saturating_sub(layout.policy().warm_up_ms);
    let mut lately = samples.iter().rev().take_while(|sample| sample.at_ms >= begin_ms);
    samples.front().is_some_and(|sample| sample.at_ms <= begin_ms)
        && lately.all(|sample| {
            sample.seats[offset].as_ref().is_some_and(|read| read.oper == OperState::Running)
        })
}

/// Since when the checks of one that served before the run have kept it out, off and on; `None` where
/// they have not for a while: whoever is overloaded comes and goes, and that it was there when last
/// read says little.
pub(super) fn kept_out_since_ms(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    seat: SeatIx,
) -> Option<u64> {
    let before = progress.baseline_seats.as_ref().and_then(|seats| seats[seat].as_ref());
    let node = layout.seats[seat].node;
    let kept_out = view.nodes[node].kept_out[seat - layout.nodes[node].first_seat];
    kept_out.filter(|_| before.is_some_and(in_rotation)).map(|it| it.since_ms)
}

/// A seat's checks keep it out though it is set ready, or did until less than a warm-up ago.
pub(super) fn is_kept_out(layout: &Layout, view: &View, seat: SeatIx) -> bool {
    let node = layout.seats[seat].node;
    view.nodes[node].kept_out[seat - layout.nodes[node].first_seat].is_some()
}

fn is_nudgeable(layout: &Layout, seat: SeatIx) -> bool {
    let place = &layout.seats[seat];
    layout.pools[place.pool].benches.iter().any(|bench| bench.node == place.node && bench.nudgeable)
}

/// Nobody's requests came to any member of the pool on this node for a quiet window.
pub(super) fn bench_is_silent(layout: &Layout, view: &View, seat: SeatIx) -> bool {
    let place = &layout.seats[seat];
    let first_seat = layout.nodes[place.node].first_seat;
    let Some(bench) = layout.pools[place.pool].benches.iter().find(|at| at.node == place.node)
    else {
        return false;
    };
    let node = &view.nodes[place.node];
    let Some(newest) = node.samples.back() else { return false };
    let begin_ms = newest.at_ms.saturating_sub(layout.policy().quiet_window_ms);
    let Some(oldest) = node.samples.iter().rev().find(|sample| sample.at_ms <= begin_ms) else {
        return false;
    };
    bench.seats.iter().all(|&seat| {
        let offset = seat - first_seat;
        match (&oldest.seats[offset], &newest.seats[offset]) {
            (Some(then), Some(now)) => then.arrivals == now.arrivals,
            _ => false,
        }
    })
}
