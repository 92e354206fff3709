//! What a rehearsal once found stays mended: every failure that was kept is replayed for ever.
use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_sim::failure::Failure;
use evenkeel_sim::report::failure::stale;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/regressions")
}

/// Goal: nothing that was once broken breaks again, and every regression still tests something.
/// Method: replay each file of the folder; nothing may be broken, and each of its events must
/// strike: one whose events no longer fire is stale, and is to be drawn anew or deleted.
#[test]
fn kept_failures_hold_and_still_strike() {
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there is nothing to replay in {}", folder().display());
    let mut wrong = Vec::new();
    for path in files {
        let name = path.display();
        let failure = Failure::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let case = failure.case(&folder()).unwrap_or_else(|error| panic!("{error}"));
        let outcome = case.run(None);
        for violation in &outcome.judgement.violations {
            wrong.push(format!("{name}: {}: {}", violation.invariant, violation.what));
        }
        for (place, planned) in stale(&case, &outcome) {
            wrong.push(format!("{name}: stale: fault {place} never struck: {}", planned.fault));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
