//! Fit, as `decide` concludes it: untouched, or proven since the last start. Unfit members stay out
//! of rotation whatever happens.
use super::layout::{Layout, NodeIx, PoolIx, SeatIx, ServerIx};
use super::progress::Progress;
use super::quiet::in_rotation;
use super::view::View;

/// A server may serve users.
#[must_use]
pub fn is_fit(progress: &Progress, server: ServerIx) -> bool {
    let server = &progress.servers[server];
    !server.left_out && !server.tainted && (!server.touched || server.proven.is_some())
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
    view.fresh_sample(layout, node)?;
    let bench = layout.pools[pool].benches.iter().find(|bench| bench.node == node)?;
    let counts = |seat: &&SeatIx| {
        let server = layout.seats[**seat].server;
        Some(server) != but
            && is_fit(progress, server)
            && view.seat(layout, **seat).is_some_and(in_rotation)
    };
    Some(bench.seats.iter().filter(counts).count())
}
