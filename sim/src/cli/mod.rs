//! The command line of `evenkeel-sim`: one file per subcommand.
//!
//! Answers go to stdout, complaints to stderr, progress only to a terminal. Exit codes: 0 no
//! violation · 1 failed (a file could not be written) · 2 wrong use or invalid file, nothing was
//! run · 4 an invariant was broken, or less was reached than should have been.
mod certificate;
mod crash_points;
mod faults;
mod keep;
mod output;
mod profile;
mod rehearse;
mod replay;
mod sabotage;
mod shrink;
mod telling;
mod trace_file;
mod tune;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::scenario::Scenario;

/// Rehearses upgrades: the real orchestrator against a simulated farm, under injected faults.
#[derive(Debug, Parser)]
#[command(name = "evenkeel-sim", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a plan, a farm or a scenario under many seeds, and checks every invariant.
    Rehearse(rehearse::Args),
    /// Lists what can go wrong, with reasons and sources.
    Faults(faults::Args),
    /// Runs a kept failure again, told step by step.
    Replay(replay::Args),
    /// Makes a kept failure smaller.
    Shrink(shrink::Args),
    /// Reads access logs, and writes the `[load]` section of a farm file.
    Profile(profile::Args),
    /// Plants known bugs, one after the other, and counts the seeds until each is caught.
    Sabotage(sabotage::Args),
    /// Sweeps drain and poll timing under load and faults, tells figures, recommends a policy.
    Tune(tune::Args),
}

/// How a call ends, the worse after the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exit {
    Good,
    Failed,
    WrongUse,
    Violation,
}

/// The program: reads the command line and carries it out.
#[must_use]
pub fn main() -> ExitCode {
    let exit = match Cli::parse().command {
        Command::Rehearse(args) => rehearse::run(&args),
        Command::Faults(args) => faults::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Shrink(args) => shrink::run(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Sabotage(args) => sabotage::run(&args),
        Command::Tune(args) => tune::run(&args),
    };
    ExitCode::from(match exit {
        Exit::Good => 0,
        Exit::Failed => 1,
        Exit::WrongUse => 2,
        Exit::Violation => 4,
    })
}

/// Whether the answers were written.
fn answered(written: io::Result<()>) -> Exit {
    match written {
        Ok(()) => Exit::Good,
        // Whoever read them has gone; there is nobody to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Failed,
        Err(error) => {
            eprintln!("the answers cannot be written: {error}");
            Exit::Failed
        }
    }
}

/// What is to be rehearsed; what is wrong with it is told.
fn load(path: &Path) -> Result<Scenario, Exit> {
    Scenario::load(path).map_err(|error| {
        eprintln!("{error}");
        Exit::WrongUse
    })
}
