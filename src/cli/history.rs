//! `history`: written on its own branch.
use super::Exit;
use super::args::HistoryArgs;

pub(crate) fn run(_: &HistoryArgs) -> Exit {
    super::complain("not yet");
    Exit::Failed
}
