//! A failure as a file: which scenario, which seed, which faults, and what was broken. It is all
//! that a replay needs, whatever becomes of the drawing of schedules.
//!
//! ```toml
//! format = 1
//! scenario = "../retail.toml"     # beside this file
//! seed = 80
//! broke = "run_ends_or_holds"
//! what = "it neither ended nor held by its deadline"
//!
//! [[planned]]
//! trigger = { when = "step", step = 9, after_ms = 0 }
//! fault = { family = "front-end", kind = "front-end-crash", server = "fe-4" }
//! ```
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::nemesis::{Planned, Schedule, Source};
use crate::sabotage::Planted;
use crate::scenario::Scenario;
use crate::world::{Order, Outcome, Witness, rehearse};

/// Version of the file's format.
const FORMAT: u32 = 1;
/// Longest file read: a hundred faults take a tenth of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A run in which an invariant was broken, or was once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Version of this format.
    pub format: u32,
    /// The file that is rehearsed, relative to the folder of this one.
    pub scenario: PathBuf,
    /// Front-ends of the farm that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// The known bug that was planted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<Planted>,
    /// The invariant that was broken first.
    pub broke: String,
    /// What was wrong, in the oracle's words.
    pub what: String,
    /// The faults.
    #[serde(default)]
    pub planned: Vec<Planned>,
}

/// A failure that can be run again.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is rehearsed, without the servers that are left out.
    pub scenario: Scenario,
    /// Front-ends left out.
    pub without: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// The known bug that is planted.
    pub planted: Option<Planted>,
    /// The faults.
    pub schedule: Schedule,
}

impl Case {
    /// Runs it.
    #[must_use]
    pub fn run(&self, witness: Option<Box<dyn Witness>>) -> Outcome {
        let faults = Source::Given(self.schedule.clone());
        let (scenario, seed, planted) = (&self.scenario, self.seed, self.planted);
        rehearse(Order { witness, planted, ..Order::new(scenario, seed, &faults) })
    }
}

impl Failure {
    /// The failure of a case, to be kept in a folder that is there.
    #[must_use]
    pub fn of(case: &Case, outcome: &Outcome, folder: &Path) -> Option<Self> {
        let violation = outcome.judgement.violations.first()?;
        Some(Self {
            format: FORMAT,
            scenario: relative(&case.scenario.path, folder),
            without: case.without.clone(),
            seed: case.seed,
            planted: case.planted,
            broke: violation.invariant.to_owned(),
            what: violation.what.clone(),
            planned: case.schedule.planned.clone(),
        })
    }

    /// Reads a failure.
    ///
    /// # Errors
    /// The file cannot be read, is no failure, or is of another format.
    pub fn load(path: &Path) -> Result<Self, String> {
        let wrong = |what: String| format!("{}: {what}; nothing was run", path.display());
        let file =
            File::open(path).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
        let mut text = String::new();
        file.take(FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)
            .map_err(|error| wrong(format!("it cannot be read: {error}")))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(wrong(format!("it is longer than {FILE_BYTES_MAX} bytes")));
        }
        let failure: Self = toml::from_str(&text).map_err(|error| {
            wrong(format!("it is no failure, as `rehearse` keeps them in `regressions`: {error}"))
        })?;
        if failure.format != FORMAT {
            return Err(wrong(format!(
                "its format is {}, and this program reads {FORMAT}",
                failure.format
            )));
        }
        Ok(failure)
    }

    /// The case of a failure that was read from a folder.
    ///
    /// # Errors
    /// The scenario cannot be read, or not without the servers that are left out.
    pub fn case(&self, folder: &Path) -> Result<Case, String> {
        let path = folder.join(&self.scenario);
        let whole = Scenario::load(&path).map_err(|error| error.to_string())?;
        let scenario = whole.without(&self.without).ok_or_else(|| {
            let names = self.without.join(", ");
            format!("{}: there is no plan without {names}; nothing was run", path.display())
        })?;
        let schedule = Schedule { planned: self.planned.clone() };
        let (without, seed, planted) = (self.without.clone(), self.seed, self.planted);
        Ok(Case { scenario, without, seed, planted, schedule })
    }

    /// As the file has it, under a heading of comments.
    #[must_use]
    pub fn text(&self, heading: &str) -> String {
        let mut text: String = heading
            .lines()
            .map(|line| if line.is_empty() { "#\n".to_owned() } else { format!("# {line}\n") })
            .collect();
        text.push_str(&toml::to_string(self).expect("a failure is data"));
        text
    }

    /// The name of its file: what was broken, where, and at which seed.
    #[must_use]
    pub fn file_name(&self) -> String {
        let scenario =
            self.scenario.file_stem().map_or("run".into(), |name| name.to_string_lossy());
        let planted = self.planted.map(|it| format!("-{}", it.sabotage.name)).unwrap_or_default();
        format!("{scenario}{planted}-{}-{}.toml", self.broke, self.seed)
    }
}

/// A path as seen from a folder, by the folders that both are in. Links and `..` of both are
/// followed first, since whoever reads the file follows them. The file of the path itself is not: by
/// a link's name, what it names is looked for beside the link.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    let real = |folder: &Path| match folder.as_os_str().is_empty() {
        true => Path::new(".").canonicalize(),
        false => folder.canonicalize(),
    };
    let found = path.parent().zip(path.file_name()).and_then(|(beside, name)| {
        let path = real(beside).ok()?.join(name);
        Some((path, real(folder).ok()?))
    });
    let Some((path, folder)) = found else {
        // What cannot be followed is named from the root: that is right until it is moved.
        return std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    };
    let common = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| std::path::Component::ParentDir);
    up.chain(path.components().skip(common)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Goal: a failure that is moved with its folder finds its scenario. Method: folders beside,
    /// above and elsewhere; one with `..` in it, one relative to where the program runs, one that is
    /// a link, and a scenario that is one. Each name leads from the folder to the file.
    #[test]
    fn a_scenario_is_named_from_the_folder_of_the_failure() {
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let at = |path: &str| scratch.path().join(path);
        fs::create_dir_all(at("a/b/regressions")).expect("there is room");
        fs::create_dir_all(at("c/d/e")).expect("there is room");
        fs::write(at("a/b/retail.toml"), "").expect("there is room");
        std::os::unix::fs::symlink(at("c/d/e"), at("a/b/elsewhere")).expect("there is room");
        std::os::unix::fs::symlink(at("a/b/retail.toml"), at("c/link.toml"))
            .expect("there is room");
        for (path, folder, name) in [
            ("a/b/retail.toml", "a/b/regressions", "../retail.toml"),
            ("a/b/retail.toml", "a/b", "retail.toml"),
            ("a/b/retail.toml", "c/d", "../../a/b/retail.toml"),
            ("a/b/retail.toml", "a/b/../../c", "../a/b/retail.toml"),
            ("a/b/regressions/../retail.toml", "a", "b/retail.toml"),
            ("a/b/retail.toml", "a/b/elsewhere", "../../../a/b/retail.toml"),
            ("c/link.toml", "c/d", "../link.toml"),
        ] {
            let (path, folder) = (at(path), at(folder));
            assert_eq!(relative(&path, &folder), Path::new(name), "from {}", folder.display());
            let found = folder.join(name).canonicalize().expect("the name leads to it");
            assert_eq!(found, path.canonicalize().expect("it is there"));
        }
        // Tests run in their crate's folder, which is `sim`.
        let here = |folder: &str| relative(Path::new("src/failure.rs"), Path::new(folder));
        assert_eq!(here(""), Path::new("src/failure.rs"));
        assert_eq!(here("src/report/../cli"), Path::new("../failure.rs"));
        assert_eq!(here("../tests"), Path::new("../sim/src/failure.rs"));
    }
}
