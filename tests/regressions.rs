//! What a rehearsal once found stays mended: every failure that was kept is replayed for ever.
use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_sim::failure::Failure;
use evenkeel_sim::report::failure::{idle, stale};

/// Faults of kept failures that need only strike, by file and by place in it. Every other one must
/// change something too: one that lies in wait and is never met tests nothing.
const MAY_CHANGE_NOTHING: [(&str, usize); 8] = [
    // Asked when the last admission leaves: the run is done before it heeds anybody.
    ("retail-one_version_in_rotation-591.toml", 1),
    // Lies in wait for an upgrade to which the run, which falls back, never comes.
    ("tiny-run_ends_or_holds-130.toml", 1),
    // The login that was refused is not asked for any more, where a proven console answers without one;
    // and what an agent says is what its member is.
    ("retail-capacity_covers_load-2024.toml", 2),
    ("retail-capacity_covers_load-2024.toml", 3),
    // An agent that says what its member is, and is heard in place of another until it goes.
    ("tiny-zone_always_served-12896.toml", 1),
    // Came upon an Enable that the run put off; now it is done before them.
    ("tiny-zone_always_served-15285.toml", 0),
    ("tiny-zone_always_served-15285.toml", 1),
    // Lies in wait for an installer that a person has run by hand: the run takes that up.
    ("tiny-run_ends_or_holds-3908.toml", 1),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/regressions")
}

/// What is wrong with a kept failure: nothing is, when it breaks nothing and tests something.
fn wrong_with(path: &Path) -> Vec<String> {
    let failure = Failure::load(path).unwrap_or_else(|error| panic!("{error}"));
    if let Some(planted) = failure.planted {
        return vec![format!(
            "this file has a planted bug, {}: it belongs elsewhere, since it is red for as long as \
             that is planted; `rehearse --sabotage` keeps such failures in the folder `planted`",
            planted.sabotage.name
        )];
    }
    let case = failure.case(&folder()).unwrap_or_else(|error| panic!("{error}"));
    let outcome = case.run(None);
    let violations = outcome.judgement.violations.iter();
    let broken = violations.map(|it| format!("{}: {}", it.invariant, it.what));
    let stale = stale(&case, &outcome)
        .map(|(place, planned)| format!("stale: fault {place} never struck: {}", planned.fault));
    let name = path.file_name().expect("a file has a name");
    let idle = idle(&case, &outcome)
        .filter(|(place, _)| !MAY_CHANGE_NOTHING.iter().any(|it| name == it.0 && *place == it.1))
        .map(|(place, planned)| {
            format!("stale: fault {place} struck and changed nothing: {}", planned.fault)
        });
    broken.chain(stale).chain(idle).collect()
}

/// Goal: nothing that was once broken breaks again, and every regression still tests something.
/// Method: replay each file of the folder; nothing may be broken, and each of its events must strike
/// and change something: one whose events no longer do is stale, and is to be drawn anew or deleted.
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
        let of_file = wrong_with(&path);
        wrong.extend(of_file.iter().map(|what| format!("{}: {what}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
