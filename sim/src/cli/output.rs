//! Files that are written after long work: that they can be, and that they overwrite neither what is
//! rehearsed nor each other, is known before it.
use std::io;
use std::path::{Path, PathBuf};

use evenkeel::place::Place;

use crate::scenario::Scenario;

use super::Exit;

/// A file that is going to be written. Nothing of it is on the disk until then: whoever stops the
/// program meanwhile finds nothing left behind.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
}

impl Output {
    /// Makes sure that a file can be written there.
    ///
    /// # Errors
    /// It cannot.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        drop(Place::reserve(path)?);
        Ok(Self { path: path.to_owned() })
    }

    /// Where it will be.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written after all; what was there is still whole.
    pub(super) fn save(&self, text: &str) -> io::Result<()> {
        Place::reserve(&self.path)?.save(text)
    }
}

/// Where a file will be written, if anywhere.
pub(super) fn reserve(path: Option<&Path>, scenario: &Scenario) -> Result<Option<Output>, Exit> {
    let Some(path) = path else { return Ok(None) };
    spare(path, scenario)?;
    Output::at(path).map(Some).map_err(|error| {
        eprintln!(
            "{}: it cannot be written: {error}; nothing was run. Give another path",
            path.display()
        );
        Exit::Failed
    })
}

/// Writes a file at the end, or says that it is not written.
pub(super) fn save(output: &Output, text: &str) -> Exit {
    match output.save(text) {
        Ok(()) => Exit::Good,
        Err(error) => {
            eprintln!(
                "{}: it could not be written: {error}; what was there is still whole. Run it again \
                 when there is room, or with another path: it comes to the same",
                output.path().display()
            );
            Exit::Failed
        }
    }
}

/// Refuses a path under which what is rehearsed would be overwritten: the file itself, or the farm
/// file that it names or was made from.
pub(super) fn spare(path: &Path, scenario: &Scenario) -> Result<(), Exit> {
    let rehearsed = [&scenario.path, &scenario.plan.farm_file];
    if rehearsed.into_iter().any(|it| are_one(path, it)) {
        eprintln!(
            "{}: this would overwrite what is rehearsed; nothing was run. Give another path",
            path.display()
        );
        return Err(Exit::WrongUse);
    }
    Ok(())
}

/// Refuses paths of which two are one file: what is written last would overwrite the other.
pub(super) fn apart(paths: &[Option<&Path>]) -> Result<(), Exit> {
    let paths: Vec<&Path> = paths.iter().copied().flatten().collect();
    for (nth, path) in paths.iter().enumerate() {
        if paths[..nth].iter().any(|other| are_one(path, other)) {
            eprintln!(
                "{}: two things would be written there; nothing was run. Give each a path of its own",
                path.display()
            );
            return Err(Exit::WrongUse);
        }
    }
    Ok(())
}

fn are_one(path: &Path, other: &Path) -> bool {
    real(path).is_some_and(|path| Some(path) == real(other))
}

/// Where a path leads, also when nothing is there yet; `None` when not even its folder is.
fn real(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| {
        let beside = path.parent().filter(|it| !it.as_os_str().is_empty());
        let folder = beside.unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Goal: nothing lies on the disk before a file is written, what was there is whole until then,
    /// and one file is known by any of its names. Method: a place that is waited for, written, and
    /// named directly, by `..` and by a link.
    #[test]
    fn a_file_is_written_at_the_end_and_known_by_any_name() {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let at = |path: &str| scratch.path().join(path);
        let count = || fs::read_dir(scratch.path()).expect("it is there").count();
        let output = Output::at(&at("report.html")).expect("it can be written");
        assert_eq!(count(), 0, "something lies about while it is waited for");
        output.save("first").expect("there is room");
        let again = Output::at(&at("report.html")).expect("it can be written");
        assert_eq!(fs::read_to_string(at("report.html")).expect("it is there"), "first");
        again.save("second").expect("there is room");
        assert_eq!(fs::read_to_string(at("report.html")).expect("it is there"), "second");
        assert_eq!(count(), 1);
        assert!(Output::at(&at("no/such/folder")).is_err());

        fs::create_dir(at("folder")).expect("there is room");
        std::os::unix::fs::symlink(at("report.html"), at("link")).expect("there is room");
        for other in ["report.html", "folder/../report.html", "link"] {
            assert!(are_one(&at("report.html"), &at(other)), "{other}");
        }
        assert!(are_one(&at("not-yet"), &at("folder/../not-yet")));
        assert!(!are_one(&at("not-yet"), &at("report.html")));
        assert!(!are_one(&at("no/folder"), &at("none/either")));
    }
}
