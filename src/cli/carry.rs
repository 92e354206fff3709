//! Carries a run out in this process: lock, journal, drive, signals, and the exit code.
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use futures_util::future::{Either, select};
use secrecy::SecretString;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::args::{OnHoldArg, WhoArgs};
use super::session::Session;
use super::world::{self, SystemClock};
use super::{Exit, answer, complain, deliver};
use crate::drive::{self, DriveError, OnHold, Options, World};
use crate::host::process::Processes;
use crate::journal::file::FileStorage;
use crate::journal::lock::{FarmLock, LockError};
use crate::journal::requests::FolderInbox;
use crate::journal::standing::Standing;
use crate::journal::tell::{self, Teller};
use crate::journal::{Event, Journal, JournalError, Notice, Record, Request, Verdict, Wanted};
use crate::procedure::decide::{may_abort, may_fall_back};
use crate::procedure::layout::Layout;
use crate::procedure::progress::Progress;
use crate::{net, secret};

/// How a run is carried out in this terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) on_hold: OnHoldArg,
    pub(crate) json: bool,
}

/// Which subcommand calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `apply`: begins a run.
    Apply,
    /// `resume`: takes one up.
    Resume,
    /// `abort`, `fall-back`: takes one up for that alone.
    Control,
}

/// One call.
pub(crate) struct Call {
    kind: Kind,
    requests: Vec<Request>,
    how: How,
}

impl Call {
    pub(crate) fn new(
        session: &Session,
        kind: Kind,
        wanted: Vec<Wanted>,
        who: &WhoArgs,
        how: How,
    ) -> Self {
        let requests = wanted.into_iter().map(|want| session.request(want, who)).collect();
        Self { kind, requests, how }
    }
}

/// Carries a call out: here, or by asking the process that holds the farm.
pub(crate) fn carry(session: &Session, call: Call) -> Exit {
    let locked = world::lock_folders().and_then(|folders| {
        let holder = world::this_process(&session.path);
        match FarmLock::acquire(&folders, &session.plan.farm.name, &holder) {
            Err(held @ LockError::Held { .. }) => Ok(Err((held, folders))),
            other => other.map(Ok),
        }
    });
    match locked {
        Ok(Ok(lock)) => here(session, call, &lock).unwrap_or_else(|exit| exit),
        Ok(Err((held, folders))) => at_holder(session, &call, &held, &folders),
        Err(error) => {
            complain(&format!("evenkeel: {error}; nothing was touched"));
            Exit::Failed
        }
    }
}

fn at_holder(session: &Session, call: &Call, held: &LockError, folders: &[PathBuf]) -> Exit {
    deliver::to_holder(session, held, &call.requests, call.how.json, folders)
}

/// Carries the run out in this process, which holds the farm's lock.
fn here(session: &Session, call: Call, _lock: &FarmLock) -> Result<Exit, Exit> {
    let (records, _) =
        session.folder.read_journal().map_err(|error| report_unreadable(session, &error))?;
    let standing = Standing::of(&records);
    session.check_journal_is_ours(&standing)?;
    may_begin(session, &call, &records, &standing)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| nothing_done(Exit::Failed, &error))?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let password = secret::read(&session.plan.farm.service_center.password)
            .await
            .map_err(|error| nothing_done(Exit::WrongUse, &error))?;
        let (journal, records) = open_journal(session)?;
        Ok(drive_until_stopped(session, call, journal, records, password).await)
    })
}

fn nothing_done(exit: Exit, error: &dyn std::fmt::Display) -> Exit {
    complain(&format!("evenkeel: {error}; nothing was done"));
    exit
}

fn open_journal(session: &Session) -> Result<(Journal<FileStorage>, Vec<Record>), Exit> {
    let unusable = |error: std::io::Error| nothing_done(Exit::Failed, &error);
    session.folder.create().map_err(unusable)?;
    let storage = session.folder.open_journal().map_err(unusable)?;
    let (journal, records) =
        Journal::open(storage).map_err(|error| report_unreadable(session, &error))?;
    if journal.torn_bytes() > 0 {
        complain(
            "evenkeel: the last record was torn by a crash before it was durable; it is cut off",
        );
    }
    Ok((journal, records))
}

/// Whether a call of this kind fits where the run stands; a complaint is printed when not.
fn may_begin(
    session: &Session,
    call: &Call,
    records: &[Record],
    standing: &Standing,
) -> Result<(), Exit> {
    let kind = call.kind;
    let plan = &session.shown;
    let refuse = |text: String| {
        complain(&format!("evenkeel: {text}"));
        Err(Exit::WrongUse)
    };
    let begun = standing.plan_hash.is_some();
    match &standing.ended {
        Some(verdict @ (Verdict::Done { .. } | Verdict::Aborted)) => {
            complain(&format!(
                "evenkeel: the run of {plan} is over. `evenkeel history {plan}` tells how it went; \
                 another run needs another plan."
            ));
            // Who asks for a run that is over to go on has what they want; nobody else has.
            return Err(if kind == Kind::Resume { exit_of(verdict) } else { Exit::WrongUse });
        }
        // A run that was refused touched nothing: it may be begun again.
        Some(Verdict::Refused { .. }) if kind == Kind::Apply => return Ok(()),
        _ => {}
    }
    match kind {
        Kind::Apply if begun => refuse(format!(
            "the run of {plan} was begun; `evenkeel resume {plan}` goes on with it, `evenkeel \
             status {plan}` tells where it stands"
        )),
        Kind::Resume | Kind::Control if !begun => {
            refuse(format!("the run of {plan} was never begun; `evenkeel apply {plan}` begins it"))
        }
        Kind::Control => match impossible(session, call, records) {
            Some(why) => refuse(format!("not possible: {why}; nothing was done")),
            None => Ok(()),
        },
        Kind::Apply | Kind::Resume => Ok(()),
    }
}

/// Why `abort` or `fall-back` cannot be where the journal stands. A run is not taken up for that:
/// the drive would note that it is not possible, and go on with the upgrade.
fn impossible(session: &Session, call: &Call, records: &[Record]) -> Option<String> {
    let layout = Layout::new(&session.plan, &session.hash);
    let mut progress = Progress::new(&layout);
    for record in records {
        progress.apply(&layout, &record.event, 0);
    }
    call.requests.iter().find_map(|request| match request.what {
        Wanted::Abort => may_abort(&progress).err(),
        Wanted::FallBack => may_fall_back(&layout, &progress).err(),
        _ => None,
    })
}

async fn drive_until_stopped(
    session: &Session,
    call: Call,
    journal: Journal<FileStorage>,
    records: Vec<Record>,
    password: SecretString,
) -> Exit {
    let mut teller = Teller::new(session.shown.clone());
    records.iter().for_each(|record| teller.hear(record));
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
    let options = Options { on_hold, requests: call.requests };
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

/// The exit code that a verdict is told with.
fn exit_of(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Done { left_out } if left_out.is_empty() => Exit::Done,
        Verdict::Done { .. } | Verdict::Holding { .. } => Exit::PersonNeeded,
        Verdict::Aborted => Exit::Done,
        Verdict::Refused { .. } => Exit::WrongUse,
    }
}

/// Complains about a journal that cannot be read.
pub(crate) fn report_unreadable(session: &Session, error: &JournalError) -> Exit {
    let path = session.folder.journal();
    let advice = match error {
        JournalError::Damaged { .. } => {
            "\nIt was changed since it was written, so what was done to the farm is not known from \
             it. Nothing was done now. Keep the file; restore it from a backup if there is one."
        }
        JournalError::Disk(_) | JournalError::Poisoned => "; nothing was done",
    };
    complain(&format!("evenkeel: {}: {error}{advice}", path.display()));
    Exit::Failed
}
