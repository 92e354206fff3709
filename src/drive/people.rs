//! People's requests: carried out when they are possible now, answered with the reason when not.
use crate::journal::{Event, HoldReason, Notice, Request, Wanted};
use crate::procedure::decide::{may_abort, may_fall_back, may_leave_out};
use crate::procedure::layout::Layout;
use crate::procedure::progress::Progress;

/// The event that answers a request; `None` when it was answered before.
pub(super) fn answer(
    layout: &Layout,
    progress: &Progress,
    plan_hash: &str,
    request: Request,
) -> Option<Event> {
    if progress.decided.contains(&request) {
        return None; // delivered twice: its file outlived a crash
    }
    Some(match possible(layout, progress, plan_hash, &request) {
        Ok(()) => Event::Decided(request),
        Err(why) => Event::Noticed(Notice::NotPossible { want: request.what, why }),
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
            let ix = known(server)?;
            needs_help(layout, progress, server)?;
            let record = &progress.servers[ix];
            if record.touched && record.upgraded.is_none() {
                return Ok(());
            }
            Err(format!("no upgrade job of {server} stands open"))
        }
        Wanted::LeaveOut { server } => {
            known(server)?;
            if !matches!(&progress.held, Some(HoldReason::DrainOverdue { server: one }) if one == server)
            {
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
