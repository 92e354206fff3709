//! People's requests: carried out when they are possible now, answered with the reason when not.
use crate::journal::{Event, HoldReason, Milestone, Notice, Request, Wanted};
use crate::procedure::decide::{may_abort, may_do_by_hand, may_fall_back, may_leave_out};
use crate::procedure::layout::Layout;
use crate::procedure::progress::Progress;

/// The events that answer a request; none when it was answered before.
pub(super) fn answer(
    layout: &Layout,
    progress: &Progress,
    plan_hash: &str,
    request: Request,
) -> Vec<Event> {
    if progress.decided.contains(&request) {
        return Vec::new(); // delivered twice: its file outlived a crash
    }
    match possible(layout, progress, plan_hash, &request) {
        Ok(()) => {
            let touched = touched_by_hand(layout, progress, &request);
            touched.into_iter().chain([Event::Decided(request)]).collect()
        }
        Err(why) => vec![Event::Noticed(Notice::NotPossible { want: request.what, why })],
    }
}

/// Whoever did a server's jobs before the run had begun any was the first to touch it.
fn touched_by_hand(layout: &Layout, progress: &Progress, request: &Request) -> Option<Event> {
    let Wanted::ByHand { server } = &request.what else { return None };
    let untouched = layout.server(server).is_some_and(|ix| !progress.servers[ix].touched);
    untouched.then(|| Event::Reached {
        server: server.clone(),
        milestone: Milestone::Touched,
        evidence: format!("{} has done its jobs by hand", request.who),
    })
}

fn possible(
    layout: &Layout,
    progress: &Progress,
    plan_hash: &str,
    request: &Request,
) -> Result<(), String> {
    if request.plan_hash != plan_hash {
        return Err("it was meant for another plan".into());
    }
    let known =
        |server| layout.server(server).ok_or_else(|| format!("{server} is no server of this plan"));
    match &request.what {
        Wanted::Approve { step } if (1..=9).contains(step) => Ok(()),
        Wanted::Approve { step } => Err(format!("there is no step {step}")),
        Wanted::Hold => Ok(()),
        Wanted::Abort => may_abort(progress),
        Wanted::FallBack => may_fall_back(layout, progress),
        // A hold that was asked for an instant before may be taken back before it is told.
        Wanted::Retry { server: None } if progress.held.is_some() => Ok(()),
        Wanted::Retry { server: None } if progress.standing_hold.is_some() => Ok(()),
        Wanted::Retry { server: None } => Err("the run does not hold".into()),
        Wanted::Retry { server: Some(server) } => {
            known(server)?;
            needs_help(layout, progress, server)
        }
        Wanted::ByHand { server } => {
            known(server)?;
            needs_help(layout, progress, server)?;
            may_do_by_hand(layout, progress, server)
        }
        Wanted::LeaveOut { server } => {
            known(server)?;
            let held_for = match &progress.held {
                Some(HoldReason::DrainOverdue { server } | HoldReason::KeptOut { server }) => {
                    Some(server)
                }
                _ => None,
            };
            if held_for != Some(server) {
                needs_help(layout, progress, server)?;
            }
            may_leave_out(layout, progress, server)
        }
    }
}

/// The server failed, or the run holds because of it.
fn needs_help(
    layout: &Layout,
    progress: &Progress,
    server: &crate::names::ServerName,
) -> Result<(), String> {
    let failed = layout.server(server).is_some_and(|ix| progress.servers[ix].failure.is_some());
    let held = matches!(
        &progress.held,
        Some(HoldReason::ServerUnknown { server: one } | HoldReason::ServerFailed { server: one })
            if one == server
    );
    if failed || held {
        return Ok(());
    }
    Err(format!("{server} goes on by itself"))
}
