//! `evenkeel-sim faults`: the catalogue, a line a kind.
use std::io::{self, Write};

use crate::nemesis::Family;

use super::Exit;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  evenkeel-sim faults | grep partition

A name of the first column, or of a family, may be given to `rehearse --faults`. In a
source, owner/name is a repository on github.com, what follows it the name of a file there, and
owner/name#1 an issue or pull request.")]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> Exit {
    match tell(&mut io::stdout().lock()) {
        Ok(()) => Exit::Good,
        // Whoever read the answers has gone; there is nobody to tell.
        Err(_) => Exit::Failed,
    }
}

fn tell(out: &mut impl Write) -> io::Result<()> {
    for family in Family::ALL {
        writeln!(out, "{}", family.name())?;
        for kind in family.kinds() {
            let person = if kind.needs_person { "; a person may be needed" } else { "" };
            writeln!(out, "  {:<32}{}{person}", kind.name, kind.reason)?;
            writeln!(out, "  {:<32}source: {}", "", kind.source)?;
        }
    }
    Ok(())
}
