//! `evenkeel runbook PLAN [--html]`: the nine steps for people.
use crate::runbook;

use super::args::RunbookArgs;
use super::{Exit, answer, files};

/// Writes a plan's runbook to stdout.
pub(crate) fn run(args: &RunbookArgs) -> Exit {
    match files::plan(&args.plan) {
        Ok(plan) => {
            let document = runbook::of(&plan);
            answer(&if args.html { document.html() } else { document.markdown() });
            Exit::Done
        }
        Err(exit) => exit,
    }
}
