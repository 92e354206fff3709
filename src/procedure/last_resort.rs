//! The last resort of a pool that nobody fit serves and nobody fit can be brought to: whoever went out
//! because deployment had begun on it under load. What it serves is of two versions, and better than
//! nothing: where it was the only one it would never have left.
//!
//! It is wanted out all the while. Nobody whose state is known leaves on account of it, and it goes
//! again by the rule by which it went: as soon as those who stay are enough and carry its users.
//! Meanwhile it holds the run, as one that could not leave does.
//!
//! Before that there is one more: a proven server of which nothing can be read just now.
use super::action::MemberChange;
use super::fitness::{eligible_beside, is_spoilt, still_answers};
use super::idle::is_being_deployed_to;
use super::layout::{Layout, SeatIx};
use super::progress::Progress;
use super::quiet::in_rotation;
use super::readings::CheckState;
use super::rotation::{Sides, baseline_out, helps_itself};
use super::view::View;

/// Brings a seat back between deployments. Whoever is fit was asked before: a rescue is begun, and so
/// makes its server wanted, before anybody is moved.
pub(super) fn last_resort(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    sides: Sides,
    seat: SeatIx,
) -> Option<MemberChange> {
    let place = &layout.seats[seat];
    let pool = &layout.pools[place.pool];
    if !is_spoilt(progress, place.server) || pool.may_go_down || baseline_out(progress, seat) {
        return None;
    }
    let read = view.seat(layout, seat)?;
    // In somebody's maintenance checks stand still and say nothing; what is set by others stays.
    let comes = !read.admin.ready()
        && !read.admin.inherited()
        && !read.admin.by_dns()
        && (!read.admin.by_command() || still_answers(layout, progress, view, place.server))
        && read.check != CheckState::Failing
        && is_being_deployed_to(layout, view, place.server) == Some(false);
    let nobody = eligible_beside(layout, progress, view, place.pool, place.node, None) == Some(0);
    let bench = pool.benches.iter().find(|bench| bench.node == place.node)?;
    // Whoever is as spoilt and serves is no worse.
    let is_served = |&other: &SeatIx| {
        let serves = view.seat(layout, other).is_some_and(in_rotation);
        (serves && is_spoilt(progress, layout.seats[other].server))
            || helps_itself(layout, progress, view, sides, other)
    };
    (comes && nobody && !bench.seats.iter().any(is_served)).then_some(MemberChange::Admit)
}

/// A proven server whose host is silent, which its balancer's check finds well: where nobody fit serves
/// its pool, it comes back to where a balancer forgot it. Silence takes nobody out either, and what was
/// last read of its services is what it was tested with.
pub(super) fn returns_in_silence(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    seat: SeatIx,
) -> bool {
    let place = &layout.seats[seat];
    let Some((_, start)) = &progress.servers[place.server].proven else { return false };
    let seen = &view.servers[place.server];
    let silent = seen.host_failing_since_ms.is_some();
    let as_tested = seen.service.as_ref().is_some_and(|read| read.value.start == *start);
    let well = view.seat(layout, seat).is_some_and(|read| read.check == CheckState::Passing);
    let nobody = eligible_beside(layout, progress, view, place.pool, place.node, None) == Some(0);
    silent && as_tested && well && nobody
}
