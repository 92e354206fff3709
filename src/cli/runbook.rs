//! `runbook`: written on its own branch.
use super::Exit;
use super::args::RunbookArgs;

pub(crate) fn run(_: &RunbookArgs) -> Exit {
    super::complain("not yet");
    Exit::Failed
}
