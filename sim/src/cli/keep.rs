//! What is done about a violation: it is shrunk, told and kept.
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use evenkeel::place::Place;

use crate::failure::{Case, Failure};
use crate::nemesis::Choice;
use crate::report::{self, failure};
use crate::shrink::{self, Shrunk};

/// The first violation of each invariant.
pub(super) type Violated = BTreeMap<&'static str, Case>;

/// How violations are kept.
pub(super) struct Keeping<'a> {
    /// Runs that may be spent on making each small; 0 leaves it as it is.
    pub(super) runs_max: u32,
    /// Where.
    pub(super) folder: &'a Path,
    /// The faults of the campaign in which they were found.
    pub(super) faults: &'a Choice,
    /// What is told about them is for people: where programs read stdout, it goes to stderr.
    pub(super) to_program: bool,
}

/// A failure in its file.
struct Kept {
    path: PathBuf,
    /// What is told about it, which the file has too.
    told: String,
    /// The same failure was there before, and stays as it was.
    before: bool,
}

/// Shrinks violations, tells and keeps them. One that cannot be kept is told all the same, and the
/// others are kept.
pub(super) fn each(violated: Violated, keeping: &Keeping<'_>) {
    for (invariant, case) in violated {
        // Before the long work of shrinking.
        let folder = fs::create_dir_all(keeping.folder);
        let shrunk = shrink(&case, invariant, keeping.runs_max);
        let shrunk = shrunk.expect("the same run breaks the same invariant");
        match folder.and_then(|()| keep(&shrunk, keeping.folder)) {
            Ok(kept) => keeping.tell(&format!("\n{}\n{}", kept.told, where_it_is(&case, &kept))),
            Err(error) => {
                let faults = keeping.faults;
                let again = report::replay(&case.scenario.path, case.seed, faults, case.planted);
                keeping.tell(&format!("\n{}", failure::told(&shrunk, &again)));
                eprintln!(
                    "{}: this failure could not be kept: {error}. It is told all the same, and \
                     `{again}` breaks it again; `--failures FOLDER` keeps it elsewhere",
                    keeping.folder.display()
                );
            }
        }
    }
}

impl Keeping<'_> {
    fn tell(&self, words: &str) {
        match self.to_program {
            true => eprintln!("{words}"),
            // Whoever reads may have gone: it is kept all the same.
            false => _ = writeln!(io::stdout(), "{words}"),
        }
    }
}

fn where_it_is(case: &Case, kept: &Kept) -> String {
    let path = kept.path.display();
    let how = if kept.before { "kept before, and left as it was, in" } else { "kept in" };
    match case.planted {
        None => format!("{how} {path}"),
        Some(_) => format!("{how} {path}: no regression, since its bug is planted in every replay"),
    }
}

/// Shrinks with progress on a terminal; `None` when the invariant is not broken.
pub(super) fn shrink(case: &Case, broke: &str, runs_max: u32) -> Option<Shrunk> {
    let terminal = io::stderr().is_terminal() && runs_max > 0;
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

/// Keeps a failure in a folder that is there, under a name of its own: another one of the same name
/// stays.
///
/// # Errors
/// The file cannot be written; then there is none.
fn keep(shrunk: &Shrunk, folder: &Path) -> io::Result<Kept> {
    let failure = of(shrunk, folder);
    let name = failure.file_name();
    let mut nth = 1;
    loop {
        let path = folder.join(numbered(&name, nth));
        if path.symlink_metadata().is_ok() {
            if Failure::load(&path).is_ok_and(|it| it == failure) {
                let told = failure::text(shrunk, &path);
                return Ok(Kept { path, told, before: true });
            }
            nth += 1;
            continue;
        }
        let told = failure::text(shrunk, &path);
        match File::create_new(&path) {
            Ok(mut file) => {
                if let Err(error) = file.write_all(failure.text(&told).as_bytes()) {
                    // Half a failure is none.
                    _ = fs::remove_file(&path);
                    return Err(error);
                }
                return Ok(Kept { path, told, before: false });
            }
            // Somebody was faster: his is looked at.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// A file's name, with a number from the second of that name on.
fn numbered(name: &str, nth: u32) -> String {
    match (nth, name.strip_suffix(".toml")) {
        (2.., Some(stem)) => format!("{stem}-{nth}.toml"),
        _ => name.to_owned(),
    }
}

/// Writes a failure with its timeline above it, over the one that is there.
///
/// # Errors
/// The file cannot be written; the one that is there stays as it was.
pub(super) fn overwrite(shrunk: &Shrunk, path: &Path) -> io::Result<()> {
    let failure = of(shrunk, path.parent().unwrap_or(Path::new("")));
    Place::reserve(path)?.save(&failure.text(&failure::text(shrunk, path)))
}

fn of(shrunk: &Shrunk, folder: &Path) -> Failure {
    Failure::of(&shrunk.case, &shrunk.outcome, folder).expect("a shrunk failure is a failure")
}
