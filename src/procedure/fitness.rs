//! Fit, as `decide` concludes it: untouched, or proven since the last start. One to which deployment
//! began under load is not, unless a person has said that it may serve until its upgrade. Unfit
//! members stay out of rotation whatever happens, but for the last resort of a pool that has nobody.
use super::layout::{Bench, Layout, NodeIx, PoolIx, SeatIx, ServerIx};
use super::progress::{Direction, Progress};
use super::quiet::in_rotation;
use super::view::{Sample, View};

/// A server may serve users. One that is left out on the way back goes on as it is: the run ends
/// without it, and its users have it still.
#[must_use]
pub fn is_fit(progress: &Progress, server: ServerIx) -> bool {
    let record = &progress.servers[server];
    let whole = !record.touched || record.proven.is_some();
    let left_out = record.left_out && progress.direction != Direction::Aborting;
    !left_out && whole && !is_spoilt(progress, server)
}

/// Deployment began on a server under load, and nobody has said that it may serve on: unfit, and
/// better than nobody.
#[must_use]
pub fn is_spoilt(progress: &Progress, server: ServerIx) -> bool {
    let record = &progress.servers[server];
    record.tainted && !record.taint_accepted && !record.left_out
}

/// Its host answers, and where it was proven, its services are those that it was tested with.
pub(super) fn still_answers(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    view.servers[server].host_failing_since_ms.is_none()
        && view.service(layout, server).is_some()
        && still_proven(layout, progress, view, server)
}

/// The services a touched server was tested against are those that run now, by a fresh reading.
pub(super) fn still_proven(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> bool {
    let Some((_, start)) = &progress.servers[server].proven else {
        return !progress.servers[server].touched;
    };
    view.service(layout, server).is_some_and(|read| read.start == *start)
}

/// How many fit members of a pool are in rotation on a node, one of them not counted. `None` when
/// the node has not been read lately.
#[must_use]
pub fn eligible_beside(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    pool: PoolIx,
    node: NodeIx,
    but: Option<ServerIx>,
) -> Option<usize> {
    let sample = view.fresh_sample(layout, node)?;
    let bench = layout.pools[pool].benches.iter().find(|bench| bench.node == node)?;
    let fit = |server| Some(server) != but && is_fit(progress, server);
    Some(in_rotation_among(layout, bench, sample, fit))
}

/// How many members of a bench a sample shows in rotation, of those that may count.
pub(super) fn in_rotation_among(
    layout: &Layout,
    bench: &Bench,
    sample: &Sample,
    may_count: impl Fn(ServerIx) -> bool,
) -> usize {
    let first = layout.nodes[bench.node].first_seat;
    let counts = |seat: &&SeatIx| {
        may_count(layout.seats[**seat].server)
            && sample.seats[**seat - first].as_ref().is_some_and(in_rotation)
    };
    bench.seats.iter().filter(counts).count()
}
