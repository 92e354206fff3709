//! Step 5 and the soak: updating started and shown to take traffic, only then loaded stopped; then
//! the new version serves for a while, and can still be fallen back from.
use crate::farm::Half;
use crate::journal::{Event, FarmMilestone, HoldReason};
use crate::names::{NodeName, PoolName};

use super::super::action::Action;
use super::super::fitness::still_proven;
use super::super::layout::{Layout, ServerIx};
use super::super::progress::{Direction, Progress, Tested};
use super::super::quiet::server_is_quiet;
use super::super::rotation::{Sides, Wanted, taken_back};
use super::super::steps::{everyone_in, may_begin};
use super::super::taking::bench_is_silent;
use super::super::view::{NodeView, View};
use super::proof::TEST_FAILURES_MAX;
use super::{Decision, ways_out};

/// Requests a member must have had before its share of errors says anything.
const SOAK_REQUESTS_MIN: u64 = 200;

/// Between two rounds of requests of ours through a node: as long as between two tries of anything.
const NUDGE_REST_MS: u64 = 3_000;

/// Milestones of the farm.
pub(super) fn facts(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    match progress.direction {
        Direction::Aborting => {}
        Direction::FallingBack => fallen_back(layout, progress, view, decision),
        Direction::Forward => forward(layout, progress, view, decision),
    }
}

fn forward(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    let since = |milestone| progress.farm.get(&milestone).copied();
    let held = progress.standing_hold.is_some();
    let mut reach = |milestone, evidence: &str| {
        decision.events.push(Event::FarmReached { milestone, evidence: evidence.to_owned() });
    };
    let Some(began_ms) = since(FarmMilestone::SwitchBegan) else {
        if !held && may_switch(layout, progress) {
            reach(FarmMilestone::SwitchBegan, "every updating server is proven");
        }
        return;
    };
    if since(FarmMilestone::Switched).is_none() {
        let sides = Sides::of(layout, progress);
        let out = |server: ServerIx| {
            progress.servers[server].left_out
                || (sides.wanted(layout, progress, server) == Wanted::Out
                    && server_is_quiet(layout, view, server))
        };
        if layout.half(Half::Loaded).all(out) {
            return reach(FarmMilestone::Switched, "every loaded server is drained and quiet");
        }
        let overdue = view.now_ms > began_ms + layout.policy().switch_ms_max;
        if overdue && !loaded_drained(layout, view) {
            let reason = HoldReason::SwitchOverdue;
            let ways_out = ways_out(layout, progress, &reason);
            decision.events.push(Event::Held { reason, ways_out });
        }
        return;
    }
    let Some(soak_ms) = since(FarmMilestone::SoakBegan) else {
        return reach(FarmMilestone::SoakBegan, "only the new version serves");
    };
    if since(FarmMilestone::Soaked).is_none() && !held {
        if let Some(finding) = bad_soak(layout, progress, view) {
            let reason = HoldReason::SoakBad { finding };
            let ways_out = ways_out(layout, progress, &reason);
            decision.events.push(Event::Held { reason, ways_out });
        } else if view.now_ms >= soak_ms + layout.policy().soak_ms
            && progress.held.is_none()
            && soaked(layout, progress, view, soak_ms)
        {
            reach(FarmMilestone::Soaked, "tests passed throughout, errors as in the baseline");
        }
    }
}

fn may_switch(layout: &Layout, progress: &Progress) -> bool {
    let somebody = layout.half(Half::Updating).any(|server| !progress.servers[server].left_out);
    somebody
        && everyone_in(layout, progress, Half::Updating, |server| server.proven.is_some())
        && may_begin(layout, progress, 5)
}

/// Nobody of the loaded half gets new requests any more.
fn loaded_drained(layout: &Layout, view: &View) -> bool {
    layout.half(Half::Loaded).all(|server| {
        let seats = &layout.servers[server].seats;
        seats.iter().all(|&seat| view.seat(layout, seat).is_some_and(|read| !read.admin.ready()))
    })
}

/// Every updating server is still proven, by what runs on it now, and its last round of tests, which
/// ended in the soak, passed.
fn soaked(layout: &Layout, progress: &Progress, view: &View, since_ms: u64) -> bool {
    layout.half(Half::Updating).all(|server| {
        let record = &progress.servers[server];
        let passed = |last: &Tested| last.failure.is_none() && last.at_ms >= since_ms;
        let works = view.service(layout, server).is_some_and(|it| it.running && it.initialised);
        record.left_out
            || (works
                && still_proven(layout, progress, view, server)
                && record.proven.is_some()
                && record.tested.as_ref().is_some_and(passed)
                && !view.servers[server].acting)
    })
}

fn bad_soak(layout: &Layout, progress: &Progress, view: &View) -> Option<String> {
    for server in layout.half(Half::Updating) {
        let record = &progress.servers[server];
        let readable = view.service(layout, server).is_some();
        if record.left_out || record.proven.is_none() || !readable {
            // Started again, or not to be reached: it must be proven again, and that has deadlines
            // of its own. A dead machine says nothing about the new version.
            continue;
        }
        let name = &layout.servers[server].name;
        if record.test_failures >= TEST_FAILURES_MAX {
            let failure = record.tested.as_ref().and_then(|last| last.failure.clone());
            return Some(format!("{name}: {}", failure.unwrap_or_default()));
        }
        for &seat in &layout.servers[server].seats {
            if let Some(permille) = errors_over_baseline(layout, progress, view, seat)
                && permille > u64::from(layout.policy().soak_errors_permille_max)
            {
                return Some(format!(
                    "{name} fails {permille} of 1000 requests more than before the upgrade, in pool {}",
                    layout.seats[seat].member.pool
                ));
            }
        }
    }
    None
}

/// Errors per thousand requests since the member was admitted, or the switch began, less those of the
/// baseline.
fn errors_over_baseline(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    seat: usize,
) -> Option<u64> {
    let place = &layout.seats[seat];
    let node = &layout.nodes[place.node];
    let (arrivals, errors) = view.nodes[place.node].first_ready[seat - node.first_seat]?;
    let read = view.seat(layout, seat)?;
    let requests = read.arrivals.checked_sub(arrivals)?;
    if requests < SOAK_REQUESTS_MIN {
        return None;
    }
    let now = read.errors.saturating_sub(errors) * 1_000 / requests;
    let before = progress.baseline_seats.as_ref()?[seat]
        .as_ref()
        .filter(|read| read.arrivals > 0)
        .map_or(0, |read| read.errors * 1_000 / read.arrivals);
    Some(now.saturating_sub(before))
}

fn fallen_back(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    let back = !progress.reached(FarmMilestone::FellBack)
        && taken_back(layout, progress)
        && layout.half(Half::Updating).all(|server| {
            progress.servers[server].left_out || server_is_quiet(layout, view, server)
        });
    if back {
        decision.events.push(Event::FarmReached {
            milestone: FarmMilestone::FellBack,
            evidence: "loaded servers take the traffic, updating ones are quiet".to_owned(),
        });
    }
}

/// Requests of ours, where a server that should take traffic gets none because nobody comes.
pub(super) fn nudges(layout: &Layout, progress: &Progress, view: &View, decision: &mut Decision) {
    if !progress.reached(FarmMilestone::SwitchBegan) {
        return;
    }
    for (node, pool) in silent_benches(layout, progress, view) {
        let action = Action::Nudge { node, pool };
        if !progress.open.values().any(|open| *open == action) {
            decision.actions.push(action);
        }
    }
}

fn silent_benches(layout: &Layout, progress: &Progress, view: &View) -> Vec<(NodeName, PoolName)> {
    let mut benches = Vec::new();
    let sides = Sides::of(layout, progress);
    // Whoever was asked lately has to be read before he is asked again.
    let rested = |node: &NodeView| {
        let read_ms = node.samples.back().map(|sample| sample.at_ms);
        node.nudged_ms.is_none_or(|nudged_ms| {
            read_ms >= Some(nudged_ms) && nudged_ms + NUDGE_REST_MS <= view.now_ms
        })
    };
    for pool in &layout.pools {
        let benches_here = pool.benches.iter();
        for bench in benches_here.filter(|it| it.nudgeable && rested(&view.nodes[it.node])) {
            let waits = bench.seats.iter().any(|&seat| {
                let server = layout.seats[seat].server;
                !progress.servers[server].taking
                    && !progress.servers[server].left_out
                    && sides.wanted(layout, progress, server) == Wanted::In
                    && view.seat(layout, seat).is_some_and(|read| read.admin.ready())
                    && bench_is_silent(layout, view, seat)
            });
            if waits {
                benches.push((layout.nodes[bench.node].name.clone(), pool.name.clone()));
            }
        }
    }
    benches
}
