//! One scenario and one seed are one run: byte for byte, in any process, alone or in a campaign.
//!
//! If this fails, no seed means anything: look here first.
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Runs `evenkeel-sim rehearse` on the smallest farm, and returns what it wrote to stdout.
fn rehearse(args: &[&str]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_evenkeel")).with_file_name("evenkeel-sim");
    assert!(
        program.is_file(),
        "{} is not there: run tests/run, or `cargo build --workspace --bins` with the profile of \
         these tests",
        program.display()
    );
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/tiny.toml");
    let output = Command::new(program)
        .arg("rehearse")
        .arg(scenario)
        .args(["--faults", "full", "--json"])
        .args(args)
        .output()
        .expect("the program can be run");
    // 4: an invariant was broken. That is another test's business; this one compares.
    assert!(
        matches!(output.status.code(), Some(0 | 4)),
        "{:?}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("the program writes UTF-8")
}

/// The runs of a campaign by seed, without what the machine's speed decides.
fn runs(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("every line is an object"))
        .filter(|it| it.get("seed").is_some())
        .map(|mut it| {
            let fields = it.as_object_mut().expect("every line is an object");
            assert!(fields.remove("wall_s").is_some(), "a run says how long it took");
            it
        })
        .collect()
}

/// Goal: a run depends on nothing of its process. Method: two processes, each with its own random
/// state and memory layout, write every packet, change, record and fault; compare all bytes.
#[test]
fn two_processes_play_the_same_run_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a scratch folder can be made");
    let play = |name: &str| -> (PathBuf, String) {
        let trace = folder.path().join(name);
        let path = trace.to_str().expect("scratch folders have plain names").to_owned();
        (trace, rehearse(&["--seed", "9", "--trace", &path]))
    };
    let (first_trace, first) = play("first");
    let (second_trace, second) = play("second");
    let read = |path: &Path| std::fs::read(path).expect("the trace was written");
    let (first_bytes, second_bytes) = (read(&first_trace), read(&second_trace));
    assert!(first_bytes.len() > 100_000, "only {} bytes: nothing was traced", first_bytes.len());
    if let Some(line) = first_difference(&first_bytes, &second_bytes) {
        panic!("two runs of one seed part at line {line} of their traces");
    }
    assert_eq!(runs(&first), runs(&second));
}

/// The line at which two texts part, counted from 1.
fn first_difference(first: &[u8], second: &[u8]) -> Option<usize> {
    let (mut first, mut second) = (first.split(|b| *b == b'\n'), second.split(|b| *b == b'\n'));
    (1..).find_map(|line| match (first.next(), second.next()) {
        (None, None) => Some(None),
        (one, other) if one != other => Some(Some(line)),
        _ => None,
    })?
}

/// Goal: runs do not touch each other. Method: each seed of a campaign on two threads against the
/// same seed in a process of its own.
#[test]
fn a_seed_alone_equals_the_seed_in_a_campaign() {
    let campaign = runs(&rehearse(&["--seed", "11", "--seeds", "4", "--jobs", "2"]));
    assert_eq!(campaign.len(), 4);
    for (run, seed) in campaign.iter().zip(11..) {
        assert_eq!(run["seed"], seed, "runs are told in the order of their seeds");
        let alone = runs(&rehearse(&["--seed", &seed.to_string()]));
        assert_eq!(alone, std::slice::from_ref(run), "seed {seed} alone and in a campaign");
    }
}

/// Goal: seeds matter. Method: the digests of a few seeds differ from each other.
#[test]
fn another_seed_is_another_run() {
    let mut digests: Vec<String> = runs(&rehearse(&["--seed", "11", "--seeds", "4"]))
        .iter()
        .map(|run| run["digest"].to_string())
        .collect();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), 4, "{digests:?}");
}
