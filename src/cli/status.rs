//! `status`: written on its own branch.
use super::Exit;
use super::args::StatusArgs;

pub(crate) fn run(_: &StatusArgs) -> Exit {
    super::complain("not yet");
    Exit::Failed
}
