//! `history`: everything that happened in a run, from its journal.
use super::args::HistoryArgs;
use super::carry::report_unreadable;
use super::session::Session;
use super::{Exit, answer, complain};
use crate::journal::tell::{Teller, json};

pub(crate) fn run(args: &HistoryArgs) -> Exit {
    let session = match Session::open(&args.plan) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let (records, torn) = match session.folder.read_journal() {
        Ok(read) => read,
        Err(error) => return report_unreadable(&session, &error),
    };
    let mut teller = Teller::new(session.shown.clone());
    for record in &records {
        let text = teller.tell(record);
        answer(&if args.json { json(record) } else { text });
    }
    if records.is_empty() {
        complain(&format!("evenkeel: the run of {} was never begun", session.shown));
    }
    if torn {
        complain("evenkeel: the last record is being written now, or was torn by a crash");
    }
    Exit::Done
}
