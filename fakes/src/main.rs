//! `evenkeel-fakes`: serves a whole fake farm on loopback, for demonstrations and for other
//! people's tools; and the client of its shell.
use std::process::ExitCode;

fn main() -> ExitCode {
    evenkeel_fakes::program::main()
}
