//! Bugs of `decide` about traffic: drains, admissions, weights, capacity, rescue.
use evenkeel::farm::Half;
use evenkeel::journal::{Event, FarmMilestone, Notice};
use evenkeel::procedure::action::{Action, MemberChange};
use evenkeel::procedure::decide::{Decision, decide};
use evenkeel::procedure::fitness::is_fit;
use evenkeel::procedure::layout::{Layout, NodeIx, SeatIx, ServerIx};
use evenkeel::procedure::progress::{Direction, Progress};
use evenkeel::procedure::quiet::in_rotation;
use evenkeel::procedure::readings::{CheckState, MemberReading, OperState};
use evenkeel::procedure::view::View;

use super::{Bug, Hunted, Sabotage, with};

/// Bugs about traffic.
pub(super) const ALL: &[Sabotage] = &[
    Sabotage {
        name: "skip-the-drain-wait",
        sentence: "requests in flight are not waited for",
        caught_by: &["no_request_is_cut", "result_is_true"],
        bug: Bug::Decide(skip_the_drain_wait),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "one-zero-is-quiet",
        sentence: "a server counts as quiet as soon as one reading of one member shows zero",
        caught_by: &["no_request_is_cut", "result_is_true"],
        bug: Bug::Decide(one_zero_is_quiet),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "ignore-the-epoch",
        sentence: "a balancer process that has just begun is believed about requests in flight",
        caught_by: &["no_request_is_cut", "result_is_true"],
        bug: Bug::Decide(ignore_the_epoch),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "cut-instead-of-waiting",
        sentence: "what is in flight on a drained member is cut at once",
        caught_by: &["no_request_is_cut"],
        bug: Bug::Decide(cut_instead_of_waiting),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "remove-before-add",
        sentence: "step 5 stops the loaded servers before it starts the updating ones",
        caught_by: &["zone_always_served"],
        bug: Bug::Decide(remove_before_add),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "drain-everybody",
        sentence: "step 1 drains every member of a node at once",
        caught_by: &["zone_always_served"],
        bug: Bug::Decide(drain_everybody),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "drain-one-too-many",
        sentence: "step 1 drains a loaded server with the updating ones",
        caught_by: &["capacity_covers_load", "run_ends_or_holds"],
        bug: Bug::Decide(drain_one_too_many),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "count-the-sick",
        sentence: "a member whose health check fails counts as one that serves",
        caught_by: &["zone_always_served"],
        bug: Bug::Decide(count_the_sick),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "forget-the-second-pool",
        sentence: "a server is drained in its first pool only",
        caught_by: &["result_is_true"],
        bug: Bug::Decide(forget_the_second_pool),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "forget-the-last-node",
        sentence: "the last balancer node is never told to drain anybody",
        caught_by: &["result_is_true"],
        bug: Bug::Decide(forget_the_last_node),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "rescue-the-unfit",
        sentence: "a pool under its floor is given whoever passes the health check",
        caught_by: &["no_user_meets_an_upgrade", "no_deployment_under_load"],
        bug: Bug::Decide(rescue_the_unfit),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "admit-each-when-proven",
        sentence: "an updating server is admitted as soon as it is proven, not with the others",
        caught_by: &["one_version_in_rotation"],
        bug: Bug::Decide(admit_each_when_proven),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "leave-a-weight",
        sentence: "an upgraded member is warmed up with half its weight, and left there",
        caught_by: &["everyone_ends_upgraded"],
        bug: Bug::Decide(leave_a_weight),
        hunted: Hunted::Usually,
    },
];

/// Changes every reading of every seat in every sample.
fn reread(layout: &Layout, view: &View, change: impl Fn(SeatIx, &mut MemberReading)) -> View {
    with(view, |view| {
        for (node, entry) in view.nodes.iter_mut().zip(&layout.nodes) {
            for sample in &mut node.samples {
                for (offset, read) in sample.seats.iter_mut().enumerate() {
                    if let Some(read) = read {
                        change(entry.first_seat + offset, read);
                    }
                }
            }
        }
    })
}

/// What the newest samples say of every seat.
fn newest<'a>(
    layout: &'a Layout,
    view: &'a View,
) -> impl Iterator<Item = (SeatIx, &'a MemberReading)> {
    (0..layout.seats.len()).filter_map(|seat| Some((seat, view.seat(layout, seat)?)))
}

/// A change of members on a node, with nothing else done there at the same time.
fn instead(
    layout: &Layout,
    node: NodeIx,
    seats: &[SeatIx],
    change: MemberChange,
    to: &mut Decision,
) {
    let name = &layout.nodes[node].name;
    to.actions.retain(|action| !matches!(action, Action::Balancer { node, .. } if node == name));
    let members = seats.iter().map(|&seat| layout.seats[seat].member.clone()).collect();
    to.actions.push(Action::Balancer { node: name.clone(), members, change });
}

/// The node can be acted on, and nothing is to be done there.
fn at_rest(layout: &Layout, view: &View, node: NodeIx, decision: &Decision) -> bool {
    let name = &layout.nodes[node].name;
    let busy = |action: &Action| matches!(action, Action::Balancer { node, .. } if node == name);
    !view.nodes[node].acting && !decision.actions.iter().any(busy)
}

fn before_the_switch(progress: &Progress) -> bool {
    progress.baseline.is_some()
        && progress.direction == Direction::Forward
        && !progress.reached(FarmMilestone::SwitchBegan)
}

fn skip_the_drain_wait(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    if !newest(layout, view).any(|(_, read)| !read.admin.ready() && read.in_flight > 0) {
        return decide(layout, progress, view);
    }
    let view = reread(layout, view, |_, read| read.in_flight = 0);
    decide(layout, progress, &view)
}

fn one_zero_is_quiet(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let drained = |zero: bool| {
        let seats = newest(layout, view)
            .filter(move |(_, read)| !read.admin.ready() && (read.in_flight == 0) == zero);
        seats.map(|(seat, _)| layout.seats[seat].server).collect::<Vec<ServerIx>>()
    };
    let (quiet, busy) = (drained(true), drained(false));
    if !busy.iter().any(|server| quiet.contains(server)) {
        return decide(layout, progress, view);
    }
    let view = reread(layout, view, |seat, read| {
        if quiet.contains(&layout.seats[seat].server) {
            read.in_flight = 0;
        }
    });
    decide(layout, progress, &view)
}

fn ignore_the_epoch(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let young_ms = layout.policy().drain_ms_max;
    let young = |node: &evenkeel::procedure::view::NodeView| {
        node.samples.back().is_some_and(|sample| sample.lived_ms < young_ms)
    };
    if !view.nodes.iter().any(young) {
        return decide(layout, progress, view);
    }
    let view = with(view, |view| {
        for sample in view.nodes.iter_mut().flat_map(|node| &mut node.samples) {
            sample.lived_ms = sample.lived_ms.max(young_ms);
        }
    });
    decide(layout, progress, &view)
}

fn cut_instead_of_waiting(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let mut decision = decide(layout, progress, view);
    if !decision.events.is_empty() {
        return decision;
    }
    for node in 0..layout.nodes.len() {
        let overdue = newest(layout, view).filter(|(seat, read)| {
            layout.seats[*seat].node == node && !read.admin.ready() && read.in_flight > 0
        });
        let seats: Vec<SeatIx> = overdue.map(|(seat, _)| seat).collect();
        if !seats.is_empty() && at_rest(layout, view, node, &decision) {
            instead(layout, node, &seats, MemberChange::Cut, &mut decision);
        }
    }
    decision
}

fn remove_before_add(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let mut decision = decide(layout, progress, view);
    let switching = progress.direction == Direction::Forward
        && progress.reached(FarmMilestone::SwitchBegan)
        && !progress.reached(FarmMilestone::Switched);
    if !decision.events.is_empty() || !switching {
        return decision;
    }
    for node in 0..layout.nodes.len() {
        let loaded = newest(layout, view).filter(|(seat, read)| {
            let place = &layout.seats[*seat];
            place.node == node
                && read.admin.ready()
                && layout.servers[place.server].half == Some(Half::Loaded)
        });
        let seats: Vec<SeatIx> = loaded.map(|(seat, _)| seat).collect();
        if !seats.is_empty() && !view.nodes[node].acting {
            instead(layout, node, &seats, MemberChange::Drain, &mut decision);
        }
    }
    decision
}

fn drain_everybody(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let mut decision = decide(layout, progress, view);
    for action in &mut decision.actions {
        if let Action::Balancer { node, members, change: MemberChange::Drain } = action
            && before_the_switch(progress)
        {
            let of_node =
                |seat: &&evenkeel::procedure::layout::Seat| layout.nodes[seat.node].name == *node;
            *members = layout.seats.iter().filter(of_node).map(|it| it.member.clone()).collect();
        }
    }
    decision
}

fn drain_one_too_many(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let mut decision = decide(layout, progress, view);
    let Some(extra) = layout.half(Half::Loaded).next() else { return decision };
    if !decision.events.is_empty() || !before_the_switch(progress) {
        return decision;
    }
    let name = &layout.servers[extra].name;
    decision.actions.retain_mut(|action| match action {
        Action::Balancer { members, change: MemberChange::Admit, .. } => {
            members.retain(|member| member.server != *name);
            !members.is_empty()
        }
        _ => true,
    });
    for node in 0..layout.nodes.len() {
        let ready = newest(layout, view).filter(|(seat, read)| {
            let place = &layout.seats[*seat];
            place.node == node && place.server == extra && read.admin.ready()
        });
        let seats: Vec<SeatIx> = ready.map(|(seat, _)| seat).collect();
        if !seats.is_empty() && at_rest(layout, view, node, &decision) {
            instead(layout, node, &seats, MemberChange::Drain, &mut decision);
        }
    }
    decision
}

fn count_the_sick(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let mut decision = decide(layout, progress, view);
    let sick = newest(layout, view).any(|(_, read)| read.oper == OperState::Stopped);
    if !decision.events.is_empty() || !sick {
        return decision;
    }
    let well = reread(layout, view, |_, read| {
        (read.oper, read.check) = (OperState::Running, CheckState::Passing);
    });
    let Decision { mut events, actions } = decide(layout, progress, &well);
    // Whoever stands in for the sick goes, and whoever is drained beside them.
    events.retain(|event| matches!(event, Event::Noticed(Notice::RescueEnded { .. })));
    if !events.is_empty() {
        return Decision { events, actions: Vec::new() };
    }
    for action in actions {
        if let Action::Balancer { node, change: MemberChange::Drain, .. } = &action {
            let node = layout.nodes.iter().position(|entry| entry.name == *node);
            if node.is_some_and(|node| at_rest(layout, view, node, &decision)) {
                decision.actions.push(action);
            }
        }
    }
    decision
}

/// Drains of the seats that are not kept are forgotten, and so is that there are such seats.
fn blind(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    keep: impl Fn(SeatIx) -> bool,
) -> Decision {
    let half_seen = with(layout, |layout| {
        for server in &mut layout.servers {
            server.seats.retain(|seat| keep(*seat));
        }
    });
    let mut decision = decide(&half_seen, progress, view);
    decision.actions.retain_mut(|action| match action {
        Action::Balancer { node, members, change: MemberChange::Drain } => {
            members.retain(|member| {
                let seat = layout.seats.iter().position(|seat| {
                    layout.nodes[seat.node].name == *node && seat.member == *member
                });
                seat.is_some_and(&keep)
            });
            !members.is_empty()
        }
        _ => true,
    });
    decision
}

fn forget_the_second_pool(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    blind(layout, progress, view, |seat| {
        let place = &layout.seats[seat];
        let first = layout.servers[place.server].seats.first();
        first.is_some_and(|first| layout.seats[*first].pool == place.pool)
    })
}

fn forget_the_last_node(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let last = layout.nodes.len() - 1;
    blind(layout, progress, view, |seat| layout.seats[seat].node != last)
}

fn rescue_the_unfit(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let mut decision = decide(layout, progress, view);
    if !decision.events.is_empty() || progress.baseline.is_none() {
        return decision;
    }
    for (pool, bench) in
        layout.pools.iter().flat_map(|pool| pool.benches.iter().map(move |it| (pool, it)))
    {
        let reads =
            || bench.seats.iter().filter_map(|&seat| Some((seat, view.seat(layout, seat)?)));
        let serving = reads().filter(|(_, read)| in_rotation(read)).count();
        let spare = reads().find(|(seat, read)| {
            !is_fit(progress, layout.seats[*seat].server)
                && !read.admin.ready()
                && read.check != CheckState::Failing
        });
        if let Some((seat, _)) = spare
            && serving < pool.floor
            && !view.nodes[bench.node].acting
        {
            instead(layout, bench.node, &[seat], MemberChange::Admit, &mut decision);
        }
    }
    decision
}

fn admit_each_when_proven(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let early = |server: &ServerIx| progress.servers[*server].proven.is_some();
    if !before_the_switch(progress) || !layout.half(Half::Updating).any(|it| early(&it)) {
        return decide(layout, progress, view);
    }
    let progress = with(progress, |progress| {
        for server in layout.half(Half::Updating).filter(early) {
            progress.servers[server].rescued_ms = Some(view.now_ms);
        }
    });
    decide(layout, &progress, view)
}

fn leave_a_weight(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let before =
        |seat: SeatIx| progress.baseline_seats.as_ref()?[seat].as_ref().map(|read| read.weight);
    let differs = |(seat, read): (SeatIx, &MemberReading)| {
        before(seat).is_some_and(|weight| weight != read.weight)
    };
    let mut decision = match newest(layout, view).any(differs) {
        false => decide(layout, progress, view),
        true => {
            let unseen = reread(layout, view, |seat, read| {
                read.weight = before(seat).unwrap_or(read.weight);
            });
            decide(layout, progress, &unseen)
        }
    };
    if !decision.events.is_empty() || !progress.reached(FarmMilestone::SwitchBegan) {
        return decision;
    }
    let full = newest(layout, view).find(|(seat, read)| {
        let server = layout.seats[*seat].server;
        layout.servers[server].half == Some(Half::Updating)
            && progress.servers[server].taking
            && read.admin.ready()
            && before(*seat) == Some(read.weight)
    });
    if let Some((seat, read)) = full
        && at_rest(layout, view, layout.seats[seat].node, &decision)
    {
        let half = MemberChange::Weight(read.weight.div_ceil(2));
        instead(layout, layout.seats[seat].node, &[seat], half, &mut decision);
    }
    decision
}
