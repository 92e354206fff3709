//! Whether those who stay in rotation can carry the users, by the farm file's figures.
use super::layout::{Layout, NodeIx, SeatIx, ServerIx};
use super::view::View;

/// Every server beside one that leaves can answer what it gets then, as a node deals it out. A node
/// is taken for the balancer as a whole: each gets its part of every pool.
#[must_use]
pub fn is_carried_without(
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
