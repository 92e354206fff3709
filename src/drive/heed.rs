//! What an event changes in the view: readings that it makes untrue, clocks that it sets anew.
use crate::journal::{Event, FarmMilestone, Milestone, Notice, Wanted};
use crate::procedure::action::{Action, JobKind};
use crate::procedure::layout::{Layout, ServerIx};
use crate::procedure::view::View;

/// Takes an event in.
pub(super) fn heed(layout: &Layout, view: &mut View, event: &Event) {
    match event {
        // What an installer or a restart is about to change is no longer known.
        Event::Intent {
            action: Action::Start { server, .. } | Action::Reboot { server, .. },
            ..
        }
        | Event::JobEnded { server, .. }
        | Event::Noticed(Notice::Rebooted { server }) => {
            if let Some(server) = layout.server(server) {
                view.servers[server].forget_software();
                ask_again(view, server);
                if let Event::JobEnded { kind: JobKind::ServiceCenterInstall, .. } = event {
                    // Another console: what the one before it failed to answer says nothing of it.
                    let seen = &mut view.servers[server];
                    (seen.console_failing_since_ms, seen.console_failed_ms) = (None, None);
                    seen.console_in_vain = None;
                    seen.forget_flag();
                }
            }
        }
        Event::Reached { server, milestone: Milestone::Unproven, .. } => {
            if let Some(server) = layout.server(server) {
                view.servers[server].threads.clear();
                view.servers[server].pings.clear();
            }
        }
        // What was found is ours to hold from now on.
        Event::Baseline(_) => {
            for node in &mut view.nodes {
                let Some(sample) = node.samples.back() else { continue };
                for (left, seat) in node.asserted.iter_mut().zip(&sample.seats) {
                    *left = seat.as_ref().map(|it| (sample.epoch.clone(), it.admin.ready()));
                }
            }
        }
        // Who stood in before the switch began is judged by what he does in it.
        Event::FarmReached { milestone: FarmMilestone::SwitchBegan, .. } => {
            for node in &mut view.nodes {
                let Some(sample) = node.samples.back() else { continue };
                for (first, seat) in node.first_ready.iter_mut().zip(&sample.seats) {
                    let counts = seat.as_ref().map(|it| (it.arrivals, it.errors));
                    *first = first.and(counts);
                }
            }
        }
        Event::Noticed(Notice::Drifted { node, member }) => {
            for (seat_ix, seat) in layout.seats.iter().enumerate() {
                let entry = &layout.nodes[seat.node];
                if entry.name == *node && seat.member == *member {
                    view.nodes[seat.node].asserted[seat_ix - entry.first_seat] = None;
                }
            }
        }
        Event::Noticed(Notice::FlagCameBack { server }) => {
            if let Some(server) = layout.server(server) {
                view.servers[server].threads.clear();
            }
        }
        Event::Decided(request) => people(layout, view, &request.what),
        _ => {}
    }
}

fn ask_again(view: &mut View, server: ServerIx) {
    view.servers[server].asked_ms = [None; 6];
}

/// A person says to go on: what was failing is given its whole time again.
fn people(layout: &Layout, view: &mut View, what: &Wanted) {
    let forgive = |view: &mut View, server: ServerIx| {
        let now_ms = view.now_ms;
        let seen = &mut view.servers[server];
        for since in [&mut seen.host_failing_since_ms, &mut seen.console_failing_since_ms] {
            *since = since.map(|_| now_ms);
        }
        seen.console_failed_ms = None;
        (seen.flag_in_vain, seen.console_in_vain) = (None, None);
        ask_again(view, server);
    };
    match what {
        Wanted::Retry { server: None } => {
            let now_ms = view.now_ms;
            let refused = view.login_refused.take().is_some();
            let words = view.servers.iter_mut().flat_map(|seen| &mut seen.unknown_words);
            if words.filter_map(Option::take).count() > 0 || refused {
                view.consoles_back_ms = now_ms;
            }
            for node in &mut view.nodes {
                node.failing_since_ms = node.failing_since_ms.map(|_| now_ms);
                node.in_vain = None;
            }
            for server in 0..view.servers.len() {
                forgive(view, server);
            }
        }
        Wanted::Retry { server: Some(server) } | Wanted::ByHand { server } => {
            if let Some(server) = layout.server(server) {
                forgive(view, server);
                view.servers[server].forget_software();
            }
        }
        _ => {}
    }
}
