//! `apply` and `resume`: carry a plan out, or answer the run that another process carries out.
use super::args::{ApplyArgs, ResumeArgs};
use super::carry::{Call, Kind, carry};
use super::session::Session;
use super::{Exit, certified, complain};
use crate::journal::Wanted;

pub(crate) fn run(args: &ApplyArgs) -> Exit {
    let made = Session::open(&args.plan).and_then(|session| {
        let wanted = session.approvals(args.run.approve.as_ref())?;
        may_begin(&session, args.force.as_deref())?;
        let certificate = match &args.require_rehearsal {
            Some(file) => Some(certified::by(&session, file, args.run.json)?),
            None => None,
        };
        Ok((session, wanted, certificate))
    });
    match made {
        Ok((session, wanted, certificate)) => {
            let call = Call::new(&session, Kind::Apply, wanted, &args.run.who, args.run.how());
            carry(&session, Call { certificate, ..call })
        }
        Err(exit) => exit,
    }
}

/// A plan of which nobody knows a time of day that holds is begun by who says why once more. Other
/// forced plans were judged by the load that their farm file states, and need no second word.
fn may_begin(session: &Session, force: Option<&str>) -> Result<(), Exit> {
    let plan = &session.shown;
    let why = match (session.plan.forced.as_deref(), force) {
        (Some(reason), Some(given)) if reason == given => return Ok(()),
        (Some(_), None) if session.plan.farm.load.is_none() => return Ok(()),
        (None, None) => return Ok(()),
        (Some(reason), _) => format!(
            "{plan} was refused and forced, because: {reason}\nNothing was touched. Begin it with \
             the same `--force REASON`, or plan again when there is less load or more capacity"
        ),
        (None, Some(_)) => {
            format!("{plan} was not refused, so there is nothing to force; nothing was touched")
        }
    };
    complain(&format!("evenkeel: {why}"));
    Err(Exit::WrongUse)
}

pub(crate) fn resume(args: &ResumeArgs) -> Exit {
    let made = Session::open(&args.plan).and_then(|session| {
        let mut wanted = session.approvals(args.run.approve.as_ref())?;
        wanted.extend(way_out(&session, args)?);
        Ok((session, wanted))
    });
    match made {
        Ok((session, wanted)) => {
            let call = Call::new(&session, Kind::Resume, wanted, &args.run.who, args.run.how());
            carry(&session, call)
        }
        Err(exit) => exit,
    }
}

fn way_out(session: &Session, args: &ResumeArgs) -> Result<Option<Wanted>, Exit> {
    Ok(match (&args.retry, &args.by_hand, &args.leave_out) {
        (Some(None), ..) => Some(Wanted::Retry { server: None }),
        (Some(Some(name)), ..) => Some(Wanted::Retry { server: Some(session.server(name)?) }),
        (_, Some(name), _) => Some(Wanted::ByHand { server: session.server(name)? }),
        (.., Some(name)) => Some(Wanted::LeaveOut { server: session.server(name)? }),
        (None, None, None) => None,
    })
}
