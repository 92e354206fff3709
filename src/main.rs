//! The `evenkeel` program; everything is in the library.
use std::process::ExitCode;

fn main() -> ExitCode {
    evenkeel::cli::main()
}
