//! Whether those who stay in rotation can carry the users, by the farm file's figures.
use super::layout::{Bench, Layout, NodeIx, SeatIx, ServerIx};
use super::progress::Progress;
use super::view::View;

/// Those who stay on a bench can carry the users of a server that leaves, or are all whom the plan
/// has there: more there is not to wait for.
#[must_use]
pub fn can_do_without(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    leaving: ServerIx,
    bench: &Bench,
    stays: impl Fn(SeatIx) -> bool,
) -> bool {
    let mut planned = bench.seats.iter().filter(|&&seat| {
        let other = layout.seats[seat].server;
        let of_other_half = layout.servers[other].half != layout.servers[leaving].half;
        of_other_half && !progress.servers[other].left_out
    });
    planned.all(|&seat| stays(seat)) || is_carried_without(layout, view, leaving, bench.node, stays)
}

/// Every server beside one that leaves can answer what it gets then, as a node deals it out. A node
/// is taken for the balancer as a whole: each gets its part of every pool.
fn is_carried_without(
    layout: &Layout,
    view: &View,
    leaving: ServerIx,
    node: NodeIx,
    stays: impl Fn(SeatIx) -> bool,
) -> bool {
    let mut loads_rps = vec![0.0; layout.servers.len()];
    let mut beside = vec![false; layout.servers.len()];
    for pool in &layout.pools {
        let on_node = pool.benches.iter().find(|bench| bench.node == node);
        let Some(bench) = on_node.or(pool.benches.first()) else { continue };
        let weight = |seat: SeatIx| view.seat(layout, seat).map_or(0, |read| read.weight);
        let staying = || bench.seats.iter().copied().filter(|&seat| stays(seat));
        let weights: u32 = staying().map(weight).sum();
        let with_it = bench.seats.iter().any(|&seat| layout.seats[seat].server == leaving);
        for seat in staying() {
            let server = layout.seats[seat].server;
            loads_rps[server] +=
                pool.load_rps * f64::from(weight(seat)) / f64::from(weights.max(1));
            beside[server] |= with_it;
        }
    }
    let capacity_rps = |server: ServerIx| {
        layout.servers[server].front_end.as_ref().map_or(0, |it| it.capacity_rps)
    };
    let carries = |server: ServerIx| loads_rps[server] <= f64::from(capacity_rps(server));
    (0..layout.servers.len()).all(|server| !beside[server] || carries(server))
}
