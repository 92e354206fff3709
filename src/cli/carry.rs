//! Whether a call carries a run out in this process, asks the one that does, or does not fit.
use std::path::PathBuf;

use super::args::{OnHoldArg, WhoArgs};
use super::driving::drive_until_stopped;
use super::session::Session;
use super::{Exit, complain, deliver, world};
use crate::journal::file::FileStorage;
use crate::journal::lock::{FarmLock, LockError};
use crate::journal::standing::Standing;
use crate::journal::{Journal, JournalError, Record, Request, Verdict, Wanted};
use crate::ports::WallClock as _;
use crate::procedure::decide::{may_abort, may_fall_back};
use crate::procedure::layout::Layout;
use crate::procedure::progress::Progress;
use crate::{plan, secret};

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
    pub(crate) kind: Kind,
    pub(crate) requests: Vec<Request>,
    pub(crate) how: How,
    /// SHA-256 of the rehearsal's certificate that was found good.
    pub(crate) certificate: Option<String>,
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
        Self { kind, requests, how, certificate: None }
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
    let mut begun = standing.plan_hash.is_some();
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
        Some(Verdict::Refused { .. }) if kind == Kind::Apply => begun = false,
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
        Kind::Apply => match plan::verify_farm_unchanged(&session.plan) {
            Ok(()) => {
                warn_outside_of_window(session);
                Ok(())
            }
            Err(changed) => refuse(changed.to_string()),
        },
        Kind::Resume => Ok(()),
    }
}

/// Says so when a run begins at another time of day than its plan found quiet enough. It is a
/// person's decision all the same: there are days on which nobody comes.
fn warn_outside_of_window(session: &Session) {
    let Some(window) = &session.plan.window else { return };
    let seconds = world::SystemClock.now().as_second().rem_euclid(24 * 3_600);
    let minute = u32::try_from(seconds / 60).expect("a day has few minutes");
    if !window.contains(minute) {
        complain(&format!(
            "evenkeel: it is {:02}:{:02} UTC, and the plan's start window is {} to {}: outside \
             of it a half may be too few for the users. `evenkeel abort {}` goes back as long as no \
             server's software was touched.",
            minute / 60,
            minute % 60,
            window.from,
            window.until,
            session.shown,
        ));
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

/// The exit code that a verdict is told with.
pub(crate) fn exit_of(verdict: &Verdict) -> Exit {
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
