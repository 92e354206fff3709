//! Bugs of `decide` about order: which job on which server, and when.
use evenkeel::farm::Half;
use evenkeel::journal::{Event, FarmMilestone, Milestone, Verdict};
use evenkeel::procedure::action::{Action, JobKind};
use evenkeel::procedure::decide::{Decision, decide};
use evenkeel::procedure::layout::{Layout, ServerIx};
use evenkeel::procedure::progress::{Direction, Progress};
use evenkeel::procedure::readings::JobReading;
use evenkeel::procedure::view::View;

use super::{Bug, Hunted, Sabotage, with};

/// Bugs about order.
pub(super) const ALL: &[Sabotage] = &[
    Sabotage {
        name: "forget-the-soak",
        sentence: "step 6 begins as soon as traffic is switched",
        caught_by: &["result_is_true"],
        bug: Bug::Decide(forget_the_soak),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "ignore-the-gates",
        sentence: "steps begin without anybody's approval",
        caught_by: &["policy_is_kept"],
        bug: Bug::Decide(ignore_the_gates),
        hunted: Hunted::With(&["late-approval"]),
    },
    Sabotage {
        name: "upgrade-loaded-too-early",
        sentence: "a loaded server is upgraded as soon as an updating one is",
        caught_by: &["no_user_meets_an_upgrade"],
        bug: Bug::Decide(upgrade_loaded_too_early),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "forget-the-controller",
        sentence: "step 3 begins with the front-ends",
        caught_by: &["zone_always_served", "run_ends_or_holds"],
        bug: Bug::Decide(forget_the_controller),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "start-again-while-running",
        sentence: "a job that runs is taken for one that never started, and started under a new id",
        caught_by: &["run_ends_or_holds"],
        bug: Bug::Decide(start_again_while_running),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "restart-is-believed",
        sentence: "a machine that was told to restart is taken for one that has",
        caught_by: &["journal_tells_the_truth"],
        bug: Bug::Decide(believe_the_restart),
        hunted: Hunted::With(&["installer-wants-reboot"]),
    },
    Sabotage {
        name: "leave-one-out",
        sentence: "the last loaded server is forgotten: the run is done without it",
        caught_by: &["everyone_ends_upgraded", "run_ends_or_holds"],
        bug: Bug::Decide(leave_one_out),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "touch-mark-not-set",
        sentence: "an installer is started without writing down that its server is touched",
        caught_by: &["journal_tells_the_truth"],
        bug: Bug::Decide(touch_mark_not_set),
        hunted: Hunted::Usually,
    },
];

fn forget_the_soak(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    if !progress.reached(FarmMilestone::SoakBegan) || progress.reached(FarmMilestone::Soaked) {
        return decide(layout, progress, view);
    }
    let hasty = with(layout, |layout| layout.farm.policy.soak_ms = 0);
    decide(&hasty, progress, view)
}

fn ignore_the_gates(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let approved = with(progress, |progress| progress.approved.extend(1..=9));
    decide(layout, &approved, view)
}

fn upgrade_loaded_too_early(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let mut decision = decide(layout, progress, view);
    let ready = progress.direction == Direction::Forward
        && !progress.reached(FarmMilestone::SwitchBegan)
        && layout.half(Half::Updating).any(|it| progress.servers[it].upgraded.is_some());
    let Some(server) = layout.half(Half::Loaded).next() else { return decision };
    let record = &progress.servers[server];
    if !decision.events.is_empty() || !ready || record.jobs_begun > 0 || progress.held.is_some() {
        return decision;
    }
    let name = layout.servers[server].name.clone();
    if !record.touched {
        let evidence = "front-end-upgrade is next".to_owned();
        let milestone = Milestone::Touched;
        decision.events.push(Event::Reached { server: name, milestone, evidence });
    } else if !view.servers[server].acting {
        let job = format!("{}-{name}-1", layout.job_prefix);
        decision.actions.push(Action::Start { server: name, kind: JobKind::FrontEndUpgrade, job });
    }
    decision
}

fn forget_the_controller(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let headless = with(layout, |layout| {
        layout.updating_stages.sort_by_key(|stage| {
            let kinds = stage.servers.iter().flat_map(|(_, kinds)| kinds);
            kinds.into_iter().any(|kind| *kind == JobKind::ControllerUpgrade)
        });
    });
    decide(&headless, progress, view)
}

fn start_again_while_running(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let forgotten = |server: &ServerIx| {
        let record = &progress.servers[*server];
        let runs = view.servers[*server].job.as_ref();
        record.job.as_ref().is_some_and(|job| {
            job.ended.is_none()
                && record.tries.get(&job.kind).is_some_and(|tries| *tries < 2)
                && runs.is_some_and(|(id, read)| *id == job.id && read.value == JobReading::Running)
        })
    };
    if !(0..layout.servers.len()).any(|server| forgotten(&server)) {
        return decide(layout, progress, view);
    }
    let progress = with(progress, |progress| {
        for server in (0..layout.servers.len()).filter(forgotten) {
            progress.servers[server].job = None;
        }
    });
    decide(layout, &progress, view)
}

fn believe_the_restart(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let believed = with(progress, |progress| {
        for server in progress.servers.iter_mut().filter(|server| server.reboot.is_some()) {
            (server.wants_reboot, server.reboot) = (false, None);
        }
    });
    decide(layout, &believed, view)
}

/// Its jobs are never begun. As long as others have yet to be proven it may stand in for them, like
/// anybody whose turn has not come; then, or where those have failed, nobody waits for it any more.
fn leave_one_out(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let soaked = progress.reached(FarmMilestone::Soaked);
    let is_due = |it: &ServerIx| soaked && !progress.servers[*it].left_out;
    let Some(last) = layout.half(Half::Loaded).last().filter(is_due) else {
        return decide(layout, progress, view);
    };
    let is_open = |it: ServerIx| {
        let record = &progress.servers[it];
        !record.left_out && record.proven.is_none() && record.failure.is_none()
    };
    if layout.front_ends().any(|it| it != last && is_open(it)) {
        let without_its_jobs = with(layout, |layout| {
            for stage in &mut layout.loaded_stages {
                stage.servers.retain(|(server, _)| *server != last);
            }
        });
        return decide(&without_its_jobs, progress, view);
    }
    let forgotten = with(progress, |progress| progress.servers[last].left_out = true);
    let mut decision = decide(layout, &forgotten, view);
    for event in &mut decision.events {
        // Nobody left it out, and nobody says so.
        if let Event::Ended { verdict: Verdict::Done { left_out } } = event {
            left_out.retain(|name| *name != layout.servers[last].name);
        }
    }
    decision
}

fn touch_mark_not_set(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let mut marked = with(progress, |progress| {
        for record in &mut progress.servers {
            record.touched |= record.job.as_ref().is_some_and(|job| job.kind.touches());
        }
    });
    loop {
        let mut decision = decide(layout, &marked, view);
        let mut unmarked = Vec::new();
        decision.events.retain(|event| match event {
            Event::Reached { server, milestone: Milestone::Touched, .. } => {
                unmarked.extend(layout.server(server));
                false
            }
            _ => true,
        });
        if unmarked.is_empty() || !decision.events.is_empty() {
            return decision;
        }
        for server in unmarked {
            marked.servers[server].touched = true;
        }
    }
}
