//! Bugs of `decide` about proof: when a server counts as deployed, tested, fit.
use evenkeel::farm::Half;
use evenkeel::procedure::decide::{Decision, decide};
use evenkeel::procedure::layout::Layout;
use evenkeel::procedure::progress::Progress;
use evenkeel::procedure::readings::{ThreadRow, ThreadState};
use evenkeel::procedure::view::View;

use super::{Bug, Hunted, Sabotage, with};

/// Bugs about proof.
pub(super) const ALL: &[Sabotage] = &[
    Sabotage {
        name: "admit-on-version-alone",
        sentence: "a server of the target version counts as proven",
        caught_by: &["no_user_meets_an_upgrade", "zone_always_served"],
        bug: Bug::Decide(admit_on_version_alone),
        hunted: Hunted::Usually,
    },
    Sabotage {
        name: "empty-threads-are-idle",
        sentence: "a page that lists no deployment threads is read as all of them idle",
        caught_by: &["result_is_true"],
        bug: Bug::Decide(empty_threads_are_idle),
        hunted: Hunted::With(&["no-threads", "busy-idle-busy"]),
    },
    Sabotage {
        name: "busy-threads-are-idle",
        sentence: "the first deployment thread is taken for all of them",
        caught_by: &["result_is_true"],
        bug: Bug::Decide(busy_threads_are_idle),
        hunted: Hunted::With(&["busy-idle-busy"]),
    },
    Sabotage {
        name: "ignore-failed-tests",
        sentence: "tests that fail are taken for flaky",
        caught_by: &["no_user_meets_an_upgrade", "result_is_true"],
        bug: Bug::Decide(ignore_failed_tests),
        hunted: Hunted::With(&["shallow-ping"]),
    },
];

fn admit_on_version_alone(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let early = |server: &usize| {
        let record = &progress.servers[*server];
        record.upgraded.is_some() && record.proven.is_none() && !record.proven_once
    };
    if !layout.half(Half::Updating).any(|it| early(&it)) {
        return decide(layout, progress, view);
    }
    let progress = with(progress, |progress| {
        for server in layout.half(Half::Updating).filter(early) {
            let Some(service) = view.service(layout, server) else { continue };
            let record = &mut progress.servers[server];
            record.deployed_ms = Some(view.now_ms);
            record.proven = Some((layout.target(), service.start.clone()));
            record.proven_once = true;
        }
    });
    decide(layout, &progress, view)
}

/// The procedure with other deployment threads than were read, as soon as one list is suspect.
fn threads(
    layout: &Layout,
    progress: &Progress,
    view: &View,
    suspect: fn(&[ThreadRow]) -> bool,
    instead: fn(&mut Vec<ThreadRow>),
) -> Decision {
    let lists = || view.servers.iter().flat_map(|server| &server.threads);
    if progress.baseline.is_none() || !lists().any(|round| suspect(&round.value)) {
        return decide(layout, progress, view);
    }
    let view = with(view, |view| {
        for round in view.servers.iter_mut().flat_map(|server| &mut server.threads) {
            instead(&mut round.value);
        }
    });
    decide(layout, progress, &view)
}

fn empty_threads_are_idle(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    threads(layout, progress, view, <[ThreadRow]>::is_empty, |rows| {
        // As many as there are when they are listed, so that none seems to have come or gone.
        if rows.is_empty() {
            let idle = |name: &str| ThreadRow { name: name.to_owned(), state: ThreadState::Idle };
            rows.extend(["1", "2", "3"].map(idle));
        }
    })
}

fn busy_threads_are_idle(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let busy = |rows: &[ThreadRow]| rows.iter().any(|row| row.state == ThreadState::Busy);
    threads(layout, progress, view, busy, |rows| {
        for row in rows.iter_mut().filter(|row| row.state == ThreadState::Busy) {
            row.state = ThreadState::Idle;
        }
    })
}

fn ignore_failed_tests(layout: &Layout, progress: &Progress, view: &View) -> Decision {
    let failed = |tested: &evenkeel::procedure::progress::Tested| tested.failure.is_some();
    if !progress.servers.iter().any(|record| record.tested.as_ref().is_some_and(failed)) {
        return decide(layout, progress, view);
    }
    let progress = with(progress, |progress| {
        for record in &mut progress.servers {
            record.test_failures = 0;
            if let Some(tested) = &mut record.tested {
                tested.failure = None;
            }
        }
    });
    decide(layout, &progress, view)
}
