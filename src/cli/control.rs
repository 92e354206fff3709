//! `hold`, `abort` and `fall-back`: requests to a run, whether or not a process carries it out.
use super::args::RequestArgs;
use super::carry::{Call, Kind, carry, report_unreadable};
use super::session::Session;
use super::{Exit, answer, complain, deliver, world};
use crate::journal::lock::FarmLock;
use crate::journal::standing::Standing;
use crate::journal::{Wanted, requests};

/// Stops a run's progress. Where no process carries the run out there is none to stop: the
/// request waits for the next one.
pub(crate) fn hold(args: &RequestArgs) -> Exit {
    hold_plan(args).unwrap_or_else(|exit| exit)
}

fn hold_plan(args: &RequestArgs) -> Result<Exit, Exit> {
    let session = Session::open(&args.plan)?;
    let request = session.request(Wanted::Hold, &args.who);
    let (records, _) =
        session.folder.read_journal().map_err(|error| report_unreadable(&session, &error))?;
    let standing = Standing::of(&records);
    session.check_journal_is_ours(&standing)?;
    let unusable = |error| {
        complain(&format!("evenkeel: {error}"));
        Exit::Failed
    };
    let folders = world::lock_folders().map_err(unusable)?;
    let held = FarmLock::held_by(&folders, &session.plan.farm.name).map_err(unusable)?;
    if let Some(held) = held {
        return Ok(deliver::to_holder(&session, &held, &[request], args.json, &folders));
    }
    if standing.plan_hash.is_none() || standing.is_over() {
        let state = if standing.is_over() { "is over" } else { "was never begun" };
        complain(&format!("evenkeel: the run of {} {state}: nothing to hold", session.shown));
        return Err(Exit::WrongUse);
    }
    requests::deliver(&session.folder, &request).map_err(|error| {
        complain(&format!("evenkeel: the request cannot be written: {error}"));
        Exit::Failed
    })?;
    answer(&format!(
        "No process carries out {0} now, so nothing progresses and nobody protects the farm.\n\
         The request waits: `evenkeel resume {0}` will protect, and hold.",
        session.shown
    ));
    Ok(Exit::Done)
}

/// Restores the baseline and ends the run.
pub(crate) fn abort(args: &RequestArgs) -> Exit {
    control(args, Wanted::Abort)
}

/// Puts traffic back on the loaded half.
pub(crate) fn fall_back(args: &RequestArgs) -> Exit {
    control(args, Wanted::FallBack)
}

fn control(args: &RequestArgs, want: Wanted) -> Exit {
    match Session::open(&args.plan) {
        Ok(session) => {
            let call = Call::new(&session, Kind::Control, vec![want], &args.who, args.how());
            carry(&session, call)
        }
        Err(exit) => exit,
    }
}
