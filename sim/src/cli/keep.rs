//! What is done about a violation: it is shrunk, told and kept.
use std::fs;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::failure::{Case, Failure};
use crate::report::failure;
use crate::shrink::{self, Shrunk};

/// Shrinks with progress on a terminal; `None` when the invariant is not broken.
pub(super) fn shrink(case: &Case, broke: &str, runs_max: u32) -> Option<Shrunk> {
    let terminal = io::stderr().is_terminal();
    let shrunk = shrink::shrink(case, broke, runs_max, |runs, events| {
        if terminal {
            eprint!("\rshrinking: {runs} of at most {runs_max} runs, {events} events ");
        }
        ControlFlow::Continue(())
    });
    if terminal {
        eprintln!();
    }
    shrunk
}

/// Shrinks a violation, and keeps it in a folder. Returns what is told about it.
///
/// # Errors
/// The folder or the file cannot be written.
pub(super) fn keep(
    case: &Case,
    broke: &str,
    runs_max: u32,
    folder: &Path,
) -> io::Result<(PathBuf, String)> {
    let shrunk = shrink(case, broke, runs_max).expect("the same run breaks the same invariant");
    fs::create_dir_all(folder)?;
    let failure = of(&shrunk, folder);
    let path = folder.join(failure.file_name());
    write(&shrunk, &path)?;
    let told = failure::text(&shrunk, &path);
    Ok((path, told))
}

/// Writes a failure with its timeline above it.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(shrunk: &Shrunk, path: &Path) -> io::Result<()> {
    let failure = of(shrunk, path.parent().unwrap_or(Path::new("")));
    fs::write(path, failure.text(&failure::text(shrunk, path)))
}

fn of(shrunk: &Shrunk, folder: &Path) -> Failure {
    Failure::of(&shrunk.case, &shrunk.outcome, folder).expect("a shrunk failure is a failure")
}
