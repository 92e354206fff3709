//! Drives a run in this process until it ends, a signal stops it, or what it came for is refused.
use std::cell::RefCell;
use std::rc::Rc;

use futures_util::future::{Either, select};
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::args::OnHoldArg;
use super::carry::{Call, Kind, exit_of};
use super::session::Session;
use super::world::SystemClock;
use super::{Exit, answer, complain};
use crate::drive::{self, DriveError, Mind, OnHold, Options, World};
use crate::host::process::Processes;
use crate::journal::file::FileStorage;
use crate::journal::requests::FolderInbox;
use crate::journal::tell::{self, Teller};
use crate::journal::{Event, Journal, Notice, Record, Wanted};
use crate::net;

/// Drives a run from where its journal stands; inside a `LocalSet`.
pub(crate) async fn drive_until_stopped(
    session: &Session,
    call: Call,
    journal: Journal<FileStorage>,
    records: Vec<Record>,
    password: SecretString,
) -> Exit {
    let mut teller = Teller::new(session.shown.clone());
    records.iter().for_each(|record| teller.hear(record));
    // A hold that goes on is told by its first process only; whoever takes it up must read it too.
    if let Some(hold) = &teller.standing().hold
        && call.requests.is_empty()
        && !call.how.json
    {
        answer(&tell::hold(&session.shown, &hold.reason, &hold.ways_out, teller.standing()));
    }
    let teller = Rc::new(RefCell::new(teller));
    let refused = Rc::new(Notify::new());
    let world = World {
        dial: net::Tokio,
        launcher: Processes,
        journal,
        records,
        wall: SystemClock,
        inbox: FolderInbox::new(&session.folder),
        password,
        watch: watcher(&call, Rc::clone(&teller), Rc::clone(&refused)),
    };
    let on_hold = match call.how.on_hold {
        OnHoldArg::Wait => OnHold::Wait,
        OnHoldArg::Exit => OnHold::Exit,
    };
    let Call { requests, certificate, .. } = call;
    let options = Options { on_hold, requests, certificate, mind: Mind::default() };
    let stop = std::pin::pin!(stopped(&refused));
    let run = std::pin::pin!(drive::run(&session.plan, &session.hash, world, options));
    // The left one is looked at first. Dropping the drive stops it between two records, which is
    // where a crash would stop it too: the journal knows everything that left.
    let (exit, why) = match select(stop, run).await {
        Either::Right((Ok(verdict), _)) => return exit_of(&verdict),
        Either::Right((Err(error), _)) => (Exit::Failed, drive_failed(session, &error)),
        Either::Left((Ok(Stop::Refused), _)) => {
            (Exit::WrongUse, "That is not possible now, and nothing else was asked for".to_owned())
        }
        Either::Left((Ok(Stop::Signal(name)), _)) => {
            (Exit::PersonNeeded, format!("Stopped by {name}"))
        }
        Either::Left((Err(error), _)) => (Exit::Failed, format!("No signals: {error}")),
    };
    let plan = &session.shown;
    complain(&format!(
        "evenkeel: {why}. NOBODY PROTECTS THE FARM from now on.\n    safe: {}\n    to go on: \
         evenkeel resume {plan}",
        tell::safe(teller.borrow().standing()),
    ));
    exit
}

/// Prints every record, and notices when the one thing that `abort` and `fall-back` came for is
/// not possible: they must not go on to upgrade the farm instead.
fn watcher(
    call: &Call,
    teller: Rc<RefCell<Teller>>,
    refused: Rc<Notify>,
) -> Box<dyn FnMut(&Record)> {
    let json = call.how.json;
    let wanted: Vec<Wanted> = match call.kind {
        Kind::Control => call.requests.iter().map(|request| request.what.clone()).collect(),
        Kind::Apply | Kind::Resume => Vec::new(),
    };
    Box::new(move |record| {
        let text = teller.borrow_mut().tell(record);
        answer(&if json { tell::json(record) } else { text });
        if let Event::Noticed(Notice::NotPossible { want, .. }) = &record.event
            && wanted.contains(want)
        {
            refused.notify_one();
        }
    })
}

enum Stop {
    Signal(&'static str),
    Refused,
}

/// Ends when a signal asks this process to end, or what it came for is refused.
async fn stopped(refused: &Notify) -> std::io::Result<Stop> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let asked = std::pin::pin!(async {
        let (first, second) = (std::pin::pin!(interrupt.recv()), std::pin::pin!(terminate.recv()));
        match select(first, second).await {
            Either::Left(_) => Stop::Signal("SIGINT"),
            Either::Right(_) => Stop::Signal("SIGTERM"),
        }
    });
    Ok(match select(asked, std::pin::pin!(refused.notified())).await {
        Either::Left((stop, _)) => stop,
        Either::Right(_) => Stop::Refused,
    })
}

fn drive_failed(session: &Session, error: &DriveError) -> String {
    format!("{error} (the run's folder is {})", session.folder.path().display())
}
