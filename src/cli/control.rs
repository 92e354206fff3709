//! `control`: written on its own branch.
use super::Exit;
use super::args::RequestArgs;

pub(crate) fn hold(_: &RequestArgs) -> Exit {
    super::complain("not yet");
    Exit::Failed
}

pub(crate) fn abort(_: &RequestArgs) -> Exit {
    super::complain("not yet");
    Exit::Failed
}

pub(crate) fn fall_back(_: &RequestArgs) -> Exit {
    super::complain("not yet");
    Exit::Failed
}
