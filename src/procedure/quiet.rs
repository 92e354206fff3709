//! Quiet, as `decide` concludes it: no arrivals *and* nothing in flight, in every pool and on every
//! node, within one epoch, for a window. One zero says nothing: it may be the gap between two
//! requests. `guard` concludes it again in its own way.
use super::layout::{Layout, NodeIx, SeatIx, ServerIx};
use super::readings::{MemberReading, OperState};
use super::view::View;

/// A server is quiet: all its seats are. A server without seats gets no requests.
#[must_use]
pub fn server_is_quiet(layout: &Layout, view: &View, server: ServerIx) -> bool {
    layout.servers[server].seats.iter().all(|&seat| seat_is_quiet(layout, view, seat))
}

/// One seat: walks back from the newest sample until the window is covered.
fn seat_is_quiet(layout: &Layout, view: &View, seat: SeatIx) -> bool {
    let place = &layout.seats[seat];
    let offset = seat - layout.nodes[place.node].first_seat;
    let Some(newest) = view.fresh_sample(layout, place.node) else { return false };
    let Some(last) = &newest.seats[offset] else { return false };
    if is_young(layout, view, place.node) {
        return false;
    }
    let window_begin_ms = newest.at_ms.checked_sub(layout.policy().quiet_window_ms);
    let Some(window_begin_ms) = window_begin_ms else { return false };
    for sample in view.nodes[place.node].samples.iter().rev() {
        let Some(read) = &sample.seats[offset] else { return false };
        let still = !read.admin.ready() && read.in_flight == 0 && read.arrivals == last.arrivals;
        if !still {
            return false;
        }
        if sample.at_ms <= window_begin_ms {
            return true;
        }
    }
    false
}

/// A seat was read with requests in flight within the window, or with new ones: it is not for want of
/// readings that it is not quiet.
#[must_use]
pub fn seat_is_busy(layout: &Layout, view: &View, seat: SeatIx) -> bool {
    let place = &layout.seats[seat];
    let offset = seat - layout.nodes[place.node].first_seat;
    let Some(newest) = view.fresh_sample(layout, place.node) else { return false };
    let Some(last) = &newest.seats[offset] else { return false };
    let from_ms = newest.at_ms.saturating_sub(layout.policy().quiet_window_ms);
    let samples = view.nodes[place.node].samples.iter().rev();
    samples.take_while(|sample| sample.at_ms >= from_ms && sample.epoch == newest.epoch).any(|it| {
        let read = it.seats[offset].as_ref();
        // Counters that somebody has cleared since had more, and brought nobody.
        read.is_some_and(|read| read.in_flight > 0 || read.arrivals < last.arrivals)
    })
}

/// The node's process may have had a predecessor whose requests are still in flight: nobody counts
/// those, and the longest of them takes as long as a drain may.
#[must_use]
pub fn is_young(layout: &Layout, view: &View, node: NodeIx) -> bool {
    view.nodes[node]
        .samples
        .back()
        .is_none_or(|sample| sample.lived_ms < layout.policy().drain_ms_max)
}

/// The balancer sends a member new requests, as far as this reading tells.
#[must_use]
pub fn in_rotation(read: &MemberReading) -> bool {
    read.admin.ready()
        && matches!(read.oper, OperState::Running | OperState::Starting)
        && read.weight > 0
}
