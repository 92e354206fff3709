//! Bugs of `decide` that no guard can refuse: something is left undone, or the run holds for
//! nothing. Only the oracle sees them.
use evenkeel::farm::Half;
use evenkeel::journal::{Event, Notice};
use evenkeel::procedure::action::{Action, MemberChange};
use evenkeel::procedure::decide::{Decision, decide};
use evenkeel::procedure::layout::Layout;
use evenkeel::procedure::progress::Progress;
use evenkeel::procedure::view::View;

use super::{Bug, Hunted, Sabotage, with};

/// Bugs of omission.
pub(super) const ALL: &[Sabotage] = &[
    Sabotage {
        name: "ignore-self-enabling",
        sentence: "a flag that was disabled once is never looked at again",
        caught_by: &["no_deployment_under_load"],
        bug: Bug::Undone(ignore_self_enabling),
        hunted: Hunted::With(&["enables-itself"]),
    },
    Sabotage {
        name: "no-rescue",
        sentence: "a pool under its floor is left alone",
        caught_by: &["zone_always_served"],
        bug: Bug::Undone(no_rescue),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "forget-the-reload",
        sentence: "who was drained once is not drained again after a reload",
        caught_by: &["no_user_meets_an_upgrade", "run_ends_or_holds", "one_version_in_rotation"],
        bug: Bug::Undone(forget_the_reload),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "hold-at-the-first-lost-poll",
        sentence: "a balancer that does not answer once is given up",
        caught_by: &["run_ends_or_holds"],
        bug: Bug::Undone(hold_at_the_first_lost_poll),
        hunted: Hunted::Usually,
    },
];

fn ignore_self_enabling(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let unseen = |server: usize| {
        let record = &progress.servers[server];
        record.disabled.is_some() && !record.touched && view.flag(layout, server) == Some(true)
    };
    if !layout.half(Half::Loaded).any(unseen) {
        return decide(layout, progress, view);
    }
    let view = with(view, |view| {
        for server in layout.half(Half::Loaded).filter(|&it| unseen(it)) {
            if let Some(flag) = &mut view.servers[server].flag {
                flag.value = false;
            }
        }
    });
    decide(layout, progress, &view)
}

fn no_rescue(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let mut decision = decide(layout, progress, view);
    let rescue = |event: &Event| matches!(event, Event::Noticed(Notice::Rescued { .. }));
    if !decision.events.iter().any(rescue) {
        return decision;
    }
    decision.events.retain(|event| !rescue(event));
    if decision.events.is_empty() {
        // What the procedure would do if nobody's rescue were due.
        let unnoticed = with(layout, |layout| {
            for pool in &mut layout.pools {
                pool.floor = 0;
            }
        });
        decision = decide(&unnoticed, progress, view);
    }
    decision
}

fn forget_the_reload(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let mut decision = decide(layout, progress, view);
    decision.actions.retain_mut(|action| match action {
        Action::Balancer { members, change: MemberChange::Drain, .. } => {
            members.retain(|member| {
                let server = layout.server(&member.server);
                !server.is_some_and(|server| progress.servers[server].quiet)
            });
            !members.is_empty()
        }
        _ => true,
    });
    decision
}

fn hold_at_the_first_lost_poll(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    if view.nodes.iter().all(|node| node.failing_since_ms.is_none()) {
        return decide(layout, progress, view);
    }
    let impatient = with(layout, |layout| layout.farm.policy.unknown_ms_max = 0);
    decide(&impatient, progress, view)
}
