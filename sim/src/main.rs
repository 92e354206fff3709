//! The `evenkeel-sim` program; everything is in the library.
use std::process::ExitCode;

fn main() -> ExitCode {
    evenkeel_sim::cli::main()
}
