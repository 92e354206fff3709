//! The `evenkeel-sim` program; everything is in the library.
use std::process::ExitCode;

/// A rehearsal makes and frees a thousand small things a simulated second.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    evenkeel_sim::cli::main()
}
