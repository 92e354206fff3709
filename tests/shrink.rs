//! A failure that was kept is all that its replay needs, and what is none is refused. That every
//! planted bug's failure is made small is shown where they are caught, in `tests/sabotage.rs`.
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use evenkeel_sim::failure::{Case, Failure};
use evenkeel_sim::report;
use evenkeel_sim::sabotage::hunt::Hunt;
use evenkeel_sim::sabotage::{self, GuardSwitch, Planted, Sabotage};
use evenkeel_sim::scenario::Scenario;
use evenkeel_sim::shrink::{Shrunk, shrink};

/// Seeds until a bug counts as not caught.
const SEEDS_MAX: u64 = 100;
/// Runs that shrinking may take here.
const RUNS_MAX: u32 = 40;

fn scenario() -> Scenario {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Scenario::load(&root.join("scenarios/six.toml")).unwrap_or_else(|error| panic!("{error}"))
}

/// Hunts a bug without the guard and shrinks what catches it; `None` when nothing does.
fn caught(scenario: &Scenario, sabotage: &'static Sabotage) -> Option<Shrunk> {
    let one = NonZeroUsize::MIN;
    let (seeds_max, faults) = (SEEDS_MAX, None);
    let hunt = Hunt { scenario, faults, seeds_max, starts: 1, guarded: 0, jobs: one };
    let found = hunt.catch(sabotage, 0, &mut BTreeSet::new())?;
    let planted = Planted { sabotage, guard: GuardSwitch::Off };
    let outcome = hunt.run(sabotage, Some(planted.guard), found.seed);
    let case = Case {
        scenario: scenario.clone(),
        without: Vec::new(),
        seed: found.seed,
        schedule: outcome.schedule,
        planted: Some(planted),
    };
    shrink(&case, found.invariant, RUNS_MAX, |_, _| ControlFlow::Continue(()))
}

/// Goal: a kept failure is all that a replay needs. Method: keep a shrunk one in a scratch folder,
/// read it, run it: the same fingerprint; its text says what people need.
#[test]
fn a_kept_failure_replays_to_the_same_fingerprint() {
    let sabotage = sabotage::all().next().expect("there are known bugs");
    let shrunk = caught(&scenario(), sabotage).expect("it is caught");
    let folder = tempfile::tempdir().expect("a scratch folder");
    let failure = Failure::of(&shrunk.case, &shrunk.outcome, folder.path()).expect("it fails");
    let path = folder.path().join(failure.file_name());
    let told = report::failure::text(&shrunk, &path);
    std::fs::write(&path, failure.text(&told)).expect("scratch can be written");
    let read = Failure::load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read, failure);
    let again = read.case(folder.path()).unwrap_or_else(|error| panic!("{error}")).run(None);
    assert_eq!(again.digest, shrunk.outcome.digest);
    let violation = &shrunk.outcome.judgement.violations[0];
    for words in [violation.invariant, violation.sentence, "evenkeel-sim replay", "the last events"]
    {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    for server in shrunk.case.scenario.spec.front_ends.iter().map(|it| &it.name) {
        assert!(told.contains(server.as_str()), "{server} is not in\n{told}");
    }
}

/// Goal: what is no failure is refused, and nothing is run. Method: another format, an unknown
/// bug, a server that is not there.
#[test]
fn what_is_no_failure_is_refused() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/tiny.toml");
    let head = format!("scenario = {:?}\nseed = 1\nbroke = \"x\"\nwhat = \"y\"\n", scenario);
    for (text, says) in [
        (format!("format = 2\n{head}"), "format is 2"),
        (
            format!(
                "format = 1\n{head}planted = {{ sabotage = \"none-such\", guard = \"off\" }}\n"
            ),
            "none-such",
        ),
        (format!("format = 1\n{head}without = [\"fe-9\"]\n"), "fe-9"),
        (format!("format = 1\n{head}colour = 3\n"), "colour"),
    ] {
        let path = folder.path().join("failure.toml");
        std::fs::write(&path, text).expect("scratch can be written");
        let refused = Failure::load(&path).and_then(|failure| failure.case(folder.path()));
        let why = refused.expect_err("it is no failure");
        assert!(why.contains(says) && why.contains("nothing was run"), "{why}");
    }
}
