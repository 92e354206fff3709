//! `plan`: written on its own branch.
use super::Exit;
use super::args::PlanArgs;

pub(crate) fn run(_: &PlanArgs) -> Exit {
    super::complain("not yet");
    Exit::Failed
}
