//! `evenkeel-sim shrink`: a failure made smaller, as often as one likes.
use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::report::failure;

use super::{Exit, keep};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  evenkeel-sim shrink scenarios/regressions/retail-run_ends_or_holds-80.toml --runs 1000

Writes the smaller failure over the larger one. Exit codes: 0 it is as small as it gets within the
budget, 1 it cannot be written, 2 no such failure, or nothing is broken in it any more.")]
pub(super) struct Args {
    /// A failure, as `rehearse` keeps it
    #[arg(value_name = "FAILURE")]
    file: PathBuf,
    /// How many runs it may take
    #[arg(long, value_name = "N", default_value = "500")]
    runs: NonZeroU32,
}

pub(super) fn run(args: &Args) -> Exit {
    let folder = args.file.parent().unwrap_or(Path::new(""));
    let read = Failure::load(&args.file)
        .and_then(|failure| failure.case(folder).map(|case| (failure.broke, case)));
    let (broke, case) = match read {
        Ok(read) => read,
        Err(why) => {
            eprintln!("{why}");
            return Exit::WrongUse;
        }
    };
    let Some(shrunk) = keep::shrink(&case, &broke, args.runs.get()) else {
        eprintln!(
            "{}: {broke} is not broken (any more), so there is nothing to shrink; \
             `evenkeel-sim replay` tells the run",
            args.file.display()
        );
        return Exit::WrongUse;
    };
    // Written before it is told: whoever reads may go away.
    let written = keep::overwrite(&shrunk, &args.file);
    let _gone = writeln!(io::stdout(), "{}", failure::text(&shrunk, &args.file));
    match written {
        Ok(()) => Exit::Good,
        Err(error) => {
            eprintln!(
                "{}: the smaller failure cannot be written: {error}; the larger one is there as it \
                 was, and what became of it is told above",
                args.file.display()
            );
            Exit::Failed
        }
    }
}
