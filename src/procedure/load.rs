//! Whether those who stay in rotation can carry the users, by the farm file's figures.
use crate::farm::Half;
use crate::journal::Overload;

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
    let mut planned = of_other_half(layout, leaving, bench)
        .filter(|&seat| !progress.servers[layout.seats[seat].server].left_out);
    planned.all(&stays) || is_carried_without(layout, view, leaving, bench.node, stays)
}

/// Somebody of the other half was left out, whom the plan reckoned with on a bench, and without him
/// those who stay cannot carry the users of a server that leaves.
#[must_use]
pub fn misses_left_out(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    leaving: ServerIx,
    bench: &Bench,
    stays: impl Fn(SeatIx) -> bool,
) -> bool {
    let left_out = of_other_half(layout, leaving, bench)
        .any(|seat| progress.servers[layout.seats[seat].server].left_out);
    left_out && !is_carried_without(layout, view, leaving, bench.node, stays)
}

/// Seats of a bench whose servers are of the other half than one that leaves.
fn of_other_half<'a>(
    layout: &'a Layout,
    leaving: ServerIx,
    bench: &'a Bench,
) -> impl Iterator<Item = SeatIx> + 'a {
    let half = |server: ServerIx| layout.servers[server].half;
    let seats = bench.seats.iter().copied();
    seats.filter(move |&seat| half(layout.seats[seat].server) != half(leaving))
}

/// Every server beside one that leaves can answer what it gets then, as a node deals it out.
fn is_carried_without(
    layout: &Layout,
    view: &View,
    leaving: ServerIx,
    node: NodeIx,
    stays: impl Fn(SeatIx) -> bool,
) -> bool {
    let weight = |seat: SeatIx| view.seat(layout, seat).map_or(0, |read| read.weight);
    overloads(layout, leaving, node, weight, stays).next().is_none()
}

/// Whom it overloads most, at the load of the plan, to leave a server out: its half serves alone
/// after the switch, and everybody in the end.
#[must_use]
pub fn overloaded_without(
    layout: &Layout,
    progress: &Progress,
    left_out: ServerIx,
) -> Option<Overload> {
    let baseline = progress.baseline_seats.as_ref()?;
    let weight = |seat: SeatIx| baseline[seat].as_ref().map_or(0, |read| read.weight);
    let alone = layout.servers[left_out].half == Some(Half::Updating);
    let serves = |seat: SeatIx| {
        let server = layout.seats[seat].server;
        let in_time = !alone || layout.servers[server].half == Some(Half::Updating);
        server != left_out && in_time && !progress.servers[server].left_out
    };
    let all =
        (0..layout.nodes.len()).flat_map(|node| overloads(layout, left_out, node, weight, serves));
    let part =
        |it: &Overload| it.load_rps * u64::from(u32::MAX) / u64::from(it.capacity_rps.max(1));
    all.max_by_key(part)
}

/// Servers beside one that leaves which get more than they can answer, as a node deals it out. A
/// node is taken for the balancer as a whole: each gets its part of every pool.
fn overloads(
    layout: &Layout,
    leaving: ServerIx,
    node: NodeIx,
    weight: impl Fn(SeatIx) -> u32,
    serves: impl Fn(SeatIx) -> bool,
) -> impl Iterator<Item = Overload> {
    let mut loads_rps = vec![0.0; layout.servers.len()];
    let mut beside = vec![false; layout.servers.len()];
    for pool in &layout.pools {
        let on_node = pool.benches.iter().find(|bench| bench.node == node);
        let Some(bench) = on_node.or(pool.benches.first()) else { continue };
        let serving = || bench.seats.iter().copied().filter(|&seat| serves(seat));
        let weights: u32 = serving().map(&weight).sum();
        let with_it = bench.seats.iter().any(|&seat| layout.seats[seat].server == leaving);
        for seat in serving() {
            let server = layout.seats[seat].server;
            loads_rps[server] +=
                pool.load_rps * f64::from(weight(seat)) / f64::from(weights.max(1));
            beside[server] |= with_it;
        }
    }
    let entries = layout.servers.iter().zip(loads_rps).zip(beside);
    entries.filter(|(_, beside)| *beside).filter_map(|((entry, load_rps), _)| {
        let capacity_rps = entry.front_end.as_ref().map_or(0, |it| it.capacity_rps);
        let load_rps_ceil = load_rps.ceil() as u64;
        (load_rps > f64::from(capacity_rps)).then(|| Overload {
            server: entry.name.clone(),
            load_rps: load_rps_ceil,
            capacity_rps,
        })
    })
}
