//! `apply`: written on its own branch.
use super::Exit;
use super::args::{ApplyArgs, ResumeArgs};

pub(crate) fn run(_: &ApplyArgs) -> Exit {
    super::complain("not yet");
    Exit::Failed
}

pub(crate) fn resume(_: &ResumeArgs) -> Exit {
    super::complain("not yet");
    Exit::Failed
}
