//! Bugs of `decide` about Service Center: the Enabled flags.
use evenkeel::farm::Half;
use evenkeel::journal::HoldReason;
use evenkeel::procedure::action::{Action, JobKind};
use evenkeel::procedure::decide::{Decision, console_for, decide};
use evenkeel::procedure::layout::{Layout, ServerIx};
use evenkeel::procedure::progress::Progress;
use evenkeel::procedure::view::View;

use super::{Bug, Hunted, Sabotage, with};

/// Bugs about flags.
pub(super) const ALL: &[Sabotage] = &[
    Sabotage {
        name: "skip-disable",
        sentence: "step 2 is taken for done",
        caught_by: &["no_deployment_under_load"],
        bug: Bug::Decide(skip_disable),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "enable-too-early",
        sentence: "a loaded server is enabled once Service Center is upgraded, and left so",
        caught_by: &["no_deployment_under_load"],
        bug: Bug::Decide(enable_too_early),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "never-enable",
        sentence: "step 7 takes for granted that a started Deployment Service enables its server",
        caught_by: &["result_is_true"],
        bug: Bug::Decide(never_enable),
        hunted: Hunted::Usually,
    },
];

fn skip_disable(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    if progress.baseline.is_none() {
        return decide(layout, progress, view);
    }
    let mut progress = progress.clone();
    let view = with(view, |view| {
        for server in layout.half(Half::Loaded) {
            let record = &mut progress.servers[server];
            if !record.touched {
                record.disabled = Some(None);
                if let Some(flag) = &mut view.servers[server].flag {
                    flag.value = false;
                }
            }
        }
    });
    decide(layout, &progress, &view)
}

fn enable_too_early(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let installed = progress
        .servers
        .iter()
        .any(|record| record.jobs_done.contains(&JobKind::ServiceCenterInstall));
    // Whoever is enabled after the guard has refused it has enabled himself, and is looked after.
    let refused = matches!(progress.standing_hold, Some(HoldReason::GuardRefused { .. }));
    let too_early = |it: &ServerIx| installed && !refused && !progress.servers[*it].touched;
    let Some(server) = layout.half(Half::Loaded).next().filter(too_early) else {
        return decide(layout, progress, view);
    };
    let enabled = view.flag(layout, server);
    if enabled == Some(true) {
        return believing_disabled(layout, progress, view, server);
    }
    let mut decision = decide(layout, progress, view);
    if let (Some(false), Some(via)) = (enabled, console_for(layout, progress, view))
        && decision.events.is_empty()
        && !view.servers[server].acting
    {
        decision.actions.push(Action::Flag {
            via: layout.servers[via].name.clone(),
            server: layout.servers[server].name.clone(),
            enabled: true,
        });
    }
    decision
}

/// The procedure that takes a server for disabled: it would disable it again at once.
fn believing_disabled(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    server: ServerIx,
) -> Decision {
    let progress = with(progress, |progress| {
        // It was so before: what was read lately is not written down as news.
        progress.servers[server].disabled.get_or_insert(None);
    });
    let view = with(view, |view| {
        if let Some(flag) = &mut view.servers[server].flag {
            flag.value = false;
        }
    });
    decide(layout, &progress, &view)
}

fn never_enable(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let off = |server: usize| {
        progress.servers[server].touched && view.flag(layout, server) == Some(false)
    };
    if !layout.half(Half::Loaded).any(off) {
        return decide(layout, progress, view);
    }
    let view = with(view, |view| {
        for server in layout.half(Half::Loaded).filter(|&it| off(it)) {
            if let Some(flag) = &mut view.servers[server].flag {
                flag.value = true;
            }
        }
    });
    decide(layout, progress, &view)
}
