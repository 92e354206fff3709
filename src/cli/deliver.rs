//! Delivers requests to the process that carries a run out, and waits for its answers.
use std::io::{IsTerminal as _, stderr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::carry::report_unreadable;
use super::session::Session;
use super::{Exit, answer, complain};
use crate::journal::lock::{FarmLock, LockError};
use crate::journal::standing::Standing;
use crate::journal::tell::{Teller, json, wanted};
use crate::journal::{Event, Notice, Record, Request, requests};

/// How long an answer may take. The loop takes requests at least once a poll interval, which is
/// 15 s for the slowest by default; four of them are no accident.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Between two looks at the journal: short enough for a person not to notice.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Delivers requests to whoever holds the farm, if that is a run of this plan.
pub(crate) fn to_holder(
    session: &Session,
    held: &LockError,
    requests: &[Request],
    json: bool,
    folders: &[PathBuf],
) -> Exit {
    let other_plan = match held {
        LockError::Held { holder: Some(holder), .. } => holder.plan != session.path,
        // It has only just begun: that it is this plan's will show in the journal.
        LockError::Held { holder: None, .. } => false,
        LockError::Unusable { .. } => {
            complain(&format!("evenkeel: {held}"));
            return Exit::Failed;
        }
    };
    if other_plan || requests.is_empty() {
        let advice = if other_plan {
            "That is another plan's run; this one was not touched."
        } else {
            "`evenkeel status` tells where it stands; approvals and ways out can be given with \
             `evenkeel resume`."
        };
        complain(&format!("evenkeel: {held}.\n{advice}"));
        return Exit::PersonNeeded;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    match runtime {
        Ok(runtime) => runtime
            .block_on(Delivery { session, json, folders }.deliver(requests))
            .unwrap_or_else(|exit| exit),
        Err(error) => {
            complain(&format!("evenkeel: {error}"));
            Exit::Failed
        }
    }
}

struct Delivery<'a> {
    session: &'a Session,
    json: bool,
    folders: &'a [PathBuf],
}

impl Delivery<'_> {
    async fn deliver(&self, requests: &[Request]) -> Result<Exit, Exit> {
        let before = self.read()?;
        self.session.check_journal_is_ours(&Standing::of(&before))?;
        for request in requests {
            requests::deliver(&self.session.folder, request).map_err(|error| {
                complain(&format!("evenkeel: the request cannot be written: {error}"));
                Exit::Failed
            })?;
        }
        let mut teller = Teller::new(self.session.shown.clone());
        before.iter().for_each(|record| teller.hear(record));
        let mut heard = before.len();
        let mut pending: Vec<&Request> = requests.iter().collect();
        let mut all_possible = true;
        let deadline = Instant::now() + ANSWER_MAX;
        self.progress(&format!("asked to {}; waiting …", wanted(&requests[0].what)));
        let mut bytes_read = 0;
        loop {
            // In this order: whatever the holder wrote before it went is read.
            let running = self.is_held()?;
            let bytes = self
                .session
                .folder
                .journal_bytes()
                .map_err(|error| report_unreadable(self.session, &error.into()))?;
            if bytes != bytes_read {
                let records = self.read()?;
                let new = records.get(heard..).unwrap_or_default();
                all_possible &= self.hear(new, &mut teller, &mut pending);
                (heard, bytes_read) = (records.len(), bytes);
            }
            if pending.is_empty() {
                return Ok(if all_possible { Exit::Done } else { Exit::WrongUse });
            }
            if !running || Instant::now() >= deadline {
                return Ok(self.unanswered(running, &pending));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Finds answers among new records, and tells them. False when one of them is a no.
    fn hear(&self, new: &[Record], teller: &mut Teller, pending: &mut Vec<&Request>) -> bool {
        let mut all_possible = true;
        for record in new {
            let (answered, possible) = match &record.event {
                Event::Decided(request) => (pending.iter().position(|it| *it == request), true),
                Event::Noticed(Notice::NotPossible { want, .. }) => {
                    (pending.iter().position(|it| it.what == *want), false)
                }
                _ => (None, true),
            };
            let text = teller.tell(record);
            if let Some(at) = answered {
                pending.remove(at);
                all_possible &= possible;
                answer(&if self.json { json(record) } else { text });
            }
        }
        all_possible
    }

    fn unanswered(&self, running: bool, pending: &[&Request]) -> Exit {
        let plan = &self.session.shown;
        let why = if running {
            format!("The run has not taken it within {} s; it may still.", ANSWER_MAX.as_secs())
        } else {
            format!("The run's process ended first. It waits for `evenkeel resume {plan}`.")
        };
        for request in pending {
            complain(&format!("evenkeel: no answer yet: {}. {why}", wanted(&request.what)));
        }
        Exit::PersonNeeded
    }

    fn read(&self) -> Result<Vec<Record>, Exit> {
        match self.session.folder.read_journal() {
            Ok((records, _)) => Ok(records),
            Err(error) => Err(report_unreadable(self.session, &error)),
        }
    }

    fn is_held(&self) -> Result<bool, Exit> {
        let held = FarmLock::held_by(self.folders, &self.session.plan.farm.name);
        held.map(|held| held.is_some()).map_err(|error| {
            complain(&format!("evenkeel: {error}"));
            Exit::Failed
        })
    }

    fn progress(&self, text: &str) {
        if !self.json && stderr().is_terminal() {
            complain(text);
        }
    }
}
