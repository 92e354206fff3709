//! `evenkeel-sim replay`: a kept failure again, told step by step.
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::report::failure;
use crate::world::{Witness, clock};

use super::Exit;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  evenkeel-sim replay scenarios/regressions/retail-run_ends_or_holds-80.toml

Tells every record of the journal, every change of ground truth and every fault as they come, then
what was broken. Exit codes: 0 nothing is broken (any more), 2 no such failure, 4 it still is.")]
pub(super) struct Args {
    /// A failure, as `rehearse` keeps it
    #[arg(value_name = "FAILURE")]
    file: PathBuf,
}

/// Prints what happens.
struct Teller;

impl Witness for Teller {
    fn told(&mut self, at_ms: u64, line: &str) {
        // Whoever reads may go away; the run ends all the same.
        let _gone = writeln!(io::stdout(), "{}  {line}", clock(at_ms));
    }
}

pub(super) fn run(args: &Args) -> Exit {
    let folder = args.file.parent().unwrap_or(Path::new(""));
    let case = Failure::load(&args.file).and_then(|failure| failure.case(folder));
    let case = match case {
        Ok(case) => case,
        Err(why) => {
            eprintln!("{why}");
            return Exit::WrongUse;
        }
    };
    let outcome = case.run(Some(Box::new(Teller)));
    let _gone = write!(io::stdout(), "{}", failure::ending(&case, &outcome));
    match outcome.judgement.violations.is_empty() {
        true => Exit::Good,
        false => Exit::Violation,
    }
}
