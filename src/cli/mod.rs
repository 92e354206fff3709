//! The command line: one file per subcommand.
//!
//! Answers go to stdout, logs to stderr (level by `EVENKEEL_LOG`). Every subcommand is a function
//! from its arguments to an [`Exit`].
mod apply;
pub mod args;
mod carry;
mod certified;
mod check;
mod control;
mod deliver;
mod driving;
mod external;
mod files;
mod history;
pub mod live;
mod output;
mod plan;
mod plan_text;
mod runbook;
mod session;
mod status;
pub mod world;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::{Cli, Command};
pub(crate) use output::{answer, complain, wrapped};

/// How a call ends: its exit code. The numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Wrong use or an invalid file; nothing was touched.
    WrongUse,
    /// Holding, or something was left out: a person is needed.
    PersonNeeded,
    /// What a subcommand that is another program ended with.
    Other(u8),
}

impl Exit {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::WrongUse => 2,
            Self::PersonNeeded => 3,
            Self::Other(code) => code,
        }
    }
}

/// The program: reads the command line and carries it out.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("EVENKEEL_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    // A second subscriber can only be there in tests that call this twice.
    let _ =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    ExitCode::from(run(&cli.command).code())
}

/// Carries one subcommand out.
#[must_use]
pub fn run(command: &Command) -> Exit {
    match command {
        Command::Check(args) => check::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Runbook(args) => runbook::run(args),
        Command::Apply(args) => apply::run(args),
        Command::Resume(args) => apply::resume(args),
        Command::Hold(args) => control::hold(args),
        Command::Abort(args) => control::abort(args),
        Command::FallBack(args) => control::fall_back(args),
        Command::Status(args) => status::run(args),
        Command::History(args) => history::run(args),
        Command::External(argv) => external::run(argv),
    }
}
