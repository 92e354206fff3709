//! Bugs of `decide` about Service Center: the Enabled flags.
use evenkeel::farm::Half;
use evenkeel::procedure::action::{Action, JobKind};
use evenkeel::procedure::decide::{Decision, console_for, decide};
use evenkeel::procedure::layout::Layout;
use evenkeel::procedure::progress::Progress;
use evenkeel::procedure::view::View;

use super::{Bug, Hunted, Sabotage, with};

/// Bugs about flags.
pub(super) const ALL: &[Sabotage] = &[
    Sabotage {
        name: "skip-disable",
        sentence: "step 2 is taken for done",
        caught_by: "no_deployment_under_load",
        bug: Bug::Decide(skip_disable),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "enable-too-early",
        sentence: "a loaded server is enabled again once Service Center is upgraded",
        caught_by: "run_ends_or_holds",
        bug: Bug::Decide(enable_too_early),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "never-enable",
        sentence: "step 7 takes for granted that a started Deployment Service enables its server",
        caught_by: "result_is_true",
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
    let mut decision = decide(layout, progress, view);
    let installed = progress
        .servers
        .iter()
        .any(|record| record.jobs_done.contains(&JobKind::ServiceCenterInstall));
    let disabled = layout
        .half(Half::Loaded)
        .find(|&it| !progress.servers[it].touched && view.flag(layout, it) == Some(false));
    let via = console_for(layout, progress, view);
    if let (true, Some(server), Some(via)) = (installed, disabled, via)
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
